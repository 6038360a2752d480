//! Parameters of the affine mapping between reals and codes, checked once when they are made.

use super::error::{KernelError, Result, check_equal};

/// Largest magnitude of a code that the kernels handle: rounding is exact well beyond it.
const CODE_LIMIT: i32 = 1 << 20;

/// Largest factor of [`AddU8`]: keeps the sum of two products finite.
const FACTOR_LIMIT: f32 = 1e30;

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
}

impl Requantize {
    pub(crate) fn check(&self, channels: usize) -> Result<()> {
        check_equal("length of the bias", channels, self.bias.len())?;
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
/// q = clamp(round_half_even((a − za) as f32 · fa + (b − zb) as f32 · fb) + zero_point, min, max)
/// ```
///
/// Two `f32` products, each rounded, then one rounded sum: never fused. `fa` is the scale of `a`
/// over the scale of the output, likewise `fb`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AddU8 {
    /// `za`: code of zero in `a`.
    pub lhs_zero_point: u8,
    /// `fa`.
    pub lhs_factor: f32,
    /// `zb`: code of zero in `b`.
    pub rhs_zero_point: u8,
    /// `fb`.
    pub rhs_factor: f32,
    /// Code of zero in the output.
    pub zero_point: u8,
    /// Smallest code written.
    pub min: u8,
    /// Largest code written.
    pub max: u8,
}

impl AddU8 {
    pub(crate) fn check(&self) -> Result<()> {
        check_factor("lhs_factor", self.lhs_factor, FACTOR_LIMIT)?;
        check_factor("rhs_factor", self.rhs_factor, FACTOR_LIMIT)?;
        check_clamp(self.min, self.max)
    }
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
