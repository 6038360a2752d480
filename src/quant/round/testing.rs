//! Random weights and inputs for the tests of rounding.

use super::curvature::Curvature;
use super::grid::{Grid, RowGrid};
use crate::quant::observe::testing::Random;
use crate::quant::{Granularity, QuantParams, QuantSpec, Range};
use ndarray::Array2;

/// Inputs that go together, as neighbouring pixels do, and that vary by different amounts.
pub(super) fn curvature(terms: usize, columns: usize, seed: u64) -> Curvature {
    let mut random = Random::new(seed);
    let mut sums = Array2::zeros((terms, terms));
    for _ in 0..columns {
        let mut x = random.gaussians(terms);
        for at in 1..terms {
            x[at] = 0.7 * x[at - 1] + (0.3 + (at % 5) as f32 / 5.0) * x[at];
        }
        for row in 0..terms {
            for column in 0..terms {
                sums[[row, column]] += f64::from(x[row]) * f64::from(x[column]);
            }
        }
    }
    Curvature::damped(sums, columns).unwrap()
}

/// Gaussian weights.
pub(super) fn weights(count: usize, seed: u64) -> Vec<f32> {
    Random::new(seed).gaussians(count)
}

/// One symmetric scale for all weights, by the largest of them.
pub(super) fn grid(weights: &[f32], bits: u8) -> Grid {
    let most = weights.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
    let spec = QuantSpec { granularity: Granularity::PerTensor, ..QuantSpec::weights(bits, 0) };
    let params = QuantParams::per_tensor(Range { lo: -most, hi: most }, &spec);
    Grid::new(&[weights.len()], &spec, &params).unwrap()
}

/// Errors on a dozen outputs of six weights, summed: of the best of all codes, of those that are found, and of
/// the nearest.
pub(super) fn errors_beside_the_best(
    bits: u8,
    find: impl Fn(&[f32], RowGrid<'_>, &Curvature) -> Vec<i32>,
) -> [f64; 3] {
    let largest = (1_i32 << (bits - 1)) - 1;
    let levels = 2 * largest + 1;
    let mut sums = [0.0; 3];
    for seed in 0..12 {
        let h = curvature(6, 20, seed);
        let weights = weights(6, seed + 7);
        let grid = grid(&weights, bits);
        let row = grid.of(0..6);
        let error = |codes: &[i32]| h.error(&row.errors(&weights, codes));
        let code = |n: i32, at: u32| n / levels.pow(at) % levels - largest;
        let all = (0..levels.pow(6)).map(|n| (0..6).map(|at| code(n, at)).collect::<Vec<_>>());
        let best = all.map(|codes| error(&codes)).fold(f64::INFINITY, f64::min);
        let found = error(&find(&weights, row, &h));
        assert!(best <= found, "seed {seed}: {best} {found}");
        for (sum, v) in sums.iter_mut().zip([best, found, error(&row.all_nearest(&weights))]) {
            *sum += v;
        }
    }
    sums
}
