//! `Round` (ONNX opsets 11–22): the nearest whole number, half-way the even one, element by element.
//!
//! The derivative is 0.

use super::elementwise::Unary;

/// The nearest whole number, half-way the even one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Round;

impl Unary for Round {
    const NAME: &'static str = "Round";
    const SINCE: u32 = 11;

    fn value(&self, x: f32) -> f32 {
        x.round_ties_even()
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

    impl Sampled for Round {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-2.5, -1.5, -0.25, 0.5, 1.5, 2.6]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-2.0, -2.0, -0.0, 0.0, 2.0, 3.0]);
            let random = Random::new(3).avoiding(&[2, 3, 5], (-2.4, 2.4), &[-1.5, -0.5, 0.5, 1.5]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(11).input(random).gradients(&[0]),
            ]
        }
    }
}
