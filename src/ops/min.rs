//! `Min` (ONNX opsets 8–13): the least of all inputs, with multidirectional broadcasting. Numbers of any type; NaN wins, so that it does not vanish. The
//! gradient goes to the first input that has the result.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
    numbers::{self, Wide},
    variadic,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = min(inputs)`, of one input or more.
#[derive(Debug, Clone, PartialEq)]
pub struct Min;

impl Operator for Min {
    const OP_TYPE: &'static str = "Min";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(8, "inputs were not broadcast before opset 8")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts { is_axis_free: true, ..Facts::default() }
    }

    fn channel_limits(&self, inputs: &TypeInputs<'_>) -> Option<Vec<f32>> {
        let limits = inputs.constant(1).filter(|_| inputs.len() == 2)?;
        let dims = inputs.shape(0).ok()?.dims()?;
        // The constant's axes are the last ones of the input; all but that of the channels have one element.
        let missing = dims.len().checked_sub(limits.rank()).filter(|&missing| missing <= 1)?;
        let channel = limits.shape().get(1 - missing)?;
        let is_fixed = dims.get(1)?.fixed() == Some(*channel) && limits.len() == *channel;
        let limits = limits.as_slice::<f32>().ok().filter(|_| is_fixed)?;
        (!limits.iter().any(|limit| limit.is_nan())).then(|| limits.to_vec())
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        variadic::infer(inputs, false)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![variadic::fold(
            inputs,
            false,
            |lhs, rhs| numbers::combined!(lhs, rhs, T => |a, b| if a < b || a.is_not_a_number() { a } else { b }),
        )?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        variadic::chosen_gradient(tape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use crate::tensor::{DType, Shape};

    #[test]
    fn a_constant_with_a_number_for_each_channel_limits_channels() {
        let x = TensorType::new(DType::F32, Shape::fixed(&[2, 3, 4, 3]));
        let of = |shape: &[usize], numbers: &[f32]| {
            let limits = tensor(shape, numbers);
            let ty = TensorType::new(DType::F32, Shape::fixed(shape));
            Min.channel_limits(&TypeInputs::new(vec![Some((&x, None)), Some((&ty, Some(&limits)))]))
        };
        let three = [1.0, -2.0, f32::INFINITY];
        assert_eq!(of(&[1, 3, 1, 1], &three), Some(three.to_vec()));
        assert_eq!(of(&[3, 1, 1], &three), Some(three.to_vec()));
        // Of another axis, of one number, of none for a channel.
        assert_eq!([of(&[3], &three), of(&[1, 1, 1, 3], &three)], [None, None]);
        assert_eq!([of(&[], &[1.0]), of(&[1, 1, 1, 1], &[1.0])], [None, None]);
        assert_eq!(of(&[3, 1, 1], &[1.0, f32::NAN, 2.0]), None);
        assert_eq!(of(&[2, 3, 1, 1], &[1.0; 6]), None);
        let alone = TypeInputs::new(vec![Some((&x, None))]);
        assert_eq!(Min.channel_limits(&alone), None);
    }

    impl Sampled for Min {
        fn samples() -> Vec<Sample> {
            // Three tensors of which no two have a number in common.
            let spaced = Random::new(6).spaced(&[3, 2, 4]).into_vec::<f32>().unwrap();
            let part = |at: usize| tensor(&[2, 4], &spaced[8 * at..8 * at + 8]);
            vec![
                Sample::new(Attrs::new())
                    .opset(8)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(tensor(&[2], &[10.0, 20.0]))
                    .gives(vec![tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0])]),
                Sample::new(Attrs::new())
                    .input(tensor(&[2], &[1.0, -2.0]))
                    .gives(vec![tensor(&[2], &[1.0, -2.0])]),
                Sample::new(Attrs::new())
                    .input(Value::from_vec(&[2], vec![200_u8, 7]).unwrap())
                    .input(Value::from_vec(&[2], vec![100_u8, 9]).unwrap())
                    .gives(vec![Value::from_vec(&[2], vec![100_u8, 7]).unwrap()]),
                Sample::new(Attrs::new())
                    .input(tensor(&[2], &[f32::NAN, 1.0]))
                    .input(tensor(&[2], &[1.0, f32::NAN]))
                    .gives(vec![tensor(&[2], &[f32::NAN, f32::NAN])]),
                Sample::new(Attrs::new()).input(part(0)).input(part(1)).input(part(2)).gradients(&[0, 1, 2]),
                Sample::new(Attrs::new()).input(part(0)).constant(tensor(&[], &[0.03])).gradients(&[0]),
            ]
        }
    }
}
