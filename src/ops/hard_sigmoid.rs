//! `HardSigmoid` (ONNX opsets 6–22): `y = max(0, min(1, alpha · x + beta))`, element by element.
//!
//! The derivative at the two kinks is 0.

use super::{
    Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs,
    elementwise,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = max(0, min(1, alpha · x + beta))`.
#[derive(Debug, Clone, PartialEq)]
pub struct HardSigmoid {
    /// Slope between the kinks.
    pub alpha: f32,
    /// Value at 0.
    pub beta: f32,
}

impl Operator for HardSigmoid {
    const OP_TYPE: &'static str = "HardSigmoid";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let alpha = node.attrs.take_float("alpha")?.unwrap_or(0.2);
        let beta = node.attrs.take_float("beta")?.unwrap_or(0.5);
        Ok(Self { alpha, beta })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("alpha", Attr::Float(self.alpha)).with("beta", Attr::Float(self.beta));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Elementwise)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        elementwise::infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        elementwise::map(inputs, |x| Clamp::UNIT.apply(self.alpha * x + self.beta))
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        elementwise::gradient_by_output(tape, |y| if y > 0.0 && y < 1.0 { self.alpha } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for HardSigmoid {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[4], &[-3.0, -1.0, 0.0, 9.0]);
            let attrs = Attrs::new().with("alpha", Attr::Float(0.25)).with("beta", Attr::Float(0.4));
            let random = Random::new(4).avoiding(&[3, 4], (-3.0, 3.0), &[-1.6, 2.4]);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(x)
                    .gives_about(1e-6, vec![tensor(&[4], &[0.0, 0.3, 0.5, 1.0])]),
                Sample::new(attrs).input(random).gradients(&[0]),
            ]
        }
    }
}
