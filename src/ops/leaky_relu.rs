//! `LeakyRelu` (ONNX opsets 6–16): `y = x` where `x ≥ 0`, `alpha · x` below, element by element.
//!
//! The derivative at 0 is 1, that of the side which contains 0.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, elementwise,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = max(x, 0) + alpha · min(x, 0)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakyRelu {
    /// Slope below 0.
    pub alpha: f32,
}

impl Operator for LeakyRelu {
    const OP_TYPE: &'static str = "LeakyRelu";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { alpha: node.attrs.take_float("alpha")?.unwrap_or(0.01) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("alpha", Attr::Float(self.alpha))])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Elementwise)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        elementwise::infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        elementwise::map(inputs, |x| if x < 0.0 { self.alpha * x } else { x })
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_input(tape, |x| if x < 0.0 { self.alpha } else { 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for LeakyRelu {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[3], &[-2.0, 0.0, 3.0]);
            let random = Random::new(4).avoiding(&[3, 4], (-2.0, 2.0), &[0.0]);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(x.clone())
                    .gives_about(1e-6, vec![tensor(&[3], &[-0.02, 0.0, 3.0])]),
                Sample::new(Attrs::new().with("alpha", Attr::Float(0.25))).input(random).gradients(&[0]),
            ]
        }
    }
}
