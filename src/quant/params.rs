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
    /// power of two: s = 2^⌈log₂ s⌉ of the symmetric one, which clips nothing more
    /// ```
    pub fn from_range(range: Range, spec: &QuantSpec) -> (f32, i32) {
        let (qmin, qmax) = (spec.qmin() as f32, spec.qmax() as f32);
        if spec.symmetric {
            let scale = range.hi.max(-range.lo) / qmax;
            return match is_scale(scale) {
                true if spec.power_of_two => (power_of_two_above(scale), 0),
                true => (scale, 0),
                false => (1.0, 0),
            };
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
        Self::of_ranges(&[range], spec)
    }

    /// Parameters with a scale for each range.
    pub fn of_ranges(ranges: &[Range], spec: &QuantSpec) -> Self {
        let (scale, zero_point) = ranges.iter().map(|&range| Self::from_range(range, spec)).unzip();
        Self { scale, zero_point }
    }
}

/// The least power of two that is not below a normal positive number; 2¹²⁷ where `f32` has none.
pub(super) fn power_of_two_above(scale: f32) -> f32 {
    const FRACTION: u32 = (1 << (f32::MANTISSA_DIGITS - 1)) - 1;
    if scale.to_bits() & FRACTION == 0 {
        return scale;
    }
    let below = f32::from_bits(scale.to_bits() & !FRACTION);
    let above = 2.0 * below;
    if above.is_finite() { above } else { below }
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
    fn powers_of_two_clip_nothing() {
        let spec = QuantSpec { power_of_two: true, ..QuantSpec::weights(8, 0) };
        for (largest, expected) in
            [(127.0, 1.0), (127.1, 2.0), (1.0, 2.0_f32.powi(-6)), (64.0, 1.0), (63.5, 0.5)]
        {
            let (scale, zero_point) = QuantParams::from_range(Range::containing_zero(-largest, 0.5), &spec);
            assert_eq!((scale, zero_point), (expected, 0), "{largest}");
        }
        assert_eq!(power_of_two_above(f32::MAX), 2.0_f32.powi(127));
        assert_eq!(power_of_two_above(f32::MIN_POSITIVE), f32::MIN_POSITIVE);
    }

    #[test]
    fn huge_ranges_do_not_overflow() {
        let all = Range::containing_zero(f32::MIN, f32::MAX);
        let (scale, zero_point) = QuantParams::from_range(all, &QuantSpec::activations(8));
        assert!(scale.is_finite());
        assert!((127..=128).contains(&zero_point));
    }
}
