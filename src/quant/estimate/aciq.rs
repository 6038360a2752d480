//! The threshold with the least expected error (Banner, Nahshan, Soudry 2019, arXiv 1810.05723, eqs. 5, 6
//! and their derivatives). Clipped at `α` and rounded to `2^b` levels, a value has the expected squared
//! error
//!
//! ```text
//! Laplace, b₀ = E|x − μ|    2 b₀² e^(−α/b₀) + α²/(3·4^b)
//! Gaussian, σ               (α² + σ²)(1 − erf(α/√2σ)) − √(2/π) α σ e^(−α²/2σ²) + α²/(3·4^b)
//! ```
//!
//! whose derivatives have one zero each, found by bisection. The Gaussian is taken where the kurtosis is
//! below 4.5, half-way between its own and Laplace's.
//!
//! The range is `μ ± α`. On a symmetric grid, whose middle is zero, `μ` is zero. Values on one side of
//! zero, as a Relu leaves them, are half of a distribution symmetric about zero: its `b₀` and `σ` are those
//! of the values that are not zero, and where all codes are on that side it has twice as many levels, so
//! `b + 1` bits.

use super::{Sides, cut, uses_all_codes};
use crate::quant::observe::{Moments, Observed};
use crate::quant::{QuantSpec, Range};

/// Kurtosis from which on a distribution counts as Laplace's.
const LAPLACE_FROM: f64 = 4.5;

pub(super) fn range(seen: &Observed, spec: &QuantSpec) -> Range {
    let one_sided = Sides::of(seen) != Sides::Both;
    let moments = match (one_sided, spec.symmetric) {
        (true, _) => Moments::mirrored(seen),
        (false, true) => Moments::about_zero(seen),
        (false, false) => Moments::about_mean(seen),
    };
    let Some(moments) = moments else { return seen.range() };
    let bits = u32::from(spec.bits) + u32::from(uses_all_codes(seen, spec));
    let threshold = if moments.kurtosis < LAPLACE_FROM {
        moments.sigma * gaussian_clip(bits)
    } else {
        moments.deviation * laplace_clip(bits)
    };
    if one_sided || spec.symmetric {
        return cut(seen.range(), threshold);
    }
    Range { lo: (moments.mean - threshold) as f32, hi: (moments.mean + threshold) as f32 }
}

/// `α/b₀` with the least expected error of a Laplace distribution.
pub fn laplace_clip(bits: u32) -> f64 {
    zero_of(|alpha| alpha / rounding(bits) - libm::exp(-alpha))
}

/// `α/σ` with the least expected error of a Gaussian.
pub fn gaussian_clip(bits: u32) -> f64 {
    let root_2 = std::f64::consts::SQRT_2;
    let density = |alpha: f64| libm::exp(-0.5 * alpha * alpha) * std::f64::consts::FRAC_2_SQRT_PI / root_2;
    zero_of(|alpha| alpha * libm::erfc(alpha / root_2) - density(alpha) + alpha / rounding(bits))
}

/// `3·4^b`.
fn rounding(bits: u32) -> f64 {
    3.0 * f64::from(1_u32 << (2 * bits.min(15)))
}

/// Where a function goes from below zero to above it.
fn zero_of(slope: impl Fn(f64) -> f64) -> f64 {
    let (mut lo, mut hi) = (0.0, 64.0);
    for _ in 0..60 {
        let middle = f64::midpoint(lo, hi);
        if slope(middle) < 0.0 { lo = middle } else { hi = middle }
    }
    f64::midpoint(lo, hi)
}
