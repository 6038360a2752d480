//! `Reciprocal` (ONNX opsets 6–13): `y = 1 / x`, element by element.

use super::elementwise::Unary;

/// `y = 1 / x`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reciprocal;

impl Unary for Reciprocal {
    const NAME: &'static str = "Reciprocal";
    const SINCE: u32 = 6;

    fn value(&self, x: f32) -> f32 {
        x.recip()
    }

    fn of_doubles(&self) -> Option<fn(f64) -> f64> {
        Some(f64::recip)
    }

    fn slope(&self, _: f32, y: f32) -> f32 {
        -y * y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Reciprocal {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-2.0, 0.0, 0.25, 1.0, 3.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-0.5, f32::INFINITY, 4.0, 1.0, 0.333_333_34, 0.01]);
            let random = Random::new(10).uniform(&[2, 3, 5], 0.5, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
