//! `Softsign` (ONNX opsets 1–22): `y = x / (1 + |x|)`, element by element.

use super::elementwise::Unary;

/// `y = x / (1 + |x|)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Softsign;

impl Unary for Softsign {
    const NAME: &'static str = "Softsign";

    fn value(&self, x: f32) -> f32 {
        x / (1.0 + x.abs())
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        1.0 / ((1.0 + x.abs()) * (1.0 + x.abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Softsign {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-0.990_099, -0.75, -0.2, 0.0, 0.333_333_34, 0.666_666_7, 0.990_099]);
            let random = Random::new(3).avoiding(&[2, 3, 5], (-4.0, 4.0), &[0.0]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
