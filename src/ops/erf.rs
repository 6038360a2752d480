//! `Erf` (ONNX opsets 9–13): the error function `y = 2/√π ∫₀ˣ exp(−t²) dt`, element by element.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};
use std::f32::consts::FRAC_2_SQRT_PI;

/// The error function `y = 2/√π ∫₀ˣ exp(−t²) dt`.
#[derive(Debug, Clone, PartialEq)]
pub struct Erf;

impl Operator for Erf {
    const OP_TYPE: &'static str = "Erf";

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
        elementwise::infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        elementwise::map(inputs, libm::erff)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_input(tape, |x| FRAC_2_SQRT_PI * libm::expf(-x * x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Erf {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-5.0, -1.5, -0.25, 0.0, 0.5, 2.0, 5.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-1.0, -0.966_105_16, -0.276_326_4, 0.0, 0.520_499_9, 0.995_322_3, 1.0]);
            let random = Random::new(3).uniform(&[2, 3, 5], -2.0, 2.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(13).input(random).gradients(&[0]),
            ]
        }
    }
}
