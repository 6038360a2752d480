//! `Sub` (ONNX opsets 7–14): elementwise difference with multidirectional broadcasting.
//!
//! Also of integers, which wrap around.

use super::broadcast::{self, ChannelConstant};
use super::numbers::{self, Wide};
use super::{
    ChannelAffine, Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError,
    Operator, Tape, TypeInputs, elementwise, q_add,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = lhs − rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sub;

impl Operator for Sub {
    const OP_TYPE: &'static str = "Sub";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Sum)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![broadcast::infer_numbers(inputs)?])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![numbers::arithmetic!(inputs, T => T::minus)])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let gradient = broadcast::unclamped_gradient(tape, None)?;
        broadcast::gradients(tape, gradient, Ok, |g| elementwise::map_value(g, |g: f32| -g))
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        q_add::lower(context, -1.0, None)
    }

    fn channel_affine(&self, inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
        let constant = ChannelConstant::find(inputs)?;
        if constant.input == 0 { constant.affine(|_| 1.0, |c| -c) } else { constant.affine(|_| -1.0, |c| c) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};
    use crate::tensor::{DType, Shape};

    impl Sampled for Sub {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(12);
            let mut float = |shape: &[usize]| random.uniform(shape, 0.5, 2.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(tensor(&[2], &[2.0, 4.0]))
                    .gives(vec![tensor(&[2, 2], &[-1.0, -2.0, 1.0, 0.0])]),
                Sample::new(Attrs::new())
                    .input(integers(&[1, i64::MIN]))
                    .input(integers(&[3]))
                    .gives(vec![integers(&[-2, i64::MAX - 2])]),
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
        Sub.channel_affine(&TypeInputs::new(slots))
    }

    #[test]
    fn a_constant_per_channel_is_an_affine_map() {
        let map = affine(false).unwrap();
        assert_eq!((map.input, map.scale, map.shift), (0, vec![1.0; 2], vec![-2.0, 4.0]));
        let map = affine(true).unwrap();
        assert_eq!((map.input, map.scale, map.shift), (1, vec![-1.0; 2], vec![2.0, -4.0]));
    }
}
