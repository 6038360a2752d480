//! `Not` (ONNX opset 1): the other truth value, element by element. Not differentiable.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, elementwise};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// `y = ¬x`.
#[derive(Debug, Clone, PartialEq)]
pub struct Not;

impl Operator for Not {
    const OP_TYPE: &'static str = "Not";
    const LEAST_OPSET: u32 = 1;

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        if ty.dtype == DType::Bool {
            return Ok(vec![ty.clone()]);
        }
        Err(OpError::DType { what: "the input", expected: "bool", got: ty.dtype })
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![elementwise::map_value(inputs.take(0)?, |x: bool| !x)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled};

    impl Sampled for Not {
        fn samples() -> Vec<Sample> {
            let bools = |data: &[bool]| Value::from_vec(&[2], data.to_vec()).unwrap();
            vec![Sample::new(Attrs::new()).input(bools(&[true, false])).gives(vec![bools(&[false, true])])]
        }
    }
}
