//! `Equal` (ONNX opsets 7–19): whether `lhs = rhs`, element by element, with multidirectional
//! broadcasting. Not differentiable.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, broadcast, numbers};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

const TYPES: &str = "a type of numbers, of 8 bits or more, or bool";

/// Whether `lhs = rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Equal;

impl Operator for Equal {
    const OP_TYPE: &'static str = "Equal";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = broadcast::infer(inputs, TYPES, |d| numbers::is_number(d) || d == DType::Bool)?;
        Ok(vec![TensorType::new(DType::Bool, ty.shape)])
    }

    #[allow(clippy::float_cmp, reason = "ONNX defines Equal of floats as exact")]
    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        if inputs.get(0)?.dtype() == DType::Bool {
            return Ok(vec![broadcast::compare::<bool>(inputs.get(0)?, inputs.get(1)?, |a, b| a == b)?]);
        }
        Ok(vec![numbers::comparison!(inputs, T => |a, b| a == b)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for Equal {
        fn samples() -> Vec<Sample> {
            let bools = |shape: &[usize], data: &[bool]| Value::from_vec(shape, data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, f32::NAN]))
                    .constant(tensor(&[1], &[2.0]))
                    .gives(vec![bools(&[2, 2], &[false, true, false, false])]),
                Sample::new(Attrs::new())
                    .input(integers(&[1, 2, 3]))
                    .input(integers(&[2]))
                    .gives(vec![bools(&[3], &[false, true, false])]),
            ]
        }
    }
}
