//! `Acos` (ONNX opsets 7–22): `y = arccos(x)`; NaN beyond ±1, element by element.

use super::elementwise::Unary;

/// `y = arccos(x)`; NaN beyond ±1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Acos;

impl Unary for Acos {
    const NAME: &'static str = "Acos";
    const SINCE: u32 = 7;

    fn value(&self, x: f32) -> f32 {
        libm::acosf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        -1.0 / (1.0 - x * x).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};
    use std::f32::consts::{FRAC_PI_2, FRAC_PI_3, PI};

    impl Sampled for Acos {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-2.0, -1.0, -0.25, 0.0, 0.5, 1.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[f32::NAN, PI, 1.823_476_8, FRAC_PI_2, FRAC_PI_3, 0.0]);
            let random = Random::new(3).uniform(&[2, 3, 5], -0.9, 0.9);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
