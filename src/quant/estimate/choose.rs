//! An estimator for each tensor.

use super::{Estimator, expected_error};
use crate::quant::{QuantSpec, Range, observe::Observed};

/// Those among which Hu, Zeng and Wu (ICASSP 2023, arXiv 2303.07080) choose for each activation.
pub const GUIDELINE: &[Estimator] = &[
    Estimator::Kl { tolerance: 1.3 },
    Estimator::Mse { power: 2.0 },
    Estimator::Percentile { percent: 99.99 },
    Estimator::Ema { decay: 0.1 },
];

/// The estimator whose range has the least mean squared error on what was seen ([`expected_error`]), and
/// that range; the first of those that are equal. [`Estimator::Max`] when there is none to choose from.
/// Without a histogram there is no error to compare, and the first is taken.
pub fn lowest_mse(seen: &Observed, spec: &QuantSpec, candidates: &[Estimator]) -> (Estimator, Range) {
    let mut best: Option<(f64, Estimator, Range)> = None;
    for &estimator in candidates {
        let range = estimator.range(seen, spec);
        let error = expected_error(seen, range, spec, 2.0).unwrap_or(0.0);
        if best.is_none_or(|(least, _, _)| error < least) {
            best = Some((error, estimator, range));
        }
    }
    best.map_or((Estimator::Max, seen.range()), |(_, estimator, range)| (estimator, range))
}
