//! What Resize does along one axis: which elements of the input each element of the output is made
//! of, and with which weights.
//!
//! Resizing several axes is resizing one after the other, and its gradient is the transpose of each.
//! Coordinates are computed in f32, operation by operation as ONNX Runtime does, since a nearest
//! neighbour hangs on their last bit.

use super::OpError;
use super::index::IndexMap;
use crate::tensor::Value;

/// From the position of an element of the output to a coordinate in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// Centres of elements keep their relative places.
    HalfPixel,
    /// As `HalfPixel`, around the middle also where the output has no whole length.
    HalfPixelSymmetric,
    /// As `HalfPixel`, but 0 for an output of one element.
    PytorchHalfPixel,
    /// Beginnings of elements keep their relative places.
    Asymmetric,
    /// The first and the last elements lie upon each other.
    AlignCorners,
    /// As `AlignCorners`, for a part of the input; outside the input there is a constant.
    TfCropAndResize,
    /// `(x + ½) / scale`: of opsets 11 and 12.
    TfHalfPixelForNearest,
}

/// Which neighbour is the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nearest {
    /// In the middle the one before.
    RoundPreferFloor,
    /// In the middle the one behind.
    RoundPreferCeil,
    /// The one before.
    Floor,
    /// The one behind.
    Ceil,
    /// The one before where the axis grows, the one behind where it shrinks: before opset 11.
    ByDirection,
}

/// How values between elements are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interpolation {
    /// They are those of a neighbour.
    Nearest(Nearest),
    /// On a line between two.
    Linear,
    /// On a cubic curve through four (Keys 1981); `a` is its slope outside.
    Cubic {
        /// Usually −0.75 or −0.5.
        a: f32,
    },
}

/// How one axis is resized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resampling {
    pub(super) input: usize,
    pub(super) output: usize,
    /// Output by input, as the file states it or as the sizes give it.
    pub(super) scale: f32,
    /// Length of the output before it was made a whole number.
    pub(super) length: f64,
    /// The part of the input that is resized: beginning and end, relative to its length.
    pub(super) region: [f32; 2],
}

/// How an axis is resized, apart from its sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Method {
    pub(super) interpolation: Interpolation,
    pub(super) coordinates: Coordinates,
    /// A shrinking axis looks at all elements under the widened curve.
    pub(super) antialias: bool,
    /// Weights of elements outside the input are given to the others, instead of repeating the edge.
    pub(super) exclude_outside: bool,
}

/// For each element of the output the elements of the input it is made of, and their weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taps {
    input: usize,
    /// Where the taps of each element end in the list.
    ends: Vec<usize>,
    list: Vec<(usize, f32)>,
}

impl Coordinates {
    /// The coordinate in the input of element `at` of the output; `None` outside the input, where that
    /// counts.
    fn source(self, at: usize, axis: &Resampling) -> Option<f64> {
        let x = at as f32;
        let centre = || (x + 0.5) / axis.scale - 0.5;
        let (first, last) = (axis.region[0], axis.region[1]);
        let gaps = axis.input.saturating_sub(1) as f64;
        Some(match self {
            Self::HalfPixel => centre().into(),
            Self::PytorchHalfPixel => (if axis.output > 1 { centre() } else { 0.0 }).into(),
            Self::Asymmetric => (x / axis.scale).into(),
            Self::TfHalfPixelForNearest => ((x + 0.5) / axis.scale).into(),
            Self::HalfPixelSymmetric => {
                let adjustment = axis.output as f32 / (axis.scale * axis.input as f32);
                let offset = axis.input as f32 / 2.0 * (1.0 - adjustment);
                (offset + centre()).into()
            }
            #[allow(clippy::float_cmp, reason = "a length of exactly one element has no gaps")]
            Self::AlignCorners if axis.length == 1.0 => 0.0,
            Self::AlignCorners => at as f64 * gaps / (axis.length - 1.0),
            Self::TfCropAndResize => {
                let (first, last) = (f64::from(first), f64::from(last));
                #[allow(clippy::float_cmp, reason = "as above")]
                let x = if axis.length == 1.0 {
                    (last - first) * gaps / 2.0
                } else {
                    at as f64 * (last - first) * gaps / (axis.length - 1.0)
                };
                let x = x + first * gaps;
                return (0.0..=gaps).contains(&x).then_some(x);
            }
        })
    }
}

impl Nearest {
    fn of(self, x: f64, scale: f32) -> f64 {
        match self {
            Self::RoundPreferFloor => (x - 0.5).ceil(),
            Self::RoundPreferCeil => (x + 0.5).floor(),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::ByDirection => {
                if scale < 1.0 {
                    x.ceil()
                } else {
                    x.floor()
                }
            }
        }
    }
}

impl Interpolation {
    /// How far from its coordinate an element counts, and what it counts at that distance.
    fn curve(self) -> (f64, impl Fn(f64) -> f64) {
        let (reach, a) = match self {
            Self::Cubic { a } => (2.0, Some(f64::from(a))),
            _ => (1.0, None),
        };
        let weight = move |distance: f64| {
            let d = distance.abs();
            match a {
                None => (1.0 - d).max(0.0),
                Some(a) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                Some(a) if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
                Some(_) => 0.0,
            }
        };
        (reach, weight)
    }
}

impl Resampling {
    /// For each element of the output its nearest in the input, where there is one.
    pub(super) fn nearest(&self, method: Method, rule: Nearest, outside: u32) -> Result<Vec<u32>, OpError> {
        let last = self.input.saturating_sub(1) as f64;
        IndexMap::positions(self.output, |at| {
            let source = method.coordinates.source(at, self);
            source.map_or(outside, |x| rule.of(x, self.scale).clamp(0.0, last) as u32)
        })
    }

    /// The elements and weights behind each element of the output; none where it is outside.
    pub(super) fn taps(&self, method: Method) -> Taps {
        let (reach, curve) = method.interpolation.curve();
        // A shrinking axis widens the curve, so that it covers all elements.
        let zoom = if method.antialias { f64::from(self.scale).min(1.0) } else { 1.0 };
        let last = self.input.saturating_sub(1) as f64;
        let (mut ends, mut taps) = (Vec::with_capacity(self.output), Vec::new());
        for at in 0..self.output {
            let begin = taps.len();
            if let Some(x) = method.coordinates.source(at, self) {
                let (mut index, end) = ((x - reach / zoom).ceil(), (x + reach / zoom).floor());
                let mut sum = 0.0;
                while index <= end {
                    let inside = index.clamp(0.0, last);
                    let weight = curve((index - x) * zoom);
                    #[allow(clippy::float_cmp, reason = "whole numbers")]
                    let counts = inside == index || !method.exclude_outside;
                    if counts && weight != 0.0 {
                        sum += weight;
                        taps.push((inside as usize, weight as f32));
                    }
                    index += 1.0;
                }
                if (method.antialias || method.exclude_outside) && sum != 0.0 {
                    taps[begin..].iter_mut().for_each(|(_, w)| *w = (f64::from(*w) / sum) as f32);
                }
            }
            ends.push(taps.len());
        }
        Taps { input: self.input, ends, list: taps }
    }
}

impl Taps {
    /// The taps of each element of the output.
    fn rows(&self) -> impl Iterator<Item = &[(usize, f32)]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).map(|(&begin, &end)| &self.list[begin..end])
    }

    /// The axis resized; elements without taps become `outside`.
    pub(super) fn apply(&self, x: &Value, axis: usize, outside: f32) -> Result<Value, OpError> {
        let mut shape = x.shape().to_vec();
        let inner: usize = shape[axis + 1..].iter().product();
        shape[axis] = self.ends.len();
        let mut out = super::index::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let blocks = x.as_slice::<f32>()?.chunks_exact((self.input * inner).max(1));
        for (block, out) in blocks.zip(out.chunks_exact_mut((self.ends.len() * inner).max(1))) {
            for (taps, out) in self.rows().zip(out.chunks_exact_mut(inner.max(1))) {
                if taps.is_empty() {
                    out.fill(outside);
                }
                for &(at, weight) in taps {
                    let source = &block[at * inner..(at + 1) * inner];
                    out.iter_mut().zip(source).for_each(|(sum, v)| *sum += weight * v);
                }
            }
        }
        Ok(Value::from_vec(&shape, out)?)
    }

    /// The gradient with respect to the input of [`Taps::apply`].
    pub(super) fn transposed(&self, gradient: &Value, axis: usize) -> Result<Value, OpError> {
        let mut shape = gradient.shape().to_vec();
        let inner: usize = shape[axis + 1..].iter().product();
        shape[axis] = self.input;
        let mut out = super::index::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let blocks = gradient.as_slice::<f32>()?.chunks_exact((self.ends.len() * inner).max(1));
        for (block, out) in blocks.zip(out.chunks_exact_mut((self.input * inner).max(1))) {
            for (taps, gradient) in self.rows().zip(block.chunks_exact(inner.max(1))) {
                for &(at, weight) in taps {
                    let target = &mut out[at * inner..(at + 1) * inner];
                    target.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += weight * g);
                }
            }
        }
        Ok(Value::from_vec(&shape, out)?)
    }
}
