//! `Less` (ONNX opsets 7–13): whether `lhs < rhs`, element by element, with multidirectional
//! broadcasting. Not differentiable.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, broadcast, numbers};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// `y = lhs < rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Less;

impl Operator for Less {
    const OP_TYPE: &'static str = "Less";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = broadcast::infer_numbers(inputs)?;
        Ok(vec![TensorType::new(DType::Bool, ty.shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![numbers::comparison!(inputs, T => |a, b| a < b)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for Less {
        fn samples() -> Vec<Sample> {
            let bools = |shape: &[usize], data: &[bool]| Value::from_vec(shape, data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, f32::NAN]))
                    .constant(tensor(&[1], &[2.0]))
                    .gives(vec![bools(&[2, 2], &[true, false, false, false])]),
                Sample::new(Attrs::new())
                    .input(integers(&[1, 2, 3]))
                    .input(integers(&[2]))
                    .gives(vec![bools(&[3], &[true, false, false])]),
            ]
        }
    }
}
