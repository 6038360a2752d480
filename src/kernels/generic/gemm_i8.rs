//! Integer matrix product: rows of `u8` activations times packed weights of eight bits, or nine, into `i32`.
//!
//! ```text
//! for each panel of 2 vectors of output columns:   the panel stays in cache while the rows pass
//!   for 4 rows of activations:
//!     register tile: 4 × 2 accumulators; each step reads one group of activations per row,
//!     repeats it in every lane, and multiplies it with one group of weights per column
//!     the finished tile goes from the registers to its sink, which makes codes of it
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
//! The eight accumulators, four row pointers and two vectors of weights are locals written out one by one:
//! they are then registers at any level of optimization, where an array of them is only when the compiler
//! unrolls every loop over it. Where fewer than four rows are left, the last one is computed more than
//! once and finished once; a single row, as of a dense layer, has a tile of its own.
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
}

/// Packs an `N × K` matrix of weights, row-major, which fit the instruction's.
pub(crate) struct PackTask<'a> {
    pub(crate) weights_nk: &'a [i16],
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
                packed[group + column % width * D::GROUP + k % D::GROUP] = D::Weight::from_i16(weight);
            }
        }
        PackedWeights { panels: D::Weight::wrap(packed), padded_depth }
    }
}

/// Receives finished sums, raw: `Σ(x−z)·w` is still to be made of them.
pub(crate) trait Sink {
    /// Tells whose sums will come: every activation was reduced by its shift.
    fn begin<D: Dot>(&mut self, dot: D);
    /// Takes the sums of `rows` (one to four) output rows from `at.row` (pixel or matrix row) on, two
    /// vectors a row; those beyond `rows` and beyond `at.count` channels mean nothing.
    fn finish_rows<D: Dot>(&mut self, dot: D, at: Place, rows: usize, sums: [D::Sums; 8]);
    /// Takes four vectors of sums of one output row.
    fn finish_row<D: Dot>(&mut self, dot: D, at: Place, sums: [D::Sums; 4]);
}

/// Where sums belong: a row of the output, and which of its channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Place {
    /// The first `width` channels and those after them.
    pub(crate) fn halves(self, width: usize) -> [Self; 2] {
        let near = self.count.min(width);
        [Self { count: near, ..self }, Self { first: self.first + near, count: self.count - near, ..self }]
    }
}

/// Rows of activations, `stride` elements apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, A> {
    pub(crate) data: &'a [A],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// All columns of `rows`, which are rows of the output from `to.row` on and channels `to.first..` of it,
/// `to.count` in all.
#[cfg_attr(target_arch = "wasm32", inline(never))]
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
pub(crate) fn multiply_rows<D: Dot>(
    dot: D,
    rows: Rows<'_, D::Activation>,
    weights: &PackedWeights,
    to: Place,
    sink: &mut impl Sink,
) {
    let (width, depth) = (2 * D::LANES, weights.padded_depth);
    let panels = D::Weight::unwrap(&weights.panels);
    assert!(rows.count == 0 || rows.data.len() >= (rows.count - 1) * rows.stride + depth);
    for (index, panel) in panels.chunks_exact((width * depth).max(1)).enumerate() {
        let Some(left) = to.count.checked_sub(index * width) else { break };
        let mut place = Place { row: to.row, first: to.first + index * width, count: left.min(width) };
        let (mut row, mut left) = (rows.data.as_ptr(), rows.count);
        while left > 1 {
            let tile = Tile { panel: panel.as_ptr(), groups: depth / D::GROUP };
            let next = |i: usize| row.wrapping_add(i.min(left - 1) * rows.stride);
            // SAFETY: by the assertion each row has `depth` activations, a multiple of GROUP, and the
            // panel has two vectors of weights for each group of them.
            let sums = unsafe { tile_of_four(dot, [row, next(1), next(2), next(3)], tile) };
            sink.finish_rows(dot, place, left.min(4), sums);
            row = row.wrapping_add(4 * rows.stride);
            place.row += 4;
            left = left.saturating_sub(4);
        }
        if left == 1 {
            let tile = Tile { panel: panel.as_ptr(), groups: depth / D::GROUP };
            // SAFETY: as above.
            let [a, b] = unsafe { tile_of_one(dot, row, tile) };
            let none = dot.zero();
            sink.finish_rows(dot, place, 1, [a, b, none, none, none, none, none, none]);
        }
    }
}

/// A panel of weights, and how many groups of the depth it has.
#[derive(Clone, Copy)]
struct Tile<D: Dot> {
    panel: *const D::Weight,
    groups: usize,
}

/// # Safety
/// At every row `groups · GROUP` activations are readable, at the panel two vectors of weights for each group.
#[inline(always)]
unsafe fn tile_of_four<D: Dot>(dot: D, rows: [*const D::Activation; 4], tile: Tile<D>) -> [D::Sums; 8] {
    let step = D::LANES * D::GROUP;
    let [mut row0, mut row1, mut row2, mut row3] = rows;
    let mut w = tile.panel;
    let (mut a0, mut b0, mut a1, mut b1) = (dot.zero(), dot.zero(), dot.zero(), dot.zero());
    let (mut a2, mut b2, mut a3, mut b3) = (dot.zero(), dot.zero(), dot.zero(), dot.zero());
    for _ in 0..tile.groups {
        // SAFETY: the caller says that this group's operands are readable; `wrapping_add` lets the
        // pointers stop beyond the end.
        unsafe {
            let (left, right) = (dot.load_weights(w), dot.load_weights(w.wrapping_add(step)));
            let x = dot.splat_activations(row0);
            a0 = dot.dot(a0, left, x);
            b0 = dot.dot(b0, right, x);
            let x = dot.splat_activations(row1);
            a1 = dot.dot(a1, left, x);
            b1 = dot.dot(b1, right, x);
            let x = dot.splat_activations(row2);
            a2 = dot.dot(a2, left, x);
            b2 = dot.dot(b2, right, x);
            let x = dot.splat_activations(row3);
            a3 = dot.dot(a3, left, x);
            b3 = dot.dot(b3, right, x);
        }
        (row0, row1) = (row0.wrapping_add(D::GROUP), row1.wrapping_add(D::GROUP));
        (row2, row3) = (row2.wrapping_add(D::GROUP), row3.wrapping_add(D::GROUP));
        w = w.wrapping_add(2 * step);
    }
    [a0, b0, a1, b1, a2, b2, a3, b3]
}

/// # Safety
/// As of [`tile_of_four`].
#[inline(always)]
unsafe fn tile_of_one<D: Dot>(dot: D, mut row: *const D::Activation, tile: Tile<D>) -> [D::Sums; 2] {
    let step = D::LANES * D::GROUP;
    let mut w = tile.panel;
    let (mut a, mut b) = (dot.zero(), dot.zero());
    for _ in 0..tile.groups {
        // SAFETY: the caller says that this group's operands are readable; `wrapping_add` lets the
        // pointers stop beyond the end.
        unsafe {
            let x = dot.splat_activations(row);
            a = dot.dot(a, dot.load_weights(w), x);
            b = dot.dot(b, dot.load_weights(w.wrapping_add(step)), x);
        }
        row = row.wrapping_add(D::GROUP);
        w = w.wrapping_add(2 * step);
    }
    [a, b]
}

/// Codes that are converted beyond the end of a run, at most: a run is written in whole vectors.
pub(crate) const CONVERT_SLACK: usize = 15;

/// Converts `len` codes from the start of `codes` to the start of `to`. What follows in either may be
/// read and overwritten, up to [`CONVERT_SLACK`] elements, so runs are written in ascending order.
#[inline(always)]
pub(crate) fn convert<D: Dot>(dot: D, codes: &[u8], to: &mut [D::Activation], len: usize) {
    assert!(codes.len() >= len && to.len() >= len);
    let mut at = 0;
    while at < len {
        if codes.len() - at < 16 || to.len() - at < 16 {
            for (to, &code) in to[at..len].iter_mut().zip(&codes[at..len]) {
                *to = dot.activation(code);
            }
            return;
        }
        // SAFETY: sixteen elements are left in both, as was just seen.
        unsafe { dot.convert16(codes.as_ptr().add(at), to.as_mut_ptr().add(at)) };
        at += 16;
    }
}
