//! Parameters of the affine mapping between reals and codes, checked once when they are made.

use super::error::{KernelError, Result, check_equal};

/// Largest magnitude of a code that the kernels handle: rounding is exact well beyond it.
const CODE_LIMIT: i32 = 1 << 20;

/// Smallest and largest factor of [`AddU8`]: within them [`fused`] is exact before its one rounding.
const ADD_FACTORS: [f32; 2] = [1.0 / 4096.0, 256.0];

/// `real = (q − zero_point) · scale`, with `q` in `qmin..=qmax`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AffineParams {
    scale: f32,
    zero_point: i32,
    qmin: i32,
    qmax: i32,
}

impl AffineParams {
    /// Checks and keeps the parameters.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] unless `scale` is finite and positive and
    /// `−2²⁰ ≤ qmin ≤ zero_point ≤ qmax ≤ 2²⁰`.
    pub fn new(scale: f32, zero_point: i32, qmin: i32, qmax: i32) -> Result<Self> {
        let refuse = |name, value, requirement| Err(KernelError::Parameter { name, value, requirement });
        if !(scale.is_finite() && scale > 0.0) {
            return refuse("scale", f64::from(scale), "finite and greater than 0");
        }
        if qmin < -CODE_LIMIT || qmin > qmax {
            return refuse("qmin", f64::from(qmin), "at least -2^20 and at most qmax");
        }
        if qmax > CODE_LIMIT {
            return refuse("qmax", f64::from(qmax), "at most 2^20");
        }
        if !(qmin..=qmax).contains(&zero_point) {
            return refuse("zero_point", f64::from(zero_point), "within qmin..=qmax");
        }
        Ok(Self { scale, zero_point, qmin, qmax })
    }

    /// Size of one step.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Code of zero.
    pub fn zero_point(&self) -> i32 {
        self.zero_point
    }

    /// Smallest code.
    pub fn qmin(&self) -> i32 {
        self.qmin
    }

    /// Largest code.
    pub fn qmax(&self) -> i32 {
        self.qmax
    }

    /// Refuses codes that do not fit the storage type.
    pub(crate) fn check_codes(&self, min: i32, max: i32) -> Result<()> {
        let requirement = "within the storage type";
        if self.qmin < min {
            return Err(KernelError::Parameter { name: "qmin", value: self.qmin.into(), requirement });
        }
        if self.qmax > max {
            return Err(KernelError::Parameter { name: "qmax", value: self.qmax.into(), requirement });
        }
        Ok(())
    }
}

/// How an `i32` accumulator becomes a `u8` code.
///
/// ```text
/// q = clamp(round_half_even((acc ⊕ bias[o]) as f32 · multiplier[o]) + zero_point, min, max)
/// q = min(q, limits[o])                                       where there are limits
/// ```
///
/// `⊕` saturates at the ends of `i32`; `as f32` rounds half to even; the product is one `f32`
/// multiplication, never fused. So every step is the same on every machine (it is what
/// onnxruntime's MLAS computes). A product beyond `f32` is an infinity and saturates to `min` or
/// `max`; NaN cannot arise, since multipliers are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Requantize {
    /// One per output channel, in units of the accumulator.
    pub bias: Vec<i32>,
    /// `input_scale · weight_scale / output_scale`: one for all, or one per output channel.
    pub multiplier: Vec<f32>,
    /// Code of zero in the output.
    pub zero_point: u8,
    /// Smallest code written; a fused `Relu` raises it to `zero_point`.
    pub min: u8,
    /// Largest code written.
    pub max: u8,
    /// Largest code of each output channel, also below `min`; empty where `max` is all there is.
    pub limits: Vec<u8>,
}

impl Requantize {
    pub(crate) fn check(&self, channels: usize) -> Result<()> {
        check_equal("length of the bias", channels, self.bias.len())?;
        if !self.limits.is_empty() {
            check_equal("length of the limits", channels, self.limits.len())?;
        }
        if self.multiplier.len() != 1 {
            check_equal("length of the multiplier", channels, self.multiplier.len())?;
        }
        for &multiplier in &self.multiplier {
            check_factor("multiplier", multiplier, f32::MAX)?;
        }
        check_clamp(self.min, self.max)
    }
}

/// How two `u8` tensors are added.
///
/// ```text
/// q = clamp(round_half_even(fma(a, fa, fma(b, fb, offset))), min, max)
/// offset = zero_point − fma(za, fa, zb · fb)
/// ```
///
/// `fma(x, y, z)` is `x · y + z` rounded to `f32` once; the other operations round on their own. `fa`
/// is the scale of `a` over the scale of the output, likewise `fb`; a negative `fb` subtracts. These
/// are the roundings of onnxruntime's MLAS where it has AVX2 and FMA, so codes equal its QLinearAdd's.
///
/// All intermediate numbers are within `255 · (|fa| + |fb| + 1) < 2¹⁸`, so the five roundings move the
/// sum by at most `5 · 2⁻²⁴ · 255 · (|fa| + |fb| + 1) < 0.04`: only that close to a half step can a
/// code differ from that of the exact sum, and by one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AddU8 {
    /// `za`: code of zero in `a`.
    pub lhs_zero_point: u8,
    /// `fa`: 0, or a magnitude of 2⁻¹² to 256.
    pub lhs_factor: f32,
    /// `zb`: code of zero in `b`.
    pub rhs_zero_point: u8,
    /// `fb`: 0, or a magnitude of 2⁻¹² to 256.
    pub rhs_factor: f32,
    /// Code of zero in the output.
    pub zero_point: u8,
    /// Smallest code written.
    pub min: u8,
    /// Largest code written.
    pub max: u8,
}

impl RequantizeAdd<'_> {
    /// Refuses limits of channels: nothing is between the codes of the convolution and the sum.
    pub(crate) fn check(&self, channels: usize) -> Result<()> {
        self.requantize.check(channels)?;
        self.add.check()?;
        check_equal("length of the limits, where a tensor is added,", 0, self.requantize.limits.len())
    }
}

impl AddU8 {
    pub(crate) fn check(&self) -> Result<()> {
        for (name, factor) in [("lhs_factor", self.lhs_factor), ("rhs_factor", self.rhs_factor)] {
            check_factor(name, factor, ADD_FACTORS[1])?;
            if factor != 0.0 && factor.abs() < ADD_FACTORS[0] {
                let requirement = "0 or at least 1/4096 in magnitude";
                return Err(KernelError::Parameter { name, value: factor.into(), requirement });
            }
        }
        check_clamp(self.min, self.max)
    }

    /// What is added to the products of the codes themselves.
    pub(crate) fn offset(&self) -> f32 {
        let rhs = f32::from(self.rhs_zero_point) * self.rhs_factor;
        f32::from(self.zero_point) - fused(self.lhs_zero_point, self.lhs_factor, rhs)
    }
}

/// What becomes of a convolution's accumulators where another tensor of codes is added to its output.
///
/// The accumulator becomes a code as [`Requantize`] says, and that code and the other tensor's their sum
/// as [`AddU8`] says: the same codes as of one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequantizeAdd<'a> {
    /// From accumulators to the codes of the convolution.
    pub requantize: &'a Requantize,
    /// From these and those of the other tensor to the codes of the sum.
    pub add: AddU8,
    /// Whether the convolution's codes are `a` in [`AddU8`]; else they are `b`.
    pub is_lhs: bool,
}

/// `code · factor + addend` with one rounding, on machines without an instruction for it.
///
/// The product has at most 32 bits and is exact in `f64`. So is the sum in an [`AddU8`]: with its
/// factors all terms are multiples of 2⁻³⁵ (an `f32` of 2⁻¹² or more has no lower bit) below 2¹⁸, which
/// makes 53 bits. Only the conversion rounds.
#[allow(clippy::inline_always, reason = "part of the inner loops of `generic`")]
#[inline(always)]
pub(crate) fn fused(code: u8, factor: f32, addend: f32) -> f32 {
    (f64::from(code) * f64::from(factor) + f64::from(addend)) as f32
}

/// Which positions the divisor of an average counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolDivisor {
    /// Only positions inside the input (ONNX `count_include_pad = 0`).
    Valid,
    /// Positions inside the padded input too; those beyond `pad_end`, which `ceil_mode` can make a
    /// window reach, do not count (ONNX `count_include_pad = 1`).
    Padded {
        /// Padding after the last row and column.
        pad_end: [usize; 2],
    },
}

/// How an average of `u8` codes becomes a `u8` code.
///
/// ```text
/// q = clamp(round_half_even(Σ(x − input_zero_point) as f32 · (multiplier / count as f32)) + zero_point, min, max)
/// ```
///
/// The quotient is rounded to `f32` before the product. A window without any position that counts
/// gives `zero_point`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AveragePoolU8 {
    /// Code of zero in the input.
    pub input_zero_point: u8,
    /// Scale of the input over the scale of the output.
    pub multiplier: f32,
    /// Code of zero in the output.
    pub zero_point: u8,
    /// Smallest code written.
    pub min: u8,
    /// Largest code written.
    pub max: u8,
    /// What `count` is.
    pub divisor: PoolDivisor,
}

impl AveragePoolU8 {
    pub(crate) fn check(&self) -> Result<()> {
        check_factor("multiplier", self.multiplier, f32::MAX)?;
        check_clamp(self.min, self.max)
    }
}

/// `u8` activations with the code of zero, which is also what padding reads as.
#[derive(Debug, Clone, Copy)]
pub struct QuantizedInput<'a> {
    /// Codes: NHWC for images, row-major `M × K` for matrices.
    pub data: &'a [u8],
    /// Code of zero.
    pub zero_point: u8,
}

fn check_factor(name: &'static str, value: f32, limit: f32) -> Result<()> {
    if value.abs() <= limit {
        return Ok(());
    }
    let requirement = "finite and of ordinary magnitude";
    Err(KernelError::Parameter { name, value: f64::from(value), requirement })
}

fn check_clamp(min: u8, max: u8) -> Result<()> {
    if min <= max {
        return Ok(());
    }
    Err(KernelError::Parameter { name: "min", value: f64::from(min), requirement: "at most max" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::Cases;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_fused_step_rounds_once() {
        let mut cases = Cases::new(51);
        let mut factor = || {
            let exponent = cases.next() % 20;
            let mantissa = 1.0 + (cases.next() >> 41) as f32 / (1 << 23) as f32;
            let sign = if cases.next().is_multiple_of(2) { 1.0 } else { -1.0 };
            (sign * mantissa * ADD_FACTORS[0] * (1_u32 << exponent) as f32, cases.next())
        };
        for _ in 0..200_000 {
            let ((lhs_factor, codes), (rhs_factor, zero_points)) = (factor(), factor());
            let ([a, b, ..], [za, zb, z, ..]) = (codes.to_le_bytes(), zero_points.to_le_bytes());
            let (lhs_zero_point, rhs_zero_point) = (za, zb);
            let add = AddU8 {
                lhs_zero_point,
                lhs_factor,
                rhs_zero_point,
                rhs_factor,
                zero_point: z,
                min: 0,
                max: 255,
            };
            add.check().unwrap();
            let inner = fused(b, rhs_factor, add.offset());
            assert_eq!(inner.to_bits(), f32::from(b).mul_add(rhs_factor, add.offset()).to_bits(), "{add:?}");
            let sum = fused(a, lhs_factor, inner);
            assert_eq!(sum.to_bits(), f32::from(a).mul_add(lhs_factor, inner).to_bits(), "{add:?}");
        }
    }
}
