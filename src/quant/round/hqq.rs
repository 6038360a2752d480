//! Scales and zero points from the weights alone.
//!
//! HQQ (Badri, Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models"): for weights that
//! share a scale, a few large errors are cheaper than many middling ones, so
//!
//! ```text
//! min ‖w − s·(q − z)‖_p      p = 0.7
//! e ← shrink(w − ŵ, β)       shrink(x, β) = sign(x)·max(|x| − |x|^(p−1)/β, 0)
//! z ← mean(q − (w − e)/s)    β ← 1.01·β, from 10, in 20 rounds
//! ```
//!
//! Three things are different here. Errors are counted in steps of the scale, so that what comes out does
//! not depend on the unit of the weights. Zero points are codes (ONNX has no others), so that `z` is rounded
//! when it is used, and hardly ever gets to another code; therefore the scale moves as well, by
//! `s ← (q − z)·(w − e) / (q − z)·(q − z)`. On symmetric grids it alone does. The best of all rounds counts,
//! and where none is better the parameters stay.

use crate::kernels::reference::{dequantize, quantize};
use crate::quant::affine::AffineParams;

/// The exponent `p`.
pub const POWER: f64 = 0.7;

const ROUNDS: usize = 20;
const FIRST_BETA: f64 = 10.0;
const GROWTH: f64 = 1.01;

/// Scale, zero point, and the error with them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Scale.
    pub scale: f32,
    /// Zero point.
    pub zero_point: i32,
    /// `Σ |w − ŵ|^p` in units of the weights.
    pub error: f64,
}

/// `Σ |w − ŵ|^p` with nearest codes; infinite where the parameters are none.
pub fn error(weights: &[f32], (scale, zero_point): (f32, i32), [qmin, qmax]: [i32; 2]) -> f64 {
    let Ok(params) = AffineParams::new(scale, zero_point, qmin, qmax) else { return f64::INFINITY };
    let rounded = |w: f32| f64::from(dequantize(quantize(w, &params), &params));
    weights.iter().map(|&w| libm::pow((f64::from(w) - rounded(w)).abs(), POWER)).sum()
}

/// Better parameters for weights that share a scale, and those that they had where there are none. The zero
/// point stays where the grid is symmetric.
pub fn search(weights: &[f32], first: (f32, i32), ends: [i32; 2], is_symmetric: bool) -> Found {
    let (mut scale, mut zero) = (f64::from(first.0), f64::from(first.1));
    let mut best = Found { scale: first.0, zero_point: first.1, error: error(weights, first, ends) };
    let limits = ends.map(f64::from);
    let mut beta = FIRST_BETA;
    for _ in 0..ROUNDS {
        let pair = |&w: &f32| {
            let steps = f64::from(w) / scale;
            let code = (steps + zero).round_ties_even().clamp(limits[0], limits[1]);
            (code, steps - shrink(steps - (code - zero), beta))
        };
        let pairs: Vec<(f64, f64)> = weights.iter().map(pair).collect();
        if !is_symmetric {
            zero = pairs.iter().map(|(q, x)| q - x).sum::<f64>() / pairs.len().max(1) as f64;
        }
        let sums = pairs.iter().fold([0.0; 2], |[product, square], (q, x)| {
            [product + (q - zero) * x, square + (q - zero) * (q - zero)]
        });
        scale *= sums[0] / sums[1];
        let now = (scale as f32, zero.round_ties_even().clamp(limits[0], limits[1]) as i32);
        if !(now.0.is_normal() && now.0 > 0.0) {
            break;
        }
        let found = error(weights, now, ends);
        if found < best.error {
            best = Found { scale: now.0, zero_point: now.1, error: found };
        }
        beta *= GROWTH;
    }
    best
}

/// What the error is taken to be where most errors are zero and a few are large.
fn shrink(x: f64, beta: f64) -> f64 {
    let size = x.abs();
    if size == 0.0 {
        return 0.0;
    }
    (size - libm::pow(size, POWER - 1.0) / beta).max(0.0).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::super::testing::weights;
    use super::*;

    fn extremes(weights: &[f32]) -> (f32, f32) {
        weights.iter().fold((0.0, 0.0), |(lo, hi): (f32, f32), &w| (lo.min(w), hi.max(w)))
    }

    #[test]
    fn shrinking_takes_small_errors_for_zero() {
        assert_eq!([shrink(0.0, 10.0), shrink(0.1, 10.0), shrink(-0.1, 10.0)], [0.0, 0.0, 0.0]);
        // 0.5 − 0.5^−0.3 / 10 = 0.5 − 0.123114…
        assert!((shrink(0.5, 10.0) - 0.376_885_6).abs() < 1e-6);
        assert!((shrink(-0.5, 10.0) + 0.376_885_6).abs() < 1e-6);
    }

    #[test]
    fn no_parameters_are_worse_and_some_are_better() {
        let mut better = [0, 0];
        for seed in 0..20 {
            let weights = weights(64, seed);
            let (lo, hi) = extremes(&weights);
            let zero = (-8.0 - lo / ((hi - lo) / 15.0)).round_ties_even() as i32;
            let first = ((hi - lo) / 15.0, zero);
            let found = search(&weights, first, [-8, 7], false);
            let before = error(&weights, first, [-8, 7]);
            assert!(found.error <= before);
            better[0] += usize::from(found.error < before);
            let first = (hi.max(-lo) / 7.0, 0);
            let found = search(&weights, first, [-7, 7], true);
            assert_eq!(found.zero_point, 0);
            let before = error(&weights, first, [-7, 7]);
            assert!(found.error <= before);
            assert_eq!(found.error, error(&weights, (found.scale, 0), [-7, 7]));
            better[1] += usize::from(found.error < before);
        }
        assert!(better[0] >= 10 && better[1] >= 10, "{better:?}");
    }

    #[test]
    fn what_comes_out_does_not_depend_on_the_unit() {
        let weights = weights(100, 5);
        let (lo, hi) = extremes(&weights);
        let first = (hi.max(-lo) / 7.0, 0);
        let found = search(&weights, first, [-7, 7], true);
        let scaled: Vec<f32> = weights.iter().map(|w| w * 1024.0).collect();
        let other = search(&scaled, (first.0 * 1024.0, 0), [-7, 7], true);
        assert_eq!(found.scale * 1024.0, other.scale);
    }

    #[test]
    fn weights_that_are_all_zero_keep_their_parameters() {
        let found = search(&[0.0; 8], (1.0, 0), [-7, 7], true);
        assert_eq!((found.scale, found.zero_point, found.error), (1.0, 0, 0.0));
    }
}
