//! Random weights and inputs for the tests of rounding.

use super::curvature::Curvature;
use super::grid::Grid;
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
