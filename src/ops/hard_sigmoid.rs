//! `HardSigmoid` (ONNX opsets 6–22): `y = max(0, min(1, alpha · x + beta))`, element by element.
//!
//! The derivative at the two kinks is 0.

use super::Clamp;
use super::elementwise::Unary;
use crate::ir::{Attr, AttrError, Attrs};

/// `y = max(0, min(1, alpha · x + beta))`.
#[derive(Debug, Clone, PartialEq)]
pub struct HardSigmoid {
    /// Slope between the kinks.
    pub alpha: f32,
    /// Value at 0.
    pub beta: f32,
}

impl Default for HardSigmoid {
    fn default() -> Self {
        Self { alpha: 0.2, beta: 0.5 }
    }
}

impl Unary for HardSigmoid {
    const NAME: &'static str = "HardSigmoid";
    const SINCE: u32 = 6;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.alpha = attrs.take_float("alpha")?.unwrap_or(self.alpha);
        self.beta = attrs.take_float("beta")?.unwrap_or(self.beta);
        Ok(())
    }

    fn write(&self) -> Attrs {
        Attrs::new().with("alpha", Attr::Float(self.alpha)).with("beta", Attr::Float(self.beta))
    }

    fn value(&self, x: f32) -> f32 {
        Clamp::UNIT.apply(self.alpha * x + self.beta)
    }

    fn slope(&self, _: f32, y: f32) -> f32 {
        if y > 0.0 && y < 1.0 { self.alpha } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for HardSigmoid {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[4], &[-3.0, -1.0, 0.0, 9.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[4], &[0.0, 0.3, 0.5, 1.0]);
            let random = Random::new(4).avoiding(&[2, 3, 5], (-3.0, 3.0), &[-1.6, 2.4]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(HardSigmoid { alpha: 0.25, beta: 0.4 }.write())
                    .opset(7)
                    .input(random)
                    .gradients(&[0]),
            ]
        }
    }
}
