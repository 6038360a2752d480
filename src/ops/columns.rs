//! What linear operators multiply with their weights: for each place of the output the numbers of the
//! input that its sums are made of, and the products of these numbers with each other.

use super::window::{AxisWindow, Rounding, Window};
use super::{Isa, OpError};
use crate::kernels::{self, Accumulate, Epilogue, GemmF32, MatLayout, PackedGemmF32};
use crate::tensor::Value;

/// Rows of the products that are computed at a time.
const BLOCK: usize = 128;

/// The terms of a linear operator's sums, place by place of its output. A group of output channels has
/// one column of terms at each place, in the order of the weights of an output channel; what is read
/// beyond the ends of the input is 0.
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    input: &'a [f32],
    images: usize,
    /// Input channels of a group.
    inner: usize,
    groups: usize,
    axes: [AxisWindow; 3],
}

impl<'a> Columns<'a> {
    /// Of a window that moves over `[N, C, …]`, with a weight `[O, C/groups, …]`. `None` where they do not
    /// fit.
    pub(super) fn of_windows(
        input: &'a Value,
        (window, groups): (&Window, usize),
        weight: &[usize],
    ) -> Option<Self> {
        let (&[images, channels], spatial) = input.shape().split_first_chunk::<2>()?;
        let (&[_, inner], kernel) = weight.split_first_chunk::<2>()?;
        let axes = window.resolve(spatial, kernel, Rounding::Down).ok()?;
        let fits = inner.checked_mul(groups) == Some(channels);
        fits.then_some(Self { input: input.as_slice().ok()?, images, inner, groups, axes })
    }

    /// Of rows `[…, K]` and a weight with `K` terms for each output.
    pub(super) fn of_rows(input: &'a Value, terms: usize) -> Option<Self> {
        let fits = terms > 0 && input.shape().last() == Some(&terms);
        let images = input.len().checked_div(terms)?;
        let input = input.as_slice().ok()?;
        fits.then_some(Self { input, images, inner: terms, groups: 1, axes: [AxisWindow::SINGLE; 3] })
    }

    /// Groups of output channels that read the same terms.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Terms of each sum.
    pub fn terms(&self) -> usize {
        self.axes.iter().fold(self.inner, |terms, axis| terms * axis.kernel)
    }

    /// Places of the output, of all images together.
    pub fn places(&self) -> usize {
        self.axes.iter().fold(self.images, |places, axis| places * axis.output)
    }

    /// Writes the terms of a group at a place into `out`, which has room for them.
    pub fn read(&self, place: usize, group: usize, out: &mut [f32]) {
        let [depth, rows, columns] = self.axes.each_ref();
        let (rest, x) = (place / columns.output, place % columns.output);
        let (rest, y) = (rest / rows.output, rest % rows.output);
        let (image, z) = (rest / depth.output, rest % depth.output);
        let plane = depth.input * rows.input * columns.input;
        let first = (image * self.groups + group) * self.inner;
        let mut lines = out.chunks_exact_mut(columns.kernel.max(1));
        for channel in first..first + self.inner {
            for i in 0..depth.kernel {
                let z = source(depth, z, i);
                for j in 0..rows.kernel {
                    let Some(line) = lines.next() else { return };
                    let (Some(z), Some(y)) = (z, source(rows, y, j)) else {
                        line.fill(0.0);
                        continue;
                    };
                    let begin = channel * plane + (z * rows.input + y) * columns.input;
                    let from = self.input.get(begin..begin + columns.input).unwrap_or_default();
                    for (k, out) in line.iter_mut().enumerate() {
                        let at = source(columns, x, k);
                        *out = at.and_then(|at| from.get(at)).copied().unwrap_or(0.0);
                    }
                }
            }
        }
    }
}

/// The input that a tap of an output reads; `None` where that is padding.
fn source(axis: &AxisWindow, output: usize, tap: usize) -> Option<usize> {
    let at = (output * axis.stride + tap * axis.dilation).checked_sub(axis.pad_begin)?;
    (at < axis.input).then_some(at)
}

/// Adds `x·xᵀ` of each column `x` of `terms` numbers to sums, of which the part on and above the diagonal
/// is kept, row after row.
///
/// # Errors
/// Lengths that do not fit.
pub fn add_products(isa: Isa, columns: &[f32], terms: usize, sums: &mut [f32]) -> Result<(), OpError> {
    let count = columns.len() / terms.max(1);
    let mut sums = sums;
    for first in (0..terms).step_by(BLOCK) {
        let (rows, width) = (BLOCK.min(terms - first), terms - first);
        let shifted = columns.get(first..).unwrap_or_default();
        let operands = GemmF32 {
            lhs: shifted,
            lhs_layout: MatLayout::new(rows, count, 1, terms)?,
            rhs: shifted,
            rhs_layout: MatLayout::new(count, width, terms, 1)?,
        };
        let mut products = vec![0.0; rows * width];
        kernels::gemm_f32(isa, &operands, &mut products, Accumulate::Overwrite)?;
        for (row, products) in products.chunks_exact(width).enumerate() {
            let (own, rest) = std::mem::take(&mut sums).split_at_mut_checked(width - row).unwrap_or_default();
            own.iter_mut().zip(&products[row..]).for_each(|(sum, product)| *sum += product);
            sums = rest;
        }
    }
    Ok(())
}

/// A matrix that rows are multiplied with again and again.
#[derive(Debug, Clone)]
pub struct PackedMatrix(PackedGemmF32);

impl PackedMatrix {
    /// Lays out a matrix that is given row after row.
    ///
    /// # Errors
    /// A length that is not that of its sizes, an unavailable `isa`.
    pub fn new(isa: Isa, matrix: &[f32], [rows, columns]: [usize; 2]) -> Result<Self, OpError> {
        Ok(Self(PackedGemmF32::pack(isa, matrix, MatLayout::row_major(rows, columns)?)?))
    }

    /// How many columns it has.
    pub fn columns(&self) -> usize {
        self.0.columns()
    }

    /// `rows · matrix`, row after row.
    ///
    /// # Errors
    /// Lengths that do not fit.
    pub fn multiply(&self, rows: &[f32], out: &mut [f32]) -> Result<(), OpError> {
        let layout = MatLayout::row_major(rows.len() / self.0.depth().max(1), self.0.depth())?;
        Ok(kernels::gemm_packed_f32(rows, layout, &self.0, Epilogue::default(), out)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, run};
    use crate::ops::{Conv, Gemm, MatMul, Op, Padding};

    /// Whether a product of weights and terms is what the operator computes.
    fn check(op: &Op, input: &Value, weight: &Value, channel_axis: usize) {
        let columns = op.columns(input, weight.shape()).unwrap();
        let (terms, groups) = (columns.terms(), columns.groups());
        let outputs = weight.shape()[channel_axis];
        let weights = weight.as_slice::<f32>().unwrap();
        let at = |output: usize, term: usize| {
            if channel_axis == 0 { weights[output * terms + term] } else { weights[term * outputs + output] }
        };
        let made = run(op, &[input.clone(), weight.clone()]).remove(0);
        let made = made.as_slice::<f32>().unwrap();
        assert_eq!(made.len(), columns.places() * outputs);
        // Images one after the other; of a matrix product each row is an image.
        let per_image = columns.places() / columns.images;
        let mut found = vec![0.0; terms];
        for place in 0..columns.places() {
            for output in 0..outputs {
                columns.read(place, output / (outputs / groups), &mut found);
                let sum: f32 = found.iter().enumerate().map(|(term, x)| x * at(output, term)).sum();
                let (image, within) = (place / per_image, place % per_image);
                let expected = made[(image * outputs + output) * per_image + within];
                assert!((sum - expected).abs() <= 1e-5, "{op:?}: {sum} {expected}");
            }
        }
    }

    #[test]
    fn the_terms_are_what_the_operators_sum() {
        let mut random = Random::new(2);
        let mut tensor = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
        let window = Window {
            strides: vec![2, 1],
            dilations: vec![1, 2],
            padding: Padding::Explicit(vec![[1, 0], [0, 2]]),
            ..Window::default()
        };
        let conv = |window: &Window, groups| Op::from(Conv { window: window.clone(), groups, clamp: None });
        check(&conv(&window, 1), &tensor(&[2, 3, 5, 6]), &tensor(&[4, 3, 3, 2]), 0);
        check(&conv(&window, 2), &tensor(&[1, 4, 5, 6]), &tensor(&[6, 2, 2, 3]), 0);
        let same = Window { padding: Padding::SameUpper, strides: vec![2], ..Window::default() };
        check(&conv(&same, 3), &tensor(&[2, 3, 7]), &tensor(&[3, 1, 4]), 0);
        check(&conv(&Window::default(), 1), &tensor(&[1, 2, 3, 4, 3]), &tensor(&[2, 2, 2, 1, 3]), 0);
        check(&Gemm { trans_b: true, ..Gemm::default() }.into(), &tensor(&[3, 7]), &tensor(&[5, 7]), 0);
        check(&Gemm::default().into(), &tensor(&[3, 7]), &tensor(&[7, 5]), 1);
        check(&MatMul::default().into(), &tensor(&[2, 3, 7]), &tensor(&[7, 5]), 1);
    }

    #[test]
    fn what_does_not_fit_has_no_terms() {
        let input = Value::zeros::<f32>(&[1, 4, 5, 5]).unwrap();
        let conv = Op::from(Conv { window: Window::default(), groups: 1, clamp: None });
        assert!(conv.columns(&input, &[2, 3, 1, 1]).is_none());
        assert!(conv.columns(&input, &[2, 4, 9, 9]).is_none());
        assert!(Op::from(MatMul::default()).columns(&input, &[4, 2]).is_none());
        assert!(Op::from(MatMul::default()).columns(&input, &[4, 5, 2]).is_none());
        assert!(Op::from(crate::ops::Relu).columns(&input, &[5, 2]).is_none());
    }

    #[test]
    fn products_are_those_of_every_pair_of_terms() {
        let (terms, count) = (BLOCK + 9, 37);
        let columns: Vec<f32> = (0..terms * count).map(|i| (i * 37 % 19) as f32 - 9.0).collect();
        let mut sums = vec![1.0; terms * (terms + 1) / 2];
        add_products(Isa::Portable, &columns, terms, &mut sums).unwrap();
        let mut found = sums.into_iter();
        for row in 0..terms {
            for column in row..terms {
                let expected: f32 = columns.chunks_exact(terms).map(|x| x[row] * x[column]).sum();
                // Whole numbers, which every order of summation gets exactly right.
                assert_eq!(found.next(), Some(1.0 + expected), "{row} {column}");
            }
        }
    }
}
