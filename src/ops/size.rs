//! `Size` (ONNX opsets 1–25): the number of elements of a tensor.
//!
//! Known sizes are folded to a constant.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, index};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, Shape, TensorType, Value};

/// The product of the sizes of all dimensions, as int64.
#[derive(Debug, Clone, PartialEq)]
pub struct Size;

impl Operator for Size {
    const OP_TYPE: &'static str = "Size";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        inputs.ty(0)?;
        Ok(vec![TensorType::new(DType::I64, Shape::fixed(&[]))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        // A count that memory can have fits in 63 bits.
        Ok(vec![Value::scalar(inputs.get(0)?.len() as i64)])
    }

    fn fold(&self, inputs: &TypeInputs<'_>) -> Option<Vec<Value>> {
        let size = index::product(inputs.shape(0).ok()?.dims()?).fixed()?;
        Some(vec![Value::scalar(i64::try_from(size).ok()?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, tensor};

    impl Sampled for Size {
        fn samples() -> Vec<Sample> {
            let sample = |shape: &[usize], size: i64| {
                let x = tensor(shape, &vec![0.0; shape.iter().product()]);
                Sample::new(Attrs::new()).opset(7).input(x).gives(vec![Value::scalar(size)])
            };
            vec![sample(&[2, 3], 6), sample(&[], 1), sample(&[3, 0], 0)]
        }
    }
}
