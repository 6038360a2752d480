//! `Identity` (ONNX opsets 1–25): hands its input on, whatever its type. Tensors only.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, index,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = x`.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity;

impl Operator for Identity {
    const OP_TYPE: &'static str = "Identity";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts { is_identity: true, ..Facts::of(Kind::Rearrange) }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![inputs.ty(0)?.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![inputs.take(0)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| Ok(g.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled};

    impl Sampled for Identity {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[2, 3], -1.0, 1.0);
            vec![
                Sample::new(Attrs::new()).opset(7).input(x.clone()).gives(vec![x]).gradients(&[0]),
                Sample::new(Attrs::new()).input(Value::scalar(true)).gives(vec![Value::scalar(true)]),
            ]
        }
    }
}
