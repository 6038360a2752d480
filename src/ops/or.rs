//! `Or` (ONNX opsets 7): whether `lhs ∨ rhs`, element by element, with multidirectional
//! broadcasting. Not differentiable.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, broadcast};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// `y = lhs ∨ rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Or;

impl Operator for Or {
    const OP_TYPE: &'static str = "Or";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = broadcast::infer(inputs, "bool", |d| d == DType::Bool)?;
        Ok(vec![TensorType::new(DType::Bool, ty.shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (lhs, rhs) = (inputs.get(0)?, inputs.get(1)?);
        Ok(vec![match lhs.dtype() {
            DType::Bool => broadcast::compare::<bool>(lhs, rhs, |a, b| a | b)?,
            got => return Err(OpError::DType { what: "the first input", expected: "bool", got }),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled};

    impl Sampled for Or {
        fn samples() -> Vec<Sample> {
            let bools = |shape: &[usize], data: &[bool]| Value::from_vec(shape, data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(bools(&[4], &[true, true, false, false]))
                    .input(bools(&[4], &[true, false, true, false]))
                    .gives(vec![bools(&[4], &[true, true, true, false])]),
            ]
        }
    }
}
