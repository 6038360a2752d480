//! `Sqrt` (ONNX opsets 6–13): `y = √x`; NaN below 0, element by element.

use super::elementwise::Unary;

/// `y = √x`; NaN below 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sqrt;

impl Unary for Sqrt {
    const NAME: &'static str = "Sqrt";
    const SINCE: u32 = 6;

    fn value(&self, x: f32) -> f32 {
        x.sqrt()
    }

    fn of_doubles(&self) -> Option<fn(f64) -> f64> {
        Some(f64::sqrt)
    }

    fn slope(&self, _: f32, y: f32) -> f32 {
        0.5 / y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use std::f32::consts::SQRT_2;

    impl Sampled for Sqrt {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-1.0, 0.0, 0.25, 1.0, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[f32::NAN, 0.0, 0.5, 1.0, SQRT_2, 10.0]);
            let random = Random::new(4).uniform(&[2, 3, 5], 0.5, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
