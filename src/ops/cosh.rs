//! `Cosh` (ONNX opsets 9–22): `y = cosh(x)`, element by element.

use super::elementwise::Unary;

/// `y = cosh(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cosh;

impl Unary for Cosh {
    const NAME: &'static str = "Cosh";
    const SINCE: u32 = 9;

    fn value(&self, x: f32) -> f32 {
        libm::coshf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        libm::sinhf(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Cosh {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[f32::INFINITY, 10.067_662, 1.031_413_1, 1.0, 1.127_626, 3.762_195_8]);
            let random = Random::new(3).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(9).input(random).gradients(&[0]),
            ]
        }
    }
}
