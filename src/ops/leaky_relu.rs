//! `LeakyRelu` (ONNX opsets 6–16): `y = x` where `x ≥ 0`, `alpha · x` below, element by element.
//!
//! The derivative at 0 is 1, that of the side which contains 0.

use super::elementwise::Unary;
use crate::ir::{Attr, AttrError, Attrs};

/// `y = max(x, 0) + alpha · min(x, 0)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakyRelu {
    /// Slope below 0.
    pub alpha: f32,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        Self { alpha: 0.01 }
    }
}

impl Unary for LeakyRelu {
    const NAME: &'static str = "LeakyRelu";
    const SINCE: u32 = 6;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.alpha = attrs.take_float("alpha")?.unwrap_or(self.alpha);
        Ok(())
    }

    fn write(&self) -> Attrs {
        Attrs::new().with("alpha", Attr::Float(self.alpha))
    }

    fn value(&self, x: f32) -> f32 {
        if x < 0.0 { self.alpha * x } else { x }
    }

    fn is_homogeneous(&self) -> bool {
        true
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        if x < 0.0 { self.alpha } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for LeakyRelu {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[3], &[-2.0, 0.0, 3.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[3], &[-0.02, 0.0, 3.0]);
            let random = Random::new(4).avoiding(&[2, 3, 5], (-2.0, 2.0), &[0.0]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(LeakyRelu { alpha: 0.25 }.write()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
