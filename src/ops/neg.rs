//! `Neg` (ONNX opsets 6–13): `y = −x`, element by element, also of integers.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
    numbers::{self, Wide},
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = −x`.
#[derive(Debug, Clone, PartialEq)]
pub struct Neg;

impl Operator for Neg {
    const OP_TYPE: &'static str = "Neg";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Elementwise)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        numbers::infer_unary(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![numbers::map!(inputs, T => |x| T::ZERO.minus(x))])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient(tape, |_, _| -1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for Neg {
        fn samples() -> Vec<Sample> {
            let least = integers(&[i64::MIN, -3]);
            let random = Random::new(2).uniform(&[3, 4], -2.0, 2.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[3], &[-2.0, 0.0, 3.5]))
                    .gives(vec![tensor(&[3], &[2.0, -0.0, -3.5])]),
                Sample::new(Attrs::new()).input(least).gives(vec![integers(&[i64::MIN, 3])]),
                Sample::new(Attrs::new()).input(random).gradients(&[0]),
            ]
        }
    }
}
