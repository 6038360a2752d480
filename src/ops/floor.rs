//! `Floor` (ONNX opsets 6–13): the greatest whole number that is not above `x`, element by element.
//!
//! The derivative is 0.

use super::elementwise::Unary;

/// The greatest whole number that is not above `x`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Floor;

impl Unary for Floor {
    const NAME: &'static str = "Floor";
    const SINCE: u32 = 6;

    fn value(&self, x: f32) -> f32 {
        x.floor()
    }

    fn slope(&self, _: f32, _: f32) -> f32 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Floor {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-2.5, -0.25, 0.0, 0.5, 2.0, 1e10]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-3.0, -1.0, 0.0, 0.0, 2.0, 1e10]);
            let random =
                Random::new(3).avoiding(&[2, 3, 5], (-3.0, 3.0), &[-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
