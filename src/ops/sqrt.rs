//! `Sqrt` (ONNX opsets 6–13): `y = √x`; NaN below 0, element by element.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = √x`; NaN below 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Sqrt;

impl Operator for Sqrt {
    const OP_TYPE: &'static str = "Sqrt";

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
        elementwise::map(inputs, f32::sqrt)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_output(tape, |y| 0.5 / y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use std::f32::consts::SQRT_2;

    impl Sampled for Sqrt {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-1.0, 0.0, 0.25, 1.0, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[f32::NAN, 0.0, 0.5, 1.0, SQRT_2, 10.0]);
            let random = Random::new(4).uniform(&[2, 3, 5], 0.5, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(13).input(random).gradients(&[0]),
            ]
        }
    }
}
