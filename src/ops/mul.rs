//! `Mul` (ONNX opsets 7–14): elementwise product with multidirectional broadcasting.
//!
//! Also of integers, which wrap around.

use super::broadcast::{self, ChannelConstant};
use super::numbers::{self, Wide};
use super::{
    ChannelAffine, Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = lhs · rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mul;

impl Operator for Mul {
    const OP_TYPE: &'static str = "Mul";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts { is_axis_free: true, ..Facts::default() }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![broadcast::infer_numbers(inputs)?])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![numbers::arithmetic!(inputs, T => T::times)])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let gradient = broadcast::unclamped_gradient(tape, None)?;
        let (lhs, rhs) = (tape.input(0)?, tape.input(1)?);
        let times = |g, other: &Value| broadcast::combine::<f32>(g, other.clone(), |g, v| g * v);
        broadcast::gradients(tape, gradient, |g| times(g, rhs), |g| times(g, lhs))
    }

    fn channel_affine(&self, inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
        ChannelConstant::find(inputs)?.affine(|c| c, |_| 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};
    use crate::tensor::{DType, Shape};

    impl Sampled for Mul {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(12);
            let mut float = |shape: &[usize]| random.uniform(shape, 0.5, 2.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(tensor(&[2], &[2.0, 4.0]))
                    .gives(vec![tensor(&[2, 2], &[2.0, 8.0, 6.0, 16.0])]),
                Sample::new(Attrs::new())
                    .input(integers(&[-2, i64::MAX]))
                    .input(integers(&[3]))
                    .gives(vec![integers(&[-6, i64::MAX - 2])]),
                Sample::new(Attrs::new())
                    .input(float(&[2, 3, 4]))
                    .input(float(&[2, 3, 4]))
                    .gradients(&[0, 1]),
                Sample::new(Attrs::new())
                    .input(float(&[3, 1, 1]))
                    .input(float(&[2, 3, 2, 2]))
                    .gradients(&[0, 1]),
                Sample::new(Attrs::new()).input(float(&[4, 1])).input(float(&[2, 1, 3])).gradients(&[0, 1]),
                Sample::new(Attrs::new()).input(float(&[2, 2])).input(float(&[])).gradients(&[0, 1]),
            ]
        }
    }

    fn affine(constant_first: bool) -> Option<ChannelAffine> {
        let x = TensorType::new(DType::F32, Shape::fixed(&[1, 2, 3, 3]));
        let value = tensor(&[2, 1, 1], &[2.0, -4.0]);
        let ty = TensorType::new(DType::F32, Shape::fixed(&[2, 1, 1]));
        let mut slots = vec![Some((&x, None)), Some((&ty, Some(&value)))];
        if constant_first {
            slots.reverse();
        }
        Mul.channel_affine(&TypeInputs::new(slots))
    }

    #[test]
    fn a_constant_per_channel_is_an_affine_map() {
        let map = affine(false).unwrap();
        assert_eq!((map.input, map.scale, map.shift), (0, vec![2.0, -4.0], vec![0.0; 2]));
        assert_eq!(affine(true).unwrap().input, 1);
    }
}
