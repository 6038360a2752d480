//! `Swish` (ONNX opset 24): `y = x / (1 + exp(−alpha · x))`, element by element.

use super::elementwise::Unary;
use super::sigmoid::logistic;
use crate::ir::{Attr, AttrError, Attrs};

/// `y = x / (1 + exp(−alpha · x))`; with `alpha` 1 it is SiLU.
#[derive(Debug, Clone, PartialEq)]
pub struct Swish {
    /// Steepness of the gate.
    pub alpha: f32,
}

impl Default for Swish {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Unary for Swish {
    const NAME: &'static str = "Swish";
    const SINCE: u32 = 24;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.alpha = attrs.take_float("alpha")?.unwrap_or(self.alpha);
        Ok(())
    }

    fn write(&self) -> Attrs {
        Attrs::new().with("alpha", Attr::Float(self.alpha))
    }

    fn value(&self, x: f32) -> f32 {
        x * logistic(self.alpha * x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        let gate = logistic(self.alpha * x);
        gate + self.alpha * x * gate * (1.0 - gate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Swish {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-20.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // From the definition, in float64.
            let y = tensor(
                &[7],
                &[-4.122_307e-8, -0.142_277_61, -0.109_455_876, 0.0, 0.311_229_68, 1.761_594_2, 100.0],
            );
            let random = Random::new(3).uniform(&[2, 3, 5], -4.0, 4.0);
            vec![
                Sample::new(Attrs::new()).opset(24).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Swish { alpha: 1.702 }.write()).opset(24).input(random).gradients(&[0]),
            ]
        }
    }
}
