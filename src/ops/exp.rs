//! `Exp` (ONNX opsets 6–13): `y = exp(x)`, element by element.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = exp(x)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Exp;

impl Operator for Exp {
    const OP_TYPE: &'static str = "Exp";

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
        elementwise::infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        elementwise::map(inputs, libm::expf)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_output(tape, |y| y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Exp {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-200.0, -3.0, -0.25, 0.0, 0.5, 2.0, 200.0]);
            // As ONNX Runtime computes it.
            let y =
                tensor(&[7], &[0.0, 0.049_787_067, 0.778_800_8, 1.0, 1.648_721_2, 7.389_056, f32::INFINITY]);
            let random = Random::new(3).uniform(&[2, 3, 5], -2.0, 2.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(13).input(random).gradients(&[0]),
            ]
        }
    }
}
