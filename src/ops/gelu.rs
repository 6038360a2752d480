//! `Gelu` (ONNX opset 20): `y = x · Φ(x)`, Φ being the normal distribution, element by element; exactly,
//! or with tanh in place of the error function.

use super::elementwise::Unary;
use crate::ir::{Attr, AttrError, Attrs};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// The factor of `x³` in the approximation (Hendrycks and Gimpel, 2016).
const CUBIC: f32 = 0.044_715;

/// `√(2/π)`.
const SCALE: f32 = FRAC_1_SQRT_2 * FRAC_2_SQRT_PI;

/// `y = ½ x (1 + erf(x / √2))`, or `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gelu {
    /// With tanh.
    pub is_approximate: bool,
}

impl Unary for Gelu {
    const NAME: &'static str = "Gelu";
    const SINCE: u32 = 20;

    fn read(&mut self, attrs: &mut Attrs) -> Result<(), AttrError> {
        self.is_approximate = match attrs.take_string("approximate")?.as_deref() {
            None | Some("none") => false,
            Some("tanh") => true,
            Some(other) => {
                return Err(AttrError::Unsupported {
                    name: "approximate".into(),
                    value: other.into(),
                    reason: "only none and tanh are",
                });
            }
        };
        Ok(())
    }

    fn write(&self) -> Attrs {
        let approximate = if self.is_approximate { "tanh" } else { "none" };
        Attrs::new().with("approximate", Attr::String(approximate.into()))
    }

    fn value(&self, x: f32) -> f32 {
        if self.is_approximate {
            return 0.5 * x * (1.0 + libm::tanhf(SCALE * (x + CUBIC * x * x * x)));
        }
        // erfc keeps the digits that 1 + erf loses on the left.
        0.5 * x * libm::erfcf(-x * FRAC_1_SQRT_2)
    }

    fn slope(&self, x: f32, _: f32) -> f32 {
        if self.is_approximate {
            let gate = libm::tanhf(SCALE * (x + CUBIC * x * x * x));
            let inner = SCALE * (1.0 + 3.0 * CUBIC * x * x);
            return 0.5 * (1.0 + gate) + 0.5 * x * (1.0 - gate * gate) * inner;
        }
        0.5 * libm::erfcf(-x * FRAC_1_SQRT_2) + 0.5 * SCALE * x * libm::expf(-0.5 * x * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Gelu {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[-100.0, -3.0, -0.25, 0.0, 0.5, 2.0]);
            // As ONNX Runtime computes it.
            let exact =
                tensor(&[6], &[-0.0, -0.004_049_688_6, -0.100_323_42, 0.0, 0.345_731_23, 1.954_499_7]);
            let approximate =
                tensor(&[6], &[-0.0, -0.003_637_522_5, -0.100_324_65, 0.0, 0.345_714, 1.954_597_7]);
            let random = Random::new(3).uniform(&[2, 3, 5], -3.0, 3.0);
            let tanh = || Gelu { is_approximate: true }.write();
            vec![
                Sample::new(Attrs::new()).opset(20).input(x.clone()).gives_about(1e-6, vec![exact]),
                Sample::new(tanh()).opset(20).input(x).gives_about(1e-6, vec![approximate]),
                Sample::new(Attrs::new()).opset(20).input(random.clone()).gradients(&[0]),
                Sample::new(tanh()).opset(20).input(random).gradients(&[0]),
            ]
        }
    }
}
