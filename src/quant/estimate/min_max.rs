//! The whole range that was seen (docs/numerics.md, `max`; onnxruntime's `MinMax`).

use super::RangeEstimator;
use crate::quant::{Range, observe::Observed};

/// Clips nothing that was seen while calibrating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinMax;

impl RangeEstimator for MinMax {
    fn range(&self, seen: &Observed) -> Range {
        seen.range()
    }
}
