//! `Sigmoid` (ONNX opsets 6–13): `y = 1 / (1 + exp(−x))`, element by element.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = 1 / (1 + exp(−x))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sigmoid;

impl Operator for Sigmoid {
    const OP_TYPE: &'static str = "Sigmoid";

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
        elementwise::map(inputs, sigmoid)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_output(tape, |y| y * (1.0 - y))
    }
}

/// The logistic function, without overflow on either side.
fn sigmoid(x: f32) -> f32 {
    let e = libm::expf(-x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Sigmoid {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[0.0, 0.047_425_866, 0.437_823_5, 0.5, 0.622_459_3, 0.880_797_1, 1.0]);
            let random = Random::new(7).uniform(&[2, 3, 5], -4.0, 4.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(13).input(random).gradients(&[0]),
            ]
        }
    }
}
