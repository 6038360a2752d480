//! Top answers, and how often two networks give the same one.

use crate::tensor::ordered;
use std::cmp::Ordering;

/// Quantile of the normal distribution for a two-sided 95 % interval.
const Z_95: f64 = 1.959_963_984_540_054;

/// Indices of the `k` largest values, largest first; equal values in index order, NaN after everything else.
/// All of them when `k` exceeds the length.
///
/// ```
/// use bitlens::metrics::top_k;
/// assert_eq!(top_k(&[0.1, 0.7, 0.7, 0.2], 3), [1, 2, 3]);
/// ```
pub fn top_k(values: &[f32], k: usize) -> Vec<usize> {
    let mut indices = ordered(values.len(), &|a, b| descending(values[a], values[b]));
    indices.truncate(k);
    indices
}

/// Index of the largest value, the first one of equals; `None` when empty or when any value is NaN.
pub fn top_1(values: &[f32]) -> Option<usize> {
    if values.iter().any(|v| v.is_nan()) {
        return None;
    }
    top_k(values, 1).first().copied()
}

/// Largest first, NaN last, −0 equal to 0.
fn descending(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// A share of images, such as those on which two networks give the same first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agreement {
    /// Images that agree.
    pub agreed: u64,
    /// All images.
    pub total: u64,
}

impl Agreement {
    /// Counts one image.
    pub fn add(&mut self, agrees: bool) {
        self.agreed += u64::from(agrees);
        self.total += 1;
    }

    /// Compares the first answers of two networks, image by image. `None`-answers ([`top_1`] of NaN) never agree.
    pub fn of_top_1<'a>(pairs: impl IntoIterator<Item = (&'a [f32], &'a [f32])>) -> Self {
        let mut agreement = Self::default();
        for (reference, quantized) in pairs {
            let answer = top_1(reference);
            agreement.add(answer.is_some() && answer == top_1(quantized));
        }
        agreement
    }

    /// `agreed / total`, 0 to 1; `None` without images.
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| self.agreed as f64 / self.total as f64)
    }

    /// Wilson's 95 % score interval of the share (Wilson 1927): never outside 0 to 1, and not empty at either end.
    ///
    /// ```text
    /// (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)
    /// ```
    pub fn wilson_95(&self) -> Option<(f64, f64)> {
        let p = self.share()?;
        let n = self.total as f64;
        let z2 = Z_95 * Z_95;
        let centre = p + z2 / (2.0 * n);
        let half = Z_95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z2 / n;
        Some((((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_index() {
        assert_eq!(top_k(&[5.0; 6], 3), [0, 1, 2]);
        assert_eq!(top_k(&[-0.0, 0.0], 2), [0, 1]);
        assert_eq!(top_1(&[0.0, 2.0, 2.0]), Some(1));
    }

    #[test]
    fn the_selected_part_is_the_sorted_whole_cut_short() {
        let values: Vec<f32> = (0..997_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as f32).collect();
        let whole = top_k(&values, values.len());
        assert!(
            whole
                .windows(2)
                .all(|w| (values[w[0]], w[1]) > (values[w[1]], w[0]) || values[w[0]] > values[w[1]])
        );
        for k in [0, 1, 2, 50, 996, 997, 2000] {
            assert_eq!(top_k(&values, k), whole[..k.min(997)]);
        }
    }

    #[test]
    fn nan_is_no_answer() {
        assert_eq!(top_k(&[f32::NAN, 1.0, f32::NEG_INFINITY, f32::NAN], 4), [1, 2, 0, 3]);
        assert_eq!(top_1(&[f32::NAN, 1.0]), None);
        assert_eq!(top_1(&[]), None);
        let nan = [f32::NAN];
        assert_eq!(Agreement::of_top_1([(&nan[..], &nan[..])]), Agreement { agreed: 0, total: 1 });
    }

    #[test]
    fn agreement_counts_equal_first_answers() {
        let (a, b) = ([1.0, 2.0], [2.0, 1.0]);
        let agreement =
            Agreement::of_top_1([(&a[..], &a[..]), (&a[..], &b[..]), (&b[..], &b[..]), (&b[..], &b[..])]);
        assert_eq!(agreement.share(), Some(0.75));
        assert_eq!(Agreement::default().share(), None);
    }

    #[test]
    fn wilson_interval_is_the_published_one() {
        // scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        for (agreed, total, low, high) in WILSON {
            let (got_low, got_high) = Agreement { agreed, total }.wilson_95().unwrap();
            assert!(
                (got_low - low).abs() < 1e-12 && (got_high - high).abs() < 1e-12,
                "{agreed}/{total}: {got_low} {got_high}"
            );
        }
    }

    const WILSON: [(u64, u64, f64, f64); 6] = [
        (0, 10, 0.0, 0.277_532_799_862_889_26),
        (10, 10, 0.722_467_200_137_110_9, 1.0),
        (1, 2, 0.094_531_205_734_230_74, 0.905_468_794_265_769_3),
        (297, 300, 0.971_016_506_637_660_1, 0.996_593_381_562_284_7),
        (1966, 2000, 0.976_338_812_848_153_7, 0.987_809_319_478_156_2),
        (1, 1, 0.206_549_314_377_237_45, 1.0),
    ];
}
