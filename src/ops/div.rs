//! `Div` (ONNX opsets 7–14): elementwise quotient with multidirectional broadcasting.
//!
//! Of integers it is rounded towards 0 and wraps around; an integer divided by 0 is an error.

use super::broadcast::{self, ChannelConstant};
use super::numbers::{self, Wide};
use super::{
    ChannelAffine, Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = lhs / rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Div;

impl Operator for Div {
    const OP_TYPE: &'static str = "Div";

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
        if numbers::has_zero_integer(inputs.get(1)?)? {
            let (expected, got) = ("other than 0".to_owned(), "0".to_owned());
            return Err(OpError::Range { what: "the divisor of an integer", expected, got });
        }
        Ok(vec![numbers::arithmetic!(inputs, T => T::over)])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let gradient = broadcast::unclamped_gradient(tape, None)?;
        let (y, rhs) = (tape.output(0)?, tape.input(1)?);
        // ∂y/∂lhs = 1 / rhs, ∂y/∂rhs = −lhs / rhs² = −y / rhs.
        let over = |g| broadcast::combine::<f32>(g, rhs.clone(), |g, v| g / v);
        let rhs_gradient = |g| over(broadcast::combine::<f32>(g, y.clone(), |g, y| -g * y)?);
        broadcast::gradients(tape, gradient, over, rhs_gradient)
    }

    fn channel_affine(&self, inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
        ChannelConstant::find(inputs).filter(|c| c.input == 0)?.affine(f32::recip, |_| 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};
    use crate::tensor::{DType, Shape};

    impl Sampled for Div {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(12);
            let mut float = |shape: &[usize]| random.uniform(shape, 0.5, 2.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(tensor(&[2], &[2.0, 4.0]))
                    .gives(vec![tensor(&[2, 2], &[0.5, 0.5, 1.5, 1.0])]),
                Sample::new(Attrs::new())
                    .input(integers(&[-7, i64::MIN]))
                    .input(integers(&[2, -1]))
                    .gives(vec![integers(&[-3, i64::MIN])]),
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
        Div.channel_affine(&TypeInputs::new(slots))
    }

    #[test]
    fn a_constant_per_channel_is_an_affine_map() {
        let map = affine(false).unwrap();
        assert_eq!((map.input, map.scale, map.shift), (0, vec![0.5, -0.25], vec![0.0; 2]));
        assert_eq!(affine(true), None);
    }

    #[test]
    fn an_integer_divided_by_zero_is_an_error() {
        let error = try_run(&Op::from(Div), &[integers(&[1, 2]), integers(&[1, 0])]).unwrap_err();
        assert_eq!(error.to_string(), "the divisor of an integer = 0, but it must be other than 0");
    }
}
