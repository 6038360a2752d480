//! `Log` (ONNX opsets 6–13): `y = ln(x)`; −∞ at 0, NaN below, element by element.

use super::elementwise::Unary;

/// `y = ln(x)`; −∞ at 0, NaN below.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log;

impl Unary for Log {
    const NAME: &'static str = "Log";
    const SINCE: u32 = 6;

    fn value(&self, x: f32) -> f32 {
        libm::logf(x)
    }

    fn of_doubles(&self) -> Option<fn(f64) -> f64> {
        Some(libm::log)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        1.0 / x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use std::f32::consts::LN_2;

    impl Sampled for Log {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[0.0, 0.01, 0.5, 1.0, 3.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[f32::NEG_INFINITY, -4.605_170_2, -LN_2, 0.0, 1.098_612_3, 4.605_170_2]);
            let random = Random::new(3).uniform(&[2, 3, 5], 0.5, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
