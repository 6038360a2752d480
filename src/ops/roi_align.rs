//! `RoiAlign` (ONNX opsets 10–22): regions of an image in a grid of bins, each the mean or the
//! largest of points sampled between pixels.
//!
//! Coordinates are computed in float32, as ONNX Runtime does it. The largest is taken over the
//! weighted pixels around the points, not over the interpolated points: so ONNX's reference has it.
//! Regions have no gradient.

use super::pooling::check_gradient;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// The most points that one region may be sampled at: a hundred times what detection networks use.
const MOST_POINTS: usize = 1 << 20;

/// Inputs: `x` `[N, C, H, W]`, `rois` `[R, 4]` (x and y of two corners), `batch_indices` `[R]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RoiAlign {
    /// Bins along the height and the width.
    pub bins: [usize; 2],
    /// Points in a bin along either axis; as many as it has pixels where that is 0.
    pub sampling_ratio: usize,
    /// Pixels of `x` for one unit of a region.
    pub spatial_scale: f32,
    /// Regions are given by the edges of pixels, not by their centres.
    pub half_pixel: bool,
    /// The largest is taken, not the mean.
    pub is_max: bool,
}

impl Operator for RoiAlign {
    const OP_TYPE: &'static str = "RoiAlign";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let default = if node.opset.0 < 16 { "output_half_pixel" } else { "half_pixel" };
        let half_pixel =
            one_of(node, "coordinate_transformation_mode", default, "half_pixel", "output_half_pixel")?;
        let is_max = one_of(node, "mode", "avg", "max", "avg")?;
        Ok(Self {
            bins: [size(node, "output_height", 1)?, size(node, "output_width", 1)?],
            sampling_ratio: size(node, "sampling_ratio", 0)?,
            spatial_scale: node.attrs.take_float("spatial_scale")?.unwrap_or(1.0),
            half_pixel,
            is_max,
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mode = if self.half_pixel { "half_pixel" } else { "output_half_pixel" };
        let text = |text: &str| Attr::String(text.to_owned());
        let attrs = Attrs::new()
            .with("coordinate_transformation_mode", text(mode))
            .with("mode", text(if self.is_max { "max" } else { "avg" }))
            .with("output_height", Attr::Int(self.bins[0] as i64))
            .with("output_width", Attr::Int(self.bins[1] as i64))
            .with("sampling_ratio", Attr::Int(self.sampling_ratio as i64))
            .with("spatial_scale", Attr::Float(self.spatial_scale));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.float(0, "input")?;
        inputs.float(1, "the regions")?;
        inputs.ty(2)?;
        let first = |at| inputs.shape(at).ok()?.dims()?.first().cloned();
        let regions = first(1).filter(|dim| *dim != Dim::Unknown).or(first(2)).unwrap_or(Dim::Unknown);
        let channels = ty.shape.dims().and_then(|dims| dims.get(1).cloned()).unwrap_or(Dim::Unknown);
        let shape = vec![regions, channels, self.bins[0].into(), self.bins[1].into()];
        Ok(vec![TensorType::new(ty.dtype, Shape::Ranked(shape))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let image = Image::new(x.shape())?;
        let data = x.as_slice::<f32>()?;
        let regions = Self::regions(&image, inputs.get(1)?, inputs.get(2)?)?;
        let shape = [regions.len(), image.channels, self.bins[0], self.bins[1]];
        index::check_size(&shape, size_of::<f32>())?;
        let mut found = Vec::new();
        for (number, corners) in &regions {
            let bins = self.sample(&image, corners)?;
            for channel in 0..image.channels {
                let plane = image.plane(data, *number, channel);
                found.extend(bins.iter().map(|bin| self.bin(bin, plane)));
            }
        }
        Ok(vec![Value::from_vec(&shape, found)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |gradient| {
            let x = tape.input(0)?;
            let image = Image::new(x.shape())?;
            let data = x.as_slice::<f32>()?;
            let regions = Self::regions(&image, tape.input(1)?, tape.input(2)?)?;
            let shape = [regions.len(), image.channels, self.bins[0], self.bins[1]];
            let mut gradient = check_gradient(gradient, &shape)?.iter();
            let mut found = vec![0.0_f32; data.len()];
            for (number, corners) in &regions {
                let bins = self.sample(&image, corners)?;
                for channel in 0..image.channels {
                    let start = image.start(*number, channel);
                    let plane = image.plane(data, *number, channel);
                    for (bin, g) in bins.iter().zip(&mut gradient) {
                        self.spread(bin, plane, |at, weight| found[start + at] += g * weight);
                    }
                }
            }
            Ok(Value::from_vec(x.shape(), found)?)
        })
    }
}

/// Takes an attribute that has one of two values; says whether it is the first.
fn one_of(
    node: &mut ImportNode<'_>,
    name: &str,
    default: &str,
    yes: &str,
    no: &str,
) -> Result<bool, AttrError> {
    let value = node.attrs.take_string(name)?.unwrap_or_else(|| default.to_owned()).to_ascii_lowercase();
    if value == yes || value == no {
        return Ok(value == yes);
    }
    Err(AttrError::Unsupported { name: name.into(), value, reason: "ONNX knows two others" })
}

fn size(node: &mut ImportNode<'_>, name: &str, default: i64) -> Result<usize, AttrError> {
    let value = node.attrs.take_int(name)?.unwrap_or(default);
    usize::try_from(value).ok().filter(|&size| size <= MOST_POINTS).ok_or_else(|| AttrError::Unsupported {
        name: name.into(),
        value: value.to_string(),
        reason: "it must be a size, and not an enormous one",
    })
}

/// The sizes of the input.
struct Image {
    count: usize,
    channels: usize,
    height: usize,
    width: usize,
}

impl Image {
    fn new(shape: &[usize]) -> Result<Self, OpError> {
        let &[count, channels, height, width] = shape else {
            return Err(index::count_error("number of dimensions", 4, shape.len()));
        };
        Ok(Self { count, channels, height, width })
    }

    fn start(&self, image: usize, channel: usize) -> usize {
        (image * self.channels + channel) * self.height * self.width
    }

    fn plane<'a>(&self, data: &'a [f32], image: usize, channel: usize) -> &'a [f32] {
        let start = self.start(image, channel);
        &data[start..start + self.height * self.width]
    }

    /// The pixels around a point with their weights; none outside the image.
    fn around(&self, [y, x]: [f32; 2]) -> Option<[(usize, f32); 4]> {
        let inside = |at: f32, size: usize| at >= -1.0 && at <= size as f32;
        if !inside(y, self.height) || !inside(x, self.width) || self.height * self.width == 0 {
            return None;
        }
        let [(top, bottom, down), (left, right, across)] =
            [(y, self.height), (x, self.width)].map(|(at, size)| {
                let at = at.max(0.0);
                let low = (at as usize).min(size - 1);
                let part = if low == size - 1 { 0.0 } else { at - low as f32 };
                (low, (low + 1).min(size - 1), part)
            });
        let at = |row: usize, column: usize| row * self.width + column;
        Some([
            (at(top, left), (1.0 - down) * (1.0 - across)),
            (at(top, right), (1.0 - down) * across),
            (at(bottom, left), down * (1.0 - across)),
            (at(bottom, right), down * across),
        ])
    }
}

/// The points of one bin.
struct Bin {
    /// Points that were asked for, those outside the image included.
    points: usize,
    /// Positions in a plane with their weights, four for each point inside the image.
    pixels: Vec<(usize, f32)>,
}

impl RoiAlign {
    /// For each region which image it is of, and its corners.
    fn regions(image: &Image, rois: &Value, batch: &Value) -> Result<Vec<(usize, [f32; 4])>, OpError> {
        let numbers = index::sizes(batch, "a batch index")?;
        if rois.shape() != [numbers.len(), 4] {
            let (expected, got) = (format!("[{}, 4]", numbers.len()), format!("{:?}", rois.shape()));
            return Err(OpError::Shape { what: "the regions", expected, got });
        }
        if let Some(beyond) = numbers.iter().find(|&&number| number >= image.count) {
            let (expected, got) = (format!("below {}", image.count), beyond.to_string());
            return Err(OpError::Range { what: "a batch index", expected, got });
        }
        Ok(numbers.into_iter().zip(rois.as_slice::<f32>()?.as_chunks().0.iter().copied()).collect())
    }

    /// The points of a region, in its bins in row-major order.
    fn sample(&self, image: &Image, &[left, top, right, bottom]: &[f32; 4]) -> Result<Vec<Bin>, OpError> {
        let offset = if self.half_pixel { 0.5 } else { 0.0 };
        let axis = |from: f32, to: f32, bins: usize| {
            let from = from * self.spatial_scale - offset;
            let length = to * self.spatial_scale - offset - from;
            let length = if self.half_pixel { length } else { length.max(1.0) };
            let points = match self.sampling_ratio {
                0 => (length / bins as f32).ceil() as usize,
                points => points,
            };
            (from, length / bins as f32, points)
        };
        let (y, height, rows) = axis(top, bottom, self.bins[0]);
        let (x, width, columns) = axis(left, right, self.bins[1]);
        let points = rows.checked_mul(columns);
        let bins = self.bins[0].saturating_mul(self.bins[1]);
        let total = points.and_then(|points| points.checked_mul(bins)).filter(|&total| total <= MOST_POINTS);
        let (Some(points), Some(_)) = (points, total.filter(|_| bins <= MOST_POINTS)) else {
            let got = format!("{rows} × {columns} for each of {bins} bins");
            return Err(OpError::Range { what: "points", expected: format!("at most {MOST_POINTS}"), got });
        };
        let bin = |at: usize| {
            let (row, column) = ((at / self.bins[1]) as f32, (at % self.bins[1]) as f32);
            let point = |i: usize| {
                let along = |i: usize, size: f32, count: usize| (i as f32 + 0.5) * size / count as f32;
                [
                    y + row * height + along(i / columns, height, rows),
                    x + column * width + along(i % columns, width, columns),
                ]
            };
            Bin { points, pixels: (0..points).filter_map(|i| image.around(point(i))).flatten().collect() }
        };
        Ok((0..bins).map(bin).collect())
    }

    /// The value of a bin.
    fn bin(&self, bin: &Bin, plane: &[f32]) -> f32 {
        let weighted = bin.pixels.iter().map(|&(at, weight)| plane[at] * weight);
        if self.is_max {
            // A point outside the image counts as 0.
            let outside = bin.pixels.len() < 4 * bin.points || bin.points == 0;
            return weighted.fold(if outside { 0.0 } else { f32::NEG_INFINITY }, f32::max);
        }
        weighted.sum::<f32>() / bin.points.max(1) as f32
    }

    /// Calls `add(pixel, derivative)` for the pixels that the value of a bin depends on.
    fn spread(&self, bin: &Bin, plane: &[f32], mut add: impl FnMut(usize, f32)) {
        if self.is_max {
            let value = self.bin(bin, plane);
            #[allow(clippy::float_cmp, reason = "it is one of these products, or that of no pixel")]
            let taken = bin.pixels.iter().find(|&&(at, weight)| plane[at] * weight == value);
            if let Some(&(at, weight)) = taken {
                add(at, weight);
            }
            return;
        }
        bin.pixels.iter().for_each(|&(at, weight)| add(at, weight / bin.points as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, tensor, try_run};

    fn attrs(height: i64, width: i64, ratio: i64) -> Attrs {
        Attrs::new()
            .with("output_height", Attr::Int(height))
            .with("output_width", Attr::Int(width))
            .with("sampling_ratio", Attr::Int(ratio))
    }

    impl Sampled for RoiAlign {
        fn samples() -> Vec<Sample> {
            let ramp = || tensor(&[1, 1, 2, 4], &[0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0]);
            let random = || Random::new(9).uniform(&[2, 2, 5, 6], -1.0, 1.0);
            let rois = || tensor(&[3, 4], &[0.3, 0.7, 4.1, 3.9, -2.0, 1.0, 2.5, 8.0, 1.0, 1.0, 1.5, 1.5]);
            let of = |attrs: Attrs, mode: &str| {
                Sample::new(
                    attrs.with("mode", Attr::String(mode.into())).with("spatial_scale", Attr::Float(0.9)),
                )
                .input(random())
                .constant(rois())
                .constant(integers(&[1, 0, 1]))
                .gradients(&[0])
            };
            vec![
                // The whole picture in two bins, each sampled at its middle, which lies between pixels.
                Sample::new(attrs(1, 2, 1))
                    .input(ramp())
                    .constant(tensor(&[1, 4], &[0.0, 0.0, 4.0, 2.0]))
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[1, 1, 1, 2], &[5.5, 7.5])]),
                // Opset 10 counts from the centres of pixels.
                Sample::new(attrs(1, 2, 1))
                    .opset(10)
                    .input(ramp())
                    .constant(tensor(&[1, 4], &[0.0, 0.0, 2.0, 1.0]))
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[1, 1, 1, 2], &[5.5, 6.5])]),
                of(attrs(2, 3, 2), "avg"),
                of(attrs(3, 2, 0), "avg"),
                of(attrs(2, 3, 2), "max"),
            ]
        }
    }

    #[test]
    fn regions_that_cannot_be_are_refused() {
        let (op, _) = import_node("RoiAlign", attrs(2, 2, 0), 16, &[]).unwrap();
        let run = |roi: [f32; 4], image: i64| {
            let x = tensor(&[1, 1, 2, 2], &[0.0; 4]);
            try_run(&op, &[x, tensor(&[1, 4], &roi), integers(&[image])])
        };
        assert!(run([0.0, 0.0, 1.0, 1.0], 0).is_ok());
        assert!(run([f32::NAN; 4], 0).is_ok());
        assert!(run([0.0, 0.0, 1.0, 1.0], 1).is_err());
        let error = run([0.0, 0.0, 1e30, 1e30], 0).unwrap_err();
        assert!(error.to_string().starts_with("points = "), "{error}");
        assert!(import_node("RoiAlign", attrs(-1, 1, 1), 16, &[]).is_err());
        let mode = Attrs::new().with("mode", Attr::String("median".into()));
        assert!(import_node("RoiAlign", mode, 16, &[]).is_err());
    }
}
