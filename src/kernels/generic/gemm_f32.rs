//! `out = clamp(lhs · rhs + bias)` in `f32`, row-major out.
//!
//! ```text
//! for 224 columns of rhs:                 a block of rhs stays in the second-level cache
//!   for 256 of the depth:
//!     lay out the block of rhs            row-major, one cache line of slack a row
//!     for 4 rows of lhs:                  a packed panel, read once per strip
//!       for 2 vectors of columns:         a strip: 256 rows of two vectors, first-level cache
//!         register tile: 4 × 2 accumulators over the depth
//! ```
//!
//! `lhs` is packed in panels of 4 rows, each `[depth][rows]`, so that one pointer serves the whole tile;
//! rows that are left over are panels of one. All panels of 256 of the depth lie before those of the next,
//! so that large weights are read from the first to the last:
//!
//! ```text
//! panel 0: a00 a10 a20 a30 | a01 a11 a21 a31 | …     panel 1: a40 a41 a42 …     panel 2: a50 a51 …
//! ```
//!
//! Where products are not fused, the order of a sum is thus the same for every instruction set: the
//! depth in blocks of 256, each summed from the first product to the last, then added to the blocks
//! before it, then to the bias. Calibration relies on it ([`Isa::reproducible`](crate::kernels::Isa)).
//!
//! The slack of a row keeps a strip from falling into few cache sets, which a power-of-two stride
//! would do. A right-hand side that is constant is packed beforehand in strips `[depth][2 vectors]`.

use super::runs::copy;
pub(crate) use super::tile_f32::{Added, Finish};
use super::tile_f32::{Aside, LARGEST_STRIP, Operands, ROWS, Target, strip_width, tile};
use super::{Simd, Task};
use crate::kernels::layout::MatLayout;
use crate::kernels::threads::{Shared, part, parts};
use core::ops::Range;

/// Most columns of a block of `rhs`, which is then 240 kB: each block reads all of `lhs`, so few are better.
pub(crate) const BLOCK_COLS: usize = 224;
/// Depth of a block of `rhs`.
pub(crate) const BLOCK_DEPTH: usize = 256;
/// One cache line of `f32`.
const ROW_SLACK: usize = 16;
/// Elements of `lhs` that are packed at a time, where `rhs` is packed already: they fit a second-level cache.
const PART_ELEMENTS: usize = 64 * 1024;

/// Columns of a block, whole strips: the fewest blocks, all of about the same width.
fn block_cols(cols: usize, strip: usize) -> usize {
    let blocks = cols.div_ceil(BLOCK_COLS).max(1);
    cols.div_ceil(blocks).next_multiple_of(strip).max(strip)
}

/// First row and number of rows of each panel.
fn panels(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let whole = rows / ROWS * ROWS;
    (0..whole).step_by(ROWS).map(|first| (first, ROWS)).chain((whole..rows).map(|first| (first, 1)))
}

/// A part of a product: some rows and columns of it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// From whole panels to whole panels.
    pub(crate) rows: Range<usize>,
    pub(crate) cols: Range<usize>,
}

/// How a product is divided among threads.
///
/// By columns, where a part then still has a block of them; else by rows, for which the blocks of `rhs` are
/// laid out in every part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Division {
    pub(crate) count: usize,
    by_cols: bool,
    product: [usize; 2],
}

impl Division {
    /// Of a product of so many rows and columns that takes about `cost` picoseconds.
    pub(crate) fn of(product: [usize; 2], cost: u64) -> Self {
        let [rows, cols] = product.map(|extent| extent.max(1));
        let by_cols = parts(cols.div_ceil(BLOCK_COLS / 2), cost);
        let by_rows = parts(rows.div_ceil(ROWS), cost);
        Self { count: by_cols.max(by_rows), by_cols: by_cols >= by_rows, product }
    }

    pub(crate) fn part(self, index: usize) -> Part {
        let [rows, cols] = self.product;
        if self.by_cols {
            Part { rows: 0..rows, cols: part(index, self.count, cols, LARGEST_STRIP) }
        } else {
            Part { rows: part(index, self.count, rows, ROWS), cols: 0..cols }
        }
    }
}

/// Copies a strided matrix into panels of `lhs`.
pub(crate) fn pack_lhs(lhs: &[f32], layout: MatLayout) -> Vec<f32> {
    let (rows, depth) = (layout.rows(), layout.cols());
    let mut packed = vec![0.0; rows * depth];
    for start in (0..depth).step_by(BLOCK_DEPTH) {
        let block = start..depth.min(start + BLOCK_DEPTH);
        for (first, count) in panels(rows) {
            let to = &mut packed[start * rows + first * block.len()..][..count * block.len()];
            if count == ROWS && layout.col_stride() == 1 {
                let row = |i: usize| &lhs[(first + i) * layout.row_stride()..][block.clone()];
                interleave([row(0), row(1), row(2), row(3)], to);
                continue;
            }
            for (index, to) in to.iter_mut().enumerate() {
                let (row, k) = (first + index % count, start + index / count);
                *to = lhs[row * layout.row_stride() + k * layout.col_stride()];
            }
        }
    }
    packed
}

/// The first numbers of four rows, the second ones, and so on.
fn interleave([a, b, c, d]: [&[f32]; 4], to: &mut [f32]) {
    let depth = a.len();
    let (b, c, d, to) = (&b[..depth], &c[..depth], &d[..depth], &mut to[..ROWS * depth]);
    for k in 0..depth {
        to[ROWS * k] = a[k];
        to[ROWS * k + 1] = b[k];
        to[ROWS * k + 2] = c[k];
        to[ROWS * k + 3] = d[k];
    }
}

/// A block of `rhs`, ready for the register tile: strips of two vectors.
pub(crate) struct Strips<'a> {
    data: &'a [f32],
    /// From one row of the depth to the next.
    row_stride: usize,
    /// From one strip to the next.
    strip_stride: usize,
}

/// Which part of `rhs` a block is.
#[derive(Debug, Clone)]
pub(crate) struct BlockOf {
    pub(crate) depth: Range<usize>,
    pub(crate) cols: Range<usize>,
}

/// Where the columns of `rhs` come from.
pub(crate) trait RhsSource {
    /// Whether its blocks exist, so that asking for one costs nothing.
    const IS_READY: bool = false;

    /// Writes a part of `rhs` to `block`, row by row, `stride` apart.
    fn fill<S: Simd>(&self, simd: S, of: BlockOf, block: &mut [f32], stride: usize);

    /// The block as strips, laid out in `buffer` unless it already exists.
    #[inline(always)]
    fn strips<'a, S: Simd>(&'a self, simd: S, of: BlockOf, buffer: &'a mut [f32]) -> Strips<'a> {
        let strip = strip_width(simd);
        let row_stride = of.cols.len().next_multiple_of(strip) + ROW_SLACK;
        self.fill(simd, of, buffer, row_stride);
        Strips { data: buffer, row_stride, strip_stride: strip }
    }
}

/// A strided matrix.
pub(crate) struct StridedRhs<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) layout: MatLayout,
}

impl RhsSource for StridedRhs<'_> {
    #[inline(always)]
    fn fill<S: Simd>(&self, simd: S, BlockOf { depth, cols }: BlockOf, block: &mut [f32], stride: usize) {
        let (row_stride, col_stride) = (self.layout.row_stride(), self.layout.col_stride());
        for (k, row) in depth.zip(block.chunks_mut(stride)) {
            let source = &self.data[k * row_stride + cols.start * col_stride..];
            let row = &mut row[..cols.len()];
            if col_stride == 1 {
                copy(simd, &source[..cols.len()], row);
            } else {
                for (col, to) in row.iter_mut().enumerate() {
                    *to = source[col * col_stride];
                }
            }
        }
    }
}

/// A constant matrix, packed beforehand in strips `[depth][strip]`, the last one padded with zeros.
#[derive(Debug, Clone)]
pub(crate) struct PackedRhs {
    data: Vec<f32>,
    pub(crate) depth: usize,
    pub(crate) cols: usize,
}

impl PackedRhs {
    /// Copies a strided matrix into strips of `strip` columns.
    fn pack(strip: usize, rhs: &[f32], layout: MatLayout) -> Self {
        let (depth, cols) = (layout.rows(), layout.cols());
        let mut data = vec![0.0; cols.div_ceil(strip) * strip * depth];
        for (index, packed) in data.chunks_exact_mut((strip * depth).max(1)).enumerate() {
            let first = index * strip;
            for (k, row) in packed.chunks_exact_mut(strip).enumerate() {
                for (to, col) in row.iter_mut().zip(first..cols) {
                    *to = rhs[k * layout.row_stride() + col * layout.col_stride()];
                }
            }
        }
        Self { data, depth, cols }
    }
}

impl RhsSource for PackedRhs {
    const IS_READY: bool = true;

    fn fill<S: Simd>(&self, _: S, _: BlockOf, _: &mut [f32], _: usize) {}

    #[inline(always)]
    fn strips<'a, S: Simd>(&'a self, simd: S, of: BlockOf, _: &'a mut [f32]) -> Strips<'a> {
        let (BlockOf { depth, cols }, strip) = (of, strip_width(simd));
        let data = &self.data[cols.start * self.depth + depth.start * strip..];
        Strips { data, row_stride: strip, strip_stride: strip * self.depth }
    }
}

/// A whole product, for [`crate::kernels::arch::run`].
pub(crate) struct ProductTask<'a, R> {
    pub(crate) lhs: &'a [f32],
    pub(crate) lhs_layout: MatLayout,
    pub(crate) rhs: &'a R,
    pub(crate) cols: usize,
    pub(crate) finish: Finish<'a>,
    pub(crate) out: &'a mut [f32],
}

impl<R: RhsSource> Task for ProductTask<'_, R> {
    type Output = ();
    const SUMS_REALS: bool = true;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (all, depth) = (self.lhs_layout.rows(), self.lhs_layout.cols());
        // What must be laid out again for each part of the rows is laid out for all of them at once.
        let most = if R::IS_READY { (PART_ELEMENTS / depth.max(1)).next_multiple_of(ROWS) } else { all };
        for first in (0..all).step_by(most.max(1)) {
            let rows = most.min(all - first);
            let from = &self.lhs[(first * self.lhs_layout.row_stride()).min(self.lhs.len())..];
            let panels = pack_lhs(from, self.lhs_layout.with_rows(rows));
            let lhs = Lhs { panels: &panels, rows, depth };
            let part = Part { rows: 0..rows, cols: 0..self.cols };
            let out = Shared::new(&mut self.out[first * self.cols..], self.cols);
            multiply(simd, lhs, self.rhs, self.finish, (out, part));
        }
    }
}

/// Packs a constant right-hand side.
pub(crate) struct PackRhs<'a> {
    pub(crate) rhs: &'a [f32],
    pub(crate) layout: MatLayout,
}

impl Task for PackRhs<'_> {
    type Output = PackedRhs;
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> PackedRhs {
        PackedRhs::pack(strip_width(simd), self.rhs, self.layout)
    }
}

/// Borrowed panels of `lhs`.
#[derive(Clone, Copy)]
pub(crate) struct Lhs<'a> {
    pub(crate) panels: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) depth: usize,
}

/// The loops of the module documentation, for a part of the product that no other thread writes.
#[inline(always)]
pub(crate) fn multiply<S: Simd, R: RhsSource>(
    simd: S,
    lhs: Lhs<'_>,
    rhs: &R,
    finish: Finish<'_>,
    (out, Part { rows, cols }): (Shared<'_, f32>, Part),
) {
    let strip = strip_width(simd);
    let block = block_cols(cols.len(), strip);
    let widest = block.min(cols.len().next_multiple_of(strip)) + ROW_SLACK;
    let mut buffer = vec![0.0; widest * BLOCK_DEPTH.min(lhs.depth)];
    for first_col in cols.clone().step_by(block) {
        let block_cols = first_col..cols.end.min(first_col + block);
        let mut start = 0;
        loop {
            let depth = start..lhs.depth.min(start + BLOCK_DEPTH);
            start = depth.end;
            let is_last = start == lhs.depth;
            let of = BlockOf { depth: depth.clone(), cols: block_cols.clone() };
            let strips = rhs.strips(simd, of, &mut buffer);
            let block = Block {
                depth: depth.clone(),
                rows: rows.clone(),
                cols: block_cols.clone(),
                finish: Finish {
                    accumulate: finish.accumulate || depth.start > 0,
                    row_bias: finish.row_bias.filter(|_| is_last),
                    col_bias: finish.col_bias.filter(|_| is_last),
                    clamp: finish.clamp.filter(|_| is_last),
                    added: finish.added.filter(|_| is_last),
                },
            };
            multiply_block(simd, lhs, &strips, &block, out);
            if is_last {
                break;
            }
        }
    }
}

/// A part of the depth, the rows and the columns.
struct Block<'a> {
    depth: Range<usize>,
    rows: Range<usize>,
    cols: Range<usize>,
    finish: Finish<'a>,
}

#[cfg_attr(target_arch = "wasm32", inline(never))]
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn multiply_block<S: Simd>(
    simd: S,
    lhs: Lhs<'_>,
    strips: &Strips<'_>,
    block: &Block<'_>,
    out: Shared<'_, f32>,
) {
    let (width, mut aside) = (strip_width(simd), Aside::new());
    let mut row = block.rows.start;
    while row < block.rows.end {
        let rows = if lhs.rows - row < ROWS { 1 } else { ROWS };
        let panel = &lhs.panels[block.depth.start * lhs.rows + row * block.depth.len()..];
        let (mut strip, mut col) = (0, block.cols.start);
        while col < block.cols.end {
            let operands = Operands {
                panel,
                strip: &strips.data[strip..],
                strip_stride: strips.row_stride,
                depth: block.depth.len(),
                rows,
            };
            let cols = width.min(block.cols.end - col);
            let place = out.tile((row, col), (rows, cols));
            let to = Target { out: place, stride: out.stride(), cols, row, col };
            // SAFETY: so many columns of so many rows exist from there on, and belong to this part.
            unsafe { tile(simd, &operands, &block.finish, &to, &mut aside) };
            strip += strips.strip_stride;
            col += width;
        }
        row += rows;
    }
}
