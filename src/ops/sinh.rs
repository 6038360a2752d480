//! `Sinh` (ONNX opsets 9–22): `y = sinh(x)`, element by element.

use super::elementwise::Unary;

/// `y = sinh(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sinh;

impl Unary for Sinh {
    const NAME: &'static str = "Sinh";
    const SINCE: u32 = 9;

    fn value(&self, x: f32) -> f32 {
        libm::sinhf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        libm::coshf(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Sinh {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y =
                tensor(&[6], &[f32::NEG_INFINITY, -10.017_875, -0.252_612_32, 0.0, 0.521_095_3, 3.626_860_4]);
            let random = Random::new(3).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(9).input(random).gradients(&[0]),
            ]
        }
    }
}
