//! One number, and how far to trust it, for the values of many images.
//!
//! All functions are `None` for an empty slice or one that holds NaN: missing values are the caller's to leave out and to count.

/// Arithmetic mean.
pub fn mean(values: &[f64]) -> Option<f64> {
    usable(values).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The value in the middle, or the mean of the two.
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// Percentile `p`, 0 to 100, with linear interpolation between the sorted values (NumPy's default, type 7 of Hyndman
/// and Fan 1996). `None` also for `p` outside 0 to 100.
///
/// ```
/// use bitlens::metrics::summary::percentile;
/// assert_eq!(percentile(&[4.0, 1.0, 2.0, 3.0], 5.0), Some(1.15));
/// ```
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    if !usable(values) || !(0.0..=100.0).contains(&p) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(interpolated(&sorted, p))
}

/// Percentile of sorted values that are not empty.
fn interpolated(sorted: &[f64], p: f64) -> f64 {
    let position = p / 100.0 * (sorted.len() - 1) as f64;
    let (below, share) = (position.floor(), position.fract());
    let low = sorted[below as usize];
    let high = sorted[(below as usize + 1).min(sorted.len() - 1)];
    // Without this, an infinite neighbour of weight 0 gives NaN.
    if share == 0.0 || low == high { low } else { low + share * (high - low) }
}

/// Settings of a bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples, at least 1; 1000 is customary for a 95 % interval.
    pub resamples: u32,
    /// Confidence between 0 and 1.
    pub confidence: f64,
    /// Same seed, same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, confidence: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// Percentile bootstrap interval (Efron 1979) of `statistic`, such as [`mean`], over `values`.
    ///
    /// `None` also when `statistic` is undefined for any resample, for 0 resamples, or for a confidence outside 0 to 1.
    /// Costs `resamples` evaluations of `statistic`.
    pub fn interval(&self, values: &[f64], statistic: impl Fn(&[f64]) -> Option<f64>) -> Option<(f64, f64)> {
        if !usable(values) || self.resamples == 0 || !(0.0..1.0).contains(&self.confidence) {
            return None;
        }
        let mut random = SplitMix64(self.seed);
        let mut resample = vec![0.0; values.len()];
        let mut results = Vec::with_capacity(self.resamples as usize);
        for _ in 0..self.resamples {
            resample.fill_with(|| values[random.below(values.len())]);
            results.push(statistic(&resample).filter(|result| !result.is_nan())?);
        }
        results.sort_unstable_by(f64::total_cmp);
        let tail = 50.0 * (1.0 - self.confidence);
        Some((interpolated(&results, tail), interpolated(&results, 100.0 - tail)))
    }
}

fn usable(values: &[f64]) -> bool {
    !values.is_empty() && !values.iter().any(|v| v.is_nan())
}

/// Steele, Lea and Flood's generator (2014): one addition and a mix; any seed will do.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; its bias is below `end / 2⁶⁴`.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([3, 1, 4, 1, 5, 9, 2.5], [0, 5, 37.5, 50, 90, 100])
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.5];
        for (p, expected) in [(0.0, 1.0), (5.0, 1.0), (37.5, 2.625), (50.0, 3.0), (90.0, 6.6), (100.0, 9.0)] {
            assert!((percentile(&values, p).unwrap() - expected).abs() < 1e-12, "{p}");
        }
        assert_eq!(median(&[2.0, 1.0]), Some(1.5));
        assert_eq!(mean(&values), Some(25.5 / 7.0));
    }

    #[test]
    fn infinity_is_a_value_and_nan_is_not() {
        let values = [1.0, 2.0, f64::INFINITY];
        assert_eq!(median(&values), Some(2.0));
        assert_eq!(percentile(&values, 100.0), Some(f64::INFINITY));
        assert_eq!(median(&[f64::INFINITY; 2]), Some(f64::INFINITY));
        assert_eq!(mean(&[1.0, f64::NAN]), None);
        assert_eq!(median(&[]), None);
        assert_eq!(percentile(&values, 101.0), None);
        assert_eq!(percentile(&values, f64::NAN), None);
    }

    #[test]
    fn the_generator_gives_the_published_numbers() {
        let mut random = SplitMix64(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn the_interval_follows_the_seed_alone() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let interval = |seed| Bootstrap { seed, ..Bootstrap::default() }.interval(&values, mean);
        assert_eq!(interval(7), interval(7));
        assert_ne!(interval(7), interval(8));
    }

    #[test]
    fn the_interval_of_a_mean_is_the_normal_one() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let (low, high) =
            Bootstrap { resamples: 4000, ..Bootstrap::default() }.interval(&values, mean).unwrap();
        // Mean 9.5, deviation √(399/12) = 5.766 over √400: 9.5 ± 1.96 · 0.2883. A 2.5 % quantile from 4000 resamples has a
        // standard error of √(0.025·0.975/4000)/φ(1.96) = 0.042 deviations of the mean = 0.0122; five of them.
        assert!(
            (low - (9.5 - 0.5651)).abs() < 0.061 && (high - (9.5 + 0.5651)).abs() < 0.061,
            "{low} {high}"
        );
    }

    #[test]
    fn an_interval_needs_values_and_settings_that_make_sense() {
        let default = Bootstrap::default();
        assert_eq!(default.interval(&[], mean), None);
        assert_eq!(default.interval(&[3.0], mean), Some((3.0, 3.0)));
        assert_eq!(default.interval(&[1.0], |_| None), None);
        assert_eq!(Bootstrap { resamples: 0, ..default }.interval(&[1.0], mean), None);
        assert_eq!(Bootstrap { confidence: 1.5, ..default }.interval(&[1.0], mean), None);
    }
}
