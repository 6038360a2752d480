//! `Tanh` (ONNX opsets 6–13): `y = tanh(x)`, element by element.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = tanh(x)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tanh;

impl Operator for Tanh {
    const OP_TYPE: &'static str = "Tanh";

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
        elementwise::map(inputs, libm::tanhf)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_output(tape, |y| 1.0 - y * y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Tanh {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-1.0, -0.995_054_7, -0.244_918_66, 0.0, 0.462_117_17, 0.964_027_6, 1.0]);
            let random = Random::new(4).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(13).input(random).gradients(&[0]),
            ]
        }
    }
}
