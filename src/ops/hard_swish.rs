//! `HardSwish` (ONNX opsets 14–22): `y = x · max(0, min(1, x/6 + ½))`, element by element.
//!
//! The derivative at ±3 is taken from outside: 0 and 1.

use super::Clamp;
use super::elementwise::Unary;

/// `y = x · max(0, min(1, x/6 + ½))`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HardSwish;

impl Unary for HardSwish {
    const NAME: &'static str = "HardSwish";
    const SINCE: u32 = 14;

    fn value(&self, x: f32) -> f32 {
        x * Clamp::UNIT.apply(x / 6.0 + 0.5)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        if x <= -3.0 {
            0.0
        } else if x >= 3.0 {
            1.0
        } else {
            x / 3.0 + 0.5
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for HardSwish {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[7], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0, 100.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[7], &[-0.0, -0.0, -0.114_583_336, 0.0, 0.291_666_66, 1.666_666_7, 100.0]);
            let random = Random::new(9).avoiding(&[2, 3, 5], (-5.0, 5.0), &[-3.0, 3.0]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Attrs::new()).opset(14).input(random).gradients(&[0]),
            ]
        }
    }
}
