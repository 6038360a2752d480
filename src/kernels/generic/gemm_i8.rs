//! Integer matrix product: rows of `u8` activations times packed `i8` weights, into `i32`.
//!
//! ```text
//! for each panel of 2 vectors of output columns:   the panel stays in cache while the rows pass
//!   for ROWS rows of activations:
//!     register tile: ROWS × 2 accumulators; each step reads one group of activations per row,
//!     repeats it in every lane, and multiplies it with one group of weights per column
//! ```
//!
//! A group is what one lane sums in one instruction ([`Dot::GROUP`]: two 16-bit or four 8-bit
//! products). Weights are packed `[panel][group of depth][column][place in group]`, zero beyond the
//! depth and beyond the last column, so the tile knows no tails:
//!
//! ```text
//! GROUP 2, 4 lanes:   w00 w01 w10 w11 w20 w21 w30 w31 | w40 … w71 | w02 w03 w12 w13 …
//! ```
//!
//! Sums are of raw codes; `Σ (x − z)·w = Σ x·w − z·Σw` is applied when a row is finished, with `Σw`
//! kept from packing. All of it wraps, and the true sum fits (checked when packing), so it is exact.

use super::{Dot, DotTask, WeightElement, WeightPanels};

/// Weights of one group of outputs, `N × K`, packed for one instruction set and dot product.
#[derive(Debug, Clone)]
pub(crate) struct PackedWeights {
    pub(crate) panels: WeightPanels,
    /// `K`, rounded up to whole groups.
    pub(crate) padded_depth: usize,
    /// `N`, rounded up to whole panels.
    pub(crate) padded_columns: usize,
}

/// Packs an `N × K` matrix of weights, row-major.
pub(crate) struct PackTask<'a> {
    pub(crate) weights_nk: &'a [i8],
    pub(crate) columns: usize,
    pub(crate) depth: usize,
}

impl DotTask for PackTask<'_> {
    type Output = PackedWeights;
    #[inline(always)]
    fn run<D: Dot>(self, _: D) -> PackedWeights {
        let width = 2 * D::LANES;
        let padded_depth = self.depth.next_multiple_of(D::GROUP);
        let padded_columns = self.columns.next_multiple_of(width);
        let mut packed = vec![D::Weight::default(); padded_depth * padded_columns];
        for (column, row) in self.weights_nk.chunks_exact(self.depth).enumerate() {
            let panel = column / width * width * padded_depth;
            for (k, &weight) in row.iter().enumerate() {
                let group = panel + k / D::GROUP * width * D::GROUP;
                packed[group + column % width * D::GROUP + k % D::GROUP] = D::Weight::from_i8(weight);
            }
        }
        PackedWeights { panels: D::Weight::wrap(packed), padded_depth, padded_columns }
    }
}

/// Rows of activations, `stride` elements apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, A> {
    pub(crate) data: &'a [A],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// All columns of `rows`: `sums` is `count × padded_columns`, replaced.
#[inline(always)]
pub(crate) fn multiply_rows<D: Dot>(
    dot: D,
    rows: Rows<'_, D::Activation>,
    weights: &PackedWeights,
    sums: &mut [i32],
) {
    let width = 2 * D::LANES;
    let panels = D::Weight::unwrap(&weights.panels);
    for (index, panel) in panels.chunks_exact((width * weights.padded_depth).max(1)).enumerate() {
        for first in (0..rows.count).step_by(D::ROWS) {
            let tile = Tile {
                rows: &rows.data[first * rows.stride..],
                row_stride: rows.stride,
                panel,
                depth: weights.padded_depth,
            };
            let to = &mut sums[first * weights.padded_columns + index * width..];
            tile_of(dot, D::ROWS.min(rows.count - first), &tile, (to, weights.padded_columns));
        }
    }
}

struct Tile<'a, D: Dot> {
    rows: &'a [D::Activation],
    row_stride: usize,
    panel: &'a [D::Weight],
    depth: usize,
}

#[inline(always)]
fn tile_of<D: Dot>(dot: D, rows: usize, operands: &Tile<'_, D>, to: (&mut [i32], usize)) {
    match rows {
        1 => tile::<D, 1>(dot, operands, to),
        2 => tile::<D, 2>(dot, operands, to),
        3 => tile::<D, 3>(dot, operands, to),
        4 => tile::<D, 4>(dot, operands, to),
        5 if D::ROWS > 4 => tile::<D, 5>(dot, operands, to),
        6 if D::ROWS > 4 => tile::<D, 6>(dot, operands, to),
        _ => {}
    }
}

#[inline(always)]
fn tile<D: Dot, const ROWS: usize>(dot: D, operands: &Tile<'_, D>, (out, out_stride): (&mut [i32], usize)) {
    let (depth, step) = (operands.depth, D::LANES * D::GROUP);
    assert!(operands.rows.len() >= (ROWS - 1) * operands.row_stride + depth);
    assert!(operands.panel.len() >= 2 * D::LANES * depth);
    assert!(out.len() >= (ROWS - 1) * out_stride + 2 * D::LANES);
    let mut sums = [[dot.zero(); 2]; ROWS];
    let (a, mut w) = (operands.rows.as_ptr(), operands.panel.as_ptr());
    for k in (0..depth).step_by(D::GROUP) {
        // SAFETY: by the assertions each row has `depth` activations, a multiple of GROUP, and the
        // panel has two vectors of weights for each group of them.
        unsafe {
            let (left, right) = (dot.load_weights(w), dot.load_weights(w.add(step)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let activations = dot.splat_activations(a.add(row * operands.row_stride + k));
                sums[0] = dot.dot(sums[0], left, activations);
                sums[1] = dot.dot(sums[1], right, activations);
            }
        }
        w = w.wrapping_add(2 * step);
    }
    for (row, [left, right]) in sums.into_iter().enumerate() {
        let out = &mut out[row * out_stride..][..2 * D::LANES];
        // SAFETY: the slice holds two vectors.
        unsafe {
            dot.store_sums(out.as_mut_ptr(), left);
            dot.store_sums(out.as_mut_ptr().add(D::LANES), right);
        }
    }
}

/// Converts codes to activations.
#[inline(always)]
pub(crate) fn convert<D: Dot>(dot: D, codes: &[u8], to: &mut [D::Activation]) {
    for (to, &code) in to.iter_mut().zip(codes) {
        *to = dot.activation(code);
    }
}
