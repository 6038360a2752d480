//! `HardSwish` (ONNX opsets 14–22): `y = x · max(0, min(1, x/6 + ½))`, element by element.
//!
//! The derivative at ±3 is taken from outside: 0 and 1.

use super::{
    Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs,
    elementwise,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = x · max(0, min(1, x/6 + ½))`.
#[derive(Debug, Clone, PartialEq)]
pub struct HardSwish;

impl Operator for HardSwish {
    const OP_TYPE: &'static str = "HardSwish";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(14, "it was added in opset 14")?;
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
        elementwise::map(inputs, |x| x * Clamp::UNIT.apply(x / 6.0 + 0.5))
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_input(tape, |x| {
            if x <= -3.0 {
                0.0
            } else if x >= 3.0 {
                1.0
            } else {
                x / 3.0 + 0.5
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for HardSwish {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-0.0, -0.0, -0.114_583_336, 0.0, 0.291_666_66, 1.666_666_7, 100.0]);
            let random = Random::new(9).avoiding(&[2, 3, 5], (-5.0, 5.0), &[-3.0, 3.0]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(14).input(random).gradients(&[0]),
            ]
        }
    }
}
