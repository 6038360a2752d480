//! `Selu` (ONNX opsets 6–22): `y = gamma · x` where `x > 0`, `gamma · alpha · (exp(x) − 1)` elsewhere, element by element.
//!
//! The derivative at 0 is that of the side which contains 0.

use super::elementwise::Unary;
use crate::ir::{Attr, AttrError, Attrs};

/// `y = gamma · (max(x, 0) + alpha · (exp(min(x, 0)) − 1))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Selu {
    /// Depth that it tends to on the left, in units of `gamma`.
    pub alpha: f32,
    /// Slope above 0.
    pub gamma: f32,
}

impl Default for Selu {
    fn default() -> Self {
        Self { alpha: 1.673_263_2, gamma: 1.050_701 }
    }
}

impl Unary for Selu {
    const NAME: &'static str = "Selu";
    const SINCE: u32 = 6;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.alpha = attrs.take_float("alpha")?.unwrap_or(self.alpha);
        self.gamma = attrs.take_float("gamma")?.unwrap_or(self.gamma);
        Ok(())
    }

    fn write(&self) -> Attrs {
        Attrs::new().with("alpha", Attr::Float(self.alpha)).with("gamma", Attr::Float(self.gamma))
    }

    fn value(&self, x: f32) -> f32 {
        self.gamma * if x > 0.0 { x } else { self.alpha * libm::expm1f(x) }
    }

    fn slope(&self, x: f32, y: f32) -> f32 {
        if x > 0.0 { self.gamma } else { y + self.gamma * self.alpha }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Selu {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-1.758_099_3, -1.670_568_7, -0.388_890_18, 0.0, 0.525_350_5, 2.101_402]);
            let random = Random::new(3).avoiding(&[2, 3, 5], (-2.0, 2.0), &[0.0]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Selu { alpha: 2.0, gamma: 3.0 }.write()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
