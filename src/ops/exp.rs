//! `Exp` (ONNX opsets 6–13): `y = exp(x)`, element by element.

use super::elementwise::Unary;
use super::exponential::exp;

/// `y = exp(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exp;

impl Unary for Exp {
    const NAME: &'static str = "Exp";
    const SINCE: u32 = 6;

    #[inline]
    fn value(&self, x: f32) -> f32 {
        exp(x)
    }

    fn of_doubles(&self) -> Option<fn(f64) -> f64> {
        Some(libm::exp)
    }

    fn slope(&self, _: f32, y: f32) -> f32 {
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Exp {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-200.0, -3.0, -0.25, 0.0, 0.5, 2.0, 200.0]);
            // As ONNX Runtime computes it.
            let y =
                tensor(&[7], &[0.0, 0.049_787_067, 0.778_800_8, 1.0, 1.648_721_2, 7.389_056, f32::INFINITY]);
            let random = Random::new(3).uniform(&[2, 3, 5], -2.0, 2.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
