//! `Compress` (ONNX opsets 9–11): the slices along an axis, or the single elements, for which a
//! condition holds. A condition shorter than the axis leaves the rest away.

use super::index::{self, IndexMap};
use super::{Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// Inputs: `x`, `condition`.
#[derive(Debug, Clone, PartialEq)]
pub struct Compress {
    /// Axis of the slices; the elements of the flattened tensor where there is none.
    pub axis: Option<i64>,
}

impl Operator for Compress {
    const OP_TYPE: &'static str = "Compress";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axis: node.attrs.take_int("axis")? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = self.axis.iter().fold(Attrs::new(), |attrs, &axis| attrs.with("axis", Attr::Int(axis)));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (ty, condition) = (inputs.ty(0)?, inputs.ty(1)?);
        if condition.dtype != DType::Bool {
            return Err(OpError::DType { what: "the condition", expected: "bool", got: condition.dtype });
        }
        let shape = match (self.axis, ty.shape.dims()) {
            (None, _) => index::unknown(1),
            (Some(axis), Some(dims)) => {
                let mut dims = dims.to_vec();
                let axis = index::axis(axis, dims.len())?;
                dims[axis] = Dim::Unknown;
                Shape::Ranked(dims)
            }
            (Some(_), None) => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = self.flattened(inputs.get(0)?)?;
        Ok(vec![self.map(x.shape(), inputs.get(1)?)?.take(&x, None)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| {
            let x = tape.input(0)?;
            let map = self.map(self.flattened(x)?.shape(), tape.input(1)?)?;
            Ok(map.scatter(g)?.reshaped(x.shape())?)
        })
    }
}

impl Compress {
    fn flattened(&self, x: &Value) -> Result<Value, OpError> {
        Ok(if self.axis.is_some() { x.clone() } else { x.clone().reshaped(&[x.len()])? })
    }

    fn map(&self, shape: &[usize], condition: &Value) -> Result<IndexMap, OpError> {
        let axis = index::axis(self.axis.unwrap_or(0), shape.len())?;
        let condition = condition.as_slice::<bool>()?;
        let chosen = (0..).zip(condition).filter_map(|(at, &holds)| holds.then_some(at));
        let mut axes = Vec::with_capacity(shape.len());
        for (at, &size) in shape.iter().enumerate() {
            axes.push((at, if at == axis { chosen.clone().collect() } else { IndexMap::all(size)? }));
        }
        IndexMap::new(shape, axes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, tensor, try_run};

    fn flags(flags: &[bool]) -> Value {
        Value::from_vec(&[flags.len()], flags.to_vec()).unwrap()
    }

    impl Sampled for Compress {
        fn samples() -> Vec<Sample> {
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            let x = || tensor(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let random = || Random::new(4).uniform(&[2, 3, 2], -1.0, 1.0);
            vec![
                Sample::new(axis(0))
                    .opset(9)
                    .input(x())
                    .constant(flags(&[false, true, true]))
                    .gives(vec![tensor(&[2, 2], &[3.0, 4.0, 5.0, 6.0])]),
                Sample::new(Attrs::new())
                    .input(x())
                    .constant(flags(&[false, true, false, false, true]))
                    .gives(vec![tensor(&[2], &[2.0, 5.0])]),
                Sample::new(axis(-2)).input(random()).input(flags(&[true, false, true])).gradients(&[0]),
                Sample::new(Attrs::new()).input(random()).input(flags(&[false, true])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn a_condition_that_holds_beyond_the_axis_is_refused() {
        let (op, _) = import_node("Compress", Attrs::new(), 11, &[]).unwrap();
        assert!(try_run(&op, &[tensor(&[1], &[1.0]), flags(&[true, true])]).is_err());
        assert!(try_run(&op, &[tensor(&[1], &[1.0]), flags(&[true, false])]).is_ok());
    }
}
