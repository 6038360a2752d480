//! The shrunk range with the least error on the grid that it makes.
//!
//! ```text
//! argmin Σ |x − x̂|^p     over (1 − 0.01·i) · (lo, hi),  i = 0 … 79          p = 2, or 2.4
//! ```
//!
//! `x̂` is of the actual grid, its zero point included; the sum is taken over the histogram
//! ([`super::expected_error`]). Of equal errors the wider range counts. Where the narrowest range is the
//! best, the search goes on from it with the same shares: a few values at fifty times the deviation of
//! all others would otherwise keep the range above ten of them.

use super::grid::Grid;
use crate::quant::observe::{Bin, Observed};
use crate::quant::{QuantSpec, Range};

/// Shares of a range that are tried.
const SHARES: u32 = 80;

/// How often the search goes on: `0.21⁵` of the range is less than a bin.
const ROUNDS: u32 = 5;

pub(super) fn range(seen: &Observed, spec: &QuantSpec, power: f64) -> Range {
    let bins: Vec<Bin> = seen.bins().collect();
    search(seen.range(), |range, _| Grid::new(range, spec, power).error(bins.iter().copied()))
}

/// The range with the least error among shares of `whole`. `error` is told the least so far, and may
/// return anything that is not less when it finds that it would be exceeded.
pub(super) fn search(whole: Range, mut error: impl FnMut(Range, f64) -> f64) -> Range {
    let share =
        |of: f64| Range { lo: (f64::from(whole.lo) * of) as f32, hi: (f64::from(whole.hi) * of) as f32 };
    let (mut best, mut least) = (whole, error(whole, f64::INFINITY));
    let mut from = 1.0;
    for _ in 0..ROUNDS {
        let mut last_is_best = false;
        for i in 1..SHARES {
            let range = share(from * (1.0 - 0.01 * f64::from(i)));
            let found = error(range, least);
            last_is_best = found < least;
            if last_is_best {
                (best, least) = (range, found);
            }
        }
        if !last_is_best {
            break;
        }
        from *= 1.0 - 0.01 * f64::from(SHARES - 1);
    }
    best
}
