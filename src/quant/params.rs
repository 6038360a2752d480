//! What was computed for a quantizer.

use super::QuantSpec;
use serde::{Deserialize, Serialize};

/// Smallest and largest value of a tensor, always containing zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// At most zero.
    pub lo: f32,
    /// At least zero.
    pub hi: f32,
}

impl Range {
    /// The range of values from `lo` to `hi`, extended to contain zero, which must be a code of its
    /// own: padding and pruned weights are zero.
    pub fn containing_zero(lo: f32, hi: f32) -> Self {
        Self { lo: lo.min(0.0), hi: hi.max(0.0) }
    }

    /// The smallest range that contains both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }
}

/// `real = (q − zero_point) · scale`: one pair, or one pair per channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantParams {
    /// Size of one step, finite and positive.
    pub scale: Vec<f32>,
    /// Code of zero.
    pub zero_point: Vec<i32>,
}

impl QuantParams {
    /// Scale and zero point for a range (docs/numerics.md). A range of zero width gives scale 1.
    ///
    /// ```text
    /// asymmetric: s = (hi − lo)/(qmax − qmin),  z = clamp(round(qmin − lo/s), qmin, qmax)
    /// symmetric:  s = max(|lo|, |hi|)/qmax,     z = 0
    /// ```
    pub fn from_range(range: Range, spec: &QuantSpec) -> (f32, i32) {
        let (qmin, qmax) = (spec.qmin() as f32, spec.qmax() as f32);
        if spec.symmetric {
            let scale = range.hi.max(-range.lo) / qmax;
            return if is_scale(scale) { (scale, 0) } else { (1.0, 0) };
        }
        // In f64 the width of a range that spans all of f32 does not overflow.
        let width = f64::from(range.hi) - f64::from(range.lo);
        let scale = (width / f64::from(qmax - qmin)) as f32;
        if !is_scale(scale) {
            return (1.0, spec.qmin().max(0));
        }
        let zero_point = (qmin - range.lo / scale).round_ties_even().clamp(qmin, qmax);
        (scale, zero_point as i32)
    }

    /// Parameters with one scale.
    pub fn per_tensor(range: Range, spec: &QuantSpec) -> Self {
        let (scale, zero_point) = Self::from_range(range, spec);
        Self { scale: vec![scale], zero_point: vec![zero_point] }
    }
}

/// Whether a number can serve as a scale; a subnormal one would lose its precision.
fn is_scale(scale: f32) -> bool {
    scale.is_normal() && scale > 0.0
}

/// What was asked and what was computed, for one tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorQuant {
    /// What was asked.
    pub spec: QuantSpec,
    /// What was computed.
    pub params: QuantParams,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_width_gives_a_usable_scale() {
        let nothing = Range::containing_zero(0.0, 0.0);
        assert_eq!(QuantParams::from_range(nothing, &QuantSpec::activations(8)), (1.0, 0));
        assert_eq!(QuantParams::from_range(nothing, &QuantSpec::weights(8, 0)), (1.0, 0));
    }

    #[test]
    fn huge_ranges_do_not_overflow() {
        let all = Range::containing_zero(f32::MIN, f32::MAX);
        let (scale, zero_point) = QuantParams::from_range(all, &QuantSpec::activations(8));
        assert!(scale.is_finite());
        assert!((127..=128).contains(&zero_point));
    }
}
