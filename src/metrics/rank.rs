//! Rank correlations: do two maps put their pixels in the same order?
//!
//! Both coefficients run from −1 (opposite order) through 0 to 1 (same order) and treat ties properly, since maps that
//! went through a ReLU have many zeros. Counts and rank sums are kept in integers, so equal orders give exactly 1.
//! Infinities are ordinary largest and smallest values; NaN has no rank, and makes the result `None`. So does
//! a constant map: it has no order to compare.

use crate::tensor::ordered;
use std::cmp::Ordering;

/// Ranks from 1, equal values sharing the mean of theirs. `None` when a value is NaN.
///
/// ```
/// use bitlens::metrics::rank::mid_ranks;
/// assert_eq!(mid_ranks(&[0.5, 0.1, 0.5]), Some(vec![2.5, 1.0, 2.5]));
/// ```
pub fn mid_ranks(values: &[f32]) -> Option<Vec<f64>> {
    let doubled = doubled_mid_ranks(values)?;
    Some(doubled.into_iter().map(|rank| rank as f64 / 2.0).collect())
}

/// Twice the mid-ranks, which are whole numbers. `None` when a value is NaN.
pub(super) fn doubled_mid_ranks(values: &[f32]) -> Option<Vec<i64>> {
    if values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let order = ordered(values.len(), &|a, b| compare(values[a], values[b]));
    let mut ranks = vec![0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        // First rank `before + 1` plus last rank `before + len`.
        let doubled = (2 * before + tied.len() + 1) as i64;
        for &index in tied {
            ranks[index] = doubled;
        }
        before += tied.len();
    }
    Some(ranks)
}

/// Spearman's ρ: Pearson's correlation of the mid-ranks.
///
/// ```text
/// ρ = Σ (r_i − r̄)(s_i − s̄) / √( Σ (r_i − r̄)² · Σ (s_i − s̄)² )
/// ```
///
/// `None` when either map is constant, holds NaN, or the lengths differ.
pub fn spearman(u: &[f32], v: &[f32]) -> Option<f64> {
    if u.len() != v.len() {
        return None;
    }
    // Mid-ranks always have the mean (n + 1) / 2.
    let doubled_mean = u.len() as i64 + 1;
    let (r, s) = (doubled_mid_ranks(u)?, doubled_mid_ranks(v)?);
    let product = |a: &[i64], b: &[i64]| -> i128 {
        a.iter().zip(b).map(|(a, b)| i128::from(a - doubled_mean) * i128::from(b - doubled_mean)).sum()
    };
    let (spread_r, spread_s) = (product(&r, &r), product(&s, &s));
    if spread_r == 0 || spread_s == 0 {
        return None;
    }
    Some(product(&r, &s) as f64 / (spread_r as f64 * spread_s as f64).sqrt())
}

/// Kendall's τ-b: pairs in the same order minus pairs in opposite order, corrected for ties (Kendall 1945), in
/// O(n log n) by counting the exchanges of a merge sort (Knight 1966).
///
/// ```text
/// τ_b = (P − Q) / √( (P + Q + T_u)(P + Q + T_v) )
/// ```
///
/// `T_u` are the pairs tied in `u` alone, `T_v` those tied in `v` alone. `None` when either map is constant, holds NaN, or the lengths differ.
///
/// ```
/// use bitlens::metrics::kendall_tau_b;
/// assert_eq!(kendall_tau_b(&[1.0, 2.0, 3.0], &[0.1, 0.2, 0.9]), Some(1.0));
/// assert_eq!(kendall_tau_b(&[1.0, 2.0, 3.0], &[0.5, 0.5, 0.5]), None);
/// ```
pub fn kendall_tau_b(u: &[f32], v: &[f32]) -> Option<f64> {
    if !super::comparable(u, v) {
        return None;
    }
    let order = ordered(u.len(), &|a, b| compare(u[a], u[b]).then(compare(v[a], v[b])));
    let pairs: Vec<(f32, f32)> = order.into_iter().map(|at| (u[at], v[at])).collect();
    let tied_u = tied_pairs(&pairs, |a, b| a.0 == b.0);
    let tied_both = tied_pairs(&pairs, |a, b| a == b);
    let mut by_v: Vec<f32> = pairs.iter().map(|pair| pair.1).collect();
    // Sorted by u and, within equal u, by v: what is still exchanged is in opposite order.
    let discordant = sort_counting_exchanges(&mut by_v);
    let tied_v = tied_pairs(&by_v, |a, b| a == b);

    let all = pair_count(u.len());
    let (untied_u, untied_v) = (all - tied_u, all - tied_v);
    if untied_u == 0 || untied_v == 0 {
        return None;
    }
    let difference = all - tied_u - tied_v + tied_both - 2 * discordant;
    Some(difference as f64 / (untied_u as f64 * untied_v as f64).sqrt())
}

/// Orders two values that are not NaN; −0 equals 0.
fn compare(a: f32, b: f32) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// Number of pairs among `n` things.
fn pair_count(n: usize) -> i128 {
    let n = n as i128;
    n * (n - 1) / 2
}

/// Number of pairs within runs of equal neighbours.
fn tied_pairs<T>(sorted: &[T], equal: impl FnMut(&T, &T) -> bool) -> i128 {
    sorted.chunk_by(equal).map(|run| pair_count(run.len())).sum()
}

/// Sorts by merging from the bottom up; returns the number of pairs `i < j` with `values[i] > values[j]`.
fn sort_counting_exchanges(values: &mut [f32]) -> i128 {
    let mut exchanges = 0;
    let mut merged = Vec::with_capacity(values.len());
    let mut width = 1;
    while width < values.len() {
        merged.clear();
        for block in values.chunks(2 * width) {
            let (left, right) = block.split_at(width.min(block.len()));
            exchanges += merge_counting_exchanges(left, right, &mut merged);
        }
        values.copy_from_slice(&merged);
        width *= 2;
    }
    exchanges
}

/// Appends the merge of two sorted runs; each value taken from the right jumps over what is left on the left.
fn merge_counting_exchanges(mut left: &[f32], mut right: &[f32], merged: &mut Vec<f32>) -> i128 {
    let mut exchanges = 0;
    while let (Some((&a, left_rest)), Some((&b, right_rest))) = (left.split_first(), right.split_first()) {
        if b < a {
            exchanges += left.len() as i128;
            merged.push(b);
            right = right_rest;
        } else {
            merged.push(a);
            left = left_rest;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    exchanges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// xorshift64*: enough randomness for test vectors.
    fn random(state: &mut u64) -> u64 {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    fn brute_mid_ranks(values: &[f32]) -> Vec<f64> {
        let rank = |&v: &f32| {
            let below = values.iter().filter(|&&w| w < v).count();
            let equal = values.iter().filter(|&&w| w == v).count();
            below as f64 + f64::midpoint(equal as f64, 1.0)
        };
        values.iter().map(rank).collect()
    }

    fn brute_spearman(u: &[f32], v: &[f32]) -> Option<f64> {
        let (r, s) = (brute_mid_ranks(u), brute_mid_ranks(v));
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let (r_mean, s_mean) = (mean(&r), mean(&s));
        let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            r.iter().zip(&s).map(|(r, s)| f(r - r_mean, s - s_mean)).sum()
        };
        let (rr, ss) = (sum(&|r, _| r * r), sum(&|_, s| s * s));
        (rr > 0.0 && ss > 0.0).then(|| sum(&|r, s| r * s) / (rr * ss).sqrt())
    }

    fn brute_kendall(u: &[f32], v: &[f32]) -> Option<f64> {
        let (mut concordant, mut discordant, mut only_u, mut only_v) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..u.len() {
            for j in 0..i {
                match (u[i] == u[j], v[i] == v[j]) {
                    (true, true) => {}
                    (true, false) => only_u += 1.0,
                    (false, true) => only_v += 1.0,
                    _ if (u[i] < u[j]) == (v[i] < v[j]) => concordant += 1.0,
                    _ => discordant += 1.0,
                }
            }
        }
        let pairs: f64 = concordant + discordant;
        let scale = ((pairs + only_u) * (pairs + only_v)).sqrt();
        (scale > 0.0).then(|| (concordant - discordant) / scale)
    }

    #[test]
    fn both_equal_the_quadratic_definitions_on_a_thousand_vectors_with_ties() {
        let mut state = 88_172_645_463_325_252;
        let mut undefined = 0;
        for _ in 0..1000 {
            let length = 1 + random(&mut state) as usize % 60;
            let levels = 1 + random(&mut state) % 40;
            let mut vector =
                || (0..length).map(|_| (random(&mut state) % levels) as f32 - 3.0).collect::<Vec<_>>();
            let (u, v) = (vector(), vector());
            assert_eq!(mid_ranks(&u).unwrap(), brute_mid_ranks(&u));
            for (got, expected) in
                [(spearman(&u, &v), brute_spearman(&u, &v)), (kendall_tau_b(&u, &v), brute_kendall(&u, &v))]
            {
                match (got, expected) {
                    (Some(got), Some(expected)) => {
                        assert!((got - expected).abs() < 1e-9, "{u:?} {v:?}: {got} {expected}");
                    }
                    (got, expected) => {
                        undefined += 1;
                        assert_eq!(got, expected, "{u:?} {v:?}");
                    }
                }
            }
        }
        assert!(undefined > 10, "the vectors should include constant ones");
    }

    #[test]
    fn both_equal_scipy() {
        for (u, v, rho, tau) in SCIPY {
            let (u, v): (Vec<f32>, Vec<f32>) =
                (u.iter().map(|&x| f32::from(x)).collect(), v.iter().map(|&x| f32::from(x)).collect());
            assert!((spearman(&u, &v).unwrap() - rho).abs() < 1e-12, "{u:?} {v:?}");
            assert!((kendall_tau_b(&u, &v).unwrap() - tau).abs() < 1e-12, "{u:?} {v:?}");
        }
    }

    /// `scipy.stats.spearmanr(u, v)` and `scipy.stats.kendalltau(u, v)` of SciPy 1.17.
    #[rustfmt::skip]
    const SCIPY: [(&[u8], &[u8], f64, f64); 8] = [
        (&[5, 2], &[13, 10], 0.999_999_999_999_999_9, 1.0),
        (&[0, 0, 0, 0, 1], &[1, 1, 0, 2, 2], 0.559_016_994_374_947_5, 0.530_330_085_889_910_6),
        (&[66, 11, 15, 89, 31, 85, 78, 0], &[60, 19, 8, 10, 74, 36, 48, 0], 0.357_142_857_142_857_2, 0.142_857_142_857_142_85),
        (&[1, 1, 3, 1, 2, 3, 0, 1, 2, 0], &[2, 2, 4, 4, 1, 6, 3, 4, 0, 0], 0.334_489_883_689_525_4, 0.237_170_824_512_628_44),
        (&[1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1], &[2, 1, 0, 2, 0, 0, 2, 0, 0, 1, 2, 0], 0.447_213_595_499_957_9, 0.426_401_432_711_220_83),
        (&[50, 189, 112, 27, 68, 120, 0, 83, 50, 64, 126, 34, 182, 156, 130, 182], &[0, 255, 255, 67, 86, 204, 89, 97, 63, 87, 216, 196, 255, 69, 255, 70], 0.506_685_480_896_062_4, 0.396_610_677_787_872_2),
        (&[3, 5, 5, 5, 4, 2, 0, 4, 4, 4, 3, 5, 2, 0, 5, 5, 4, 3, 5, 2], &[8, 7, 10, 6, 1, 1, 1, 1, 0, 9, 6, 8, 1, 0, 9, 3, 0, 6, 3, 6], 0.473_685_983_307_046_9, 0.381_727_457_920_341_2),
        (&[6, 9, 1, 2, 9, 8, 9, 6, 9, 0, 8, 2, 0, 1, 1, 0, 4, 6, 6, 3, 4, 6, 7, 0], &[9, 16, 0, 5, 4, 13, 4, 8, 4, 0, 12, 0, 0, 9, 6, 0, 5, 6, 4, 0, 2, 0, 9, 3], 0.540_289_595_959_383_9, 0.430_908_550_322_927_2),
    ];

    #[test]
    fn equal_orders_give_exactly_one() {
        let u: Vec<f32> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 22) as f32).collect();
        let v: Vec<f32> = u.iter().map(|x| x.mul_add(3.0, 1.0)).collect();
        let reversed: Vec<f32> = u.iter().map(|x| -x).collect();
        assert_eq!((spearman(&u, &v), kendall_tau_b(&u, &v)), (Some(1.0), Some(1.0)));
        assert_eq!((spearman(&u, &reversed), kendall_tau_b(&u, &reversed)), (Some(-1.0), Some(-1.0)));
    }

    #[test]
    fn a_constant_map_has_no_correlation() {
        let (constant, other) = ([0.0, -0.0, 0.0], [1.0, 2.0, 3.0]);
        for (u, v) in [(&constant, &other), (&other, &constant), (&constant, &constant)] {
            assert_eq!((spearman(u, v), kendall_tau_b(u, v)), (None, None));
        }
        assert_eq!((spearman(&[1.0], &[1.0]), kendall_tau_b(&[1.0], &[1.0])), (None, None));
        assert_eq!((spearman(&[], &[]), kendall_tau_b(&[], &[])), (None, None));
    }

    #[test]
    fn nan_has_no_rank_and_infinity_does() {
        assert_eq!(spearman(&[1.0, f32::NAN], &[1.0, 2.0]), None);
        assert_eq!(kendall_tau_b(&[1.0, 2.0], &[1.0, f32::NAN]), None);
        let (u, v) = ([f32::NEG_INFINITY, 0.0, f32::INFINITY], [1.0, 2.0, 3.0]);
        assert_eq!((spearman(&u, &v), kendall_tau_b(&u, &v)), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn unequal_lengths_have_no_correlation() {
        assert_eq!(spearman(&[1.0, 2.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(kendall_tau_b(&[1.0, 2.0], &[1.0, 2.0, 3.0]), None);
    }
}
