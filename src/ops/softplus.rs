//! `Softplus` (ONNX opsets 1–22): `y = ln(1 + exp(x))`, element by element.

use super::elementwise::Unary;
use super::sigmoid::logistic;

/// `y = ln(1 + exp(x))`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Softplus;

impl Unary for Softplus {
    const NAME: &'static str = "Softplus";

    fn value(&self, x: f32) -> f32 {
        softplus(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        logistic(x)
    }
}

/// `ln(1 + exp(x))`, without overflow and with every digit where it is small.
pub(super) fn softplus(x: f32) -> f32 {
    // NaN stays NaN: the second term has it.
    x.max(0.0) + libm::log1pf(libm::expf(-x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use std::f32::consts::LN_2;

    impl Sampled for Softplus {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[3.8e-44, 0.048_587_356, 0.575_939_5, LN_2, 0.974_077, 2.126_928, 100.0]);
            let random = Random::new(3).uniform(&[2, 3, 5], -4.0, 4.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
