//! Distances between two attribution maps of the same size: full precision's `u` and the quantized network's `v`.
//!
//! None of them looks at where a map's zero or scale lies more than its formula says; which ones do is stated with
//! each. Rank correlations are in [`rank`](super::rank).

use super::agreement::top_k;
use super::rank::doubled_mid_ranks;
use super::{comparable, comparable_finite, is_constant};

/// Cosine of the angle between two maps, −1 to 1; 1 for maps that differ by a positive factor.
///
/// ```text
/// Σ u·v / √(Σ u² · Σ v²)
/// ```
///
/// `None` when a map is all zero or holds a value that is not finite, or the lengths differ.
pub fn cosine(u: &[f32], v: &[f32]) -> Option<f64> {
    let (u, v) = (unit(u, v)?, unit(v, u)?);
    Some(u.iter().zip(&v).map(|(u, v)| u * v).sum::<f64>().clamp(-1.0, 1.0))
}

/// Euclidean distance of the two maps after each is divided by its own length: 0 for maps that differ by a positive
/// factor, √2 for orthogonal ones, at most 2. Equals `√(2 − 2·cosine)`.
///
/// `None` where [`cosine`] is.
pub fn normalised_l2(u: &[f32], v: &[f32]) -> Option<f64> {
    let (u, v) = (unit(u, v)?, unit(v, u)?);
    Some(u.iter().zip(&v).map(|(u, v)| (u - v) * (u - v)).sum::<f64>().sqrt())
}

/// `map` divided by its Euclidean length, when that and the comparison with `other` make sense.
fn unit(map: &[f32], other: &[f32]) -> Option<Vec<f64>> {
    let length = map.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    (comparable_finite(map, other) && length > 0.0)
        .then(|| map.iter().map(|&v| f64::from(v) / length).collect())
}

/// Share of the strongest pixels that both maps agree on: `|top_k(u) ∩ top_k(v)| / k`, 0 to 1, where `k` is `share`
/// (usually 0.05, 0.1 or 0.2) of the pixels, rounded half up and at least 1. Independent maps give about `share`.
///
/// Ties go to the lower pixel index in both maps. `None` when a map is constant or holds NaN, when the lengths
/// differ, or when `share` is outside 0 to 1.
pub fn top_intersection(u: &[f32], v: &[f32], share: f64) -> Option<f64> {
    if !comparable(u, v) || is_constant(u) || is_constant(v) || !(0.0..=1.0).contains(&share) {
        return None;
    }
    let k = ((u.len() as f64 * share + 0.5) as usize).clamp(1, u.len());
    let mut chosen = vec![false; u.len()];
    for index in top_k(u, k) {
        chosen[index] = true;
    }
    let common = top_k(v, k).into_iter().filter(|&index| chosen[index]).count();
    Some(common as f64 / k as f64)
}

/// Average rank distance (the quantity that attribution rank preservation keeps small, Wang et al., ICCV 2021), scaled so that independent maps give about 1:
///
/// ```text
/// (1/n) Σ |rank(u_i) − rank(v_i)|  /  ( (n² − 1) / 3n )
/// ```
///
/// Ranks are mid-ranks. 0 for the same order; opposite orders give about 1.5.
/// `None` when a map is constant or holds NaN, or the lengths differ.
pub fn average_rank_distance(u: &[f32], v: &[f32]) -> Option<f64> {
    if !comparable(u, v) || is_constant(u) || is_constant(v) {
        return None;
    }
    let (r, s) = (doubled_mid_ranks(u)?, doubled_mid_ranks(v)?);
    let doubled: i64 = r.iter().zip(&s).map(|(r, s)| (r - s).abs()).sum();
    let n = u.len() as f64;
    Some(doubled as f64 / 2.0 / n / ((n * n - 1.0) / (3.0 * n)))
}

/// Side of SSIM's window: the smallest common choice, since maps are often 7×7.
const SSIM_WINDOW: usize = 7;

/// SSIM's constants for values between 0 and 1: (0.01)² and (0.03)² (Wang et al. 2004).
const SSIM_C1: f64 = 1e-4;
const SSIM_C2: f64 = 9e-4;

/// Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004) of two maps, each divided by its own maximum; 1 for
/// equal maps, at least −1.
///
/// ```text
/// mean over windows of  (2 μ_u μ_v + C1)(2 σ_uv + C2) / ((μ_u² + μ_v² + C1)(σ_u² + σ_v² + C2))
/// ```
///
/// Windows are squares of 7 pixels with equal weights, or as large as the map's shorter side if that is less, that
/// lie wholly within the map; variances are unbiased. Maps are `[height, width]`.
///
/// `None` when a maximum is not above 0, a value is not finite, a side is below 2, or the lengths are not `height · width`.
pub fn ssim(u: &[f32], v: &[f32], height: usize, width: usize) -> Option<f64> {
    let size = height.checked_mul(width)?;
    let side = SSIM_WINDOW.min(height).min(width);
    if !comparable_finite(u, v) || u.len() != size || side < 2 {
        return None;
    }
    let (u, v) = (max_normalised(u)?, max_normalised(v)?);
    let (mut sum, mut count) = (0.0, 0.0);
    for top in 0..=height - side {
        for left in 0..=width - side {
            let rows = (top..top + side).map(|row| row * width + left);
            let window = rows.flat_map(|start| {
                u[start..start + side].iter().copied().zip(v[start..start + side].iter().copied())
            });
            sum += ssim_of_window(window, (side * side) as f64);
            count += 1.0;
        }
    }
    Some(sum / count)
}

fn max_normalised(map: &[f32]) -> Option<Vec<f64>> {
    let max = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (max > 0.0).then(|| map.iter().map(|&v| f64::from(v) / f64::from(max)).collect())
}

fn ssim_of_window(pairs: impl Iterator<Item = (f64, f64)> + Clone, n: f64) -> f64 {
    let (sum_u, sum_v) = pairs.clone().fold((0.0, 0.0), |(a, b), (u, v)| (a + u, b + v));
    let (mean_u, mean_v) = (sum_u / n, sum_v / n);
    let (mut var_u, mut var_v, mut cov) = (0.0, 0.0, 0.0);
    for (u, v) in pairs {
        let (du, dv) = (u - mean_u, v - mean_v);
        var_u += du * du;
        var_v += dv * dv;
        cov += du * dv;
    }
    let unbiased = 1.0 / (n - 1.0);
    let luminance = (2.0 * mean_u * mean_v + SSIM_C1) / (mean_u * mean_u + mean_v * mean_v + SSIM_C1);
    let structure = (2.0 * cov * unbiased + SSIM_C2) / ((var_u + var_v) * unbiased + SSIM_C2);
    luminance * structure
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map without symmetry: 0, 1, …, 10 in the order of the multiples of 7 modulo 11.
    fn map(length: usize) -> Vec<f32> {
        (0..length).map(|i| ((i * 7 + i * i * 3) % 11) as f32).collect()
    }

    #[test]
    fn cosine_and_l2_of_hand_examples() {
        let (u, v) = ([3.0, 4.0], [4.0, 3.0]);
        assert!((cosine(&u, &v).unwrap() - 24.0 / 25.0).abs() < 1e-15);
        assert!((normalised_l2(&u, &v).unwrap() - (2.0_f64 / 25.0).sqrt()).abs() < 1e-15);
        assert!((normalised_l2(&[1.0, 0.0], &[0.0, 9.0]).unwrap() - 2.0_f64.sqrt()).abs() < 1e-15);
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), Some(-1.0));
    }

    #[test]
    fn a_factor_changes_neither_cosine_nor_l2_nor_ssim() {
        let u = map(64);
        let v: Vec<f32> = u.iter().map(|x| x * 4.0).collect();
        // Sums of 64 products and a square root: at most 66 roundings, doubled for the two lengths.
        assert!((cosine(&u, &v).unwrap() - 1.0).abs() < 66.0 * f64::EPSILON);
        assert!(normalised_l2(&u, &v).unwrap() < 66.0 * f64::EPSILON);
        assert!((ssim(&u, &v, 8, 8).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn zero_maps_have_no_direction() {
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(normalised_l2(&[1.0, 0.0], &[0.0, 0.0]), None);
        assert_eq!(ssim(&[0.0; 4], &[1.0; 4], 2, 2), None);
        assert_eq!(ssim(&[-1.0; 4], &[1.0; 4], 2, 2), None);
    }

    #[test]
    fn top_intersection_counts_common_pixels_with_ties_by_index() {
        let u = [9.0, 8.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let v = [0.0, 8.0, 9.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(top_intersection(&u, &v, 0.2), Some(0.5));
        // Five of ten: both fill up from the zeros of lowest index, {0,1,2,3,4} in both.
        assert_eq!(top_intersection(&u, &v, 0.5), Some(1.0));
        assert_eq!(top_intersection(&u, &v, 0.0), Some(0.0), "at least one pixel is compared");
        assert_eq!(top_intersection(&u, &v, 1.5), None);
        assert_eq!(top_intersection(&u, &[1.0; 10], 0.5), None);
    }

    #[test]
    fn rank_distance_is_zero_for_equal_order_and_one_for_independent_maps() {
        let n = 4096_u32;
        let shuffled = |factor: u32| {
            (0..n).map(|i| (i.wrapping_add(17).wrapping_mul(factor) >> 8) as f32).collect::<Vec<_>>()
        };
        let (u, v) = (shuffled(2_654_435_761), shuffled(3_266_489_917));
        assert_eq!(average_rank_distance(&u, &u), Some(0.0));
        // Standard deviation of the mean of n rank distances around (n²−1)/3n is about 0.7/√n = 0.011; five of them.
        assert!((average_rank_distance(&u, &v).unwrap() - 1.0).abs() < 0.055);
    }

    #[test]
    fn rank_distance_of_a_hand_example() {
        // Ranks 1,2,3 against 3,2,1: mean distance 4/3, scale 8/9.
        assert_eq!(average_rank_distance(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(1.5));
        // Mid-ranks 1.5,1.5,3 against 1,2,3: mean distance 1/3.
        assert_eq!(average_rank_distance(&[0.0, 0.0, 3.0], &[1.0, 2.0, 3.0]), Some(0.375));
        assert_eq!(average_rank_distance(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn ssim_equals_an_independent_implementation() {
        // NumPy and scipy.ndimage.uniform_filter over the same maps, in the formula's other form (E[x²] − E[x]²).
        let u = map(120);
        let v: Vec<f32> = (0..120).map(|i| ((i * 5 + i * i) % 13) as f32).collect();
        assert!((ssim(&u, &v, 10, 12).unwrap() - -0.075_960_145_350_366_71).abs() < 1e-10);
        assert!((ssim(&u[..35], &v[..35], 5, 7).unwrap() - -0.067_188_292_832_862_25).abs() < 1e-10);
    }

    #[test]
    fn undefined_input_has_no_value() {
        let (good, nan) = ([1.0, 2.0, 3.0, 4.0], [1.0, f32::NAN, 3.0, 4.0]);
        let infinite = [1.0, f32::INFINITY, 3.0, 4.0];
        assert_eq!(cosine(&good, &nan), None);
        assert_eq!(normalised_l2(&good, &infinite), None);
        assert_eq!(top_intersection(&nan, &good, 0.5), None);
        assert_eq!(average_rank_distance(&good, &nan), None);
        assert_eq!(ssim(&good, &infinite, 2, 2), None);
        assert_eq!(ssim(&good, &good, 4, 1), None);
        assert_eq!(ssim(&good, &good, 3, 2), None);
        assert_eq!(cosine(&good, &good[..3]), None);
        // Infinity is a rank like any other.
        assert_eq!(average_rank_distance(&good, &good), average_rank_distance(&infinite, &infinite));
    }
}
