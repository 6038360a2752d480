//! `IsNaN` (ONNX opsets 9–20): whether `x` is not a number, element by element. Not differentiable.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, convert};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// Whether `x` is not a number, as a truth value.
#[derive(Debug, Clone, PartialEq)]
pub struct IsNaN;

impl Operator for IsNaN {
    const OP_TYPE: &'static str = "IsNaN";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(9, "it was added in opset 9")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        check(ty.dtype)?;
        Ok(vec![TensorType::new(DType::Bool, ty.shape.clone())])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.take(0)?;
        check(x.dtype())?;
        let x = convert::convert(x, DType::F64)?;
        let found = x.as_slice::<f64>()?.iter().map(|&x| x.is_nan()).collect();
        Ok(vec![Value::from_vec(x.shape(), found)?])
    }
}

fn check(dtype: DType) -> Result<(), OpError> {
    if dtype.is_float() {
        return Ok(());
    }
    Err(OpError::DType { what: "the input", expected: "float32 or float64", got: dtype })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, tensor};

    impl Sampled for IsNaN {
        fn samples() -> Vec<Sample> {
            let bools = |data: &[bool]| Value::from_vec(&[3], data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(9)
                    .input(tensor(&[3], &[1.0, f32::NAN, f32::INFINITY]))
                    .gives(vec![bools(&[false, true, false])]),
                Sample::new(Attrs::new())
                    .input(Value::from_vec(&[3], vec![f64::NAN, 0.0, 1.0]).unwrap())
                    .gives(vec![bools(&[true, false, false])]),
            ]
        }
    }
}
