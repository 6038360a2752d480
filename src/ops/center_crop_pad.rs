//! `CenterCropPad` (ONNX opset 18): axes cut or surrounded with zeros to stated sizes, the middle
//! staying in the middle.

use super::index::{self, FILL, IndexMap};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x`, sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct CenterCropPad {
    /// The axes that the sizes are of; all in order where it is absent.
    pub axes: Option<Vec<i64>>,
}

impl CenterCropPad {
    fn axes(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        self.axes.as_ref().map_or_else(|| Ok((0..rank).collect()), |axes| index::axes(axes, rank))
    }

    /// The axes with their sizes.
    fn sizes(&self, rank: usize, sizes: &Value) -> Result<Vec<(usize, usize)>, OpError> {
        let (axes, sizes) = (self.axes(rank)?, index::sizes(sizes, "the sizes")?);
        if sizes.len() != axes.len() {
            return Err(index::count_error("sizes", axes.len(), sizes.len()));
        }
        Ok(axes.into_iter().zip(sizes).collect())
    }

    fn map(&self, shape: &[usize], sizes: &Value) -> Result<IndexMap, OpError> {
        let sizes = self.sizes(shape.len(), sizes)?;
        let mut result = shape.to_vec();
        for (axis, size) in sizes {
            result[axis] = size;
        }
        index::check_size(&result, size_of::<f32>())?;
        let axis = |axis: usize| {
            let (have, want) = (shape[axis], result[axis]);
            let (cut, before) = (have.saturating_sub(want) / 2, want.saturating_sub(have) / 2);
            let at = |to: usize| {
                let from = to.checked_sub(before).map(|from| from + cut);
                from.filter(|&from| from < have).map_or(FILL, |from| from as u32)
            };
            Ok((axis, IndexMap::positions(want, at)?))
        };
        IndexMap::new(shape, (0..shape.len()).map(axis).collect::<Result<_, OpError>>()?)
    }
}

impl Operator for CenterCropPad {
    const OP_TYPE: &'static str = "CenterCropPad";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: node.attrs.take_ints("axes")? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let step = ExportStep::new(Self::OP_TYPE, Attrs::new());
        Some(vec![match &self.axes {
            Some(axes) => step.with("axes", Attr::Ints(axes.clone())),
            None => step,
        }])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.ty(0)?;
        let Shape::Ranked(dims) = &input.shape else { return Ok(vec![input.clone()]) };
        let mut result = dims.clone();
        match inputs.constant(1) {
            Some(sizes) => self
                .sizes(dims.len(), sizes)?
                .into_iter()
                .for_each(|(axis, size)| result[axis] = Dim::Fixed(size)),
            None => self.axes(dims.len())?.into_iter().for_each(|axis| result[axis] = Dim::Unknown),
        }
        Ok(vec![TensorType::new(input.dtype, Shape::Ranked(result))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let map = self.map(x.shape(), inputs.get(1)?)?;
        Ok(vec![map.take(x, None)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| self.map(tape.input(0)?.shape(), tape.input(1)?)?.scatter(g))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for CenterCropPad {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let cut_and_padded = tensor(&[5, 2], &[0.0, 0.0, 1.0, 2.0, 4.0, 5.0, 0.0, 0.0, 0.0, 0.0]);
            let last = Attrs::new().with("axes", Attr::Ints(vec![-1]));
            vec![
                Sample::new(Attrs::new())
                    .input(x.clone())
                    .constant(integers(&[5, 2]))
                    .gives(vec![cut_and_padded]),
                Sample::new(last)
                    .input(x)
                    .input(integers(&[4]))
                    .gives(vec![tensor(&[2, 4], &[1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0])]),
                Sample::new(Attrs::new())
                    .input(Random::new(52).uniform(&[4, 2], -1.0, 1.0))
                    .constant(integers(&[1, 5]))
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn one_size_per_axis_is_needed() {
        let op = CenterCropPad { axes: None };
        let error = try_run(&op.into(), &[tensor(&[1, 1], &[0.0]), integers(&[1])]).unwrap_err();
        assert_eq!(error.to_string(), "sizes: expected 2, got 1");
    }
}
