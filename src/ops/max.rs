//! `Max` (ONNX opsets 8–13): the greatest of all inputs, with multidirectional broadcasting. Numbers of any type; NaN wins, so that it does not vanish. The
//! gradient goes to the first input that has the result.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
    numbers::{self, Wide},
    variadic,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = max(inputs)`, of one input or more.
#[derive(Debug, Clone, PartialEq)]
pub struct Max;

impl Operator for Max {
    const OP_TYPE: &'static str = "Max";

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

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        variadic::infer(inputs, false)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![variadic::fold(
            inputs,
            false,
            |lhs, rhs| numbers::combined!(lhs, rhs, T => |a, b| if a > b || a.is_not_a_number() { a } else { b }),
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

    impl Sampled for Max {
        fn samples() -> Vec<Sample> {
            // Three tensors of which no two have a number in common.
            let spaced = Random::new(6).spaced(&[3, 2, 4]).into_vec::<f32>().unwrap();
            let part = |at: usize| tensor(&[2, 4], &spaced[8 * at..8 * at + 8]);
            vec![
                Sample::new(Attrs::new())
                    .opset(8)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(tensor(&[2], &[10.0, 20.0]))
                    .gives(vec![tensor(&[2, 2], &[10.0, 20.0, 10.0, 20.0])]),
                Sample::new(Attrs::new())
                    .input(tensor(&[2], &[1.0, -2.0]))
                    .gives(vec![tensor(&[2], &[1.0, -2.0])]),
                Sample::new(Attrs::new())
                    .input(Value::from_vec(&[2], vec![200_u8, 7]).unwrap())
                    .input(Value::from_vec(&[2], vec![100_u8, 9]).unwrap())
                    .gives(vec![Value::from_vec(&[2], vec![200_u8, 9]).unwrap()]),
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
