//! `Tanh` (ONNX opsets 6–13): `y = tanh(x)`, element by element.

use super::elementwise::Unary;

/// `y = tanh(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tanh;

impl Unary for Tanh {
    const NAME: &'static str = "Tanh";
    const SINCE: u32 = 6;

    fn value(&self, x: f32) -> f32 {
        libm::tanhf(x)
    }

    fn of_doubles(&self) -> Option<fn(f64) -> f64> {
        Some(libm::tanh)
    }

    fn slope(&self, _: f32, y: f32) -> f32 {
        1.0 - y * y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Tanh {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-1.0, -0.995_054_7, -0.244_918_66, 0.0, 0.462_117_17, 0.964_027_6, 1.0]);
            let random = Random::new(4).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
