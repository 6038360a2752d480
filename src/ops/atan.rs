//! `Atan` (ONNX opsets 7–22): `y = arctan(x)`, element by element.

use super::elementwise::Unary;

/// `y = arctan(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Atan;

impl Unary for Atan {
    const NAME: &'static str = "Atan";
    const SINCE: u32 = 7;

    fn value(&self, x: f32) -> f32 {
        libm::atanf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        1.0 / (1.0 + x * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use std::f32::consts::FRAC_PI_2;

    impl Sampled for Atan {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-1e10, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-FRAC_PI_2, -1.249_045_8, -0.244_978_68, 0.0, 0.463_647_6, 1.107_148_8]);
            let random = Random::new(3).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
