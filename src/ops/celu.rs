//! `Celu` (ONNX opset 12): `y = max(x, 0) + min(0, alpha · (exp(x / alpha) − 1))`, element by element.

use super::elementwise::Unary;
use crate::ir::{Attr, AttrError, Attrs};

/// `y = max(x, 0) + min(0, alpha · (exp(x / alpha) − 1))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Celu {
    /// Depth that it tends to on the left.
    pub alpha: f32,
}

impl Default for Celu {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Unary for Celu {
    const NAME: &'static str = "Celu";
    const SINCE: u32 = 12;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.alpha = attrs.take_float("alpha")?.unwrap_or(self.alpha);
        Ok(())
    }

    fn write(&self) -> Attrs {
        Attrs::new().with("alpha", Attr::Float(self.alpha))
    }

    fn value(&self, x: f32) -> f32 {
        if x < 0.0 { self.alpha * libm::expm1f(x / self.alpha) } else { x }
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        if x < 0.0 { libm::expf(x / self.alpha) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Celu {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-1.0, -0.950_212_96, -0.221_199_21, 0.0, 0.5, 2.0]);
            let random = Random::new(3).avoiding(&[2, 3, 5], (-2.0, 2.0), &[0.0]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Celu { alpha: 2.0 }.write()).opset(12).input(random).gradients(&[0]),
            ]
        }
    }
}
