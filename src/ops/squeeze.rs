//! `Squeeze` (ONNX opsets 1–25): without dimensions of size 1.
//!
//! The axes are input 1; before opset 13 they were an attribute. Without axes every dimension of
//! size 1 goes.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs, index,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x`, `axes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Squeeze;

impl Operator for Squeeze {
    const OP_TYPE: &'static str = "Squeeze";

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
        let axes = index::optional_integers(inputs.constant(1), "the axes")?;
        let shape = match ty.shape.dims() {
            Some(dims) if axes.is_some() || inputs.optional(1).is_none() => {
                squeezed(dims, axes.as_deref())?.map_or(Shape::Unranked, Shape::Ranked)
            }
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn scaled_channels(&self, inputs: &TypeInputs<'_>) -> Option<usize> {
        index::reshaped_channels(inputs.ty(0).ok()?, self.infer(inputs).ok()?.first()?)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let axes = index::optional_integers(inputs.optional(1), "the axes")?;
        let dims: Vec<Dim> = inputs.get(0)?.shape().iter().copied().map(Dim::Fixed).collect();
        let kept = squeezed(&dims, axes.as_deref())?.unwrap_or_default();
        let sizes: Vec<usize> = kept.iter().filter_map(Dim::fixed).collect();
        index::reshape(inputs, &sizes)
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::reshape_gradient(tape)
    }
}

/// The dimensions that are left; `None` when that depends on sizes that are not known.
fn squeezed(dims: &[Dim], axes: Option<&[i64]>) -> Result<Option<Vec<Dim>>, OpError> {
    let Some(axes) = axes else {
        let known = dims.iter().all(|d| d.fixed().is_some());
        return Ok(known.then(|| dims.iter().filter(|d| d.fixed() != Some(1)).cloned().collect()));
    };
    let axes = index::axes(axes, dims.len())?;
    if let Some(size) = axes.iter().find_map(|&axis| dims[axis].fixed().filter(|&size| size != 1)) {
        return Err(index::count_error("size of a dimension to remove", 1, size));
    }
    let kept = dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    Ok(Some(kept.map(|(_, dim)| dim.clone()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, try_run};

    impl Sampled for Squeeze {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[2, 1, 3, 1], -1.0, 1.0);
            let y = |shape: &[usize]| vec![x.clone().reshaped(shape).unwrap()];
            vec![
                Sample::new(Attrs::new().with("axes", Attr::Ints(vec![1])))
                    .opset(7)
                    .input(x.clone())
                    .gives(y(&[2, 3, 1]))
                    .gradients(&[0]),
                Sample::new(Attrs::new()).input(x.clone()).constant(integers(&[-1, 1])).gives(y(&[2, 3])),
                Sample::new(Attrs::new()).input(x.clone()).gives(y(&[2, 3])),
            ]
        }
    }

    #[test]
    fn a_dimension_of_another_size_stays() {
        let error = try_run(&Op::from(Squeeze), &[Value::zeros::<f32>(&[2, 1]).unwrap(), integers(&[0])]);
        assert_eq!(error.unwrap_err().to_string(), "size of a dimension to remove: expected 1, got 2");
    }
}
