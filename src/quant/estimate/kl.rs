//! The threshold with the least divergence (Migacz 2017, 8-bit inference with TensorRT), on the histogram
//! `h` of magnitudes, with `T` levels: `2^b` where all codes are on the side where the values are,
//! `2^(b−1)` otherwise. For `i = T … N` bins that are kept:
//!
//! ```text
//! P    h[0 … i), with the mass of h[i … N) added to its last bin: what clipping makes of the values
//! Q    h[0 … i) alone, put into T groups of consecutive bins (bin k in group ⌊k·T/i⌋), the mass of each
//!      spread evenly over those of its bins that are not empty: what rounding makes of them
//! D(i) Σ P ln(P/Q) over P > 0, both divided by their sums, with 10⁻⁶ for Q = 0
//! ```
//!
//! Of the `i` with `D(i) ≤ τ · min D` the largest is taken, and the threshold is `(i + ½)` bins. With
//! `τ = 1` that is the least divergence; it clips much, and a tolerance of 1.3 often does better.
//!
//! Zeros are in no bin: they are exact on every grid, and after a Relu would outweigh everything else.
//! A candidate with all its mass in bin 0 leaves that bin out as well.
//!
//! The inner sums are differences of running ones, since `Σ h ln(h/Z)` over a group does not depend on
//! `i`: `T` logarithms for each `i`, not `i`.

use super::{cut, uses_all_codes};
use crate::quant::observe::Observed;
use crate::quant::{QuantSpec, Range};

/// Stands for a `Q` of zero.
const SMOOTHING: f64 = 1e-6;

pub(super) fn range(seen: &Observed, spec: &QuantSpec, tolerance: f64) -> Range {
    let Some(counts) = seen.histogram() else { return seen.range() };
    let count = |side: &[u64], at: usize| side.get(at).copied().unwrap_or(0);
    let bins = counts.positive().len().max(counts.negative().len());
    let magnitudes: Vec<f64> =
        (0..bins).map(|at| (count(counts.positive(), at) + count(counts.negative(), at)) as f64).collect();
    let bits = u32::from(spec.bits) - u32::from(!uses_all_codes(seen, spec));
    let kept = kept_bins(&magnitudes, 1 << bits, tolerance);
    cut(seen.range(), (kept as f64 + 0.5) * counts.width())
}

/// How many bins are best kept.
fn kept_bins(magnitudes: &[f64], levels: usize, tolerance: f64) -> usize {
    let used = magnitudes.iter().rposition(|&count| count > 0.0).map_or(0, |last| last + 1);
    let divergences = divergences(&magnitudes[..used], levels);
    let least = divergences.iter().copied().fold(f64::INFINITY, f64::min);
    // Rounding can leave a divergence of zero a little below it.
    let enough = divergences.iter().rposition(|&found| found <= (least * tolerance).max(least));
    enough.map_or(used, |at| at + levels)
}

/// `D(i)` for `i` from the number of levels to that of the bins.
pub(super) fn divergences(magnitudes: &[f64], levels: usize) -> Vec<f64> {
    let sums = Sums::of(magnitudes);
    (levels..=magnitudes.len()).map(|kept| sums.divergence(kept, levels)).collect()
}

/// Sums over the first `k` bins, `k = 0 … N`.
struct Sums {
    /// Of counts.
    mass: Vec<f64>,
    /// Of bins that are not empty.
    filled: Vec<f64>,
    /// Of `h ln h`.
    entropy: Vec<f64>,
}

impl Sums {
    fn of(counts: &[f64]) -> Self {
        let running = |term: &dyn Fn(f64) -> f64| {
            let mut sum = 0.0;
            let mut next = |&count: &f64| {
                sum += term(count);
                sum
            };
            std::iter::once(0.0).chain(counts.iter().map(&mut next)).collect()
        };
        Self {
            mass: running(&|count| count),
            filled: running(&|count| f64::from(u8::from(count > 0.0))),
            entropy: running(&|count| if count > 0.0 { count * libm::log(count) } else { 0.0 }),
        }
    }

    /// `D(kept)`.
    fn divergence(&self, kept: usize, levels: usize) -> f64 {
        let total = self.mass[self.mass.len() - 1];
        let inside = self.mass[kept];
        let outside = total - inside;
        if inside - self.mass[1] < 0.5 {
            // All of the candidate is in bin 0: what is left of P is in its last bin, and nothing of Q.
            return if outside > 0.0 { libm::log(1.0 / SMOOTHING) } else { 0.0 };
        }
        let last = kept - 1;
        let (mut sum, mut next) = (0.0, 0);
        for group in 1..=levels {
            let begin = std::mem::replace(&mut next, first_of(group, kept, levels));
            let end = next;
            let mass = self.mass[end] - self.mass[begin];
            if mass == 0.0 {
                continue;
            }
            // The logarithm of what Q has in each of the group's bins, times `inside`.
            let level = libm::log(mass / (self.filled[end] - self.filled[begin]));
            let end = end.min(last);
            let without_last = self.mass[end] - self.mass[begin];
            sum += self.entropy[end] - self.entropy[begin] - without_last * level;
        }
        // P is divided by `total` and Q by `inside`.
        sum += self.mass[last] * libm::log(inside / total);
        let at_last = self.mass[kept] - self.mass[last] + outside;
        if at_last > 0.0 {
            sum += at_last * libm::log(at_last / total / self.spread(kept, levels));
        }
        sum / total
    }

    /// What Q has in the last bin that is kept.
    fn spread(&self, kept: usize, levels: usize) -> f64 {
        if self.mass[kept] - self.mass[kept - 1] < 0.5 {
            return SMOOTHING;
        }
        let begin = first_of(levels - 1, kept, levels);
        (self.mass[kept] - self.mass[begin]) / (self.filled[kept] - self.filled[begin]) / self.mass[kept]
    }
}

/// The first bin of a group: bin `k` is in group `⌊k·levels/kept⌋`.
fn first_of(group: usize, kept: usize, levels: usize) -> usize {
    (group * kept).div_ceil(levels)
}
