//! `Asinh` (ONNX opsets 9–22): `y = arsinh(x)`, element by element.

use super::elementwise::Unary;

/// `y = arsinh(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Asinh;

impl Unary for Asinh {
    const NAME: &'static str = "Asinh";
    const SINCE: u32 = 9;

    fn value(&self, x: f32) -> f32 {
        libm::asinhf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        1.0 / (1.0 + x * x).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Asinh {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-5.298_342, -1.818_446_5, -0.247_466_47, 0.0, 0.481_211_84, 1.443_635_5]);
            let random = Random::new(3).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(9).input(random).gradients(&[0]),
            ]
        }
    }
}
