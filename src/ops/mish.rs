//! `Mish` (ONNX opsets 18–22): `y = x · tanh(ln(1 + exp(x)))`, element by element.

use super::elementwise::Unary;
use super::sigmoid::logistic;
use super::softplus::softplus;

/// `y = x · tanh(ln(1 + exp(x)))`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mish;

impl Unary for Mish {
    const NAME: &'static str = "Mish";
    const SINCE: u32 = 18;

    fn value(&self, x: f32) -> f32 {
        x * libm::tanhf(softplus(x))
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        let gate = libm::tanhf(softplus(x));
        gate + x * (1.0 - gate * gate) * logistic(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Mish {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-0.0, -0.145_647_45, -0.129_926_96, 0.0, 0.375_245_24, 1.943_959, 100.0]);
            let random = Random::new(3).uniform(&[2, 3, 5], -4.0, 4.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(18).input(random).gradients(&[0]),
            ]
        }
    }
}
