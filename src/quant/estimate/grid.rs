//! The error that a grid makes of what was seen.
//!
//! Within a bin values count as evenly spread, and the error is integrated over it, not looked up at its
//! centre: at 8 bits a step of a clipped range is hardly wider than a bin. Let `r(t)` be the distance of
//! `t` from the nearest integer. Its power has the integral
//!
//! ```text
//! G(t) = ∫₀ᵗ r(u)^p du = n · 2 · 0.5^(p+1)/(p+1) + sign(t − n) · |t − n|^(p+1)/(p+1)      n = round(t)
//! ```
//!
//! so that of the error `|x − x̂|^p` is, with the outermost codes at `lo ≤ 0 ≤ hi`, multiples of the step `s`,
//!
//! ```text
//! F(x) = s^(p+1) · G(x/s)                      where lo ≤ x ≤ hi
//!      = F(hi) + (x − hi)^(p+1)/(p+1)          where x > hi, and likewise below lo
//! ```
//!
//! and a bin `[a, b]` of `m` values adds `m · (F(b) − F(a))/(b − a)`. Zeros add nothing.

use crate::quant::observe::{Bin, Histogram, Observed};
use crate::quant::{QuantParams, QuantSpec, Range};

/// Mean of `|x − x̂|^power` over the elements that were seen, when the codes of `spec` cover `range`;
/// `None` without a histogram, or when nothing was seen.
pub fn expected_error(seen: &Observed, range: Range, spec: &QuantSpec, power: f64) -> Option<f64> {
    let total = seen.histogram().map(Histogram::total).filter(|&total| total > 0)?;
    Some(Grid::new(range, spec, power).error(seen.bins()) / total as f64)
}

/// The numbers that have codes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    step: f64,
    lo: f64,
    hi: f64,
    power: f64,
    /// `step^(power + 1)`.
    unit: f64,
    /// `G(1)`.
    whole: f64,
}

impl Grid {
    pub(super) fn new(range: Range, spec: &QuantSpec, power: f64) -> Self {
        let (scale, zero_point) = QuantParams::from_range(range, spec);
        let step = f64::from(scale);
        let code = |code: i32| f64::from(code - zero_point) * step;
        Self {
            step,
            lo: code(spec.qmin()),
            hi: code(spec.qmax()),
            power,
            unit: raised(step, power),
            whole: 2.0 * raised(0.5, power) / (power + 1.0),
        }
    }

    /// `Σ |x − x̂|^power` over bins that come in order.
    pub(super) fn error(&self, bins: impl Iterator<Item = Bin>) -> f64 {
        let mut sum = 0.0;
        // Most bins begin where the one before them ends.
        let (mut at, mut integral) = (f64::NAN, 0.0);
        for Bin { lo, hi, count } in bins {
            let before = if lo <= at { integral } else { self.integral(lo) };
            (at, integral) = (hi, self.integral(hi));
            let mean = if hi > lo { (integral - before) / (hi - lo) } else { self.at(lo) };
            sum += count as f64 * mean;
        }
        sum
    }

    /// `|x − x̂|^power`.
    fn at(&self, x: f64) -> f64 {
        let nearest = (x / self.step).round_ties_even() * self.step;
        libm::pow((x - nearest.clamp(self.lo, self.hi)).abs(), self.power)
    }

    fn integral(&self, x: f64) -> f64 {
        let inside = x.clamp(self.lo, self.hi);
        // G is odd. Codes are fewer than 2¹⁶, which truncates exactly.
        let t = inside.abs() / self.step;
        let nearest = f64::from((t + 0.5) as u32);
        let rest = t - nearest;
        let partial = (raised(rest.abs(), self.power) / (self.power + 1.0)).copysign(rest);
        let within = (self.unit * (nearest * self.whole + partial)).copysign(inside);
        let beyond = x - inside;
        if beyond.abs() > 0.0 { within + self.clipped(beyond) } else { within }
    }

    /// The integral from the outermost code to so far beyond it.
    fn clipped(&self, beyond: f64) -> f64 {
        (raised(beyond.abs(), self.power) / (self.power + 1.0)).copysign(beyond)
    }
}

/// Whether errors are squared, which needs no logarithms.
pub(super) fn is_square(power: f64) -> bool {
    (power - 2.0).abs() < f64::EPSILON
}

/// `x^(power + 1)`.
fn raised(x: f64, power: f64) -> f64 {
    if is_square(power) { x * x * x } else { libm::pow(x, power + 1.0) }
}
