//! Rounding by coordinate descent: each weight in turn becomes what is best beside all others.
//!
//! COMQ (Zhang, Yang, Zhang, Yin, Dong 2024, arXiv 2403.07134), sections 3.1 and 3.3, from `H` alone. With
//! `d = ŵ − w` and all but one weight fixed, `E` is a parabola in `ŵ_k`, so that the nearest code to its
//! lowest point is the best one:
//!
//! ```text
//! ŵ_k ← Q( ŵ_k − (H·d)_k / H_kk )        in the order of descending √H_kk·|w_k|, in four sweeps
//! ```
//!
//! Here the sweeps begin with the nearest codes, where the paper begins with scaled weights, and a weight
//! moves only where that lowers `E`: it grows in no sweep, not by a rounding error either. Then the scale
//! that fits the codes best has a closed form ([`scale`]).

use super::curvature::Curvature;
use super::grid::RowGrid;

/// Sweeps over all weights, at most.
pub const SWEEPS: usize = 4;

/// The weights of one output on their way.
#[derive(Debug, Clone, PartialEq)]
pub struct Descent {
    /// The codes so far.
    pub codes: Vec<i32>,
    /// `ŵ − w`.
    errors: Vec<f64>,
    /// `H·(ŵ − w)`.
    slopes: Vec<f64>,
    /// The weights in the order of visits.
    order: Vec<usize>,
}

impl Descent {
    /// Begins with the nearest codes.
    pub fn new(weights: &[f32], grid: RowGrid<'_>, h: &Curvature) -> Self {
        let codes = grid.all_nearest(weights);
        let errors = grid.errors(weights, &codes);
        let reach = |at: usize| h.diagonal(at) * f64::from(weights[at]) * f64::from(weights[at]);
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| reach(b).total_cmp(&reach(a)).then(a.cmp(&b)));
        Self { slopes: h.times(&errors), codes, errors, order }
    }

    /// Visits every weight once; whether one has moved. `E` has not grown.
    pub fn sweep(&mut self, weights: &[f32], grid: RowGrid<'_>, h: &Curvature) -> bool {
        let mut has_moved = false;
        for &at in &self.order {
            let (own, slope) = (h.diagonal(at), self.slopes[at]);
            let weight = f64::from(weights[at]);
            let code = grid.nearest(at, weight + self.errors[at] - slope / own);
            let moved = grid.real(at, code) - weight - self.errors[at];
            if moved * (2.0 * slope + moved * own) < 0.0 {
                (self.codes[at], has_moved) = (code, true);
                self.errors[at] += moved;
                self.slopes.iter_mut().zip(h.row(at)).for_each(|(slope, h)| *slope += moved * h);
            }
        }
        has_moved
    }
}

/// The codes of the weights of one output.
pub fn round(weights: &[f32], grid: RowGrid<'_>, h: &Curvature) -> Vec<i32> {
    let mut descent = Descent::new(weights, grid, h);
    let _ = (0..SWEEPS).take_while(|_| descent.sweep(weights, grid, h)).count();
    descent.codes
}

/// What the best scale of an output's codes is made of: with `q` their distances from the zero point, in
/// steps, `E(s·q − w)` is least for `s = q·H·wᵀ / q·H·qᵀ`. Where outputs share a scale, both are summed.
pub fn scale(weights: &[f32], steps: &[f64], h: &Curvature) -> [f64; 2] {
    let weights: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    [h.between(steps, &weights), h.error(steps)]
}

#[cfg(test)]
mod tests {
    use super::super::testing::{curvature, grid, weights};
    use super::*;

    #[test]
    fn no_sweep_raises_the_error() {
        for seed in 0..30 {
            let h = curvature(40, 50, seed);
            let weights = weights(40, seed + 31);
            let grid = grid(&weights, 3);
            let row = grid.of(0..40);
            let error = |codes: &[i32]| h.error(&row.errors(&weights, codes));
            let mut descent = Descent::new(&weights, row, &h);
            let first = error(&descent.codes);
            let mut last = first;
            for _ in 0..SWEEPS {
                let has_moved = descent.sweep(&weights, row, &h);
                let now = error(&descent.codes);
                // The error is summed anew, with a rounding error of a few units of its last place.
                assert!(now <= last * (1.0 + 1e-13), "seed {seed}: {now} after {last}");
                assert_eq!(has_moved, now < last * (1.0 - 1e-13), "seed {seed}");
                last = now;
            }
            assert!(last < 0.9 * first, "seed {seed}: {last} of {first}");
        }
    }

    #[test]
    fn where_it_ends_no_single_weight_can_be_better() {
        let h = curvature(9, 30, 3);
        let weights = weights(9, 4);
        let grid = grid(&weights, 3);
        let row = grid.of(0..9);
        let error = |codes: &[i32]| h.error(&row.errors(&weights, codes));
        let mut descent = Descent::new(&weights, row, &h);
        while descent.sweep(&weights, row, &h) {}
        let found = error(&descent.codes);
        for at in 0..9 {
            for code in -3..=3 {
                let mut other = descent.codes.clone();
                other[at] = code;
                assert!(error(&other) >= found * (1.0 - 1e-12), "{at} {code}");
            }
        }
    }

    #[test]
    fn the_scale_is_the_best_of_all() {
        let h = curvature(12, 30, 8);
        let weights = weights(12, 9);
        let steps: Vec<f64> = (0..12).map(|i| f64::from(i % 5) - 2.0).collect();
        let [product, square] = scale(&weights, &steps, &h);
        let error = |s: f64| {
            let d: Vec<f64> = steps.iter().zip(&weights).map(|(q, &w)| s * q - f64::from(w)).collect();
            h.error(&d)
        };
        let best = product / square;
        for other in [0.999 * best, 1.001 * best, 0.0, -best] {
            assert!(error(best) < error(other), "{best} {other}");
        }
    }
}
