//! `GatherElements` (ONNX opsets 11–13): for each element of the result, the index along one axis;
//! along the others it lies where the result does.

use super::runs::{Runs, add_back, element_runs, pick};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, `indices`, of the shape of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherElements {
    /// Axis that is indexed.
    pub axis: i64,
}

impl Operator for GatherElements {
    const OP_TYPE: &'static str = "GatherElements";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axis: node.attrs.take_int("axis")?.unwrap_or(0) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new().with("axis", Attr::Int(self.axis)))])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(inputs.ty(0)?.dtype, inputs.shape(1)?.clone())])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (x, indices) = (inputs.get(0)?, inputs.get(1)?);
        Ok(vec![pick(x, &self.runs(x.shape(), indices)?, indices.shape())?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| {
            let shape = tape.input(0)?.shape();
            add_back(g, &self.runs(shape, tape.input(1)?)?, shape)
        })
    }
}

impl GatherElements {
    fn runs(&self, shape: &[usize], indices: &Value) -> Result<Runs, OpError> {
        element_runs(shape, index::axis(self.axis, shape.len())?, indices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for GatherElements {
        fn samples() -> Vec<Sample> {
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            let x = || tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let indices = |shape: &[usize], data: &[i64]| integers(data).reshaped(shape).unwrap();
            let random = || Random::new(4).uniform(&[2, 3, 2], -1.0, 1.0);
            vec![
                Sample::new(axis(1))
                    .opset(11)
                    .input(x())
                    .constant(indices(&[2, 2], &[2, -3, 0, 0]))
                    .gives(vec![tensor(&[2, 2], &[3.0, 1.0, 4.0, 4.0])]),
                Sample::new(axis(-2))
                    .input(x())
                    .input(Value::from_vec(&[1, 3], vec![1_i32, 0, -1]).unwrap())
                    .gives(vec![tensor(&[1, 3], &[4.0, 2.0, 6.0])]),
                Sample::new(axis(1))
                    .input(random())
                    .input(indices(&[2, 2, 1], &[1, 1, -1, 0]))
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn indices_of_another_shape_or_beyond_the_axis_are_refused() {
        let run = |shape: &[usize], data: &[i64]| {
            let x = tensor(&[2, 2], &[0.0; 4]);
            try_run(&Op::from(GatherElements { axis: 0 }), &[x, integers(data).reshaped(shape).unwrap()])
        };
        let error = run(&[1], &[0]).unwrap_err();
        assert_eq!(error.to_string(), "dimensions of the indices: expected 2, got 1");
        assert!(run(&[1, 3], &[0; 3]).is_err());
        let error = run(&[1, 1], &[2]).unwrap_err();
        assert_eq!(error.to_string(), "an index = 2, but it must be within the 2 of the axis");
    }
}
