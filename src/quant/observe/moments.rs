//! Bins as stretches of numbers, and the moments of what is in them.

use super::{Extremes, Observed};

/// Values that lie next to each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The smallest that one of them can be.
    pub lo: f64,
    /// The largest that one of them can be.
    pub hi: f64,
    /// How many they are: at least one.
    pub count: u64,
}

impl Bin {
    /// The number in the middle.
    pub fn centre(&self) -> f64 {
        f64::midpoint(self.lo, self.hi)
    }
}

/// Moments of a tensor's elements, or of those that are not zero.
///
/// They are those of the bins' centres, from which an element is at most half a bin's width `w` away, that
/// is 1/2048 of the largest magnitude. So the mean is within `w/2` of the exact one; the standard
/// deviation within `w/2` (it is the distance of the elements from their mean, and distances obey the
/// triangle inequality); the mean deviation within `w` (of both).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// How many elements.
    pub count: u64,
    /// Their mean, or zero when moments about zero were asked for.
    pub mean: f64,
    /// Mean of `|x − mean|`.
    pub deviation: f64,
    /// Root of the mean of `(x − mean)²`.
    pub sigma: f64,
    /// Mean of `(x − mean)⁴` over `sigma⁴`: 3 for a Gaussian, 6 for a Laplace distribution. Zero when all
    /// elements are equal.
    pub kurtosis: f64,
}

impl Moments {
    /// Moments about the mean of all elements.
    pub fn about_mean(seen: &Observed) -> Option<Self> {
        let zeros = seen.histogram()?.zeros();
        let total = seen.histogram()?.total();
        let sum: f64 = seen.bins().map(|bin| bin.count as f64 * bin.centre()).sum();
        Self::about(seen, sum / total as f64, zeros)
    }

    /// Moments about zero of the elements that are not zero: those of a distribution that is symmetric
    /// about zero, of which a Relu has left one half, with the same mean deviation and the same sigma.
    pub fn mirrored(seen: &Observed) -> Option<Self> {
        Self::about(seen, 0.0, 0)
    }

    /// Moments about zero of all elements.
    pub fn about_zero(seen: &Observed) -> Option<Self> {
        Self::about(seen, 0.0, seen.histogram()?.zeros())
    }

    /// Moments about a number of the elements that are not zero, and of so many zeros.
    fn about(seen: &Observed, mean: f64, zeros: u64) -> Option<Self> {
        let mut count = zeros as f64;
        let powers = |x: f64| {
            let square = (x - mean) * (x - mean);
            [(x - mean).abs(), square, square * square]
        };
        let mut sums = powers(0.0).map(|power| power * zeros as f64);
        for bin in seen.bins() {
            count += bin.count as f64;
            for (sum, power) in sums.iter_mut().zip(powers(bin.centre())) {
                *sum += bin.count as f64 * power;
            }
        }
        let [first, second, fourth] = sums.map(|sum| sum / count);
        let kurtosis = if second > 0.0 { fourth / (second * second) } else { 0.0 };
        let moments = Self { count: count as u64, mean, deviation: first, sigma: second.sqrt(), kurtosis };
        (count > 0.0 && moments.sigma.is_finite()).then_some(moments)
    }
}

impl Observed {
    /// The bins that are not empty, from the smallest numbers to the largest. Zeros are not among them.
    /// Empty for a tensor without a histogram. The outermost bins end at the extremes that were seen.
    pub fn bins(&self) -> impl DoubleEndedIterator<Item = Bin> + '_ {
        let Extremes { min, max } = self.extremes().unwrap_or(Extremes { min: 0.0, max: 0.0 });
        let (min, max) = (f64::from(min), f64::from(max));
        let width = self.histogram().map_or(1.0, super::Histogram::width);
        let [positive, negative] =
            self.histogram().map_or([&[][..]; 2], |counts| [counts.positive(), counts.negative()]);
        let bin = move |(lo, hi): (f64, f64), &count: &u64| {
            (count > 0).then(|| Bin { lo: lo.max(min).min(max), hi: hi.max(min).min(max), count })
        };
        let above = move |(at, count)| bin((at as f64 * width, (at as f64 + 1.0) * width), count);
        let below = move |(at, count)| bin((-(at as f64 + 1.0) * width, -(at as f64) * width), count);
        let negative = negative.iter().enumerate().rev().filter_map(below);
        negative.chain(positive.iter().enumerate().filter_map(above))
    }
}
