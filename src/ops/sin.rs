//! `Sin` (ONNX opsets 7–22): `y = sin(x)`, element by element.

use super::elementwise::Unary;

/// `y = sin(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sin;

impl Unary for Sin {
    const NAME: &'static str = "Sin";
    const SINCE: u32 = 7;

    fn value(&self, x: f32) -> f32 {
        libm::sinf(x)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        libm::cosf(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Sin {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 10_000.0]);
            // As ONNX Runtime computes it.
            let y = tensor(
                &[7],
                &[0.506_365_66, -0.14112, -0.247_403_96, 0.0, 0.479_425_55, 0.909_297_4, -0.305_614_38],
            );
            let random = Random::new(3).uniform(&[2, 3, 5], -3.0, 3.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
