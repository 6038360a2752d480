//! `Sigmoid` (ONNX opsets 6–13): `y = 1 / (1 + exp(−x))`, element by element.

use super::elementwise::Unary;
use super::exponential::exp;

/// `y = 1 / (1 + exp(−x))`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sigmoid;

impl Unary for Sigmoid {
    const NAME: &'static str = "Sigmoid";
    const SINCE: u32 = 6;

    #[inline]
    fn value(&self, x: f32) -> f32 {
        logistic(x)
    }

    fn slope(&self, _: f32, y: f32) -> f32 {
        y * (1.0 - y)
    }
}

/// The logistic function, without overflow on either side.
#[inline]
pub(super) fn logistic(x: f32) -> f32 {
    let e = exp(-x.abs());
    let numerator = if x < 0.0 { e } else { 1.0 };
    numerator / (1.0 + e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Sigmoid {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[0.0, 0.047_425_866, 0.437_823_5, 0.5, 0.622_459_3, 0.880_797_1, 1.0]);
            let random = Random::new(7).uniform(&[2, 3, 5], -4.0, 4.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
