//! `Unsqueeze` (ONNX opsets 1–25): with more dimensions of size 1.
//!
//! The axes, positions in the result, are input 1; before opset 13 they were an attribute.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs, index,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x`, `axes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsqueeze;

impl Operator for Unsqueeze {
    const OP_TYPE: &'static str = "Unsqueeze";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        index::axes_to_input(node)?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        inputs.ty(1)?;
        let axes = index::optional_integers(inputs.constant(1), "the axes")?;
        let shape = match (ty.shape.dims(), axes) {
            (Some(dims), Some(axes)) => Shape::Ranked(unsqueezed(dims, &axes)?),
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn scaled_channels(&self, inputs: &TypeInputs<'_>) -> Option<usize> {
        index::reshaped_channels(inputs.ty(0).ok()?, self.infer(inputs).ok()?.first()?)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let axes = index::integers(inputs.get(1)?, "the axes")?;
        let dims: Vec<Dim> = inputs.get(0)?.shape().iter().copied().map(Dim::Fixed).collect();
        let sizes: Vec<usize> = unsqueezed(&dims, &axes)?.iter().filter_map(Dim::fixed).collect();
        index::reshape(inputs, &sizes)
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::reshape_gradient(tape)
    }
}

fn unsqueezed(dims: &[Dim], axes: &[i64]) -> Result<Vec<Dim>, OpError> {
    let rank = dims.len() + axes.len();
    let axes = index::axes(axes, rank)?;
    let mut old = dims.iter().cloned();
    let next = |axis| if axes.contains(&axis) { Some(Dim::Fixed(1)) } else { old.next() };
    Ok((0..rank).filter_map(next).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::ops::testing::{Random, Sample, Sampled, integers};

    impl Sampled for Unsqueeze {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[2, 3], -1.0, 1.0);
            let y = |shape: &[usize]| vec![x.clone().reshaped(shape).unwrap()];
            vec![
                Sample::new(Attrs::new().with("axes", Attr::Ints(vec![0, 3])))
                    .opset(7)
                    .input(x.clone())
                    .gives(y(&[1, 2, 3, 1]))
                    .gradients(&[0]),
                Sample::new(Attrs::new())
                    .input(x.clone())
                    .constant(integers(&[-1, 1]))
                    .gives(y(&[2, 1, 3, 1])),
                Sample::new(Attrs::new())
                    .input(Value::scalar(5_i64))
                    .constant(integers(&[0]))
                    .gives(vec![integers(&[5])]),
            ]
        }
    }
}
