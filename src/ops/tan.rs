//! `Tan` (ONNX opsets 7–22): `y = tan(x)`, element by element.

use super::elementwise::Unary;

/// `y = tan(x)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tan;

impl Unary for Tan {
    const NAME: &'static str = "Tan";
    const SINCE: u32 = 7;

    fn value(&self, x: f32) -> f32 {
        libm::tanf(x)
    }

    fn slope(&self, _: f32, y: f32) -> f32 {
        1.0 + y * y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Tan {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y =
                tensor(&[6], &[0.587_213_93, 0.142_546_55, -0.255_341_92, 0.0, 0.546_302_5, -2.185_039_8]);
            let random = Random::new(3).uniform(&[2, 3, 5], -1.2, 1.2);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }
}
