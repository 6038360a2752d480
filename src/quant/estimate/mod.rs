//! Range estimators: from what calibration remembers of a tensor to the range that its codes cover.

mod min_max;

pub use min_max::MinMax;

use super::{Range, observe::Observed};

/// A rule that chooses the range of an activation. Pure: trying another one needs no new data.
pub trait RangeEstimator {
    /// The range that the codes of the tensor are to cover.
    fn range(&self, seen: &Observed) -> Range;
}
