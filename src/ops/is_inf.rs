//! `IsInf` (ONNX opsets 10–20): whether `x` is infinite, element by element. Not differentiable.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, convert};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// Whether `x` is infinite, as a truth value.
#[derive(Debug, Clone, PartialEq)]
pub struct IsInf {
    /// Negative infinity counts.
    pub negative: bool,
    /// Positive infinity counts.
    pub positive: bool,
}

impl Operator for IsInf {
    const OP_TYPE: &'static str = "IsInf";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(10, "it was added in opset 10")?;
        let negative = node.attrs.take_bool("detect_negative", true)?;
        let positive = node.attrs.take_bool("detect_positive", true)?;
        Ok(Self { negative, positive })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let flag = |flag: bool| Attr::Int(flag.into());
        let attrs = Attrs::new().with("detect_negative", flag(self.negative));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs.with("detect_positive", flag(self.positive)))])
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
        let found = x
            .as_slice::<f64>()?
            .iter()
            .map(|&x| x.is_infinite() && (if x < 0.0 { self.negative } else { self.positive }))
            .collect();
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

    impl Sampled for IsInf {
        fn samples() -> Vec<Sample> {
            let bools = |data: &[bool]| Value::from_vec(&[3], data.to_vec()).unwrap();
            let x = tensor(&[3], &[f32::NEG_INFINITY, f32::NAN, f32::INFINITY]);
            let positive_only = Attrs::new().with("detect_negative", Attr::Int(0));
            vec![
                Sample::new(Attrs::new()).opset(10).input(x.clone()).gives(vec![bools(&[true, false, true])]),
                Sample::new(positive_only).input(x).gives(vec![bools(&[false, false, true])]),
            ]
        }
    }
}
