//! `Erf` (ONNX opsets 9–13): the error function `y = 2/√π ∫₀ˣ exp(−t²) dt`, element by element.

use super::elementwise::Unary;
use std::f32::consts::FRAC_2_SQRT_PI;

/// The error function `y = 2/√π ∫₀ˣ exp(−t²) dt`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Erf;

impl Unary for Erf {
    const NAME: &'static str = "Erf";
    const SINCE: u32 = 9;

    fn value(&self, x: f32) -> f32 {
        libm::erff(x)
    }

    fn of_doubles(&self) -> Option<fn(f64) -> f64> {
        Some(libm::erf)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        FRAC_2_SQRT_PI * libm::expf(-x * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Erf {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-5.0, -1.5, -0.25, 0.0, 0.5, 2.0, 5.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-1.0, -0.966_105_16, -0.276_326_4, 0.0, 0.520_499_9, 0.995_322_3, 1.0]);
            let random = Random::new(3).uniform(&[2, 3, 5], -2.0, 2.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(9).input(random).gradients(&[0]),
            ]
        }
    }
}
