//! `AffineGrid` (ONNX opset 20): for every position of an image the place, in coordinates from −1 to 1,
//! that an affine map takes it to; what `GridSample` reads.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: the maps `[N, r, r + 1]`, and the sizes `[N, C, …]` of the image, with `r` positions. Output:
/// `[N, …, r]`, the coordinate along the last axis first.
#[derive(Debug, Clone, PartialEq)]
pub struct AffineGrid {
    /// Whether −1 and 1 are the centres of the outermost positions, or their outer edges.
    pub align_corners: bool,
}

impl AffineGrid {
    /// The coordinate of a position along an axis.
    fn coordinate(&self, at: usize, size: usize) -> f64 {
        match (self.align_corners, size) {
            (true, 1) => -1.0,
            (true, _) => 2.0 * at as f64 / (size - 1) as f64 - 1.0,
            (false, _) => (2 * at + 1) as f64 / size as f64 - 1.0,
        }
    }

    /// Calls `f(position, its coordinates and a 1)` for all positions of an image, in order.
    fn each(&self, spatial: &[usize], mut f: impl FnMut(usize, &[f64])) {
        let count = spatial.iter().product();
        let mut coordinates = vec![1.0; spatial.len() + 1];
        for position in 0..count {
            let mut rest = position;
            for (&size, slot) in spatial.iter().rev().zip(&mut coordinates) {
                *slot = self.coordinate(rest % size, size);
                rest /= size;
            }
            f(position, &coordinates);
        }
    }
}

/// Images and sizes of their positions.
fn sizes(maps: &[usize], size: &Value) -> Result<(usize, Vec<usize>), OpError> {
    let sizes = index::sizes(size, "the sizes")?;
    let (&[images, rows, columns], [batch, _, spatial @ ..]) = (maps, sizes.as_slice()) else {
        let got = format!("{maps:?} and {sizes:?}");
        let expected = "[N, r, r + 1] and the r + 2 sizes of an image".to_owned();
        return Err(OpError::Shape { what: "maps and sizes", expected, got });
    };
    if *batch != images || rows != spatial.len() || columns != rows + 1 || !matches!(rows, 2 | 3) {
        let expected = format!("maps [{batch}, r, r + 1] for r = {}, which is 2 or 3", spatial.len());
        return Err(OpError::Shape { what: "maps", expected, got: format!("{maps:?}") });
    }
    let shape = [&[images], spatial, &[rows]].concat();
    index::check_size(&shape, size_of::<f32>())?;
    Ok((images, spatial.to_vec()))
}

impl Operator for AffineGrid {
    const OP_TYPE: &'static str = "AffineGrid";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { align_corners: node.attrs.take_bool("align_corners", false)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("align_corners", Attr::Int(self.align_corners.into()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs).since(20)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let maps = inputs.float(0, "maps")?;
        let shape = match (inputs.constant(1), maps.shape.dims()) {
            (Some(size), _) => {
                let sizes = index::sizes(size, "the sizes")?;
                let spatial = sizes.get(2..).unwrap_or_default();
                let batch = sizes.first().copied().into_iter();
                Shape::Ranked(
                    batch.chain(spatial.iter().copied()).chain([spatial.len()]).map(Dim::Fixed).collect(),
                )
            }
            (None, Some([_, rows, _])) => {
                rows.fixed().map_or(Shape::Unranked, |rows| index::unknown(rows.min(3) + 2))
            }
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(maps.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let maps = inputs.get(0)?;
        let (images, spatial) = sizes(maps.shape(), inputs.get(1)?)?;
        let rank = spatial.len();
        let shape = [&[images], &spatial[..], &[rank]].concat();
        let mut out = index::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let maps = maps.as_slice::<f32>()?.chunks_exact(rank * (rank + 1));
        let positions: usize = spatial.iter().product();
        for (map, out) in maps.zip(out.chunks_exact_mut((positions * rank).max(1))) {
            self.each(&spatial, |position, coordinates| {
                for (axis, row) in map.chunks_exact(rank + 1).enumerate() {
                    let sum: f64 = row.iter().zip(coordinates).map(|(&m, c)| f64::from(m) * c).sum();
                    out[position * rank + axis] = sum as f32;
                }
            });
        }
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |gradient| {
            let maps = tape.input(0)?;
            let (_, spatial) = sizes(maps.shape(), tape.input(1)?)?;
            let gradient = super::pooling::check_gradient(gradient, tape.output(0)?.shape())?;
            let rank = spatial.len();
            let mut sums = vec![0.0_f64; maps.len()];
            let positions: usize = spatial.iter().product();
            let images = gradient.chunks_exact((positions * rank).max(1));
            for (sums, gradient) in sums.chunks_exact_mut(rank * (rank + 1)).zip(images) {
                self.each(&spatial, |position, coordinates| {
                    for (axis, row) in sums.chunks_exact_mut(rank + 1).enumerate() {
                        let g = f64::from(gradient[position * rank + axis]);
                        row.iter_mut().zip(coordinates).for_each(|(sum, c)| *sum += g * c);
                    }
                });
            }
            Ok(Value::from_vec(maps.shape(), sums.into_iter().map(|sum| sum as f32).collect())?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for AffineGrid {
        fn samples() -> Vec<Sample> {
            let align = |align: i64| Attrs::new().with("align_corners", Attr::Int(align));
            // (x, y) ↦ (x + 0.5, −2 y).
            let maps = tensor(&[1, 2, 3], &[1.0, 0.0, 0.5, 0.0, -2.0, 0.0]);
            let on = |align_corners: i64, y: &[f32]| {
                Sample::new(align(align_corners))
                    .opset(20)
                    .input(maps.clone())
                    .constant(integers(&[1, 3, 1, 2]))
                    .gives(vec![tensor(&[1, 1, 2, 2], y)])
            };
            vec![
                on(0, &[0.0, 0.0, 1.0, 0.0]),
                on(1, &[-0.5, 2.0, 1.5, 2.0]),
                Sample::new(align(0))
                    .opset(20)
                    .input(Random::new(53).uniform(&[2, 3, 4], -1.0, 1.0))
                    .input(integers(&[2, 1, 2, 1, 3]))
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn maps_of_another_image_are_refused() {
        let op = AffineGrid { align_corners: false };
        let maps = tensor(&[1, 2, 3], &[0.0; 6]);
        let error = try_run(&op.into(), &[maps, integers(&[2, 1, 2, 2])]).unwrap_err();
        assert!(error.to_string().contains("maps [2, r, r + 1]"), "{error}");
    }
}
