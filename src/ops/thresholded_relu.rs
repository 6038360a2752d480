//! `ThresholdedRelu` (ONNX opsets 10–22): `y = x` where `x > alpha`, 0 elsewhere, element by element.
//!
//! The derivative at `alpha` is 0.

use super::elementwise::Unary;
use crate::ir::{Attr, AttrError, Attrs};

/// `y = x` where `x > alpha`, 0 elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdedRelu {
    /// Where it begins.
    pub alpha: f32,
}

impl Default for ThresholdedRelu {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Unary for ThresholdedRelu {
    const NAME: &'static str = "ThresholdedRelu";
    const SINCE: u32 = 10;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.alpha = attrs.take_float("alpha")?.unwrap_or(self.alpha);
        Ok(())
    }

    fn write(&self) -> Attrs {
        Attrs::new().with("alpha", Attr::Float(self.alpha))
    }

    fn value(&self, x: f32) -> f32 {
        if x > self.alpha { x } else { 0.0 }
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        if x > self.alpha { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for ThresholdedRelu {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[5], &[-3.0, 0.0, 0.5, 1.0, 2.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[5], &[0.0, 0.0, 0.0, 0.0, 2.0]);
            let random = Random::new(3).avoiding(&[2, 3, 5], (-3.0, 3.0), &[0.75]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(ThresholdedRelu { alpha: 0.75 }.write()).opset(10).input(random).gradients(&[0]),
            ]
        }
    }
}
