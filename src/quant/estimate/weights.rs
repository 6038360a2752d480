//! Ranges of constants, whose values are all known.
//!
//! [`Estimator::Mse`] is searched on the values themselves, with the codes that `quantize` gives them;
//! the others work on the constant's histogram. (`ema` has one picture's extremes to average: the whole
//! range.)

use super::grid::is_square;
use super::{Estimator, mse};
use crate::quant::observe::Observed;
use crate::quant::{Granularity, QuantParams, QuantSpec, Range};
use ndarray::{ArrayViewD, Axis};

/// Values between two looks at whether the least error is exceeded.
const BLOCK: usize = 1024;

/// 1.5 · 2²³: of a sum with it, float32 keeps the integer that is nearest, half-way to the even one.
const TO_INTEGER: f32 = 12_582_912.0;

/// The range of what each scale is for: the whole tensor, each channel or each group, in the order of
/// [`scale_shape`](crate::quant::affine::scale_shape). Values must be finite.
pub fn ranges(weight: &ArrayViewD<'_, f32>, spec: &QuantSpec, estimator: Estimator) -> Vec<Range> {
    let of = |view: ArrayViewD<'_, f32>| {
        let values: Vec<f32> = view.iter().copied().collect();
        range(&values, spec, estimator)
    };
    match spec.granularity {
        Granularity::PerTensor => vec![of(weight.view())],
        Granularity::PerChannel { axis } => weight.axis_iter(Axis(axis)).map(of).collect(),
        Granularity::PerGroup { axis, size } => {
            let inner: usize = weight.shape()[axis + 1..].iter().product();
            let groups = weight.len_of(Axis(axis)).div_ceil(size.max(1));
            let others = weight.len() / weight.len_of(Axis(axis)).max(1);
            let mut ranges = vec![Range { lo: 0.0, hi: 0.0 }; others * groups];
            for (group, part) in weight.axis_chunks_iter(Axis(axis), size.max(1)).enumerate() {
                // In the order of the axes that are left.
                for (at, lane) in part.lanes(Axis(axis)).into_iter().enumerate() {
                    ranges[(at / inner * groups + group) * inner + at % inner] = of(lane.into_dyn());
                }
            }
            ranges
        }
    }
}

/// The range of values that share a scale.
fn range(values: &[f32], spec: &QuantSpec, estimator: Estimator) -> Range {
    let (lo, hi) = values.iter().fold((0.0_f32, 0.0_f32), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    let whole = Range::containing_zero(lo, hi);
    match estimator {
        Estimator::Max | Estimator::Ema { .. } => whole,
        Estimator::Mse { power } => {
            mse::search(whole, |range, least| error_below(values, (range, spec), power, least))
        }
        Estimator::Percentile { .. } | Estimator::Kl { .. } | Estimator::Aciq => {
            estimator.range(&Observed::of(values), spec)
        }
    }
}

/// `Σ |x − x̂|^power` over values, each rounded as QuantizeLinear and DequantizeLinear do, when the codes
/// of `spec` cover `range`.
pub fn error(values: &[f32], range: Range, spec: &QuantSpec, power: f64) -> f64 {
    error_below(values, (range, spec), power, f64::INFINITY)
}

/// The error, or some part of it that is not below `least`.
fn error_below(values: &[f32], (range, spec): (Range, &QuantSpec), power: f64, least: f64) -> f64 {
    let (scale, zero_point) = QuantParams::from_range(range, spec);
    let limits = ((spec.qmin() - zero_point) as f32, (spec.qmax() - zero_point) as f32);
    // Limits are integers, so that rounding after them is the same as before.
    let rounded = |x: f32| {
        let limited = (x / scale).max(limits.0).min(limits.1);
        (limited + TO_INTEGER - TO_INTEGER) * scale
    };
    let mut sum = 0.0;
    for block in values.chunks(BLOCK) {
        sum += if is_square(power) {
            block.iter().fold(0.0, |sum, &x| sum + f64::from(x - rounded(x)) * f64::from(x - rounded(x)))
        } else {
            block
                .iter()
                .fold(0.0, |sum, &x| sum + f64::from(libm::powf((x - rounded(x)).abs(), power as f32)))
        };
        if sum >= least {
            break;
        }
    }
    sum
}
