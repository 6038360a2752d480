//! `Atanh` (ONNX opsets 9–22): `y = artanh(x)`; NaN beyond ±1, element by element.

use super::elementwise::Unary;

/// `y = artanh(x)`; NaN beyond ±1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Atanh;

impl Unary for Atanh {
    const NAME: &'static str = "Atanh";
    const SINCE: u32 = 9;

    fn value(&self, x: f32) -> f32 {
        libm::atanhf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        1.0 / (1.0 - x * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Atanh {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-2.0, -1.0, -0.25, 0.0, 0.5, 1.0]);
            // As ONNX Runtime computes it.
            let y =
                tensor(&[6], &[f32::NAN, f32::NEG_INFINITY, -0.255_412_82, 0.0, 0.549_306_15, f32::INFINITY]);
            let random = Random::new(3).uniform(&[2, 3, 5], -0.8, 0.8);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(9).input(random).gradients(&[0]),
            ]
        }
    }
}
