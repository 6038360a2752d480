//! Rounding one weight after the other, each making up for the errors of those before.
//!
//! GPTQ (Frantar, Ashkboos, Hoefler, Alistarh 2022, arXiv 2210.17323, Algorithm 1), whose step is that of
//! Optimal Brain Quantization (arXiv 2208.11580, equation 3) in an order that all outputs share, here that
//! of descending `diag H`. The paper takes the Cholesky factor of `H⁻¹` and moves all weights that are not
//! rounded yet. With `H = L·Lᵀ` and the order reversed that is
//!
//! ```text
//! for j = K−1 … 0:   ŵ_j = Q( w_j − Σ_{i>j} (ŵ_i − w_i)·L_ij / L_jj )
//! ```
//!
//! the same numbers without an inverse: `E = ‖(ŵ − w)·L‖²`, of which summand `j` is settled when `ŵ_j`
//! is, and what is rounded later can still be chosen so that the others vanish. Costs `K³/3` for the
//! factor and `K²/2` for each output.

use super::curvature::{Factor, dot};
use super::grid::RowGrid;

/// The codes of the weights of one output. With a diagonal `H` they are the nearest ones.
pub fn round(weights: &[f32], grid: RowGrid<'_>, factor: &Factor) -> Vec<i32> {
    let terms = weights.len();
    let mut codes = vec![0; terms];
    // In the order of the factor; what is not rounded yet is zero.
    let mut errors = vec![0.0; terms];
    for j in (0..terms).rev() {
        let Some((own, behind)) = factor.column(j).split_first() else { continue };
        let at = factor.order[j];
        let weight = f64::from(weights[at]);
        let code = grid.nearest(at, weight - dot(behind, &errors[j + 1..]) / own);
        errors[j] = grid.real(at, code) - weight;
        codes[at] = code;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::super::curvature::Curvature;
    use super::super::testing::{curvature, errors_beside_the_best, grid, weights};
    use super::*;
    use nalgebra::DMatrix;
    use ndarray::Array2;

    #[test]
    fn a_diagonal_curvature_leaves_the_nearest_codes() {
        for bits in [2, 3, 4, 8] {
            let weights = weights(61, bits.into());
            let grid = grid(&weights, bits);
            let h = Array2::from_diag(&ndarray::Array1::from_iter((0..61).map(|i| 0.1 + f64::from(i % 9))));
            let factor = Curvature::of(h).unwrap().factor().unwrap();
            let row = grid.of(0..61);
            assert_eq!(round(&weights, row, &factor), row.all_nearest(&weights), "{bits} bits");
        }
    }

    /// Algorithm 1 of the paper as it is written: the inverse, and weights that move.
    fn by_the_paper(weights: &[f32], grid: RowGrid<'_>, h: &Curvature) -> Vec<i32> {
        let terms = weights.len();
        let mut order: Vec<usize> = (0..terms).collect();
        order.sort_by(|&a, &b| h.diagonal(b).total_cmp(&h.diagonal(a)));
        let sorted = DMatrix::from_fn(terms, terms, |i, j| h.row(order[i])[order[j]]);
        let upper = sorted.try_inverse().unwrap().cholesky().unwrap().l().transpose();
        let mut moved: Vec<f64> = order.iter().map(|&at| f64::from(weights[at])).collect();
        let mut codes = vec![0; terms];
        for k in 0..terms {
            codes[order[k]] = grid.nearest(order[k], moved[k]);
            let error = (moved[k] - grid.real(order[k], codes[order[k]])) / upper[(k, k)];
            for j in k..terms {
                moved[j] -= error * upper[(k, j)];
            }
        }
        codes
    }

    #[test]
    fn the_codes_are_those_of_the_papers_algorithm() {
        for seed in 0..20 {
            let h = curvature(24, 60, seed);
            let weights = weights(24, seed + 100);
            let grid = grid(&weights, 3);
            let row = grid.of(0..24);
            let found = round(&weights, row, &h.factor().unwrap());
            assert_eq!(found, by_the_paper(&weights, row, &h), "seed {seed}");
            assert_ne!(found, row.all_nearest(&weights), "seed {seed}");
        }
    }

    #[test]
    fn the_error_is_between_that_of_the_best_codes_and_the_nearest() {
        let sums = errors_beside_the_best(2, |weights, row, h| round(weights, row, &h.factor().unwrap()));
        assert!(sums[1] < 0.8 * sums[2], "{sums:?}");
    }
}
