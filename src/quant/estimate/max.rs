//! The whole range that was seen (docs/numerics.md; onnxruntime's `MinMax`). Clips nothing that was seen
//! while calibrating.

use crate::quant::{Range, observe::Observed};

pub(super) fn range(seen: &Observed) -> Range {
    seen.range()
}
