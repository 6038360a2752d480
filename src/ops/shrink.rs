//! `Shrink` (ONNX opset 9): `y = x + bias` below `−lambd`, `x − bias` above `lambd`, 0 between, element by element.
//!
//! The derivative at ±`lambd` is 0.

use super::elementwise::Unary;
use crate::ir::{Attr, AttrError, Attrs};

/// `y = x + bias` below `−lambda`, `x − bias` above `lambda`, 0 between.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrink {
    /// Where it ends being 0.
    pub lambda: f32,
    /// How much nearer to 0 it gets.
    pub bias: f32,
}

impl Default for Shrink {
    fn default() -> Self {
        Self { lambda: 0.5, bias: 0.0 }
    }
}

impl Unary for Shrink {
    const NAME: &'static str = "Shrink";
    const SINCE: u32 = 9;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.lambda = attrs.take_float("lambd")?.unwrap_or(self.lambda);
        self.bias = attrs.take_float("bias")?.unwrap_or(self.bias);
        Ok(())
    }

    fn write(&self) -> Attrs {
        Attrs::new().with("lambd", Attr::Float(self.lambda)).with("bias", Attr::Float(self.bias))
    }

    fn value(&self, x: f32) -> f32 {
        if x < -self.lambda {
            x + self.bias
        } else if x > self.lambda {
            x - self.bias
        } else {
            0.0
        }
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        if x.abs() > self.lambda { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Shrink {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-3.0, -0.5, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let y = tensor(&[6], &[-3.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
            let random = Random::new(3).avoiding(&[2, 3, 5], (-3.0, 3.0), &[-1.5, 1.5]);
            vec![
                Sample::new(Attrs::new()).input(x).gives_about(1e-6, vec![y]),
                Sample::new(Shrink { lambda: 1.5, bias: 0.5 }.write()).opset(9).input(random).gradients(&[0]),
            ]
        }
    }
}
