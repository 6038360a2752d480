//! `GridSample` (ONNX opsets 16–22): an image, or a volume, read at places that a second input states,
//! in coordinates from −1 to 1 along each axis.
//!
//! Between elements there is the nearest one, a line, or a cubic curve (`a = −0.75`); outside there are
//! zeros, the edge, or the mirrored image. Places have a gradient, too, except with the nearest.

use super::pooling::{check_gradient, split_spatial};
use super::resample::Interpolation;
use super::resize::{name_of, take_choice};
use super::{Context, ExportStep, ImportNode, Inputs, Nearest, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Slope of the cubic curve outside.
const A: f32 = -0.75;

/// Inputs: `x` `[N, C, …]`, places `[N, …, r]` with the coordinate along the last axis first. Output:
/// `[N, C, …]` with the sizes of the places.
#[derive(Debug, Clone, PartialEq)]
pub struct GridSample {
    /// How values in between are found.
    pub interpolation: Interpolation,
    /// What is outside.
    pub outside: Outside,
    /// Whether −1 and 1 are the centres of the outermost elements, or their outer edges.
    pub align_corners: bool,
}

/// What is outside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The nearest element of the edge.
    Border,
    /// The image, mirrored.
    Reflection,
}

const OUTSIDES: &[(&str, Outside)] =
    &[("zeros", Outside::Zeros), ("border", Outside::Border), ("reflection", Outside::Reflection)];

/// Names of opset 20, and those before.
const MODES: &[(&str, Interpolation)] = &[
    ("linear", Interpolation::Linear),
    ("nearest", Interpolation::Nearest(Nearest::RoundPreferFloor)),
    ("cubic", Interpolation::Cubic { a: A }),
    ("bilinear", Interpolation::Linear),
    ("bicubic", Interpolation::Cubic { a: A }),
];

/// An element along one axis that a place is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Tap {
    /// Which; `None` for a zero.
    at: Option<usize>,
    weight: f32,
    /// How the weight changes with the place.
    slope: f32,
}

/// An element of an image that a place is made of.
#[derive(Debug, Clone, Copy)]
struct Corner {
    at: usize,
    weight: f32,
    /// How the weight changes with each coordinate of the place.
    slopes: [f32; 3],
}

/// Sizes of the tensors.
struct Layout<'a> {
    /// Of the image.
    spatial: &'a [usize],
    channels: usize,
    cells: usize,
    /// Places per image.
    places: usize,
    output: Vec<usize>,
}

impl<'a> Layout<'a> {
    fn new(input: &'a [usize], grid: &[usize]) -> Result<Self, OpError> {
        let (head, spatial) = split_spatial(input)?;
        let rank = spatial.len();
        let fits = grid.len() == rank + 2 && grid[0] == head[0] && grid[rank + 1] == rank;
        if !fits || rank > 3 || spatial.contains(&0) {
            let expected =
                format!("[{}, …, {rank}] for an image of 1 to 3 axes, none of them empty", head[0]);
            return Err(OpError::Shape { what: "grid", expected, got: format!("{grid:?} for {input:?}") });
        }
        let output = [head, &grid[1..=rank]].concat();
        index::check_size(&output, size_of::<f32>())?;
        let product = |sizes: &[usize]| sizes.iter().product();
        let (cells, places) = (product(spatial), product(&grid[1..=rank]));
        Ok(Self { spatial, channels: head[1], cells, places, output })
    }
}

/// Folds a coordinate beyond the ends back until it is between them; tells whether its direction
/// turned.
fn reflect(x: f32, [low, high]: [f32; 2]) -> (f32, bool) {
    let range = high - low;
    if (low..=high).contains(&x) || range <= 0.0 {
        return (x.clamp(low, high), false);
    }
    let beyond = (x - low).rem_euclid(2.0 * range);
    if beyond <= range { (low + beyond, false) } else { (high - (beyond - range), true) }
}

impl GridSample {
    /// What a coordinate along an axis of that size is made of.
    fn taps(&self, coordinate: f32, size: usize) -> Vec<Tap> {
        let length = size as f32;
        let (mut x, mut slope) = if self.align_corners {
            ((coordinate + 1.0) * 0.5 * (length - 1.0), (length - 1.0) / 2.0)
        } else {
            (((coordinate + 1.0) * length - 1.0) / 2.0, length / 2.0)
        };
        let ends = if self.align_corners { [0.0, length - 1.0] } else { [-0.5, length - 0.5] };
        let is_nearest = matches!(self.interpolation, Interpolation::Nearest(_));
        if is_nearest {
            x = x.round_ties_even();
        }
        if x < ends[0] || x > ends[1] {
            match self.outside {
                Outside::Zeros => {}
                Outside::Border => (x, slope) = (x.clamp(0.0, length - 1.0), 0.0),
                Outside::Reflection => {
                    let (inside, turned) = reflect(x, ends);
                    (x, slope) = (inside, if turned { -slope } else { slope });
                }
            }
        }
        let first = x.floor();
        let r = x - first;
        let (offset, weights) = match self.interpolation {
            Interpolation::Nearest(_) => (0.0, vec![(1.0, 0.0)]),
            Interpolation::Linear => (0.0, vec![(1.0 - r, -1.0), (r, 1.0)]),
            Interpolation::Cubic { .. } => (-1.0, cubic(r)),
        };
        let tap = |(k, (weight, change)): (usize, (f32, f32))| {
            let at = self.element(first + offset + k as f32, length, ends);
            Tap { at, weight, slope: slope * change }
        };
        weights.into_iter().enumerate().map(tap).collect()
    }

    /// The element at a whole coordinate.
    fn element(&self, at: f32, length: f32, ends: [f32; 2]) -> Option<usize> {
        let inside = match self.outside {
            Outside::Zeros if !(0.0..length).contains(&at) => return None,
            Outside::Zeros | Outside::Border => at,
            Outside::Reflection => reflect(at, ends).0,
        };
        Some(inside.clamp(0.0, length - 1.0) as usize)
    }

    /// What a place of the image is made of.
    fn corners(&self, place: &[f32], spatial: &[usize], corners: &mut Vec<Corner>) {
        corners.clear();
        corners.push(Corner { at: 0, weight: 1.0, slopes: [1.0; 3] });
        for (axis, (&size, &coordinate)) in spatial.iter().zip(place.iter().rev()).enumerate() {
            let taps = self.taps(coordinate, size);
            let grown = corners.iter().flat_map(|corner| {
                taps.iter().filter_map(move |tap| {
                    let mut slopes = corner.slopes.map(|slope| slope * tap.weight);
                    slopes[axis] = corner.slopes[axis] * tap.slope;
                    let at = corner.at * size + tap.at?;
                    Some(Corner { at, weight: corner.weight * tap.weight, slopes })
                })
            });
            *corners = grown.collect();
        }
    }

    /// Calls `f(image, place, its corners)` for every place.
    fn each(&self, layout: &Layout<'_>, grid: &[f32], mut f: impl FnMut(usize, usize, &[Corner])) {
        let mut corners = Vec::new();
        for (index, place) in grid.chunks_exact(layout.spatial.len()).enumerate() {
            self.corners(place, layout.spatial, &mut corners);
            f(index / layout.places, index % layout.places, &corners);
        }
    }
}

/// Weights of the four elements around a place `r` behind the second, and how they change with it.
fn cubic(r: f32) -> Vec<(f32, f32)> {
    let near =
        |d: f32| (((A + 2.0) * d - (A + 3.0)) * d * d + 1.0, (3.0 * (A + 2.0) * d - 2.0 * (A + 3.0)) * d);
    let far =
        |d: f32| (((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A, (3.0 * A * d - 10.0 * A) * d + 8.0 * A);
    let turned = |(weight, change): (f32, f32)| (weight, -change);
    vec![far(1.0 + r), near(r), turned(near(1.0 - r)), turned(far(2.0 - r))]
}

impl Operator for GridSample {
    const OP_TYPE: &'static str = "GridSample";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self {
            interpolation: take_choice(&mut node.attrs, "mode", MODES)?,
            outside: take_choice(&mut node.attrs, "padding_mode", OUTSIDES)?,
            align_corners: node.attrs.take_bool("align_corners", false)?,
        })
    }

    /// Opset 20 gave the modes other names.
    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new()
            .with("mode", name_of(MODES, &self.interpolation)?)
            .with("padding_mode", name_of(OUTSIDES, &self.outside)?)
            .with("align_corners", Attr::Int(self.align_corners.into()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs).since(20)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (input, grid) = (inputs.float(0, "input")?, inputs.float(1, "grid")?);
        let Some(rank) = input.shape.rank().or(grid.shape.rank()) else { return Ok(vec![input.clone()]) };
        let mut dims = vec![Dim::Unknown; rank];
        if let Shape::Ranked(input) = &input.shape {
            let (head, _) = split_spatial(input)?;
            dims[..2].clone_from_slice(head);
        }
        if let Shape::Ranked(grid) = &grid.shape {
            if grid.len() != rank || rank < 3 {
                return Err(index::count_error("rank of the grid", rank.max(3), grid.len()));
            }
            dims[2..].clone_from_slice(&grid[1..rank - 1]);
        }
        Ok(vec![TensorType::new(input.dtype, Shape::Ranked(dims))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (input, grid) = (inputs.get(0)?, inputs.get(1)?);
        let layout = Layout::new(input.shape(), grid.shape())?;
        let x = input.as_slice::<f32>()?;
        let mut out = index::zeros::<f32>(&layout.output)?.into_vec::<f32>()?;
        self.each(&layout, grid.as_slice()?, |image, place, corners| {
            for channel in image * layout.channels..(image + 1) * layout.channels {
                let plane = &x[channel * layout.cells..(channel + 1) * layout.cells];
                let sum = corners.iter().map(|corner| corner.weight * plane[corner.at]).sum();
                out[channel * layout.places + place] = sum;
            }
        });
        Ok(vec![Value::from_vec(&layout.output, out)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0) else { return Ok(gradients) };
        let (input, grid) = (tape.input(0)?, tape.input(1)?);
        let layout = Layout::new(input.shape(), grid.shape())?;
        let gradient = check_gradient(gradient, &layout.output)?;
        let x = input.as_slice::<f32>()?;
        let rank = layout.spatial.len();
        let mut of_input = vec![0.0_f32; x.len()];
        let mut of_grid = vec![0.0_f32; grid.len()];
        self.each(&layout, grid.as_slice()?, |image, place, corners| {
            let of_place = &mut of_grid[(image * layout.places + place) * rank..][..rank];
            for channel in image * layout.channels..(image + 1) * layout.channels {
                let g = gradient[channel * layout.places + place];
                let cells = channel * layout.cells..(channel + 1) * layout.cells;
                let (plane, of_plane) = (&x[cells.clone()], &mut of_input[cells]);
                for corner in corners {
                    of_plane[corner.at] += g * corner.weight;
                    // Coordinates are stated along the last axis first.
                    for (slot, slope) in of_place.iter_mut().rev().zip(corner.slopes) {
                        *slot += g * slope * plane[corner.at];
                    }
                }
            }
        });
        for (slot, (like, found)) in [(input, of_input), (grid, of_grid)].into_iter().enumerate() {
            if tape.wants(slot) {
                gradients[slot] = Some(Value::from_vec(like.shape(), found)?);
            }
        }
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, pattern, run, tensor, try_run};

    fn attrs(mode: &str, outside: &str, align: i64) -> Attrs {
        Attrs::new()
            .with("mode", Attr::String(mode.to_owned()))
            .with("padding_mode", Attr::String(outside.to_owned()))
            .with("align_corners", Attr::Int(align))
    }

    impl Sampled for GridSample {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let places = || {
                let x = [-0.9, -0.6, 0.3, 0.1, 1.4, -0.2, -1.7, 2.1];
                tensor(&[1, 2, 2, 2], &x)
            };
            let sample = |mode: &str, outside: &str, align: i64, y: &[f32]| {
                Sample::new(attrs(mode, outside, align))
                    .opset(16)
                    .input(pattern(&[1, 2, 3, 4], 7, 11))
                    .input(places())
                    .gives_about(1e-6, vec![tensor(&[1, 2, 2, 2], y)])
            };
            let gradients = |mode: &str, outside: &str, align: i64, shape: &[usize], places: Value| {
                Sample::new(attrs(mode, outside, align))
                    .opset(20)
                    .input(Random::new(56).uniform(shape, -1.0, 1.0))
                    .input(places)
                    .gradients(if mode == "nearest" { &[0] } else { &[0, 1] })
            };
            let plane = || tensor(&[2, 1, 2, 2], &[-0.7, -0.4, 0.3, 0.1, 0.6, -1.3, -1.6, 0.7]);
            let volume = || tensor(&[1, 1, 2, 1, 3], &[-0.7, 0.4, 0.2, 0.3, 0.55, -0.6]);
            vec![
                sample(
                    "bilinear",
                    "zeros",
                    0,
                    &[-3.080_000_4, 2.85, 0.0, 0.0, 1.050_000_2, -0.985_000_13, 0.0, 0.0],
                ),
                sample(
                    "bilinear",
                    "border",
                    1,
                    &[-2.21, 3.204_999_7, 0.999_999_94, -4.0, 0.060_000_12, -0.299_999_83, -3.0, 3.0],
                ),
                sample(
                    "bilinear",
                    "reflection",
                    0,
                    &[-4.4, 2.85, 1.71, -2.015_001_5, 1.500_000_2, -0.985_000_13, -1.299_999_5, 2.565_002_2],
                ),
                sample(
                    "bicubic",
                    "zeros",
                    1,
                    &[
                        -2.748_575,
                        3.835_093,
                        0.437_729_42,
                        -0.008_224_001,
                        -0.138_522_73,
                        -0.447_664_1,
                        -1.795_678_5,
                        0.006_168_001,
                    ],
                ),
                sample(
                    "bicubic",
                    "reflection",
                    0,
                    &[
                        -5.422_991_3,
                        3.842_172_6,
                        2.449_039_7,
                        -2.957_347_6,
                        2.025_740_9,
                        -1.554_986_7,
                        -1.856_131_4,
                        3.265_814_8,
                    ],
                ),
                sample(
                    "bicubic",
                    "reflection",
                    1,
                    &[
                        -2.813_004_3,
                        3.809_085_4,
                        3.084_450_2,
                        -2.777_235_7,
                        0.105_833_01,
                        -0.449_723_45,
                        -1.040_158_7,
                        3.887_177_7,
                    ],
                ),
                sample("nearest", "border", 0, &[-5.0, 4.0, 0.0, -4.0, 2.0, 0.0, -4.0, 3.0]),
                sample("nearest", "reflection", 1, &[-5.0, 4.0, 4.0, -3.0, 2.0, 0.0, 0.0, 4.0]),
                gradients("linear", "zeros", 0, &[2, 2, 3, 4], plane()),
                gradients("linear", "border", 1, &[2, 1, 3, 4], plane()),
                gradients("cubic", "reflection", 0, &[2, 1, 4, 3], plane()),
                gradients("nearest", "zeros", 0, &[2, 2, 3, 4], plane()),
                gradients("linear", "reflection", 1, &[1, 2, 3, 2, 4], volume()),
            ]
        }
    }

    #[test]
    fn places_that_are_no_numbers_do_no_harm() {
        for mode in ["nearest", "linear", "cubic"] {
            for outside in ["zeros", "border", "reflection"] {
                let (op, _) = import_node("GridSample", attrs(mode, outside, 1), 20, &[]).unwrap();
                for place in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
                    run(&op, &[tensor(&[1, 1, 1, 2], &[1.0, 2.0]), tensor(&[1, 1, 1, 2], &[place, place])]);
                }
            }
        }
    }

    #[test]
    fn a_grid_of_another_image_is_refused() {
        let (op, _) = import_node("GridSample", Attrs::new(), 20, &[]).unwrap();
        let error = try_run(&op, &[pattern(&[1, 1, 2, 2], 1, 2), pattern(&[1, 2, 2, 3], 1, 2)]).unwrap_err();
        assert!(error.to_string().contains("[1, …, 2]"), "{error}");
    }
}
