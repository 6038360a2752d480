//! `Acosh` (ONNX opsets 9–22): `y = arcosh(x)`; NaN below 1, element by element.

use super::elementwise::Unary;

/// `y = arcosh(x)`; NaN below 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Acosh;

impl Unary for Acosh {
    const NAME: &'static str = "Acosh";
    const SINCE: u32 = 9;

    fn value(&self, x: f32) -> f32 {
        libm::acoshf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        1.0 / ((x - 1.0).sqrt() * (x + 1.0).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Acosh {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[5], &[0.5, 1.0, 1.5, 3.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[5], &[f32::NAN, 0.0, 0.962_423_7, 1.762_747_2, 5.298_292]);
            let random = Random::new(3).uniform(&[2, 3, 5], 1.2, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(9).input(random).gradients(&[0]),
            ]
        }
    }
}
