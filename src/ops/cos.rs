//! `Cos` (ONNX opsets 7–22): `y = cos(x)`, element by element.

use super::elementwise::Unary;

/// `y = cos(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cos;

impl Unary for Cos {
    const NAME: &'static str = "Cos";
    const SINCE: u32 = 7;

    fn value(&self, x: f32) -> f32 {
        libm::cosf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        -libm::sinf(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Cos {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 10_000.0]);
            // As ONNX Runtime computes it.
            let y = tensor(
                &[7],
                &[0.862_318_9, -0.989_992_5, 0.968_912_4, 1.0, 0.877_582_55, -0.416_146_84, -0.952_155_35],
            );
            let random = Random::new(3).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
