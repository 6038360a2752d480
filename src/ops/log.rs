//! `Log` (ONNX opsets 6–13): `y = ln(x)`; −∞ at 0, NaN below, element by element.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = ln(x)`; −∞ at 0, NaN below.
#[derive(Debug, Clone, PartialEq)]
pub struct Log;

impl Operator for Log {
    const OP_TYPE: &'static str = "Log";

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
        elementwise::map(inputs, libm::logf)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_input(tape, |x| 1.0 / x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use std::f32::consts::LN_2;

    impl Sampled for Log {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[0.0, 0.01, 0.5, 1.0, 3.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[f32::NEG_INFINITY, -4.605_170_2, -LN_2, 0.0, 1.098_612_3, 4.605_170_2]);
            let random = Random::new(3).uniform(&[2, 3, 5], 0.5, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(13).input(random).gradients(&[0]),
            ]
        }
    }
}
