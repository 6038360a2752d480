//! How often each magnitude occurs in a tensor.
//!
//! Each sign has [`BINS`] bins of one width `w`, aligned at zero: bin `k` holds `k·w ≤ |x| < (k+1)·w`. The
//! width is a power of two, the least with which the largest magnitude seen has a bin. When a larger one
//! comes, the width doubles and neighbours merge, bin `k` going to bin `⌊k/2⌋`; and since
//! `⌊⌊|x|/w⌋/2⌋ = ⌊|x|/2w⌋`, the counts are those that the new width would have found. So a histogram is a
//! function of the values seen and of nothing else: not of their order, not of how they were divided.
//! The largest magnitude always lies in the upper half of the bins, so `w` is between 1/2048 and 1/1024
//! of it.
//!
//! Zeros, of which there are many after a Relu, are counted apart: they are exact on every grid.

/// Bins of each sign.
pub const BINS: usize = 2048;

/// Bits of a bin's number.
const INDEX_BITS: i32 = BINS.trailing_zeros() as i32;

/// Least exponent of a width: with bins no narrower than the least normal number, all subnormal ones
/// are in the first.
pub(super) const LEAST_EXPONENT: i32 = -126;

/// Largest exponent of a width: that of the largest finite number.
pub(super) const LARGEST_EXPONENT: i32 = 127 + 1 - INDEX_BITS;

/// Exponent of the width with which a magnitude of these bits has a bin in the upper half.
pub(super) fn exponent_for(magnitude: u32) -> i32 {
    ((magnitude >> 23) as i32 - 127 + 1 - INDEX_BITS).max(LEAST_EXPONENT)
}

/// Bin after the width has doubled so many times.
fn merged(bin: usize, doublings: usize) -> usize {
    bin >> doublings.min(INDEX_BITS as usize)
}

/// Counts of magnitudes, for each sign. Takes 16 KiB for each sign that occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    exponent: i32,
    zeros: u64,
    /// Positive, then negative. A sign that does not occur has no bins.
    sides: [Vec<u64>; 2],
}

impl Default for Histogram {
    /// Nothing seen.
    fn default() -> Self {
        Self { exponent: LEAST_EXPONENT, zeros: 0, sides: [Vec::new(), Vec::new()] }
    }
}

impl Histogram {
    /// The width of a bin, a power of two.
    pub fn width(&self) -> f64 {
        // Within the exponents of f64's normal numbers.
        f64::from_bits(((1023 + self.exponent) as u64) << 52)
    }

    /// How many zeros were seen.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Counts of positive values by magnitude: none, or [`BINS`].
    pub fn positive(&self) -> &[u64] {
        &self.sides[0]
    }

    /// Counts of negative values by magnitude: none, or [`BINS`].
    pub fn negative(&self) -> &[u64] {
        &self.sides[1]
    }

    /// How many values were seen.
    pub fn total(&self) -> u64 {
        self.sides.iter().flatten().fold(self.zeros, |sum, count| sum + count)
    }

    /// Takes in what was counted elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        self.widen(other.exponent);
        self.zeros += other.zeros;
        let shift = (self.exponent - other.exponent) as usize;
        for (side, counts) in self.sides.iter_mut().zip(&other.sides) {
            if !counts.is_empty() {
                side.resize(BINS, 0);
            }
            for (at, count) in counts.iter().enumerate() {
                side[merged(at, shift)] += count;
            }
        }
    }

    /// Makes bins at least so wide.
    pub(super) fn widen(&mut self, exponent: i32) {
        if exponent <= self.exponent {
            return;
        }
        let shift = (exponent - self.exponent) as usize;
        self.exponent = exponent;
        for side in &mut self.sides {
            for at in 1..side.len() {
                let count = std::mem::take(&mut side[at]);
                side[merged(at, shift)] += count;
            }
        }
    }

    /// Adds zeros and counts by the bins of this width, of positive values, then of negative ones: of as
    /// many bins as are used. A sign without values must be left out.
    pub(super) fn add(&mut self, zeros: u64, counts: [Option<&[u64]>; 2]) {
        self.zeros += zeros;
        for (side, counts) in self.sides.iter_mut().zip(counts) {
            let Some(counts) = counts else { continue };
            side.resize(BINS, 0);
            for (total, count) in side.iter_mut().zip(counts) {
                *total += count;
            }
        }
    }

    /// The width is two to the power of this.
    pub(super) fn exponent(&self) -> i32 {
        self.exponent
    }

    /// A histogram of its parts, which are those of another.
    pub(super) fn from_parts(exponent: i32, zeros: u64, sides: [Vec<u64>; 2]) -> Self {
        Self { exponent, zeros, sides }
    }
}
