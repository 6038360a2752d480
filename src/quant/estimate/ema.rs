//! The moving average of each picture's extremes (Jacob et al. 2018, arXiv 1712.05877, §3.1):
//!
//! ```text
//! m ← (1 − c) · m + c · extreme of the picture          c = 0.1; the first picture sets m
//! ```
//!
//! Depends on the order of the pictures, which is that of their numbers.

use crate::quant::{Range, observe::Observed};

pub(super) fn range(seen: &Observed, decay: f64) -> Range {
    let mut average: Option<(f64, f64)> = None;
    for run in seen.runs() {
        let (min, max) = (f64::from(run.min), f64::from(run.max));
        average = Some(average.map_or((min, max), |(lo, hi)| {
            ((1.0 - decay) * lo + decay * min, (1.0 - decay) * hi + decay * max)
        }));
    }
    let (lo, hi) = average.unwrap_or_default();
    Range::containing_zero(lo as f32, hi as f32)
}
