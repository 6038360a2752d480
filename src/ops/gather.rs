//! `Gather` (ONNX opsets 1–13): the slices of an axis that indices name.
//!
//! The shape of the indices takes the place of the axis. Negative indices count from the end; others
//! beyond the axis are an error.

use super::index::{self, IndexMap};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Shape, TensorType, Value};

/// Inputs: `x`, `indices`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    /// Axis that is indexed.
    pub axis: i64,
}

impl Operator for Gather {
    const OP_TYPE: &'static str = "Gather";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axis: node.attrs.take_int("axis")?.unwrap_or(0) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("axis", Attr::Int(self.axis))])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        let shape = match (ty.shape.dims(), inputs.shape(1)?.dims()) {
            (Some(dims), Some(indices)) => {
                let axis = index::axis(self.axis, dims.len())?;
                Shape::Ranked([&dims[..axis], indices, &dims[axis + 1..]].concat())
            }
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (x, indices) = (inputs.get(0)?, inputs.get(1)?);
        let map = self.map(x.shape(), indices)?;
        let axis = index::axis(self.axis, x.rank())?;
        let shape = [&x.shape()[..axis], indices.shape(), &x.shape()[axis + 1..]].concat();
        let found = map.take(x, None)?;
        Ok(vec![found.reshaped(&shape)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| {
            let (x, indices) = (tape.input(0)?, tape.input(1)?);
            let axis = index::axis(self.axis, x.rank())?;
            let mut shape = x.shape().to_vec();
            shape[axis] = indices.len();
            self.map(x.shape(), indices)?.scatter(&g.clone().reshaped(&shape)?)
        })
    }
}

impl Gather {
    /// The map to a result whose indices lie along one axis.
    fn map(&self, shape: &[usize], indices: &Value) -> Result<IndexMap, OpError> {
        let axis = index::axis(self.axis, shape.len())?;
        let size = shape[axis];
        let position = |at: i64| {
            let from_front = if at < 0 { at.saturating_add(size as i64) } else { at };
            let position = u32::try_from(from_front).ok().filter(|&p| (p as usize) < size);
            position.ok_or_else(|| OpError::Range {
                what: "an index",
                expected: format!("within the {size} of the axis"),
                got: at.to_string(),
            })
        };
        let indices = index::integers(indices, "the indices")?;
        let mut axes = Vec::with_capacity(shape.len());
        for (at, &size) in shape.iter().enumerate() {
            let positions = if at == axis {
                indices.iter().map(|&i| position(i)).collect::<Result<_, _>>()?
            } else {
                IndexMap::all(size)?
            };
            axes.push((at, positions));
        }
        IndexMap::new(shape, axes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Gather {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[3, 4, 2], -1.0, 1.0);
            let square = integers(&[0, -1, 2, 2]).reshaped(&[2, 2]).unwrap();
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            vec![
                // The way to a size: Shape → Gather.
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(integers(&[8, 16, 32]))
                    .constant(Value::scalar(-2_i64))
                    .gives(vec![Value::scalar(16_i64)]),
                Sample::new(axis(1))
                    .input(tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                    .constant(integers(&[2, 0]))
                    .gives(vec![tensor(&[2, 2], &[3.0, 1.0, 6.0, 4.0])]),
                Sample::new(axis(1)).input(x.clone()).input(square).gradients(&[0]),
                Sample::new(axis(-1)).input(x).constant(Value::scalar(1_i64)).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn an_index_beyond_the_axis_is_refused() {
        let error = try_run(&Op::from(Gather { axis: 0 }), &[integers(&[1, 2]), integers(&[2])]).unwrap_err();
        assert_eq!(error.to_string(), "an index = 2, but it must be within the 2 of the axis");
    }
}
