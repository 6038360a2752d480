//! What an error of a layer's weights does to the layer's output.
//!
//! With the layer's inputs as the columns of `X`, `N` of them, and an error `d` of the weights of one output,
//!
//! ```text
//! H = X·Xᵀ / N + λ·mean(diag X·Xᵀ / N)·I        E(d) = d·H·dᵀ            λ = 0.01
//! ```
//!
//! is the mean squared error of that output, but for the summand of `λ`. That keeps `H` invertible where
//! few columns were seen, and weights of inputs that were zero on all of them near what they were.
//! Everything here is in f64 and in a fixed order, so that it has the same bits on every machine.

use nalgebra::{DMatrix, linalg::Cholesky};
use ndarray::Array2;

/// Share of the mean of `H`'s diagonal that is added to the diagonal.
pub const DAMPING: f64 = 0.01;

/// `H` of one group of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Curvature(Array2<f64>);

impl Curvature {
    /// From `X·Xᵀ` over that many columns, of which the part on and above the diagonal is read. `None`
    /// where nothing but zeros was seen, or a number that is not finite.
    pub fn damped(mut sums: Array2<f64>, columns: usize) -> Option<Self> {
        let terms = sums.nrows();
        let count = columns.max(1) as f64;
        sums.mapv_inplace(|sum| sum / count);
        let mean = sums.diag().sum() / terms.max(1) as f64;
        if !(mean.is_normal() && mean > 0.0) {
            return None;
        }
        sums.diag_mut().mapv_inplace(|v| v + DAMPING * mean);
        Self::of(sums)
    }

    /// From `H` itself, of which the part on and above the diagonal is read. `None` where a number is not
    /// finite or a diagonal element not positive.
    pub fn of(mut h: Array2<f64>) -> Option<Self> {
        let terms = h.nrows();
        let is_usable = h.is_square() && h.is_standard_layout();
        if !is_usable || h.diag().iter().any(|v| !v.is_normal() || *v < 0.0) {
            return None;
        }
        for row in 0..terms {
            for column in 0..row {
                h[[row, column]] = h[[column, row]];
            }
        }
        h.iter().all(|v| v.is_finite()).then_some(Self(h))
    }

    /// Inputs of a sum.
    pub fn terms(&self) -> usize {
        self.0.nrows()
    }

    /// An element of the diagonal.
    pub fn diagonal(&self, at: usize) -> f64 {
        self.0[[at, at]]
    }

    /// A row, or column.
    pub fn row(&self, at: usize) -> &[f64] {
        let terms = self.terms();
        self.0.as_slice().and_then(|all| all.get(at * terms..(at + 1) * terms)).unwrap_or_default()
    }

    /// `a·H·bᵀ`.
    pub fn between(&self, a: &[f64], b: &[f64]) -> f64 {
        let rows = a.iter().enumerate().filter(|(_, a)| **a != 0.0);
        rows.map(|(at, a)| a * dot(self.row(at), b)).sum()
    }

    /// `E(d)`, with half of the products that [`Curvature::between`] takes.
    pub fn error(&self, d: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (at, &own) in d.iter().enumerate().filter(|(_, d)| **d != 0.0) {
            let beyond = dot(self.row(at).get(at + 1..).unwrap_or_default(), &d[at + 1..]);
            sum += own * (self.diagonal(at) * own + 2.0 * beyond);
        }
        sum
    }

    /// `H·dᵀ`.
    pub fn times(&self, d: &[f64]) -> Vec<f64> {
        (0..self.terms()).map(|at| dot(self.row(at), d)).collect()
    }

    /// The factor that rounding goes through from the input that matters most to the one that matters
    /// least, by the diagonal. `None` where `H` is not positive definite in f64.
    pub fn factor(&self) -> Option<Factor> {
        let mut order: Vec<usize> = (0..self.terms()).collect();
        // What comes last is rounded first; of equals the one that stands first.
        order.sort_by(|&a, &b| self.diagonal(a).total_cmp(&self.diagonal(b)).then(b.cmp(&a)));
        let terms = self.terms();
        let sorted = DMatrix::from_fn(terms, terms, |row, column| self.0[[order[row], order[column]]]);
        let lower = Cholesky::new(sorted)?.unpack_dirty();
        let is_usable = (0..terms).all(|at| lower[(at, at)].is_normal());
        is_usable.then_some(Factor { order, lower })
    }
}

/// `H = L·Lᵀ` with its rows and columns in another order, so that `E(d) = ‖d·L‖²`: element `j` of `d·L`
/// depends on `d_j` and what stands behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// The input at each place, from the least diagonal element of `H` to the greatest.
    pub order: Vec<usize>,
    /// `L`; what lies above its diagonal has no meaning.
    lower: DMatrix<f64>,
}

impl Factor {
    /// Column `j` of `L` from its diagonal element on.
    pub fn column(&self, j: usize) -> &[f64] {
        let terms = self.order.len();
        self.lower.as_slice().get(j * terms + j..(j + 1) * terms).unwrap_or_default()
    }
}

/// `Σ a·b`, in four sums that are added up in the end: the same bits everywhere, and no addition waits for
/// the one before.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        sums[0] += a[0] * b[0];
        sums[1] += a[1] * b[1];
        sums[2] += a[2] * b[2];
        sums[3] += a[3] * b[3];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::super::testing::curvature;
    use super::*;

    #[test]
    fn the_error_is_that_of_the_outputs() {
        let columns = [[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]];
        let sums = Array2::from_shape_fn((3, 3), |(i, j)| columns.iter().map(|x| x[i] * x[j]).sum());
        let found = Curvature::damped(sums, 2).unwrap();
        let d = [0.25, -1.0, 0.5];
        let outputs = columns.map(|x: [f64; 3]| x.iter().zip(d).map(|(x, d)| x * d).sum::<f64>());
        let mean_square = outputs.iter().map(|y| y * y).sum::<f64>() / 2.0;
        let mean_diagonal = (1.25 / 2.0 + 4.0 / 2.0 + 10.0 / 2.0) / 3.0;
        let norm: f64 = d.iter().map(|d| d * d).sum();
        let expected = mean_square + DAMPING * mean_diagonal * norm;
        // A few roundings of numbers below 10.
        assert!((found.error(&d) - expected).abs() < 1e-13, "{} {expected}", found.error(&d));
        assert!((found.between(&d, &d) - expected).abs() < 1e-13);
    }

    #[test]
    fn the_factor_gives_the_error_again_with_the_largest_diagonal_last() {
        let h = curvature(23, 40, 5);
        let factor = h.factor().unwrap();
        let d: Vec<f64> = (0..23).map(|i| f64::from(i % 7) - 3.0).collect();
        let squares = (0..23).map(|j| {
            let column = factor.column(j).iter().zip(&factor.order[j..]);
            let sum: f64 = column.map(|(l, &at)| l * d[at]).sum();
            sum * sum
        });
        let (found, expected) = (squares.sum::<f64>(), h.error(&d));
        assert!((found - expected).abs() <= 1e-12 * expected, "{found} {expected}");
        assert!(factor.order.windows(2).all(|pair| h.diagonal(pair[0]) <= h.diagonal(pair[1])));
    }

    #[test]
    fn nothing_seen_has_no_curvature() {
        assert_eq!(Curvature::damped(Array2::zeros((4, 4)), 10), None);
        assert_eq!(Curvature::damped(Array2::from_elem((2, 2), f64::NAN), 10), None);
        let mut infinite = Array2::eye(2);
        infinite[[0, 1]] = f64::INFINITY;
        assert_eq!(Curvature::damped(infinite, 1), None);
    }
}
