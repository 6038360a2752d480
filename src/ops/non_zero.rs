//! `NonZero` (ONNX opsets 9–13): the indices of all elements that are not zero, an axis a row, in
//! row-major order. Not differentiable.

use super::convert::convert;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, runs};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// Where the elements are that are not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct NonZero;

impl Operator for NonZero {
    const OP_TYPE: &'static str = "NonZero";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let rank = inputs.shape(0)?.rank().map_or(Dim::Unknown, Dim::Fixed);
        Ok(vec![TensorType::new(DType::I64, Shape::Ranked(vec![rank, Dim::Unknown]))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let is_set = convert(x.clone(), DType::Bool)?;
        let set: Vec<usize> = is_set
            .as_slice::<bool>()?
            .iter()
            .enumerate()
            .filter_map(|(at, &set)| set.then_some(at))
            .collect();
        let mut indices = Vec::with_capacity(x.rank().saturating_mul(set.len()));
        for (step, &size) in runs::strides(x.shape()).into_iter().zip(x.shape()) {
            indices.extend(set.iter().map(|at| (at / step.max(1) % size) as i64));
        }
        Ok(vec![Value::from_vec(&[x.rank(), set.len()], indices)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for NonZero {
        fn samples() -> Vec<Sample> {
            let of = |x: Value, wanted: &[i64], shape: &[usize]| {
                Sample::new(Attrs::new()).input(x).gives(vec![integers(wanted).reshaped(shape).unwrap()])
            };
            let flags = Value::from_vec(&[3], vec![true, false, true]).unwrap();
            vec![
                of(tensor(&[2, 3], &[0.0, -0.0, 3.0, f32::NAN, 0.0, 0.5]), &[0, 1, 1, 2, 0, 2], &[2, 3])
                    .opset(9),
                of(flags, &[0, 2], &[1, 2]),
                of(Value::scalar(7_i64), &[], &[0, 1]),
                of(tensor(&[2, 0], &[]), &[], &[2, 0]),
            ]
        }
    }
}
