//! `Sign` (ONNX opsets 9–13): −1, 0 or 1, element by element, of numbers of any type. NaN stays NaN.
//!
//! The derivative is 0.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
    numbers::{self, Wide},
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = −1` below 0, `1` above, `x` at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Sign;

impl Operator for Sign {
    const OP_TYPE: &'static str = "Sign";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(9, "it was added in opset 9")?;
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
        Ok(vec![numbers::map!(inputs, T => T::sign)])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient(tape, |_, _| 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Sign {
        fn samples() -> Vec<Sample> {
            let random = Random::new(3).avoiding(&[2, 3, 5], (-2.0, 2.0), &[0.0]);
            let bytes = |data: &[i8]| Value::from_vec(&[3], data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(9)
                    .input(tensor(&[4], &[-3.0, 0.0, f32::INFINITY, f32::NAN]))
                    .gives(vec![tensor(&[4], &[-1.0, 0.0, 1.0, f32::NAN])]),
                Sample::new(Attrs::new()).input(bytes(&[-7, 0, 9])).gives(vec![bytes(&[-1, 0, 1])]),
                Sample::new(Attrs::new()).input(random).gradients(&[0]),
            ]
        }
    }
}
