//! `CastLike` (ONNX opsets 15–25): to the element type of another tensor, as [`convert`] does it.
//!
//! Where a file declares a float narrower than float32 for the other tensor, the importer makes a
//! `Cast` of the node, since the tensor here is of float32 and does not tell.

use super::cast::{gradient, take_rounding};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, convert};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `x` in the element type of `like`. Inputs: `x`, `like`.
#[derive(Debug, Clone, PartialEq)]
pub struct CastLike;

impl Operator for CastLike {
    const OP_TYPE: &'static str = "CastLike";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        take_rounding(node)?; // only means something for narrow floats
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(inputs.ty(1)?.dtype, inputs.shape(0)?.clone())])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let to = inputs.get(1)?.dtype();
        Ok(vec![convert::convert(inputs.take(0)?, to)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        gradient(tape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for CastLike {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[2], &[-1.75, 2.5]);
            vec![
                Sample::new(Attrs::new())
                    .opset(15)
                    .input(x.clone())
                    .input(integers(&[7]))
                    .gives(vec![integers(&[-1, 2])]),
                Sample::new(Attrs::new()).input(x).constant(tensor(&[], &[0.0])).gradients(&[0]),
            ]
        }
    }
}
