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
//! Accumulators are locals written out one by one: they are then registers at any level of optimization.
//!
//! Where products are not fused, the order of a sum is thus the same for every instruction set: the
//! depth in blocks of 256, each summed from the first product to the last, then added to the blocks
//! before it, then to the bias. Calibration relies on it ([`Isa::reproducible`](crate::kernels::Isa)).
//!
//! The slack of a row keeps a strip from falling into few cache sets, which a power-of-two stride
//! would do. A right-hand side that is constant is packed beforehand in strips `[depth][2 vectors]`.

use super::runs::copy;
use super::{Floats, Simd, Task};
use crate::kernels::layout::MatLayout;
use crate::kernels::threads::{Shared, part, parts};
use core::ops::Range;
use core::slice::{from_raw_parts, from_raw_parts_mut};

/// Most columns of a block of `rhs`, which is then 240 kB: each block reads all of `lhs`, so few are better.
pub(crate) const BLOCK_COLS: usize = 224;
/// Depth of a block of `rhs`.
pub(crate) const BLOCK_DEPTH: usize = 256;
/// One cache line of `f32`.
const ROW_SLACK: usize = 16;
/// Elements of `lhs` that are packed at a time, where `rhs` is packed already: they fit a second-level cache.
const PART_ELEMENTS: usize = 64 * 1024;
/// Rows of a register tile and of a panel of `lhs`.
const ROWS: usize = 4;
/// Widest strip of any instruction set: 2 vectors of 8.
const LARGEST_STRIP: usize = 16;
/// Largest register tile of any instruction set.
const LARGEST_TILE: usize = ROWS * LARGEST_STRIP;

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

/// What happens to a finished sum.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finish<'a> {
    /// Adds to what `out` holds instead of replacing it.
    pub(crate) accumulate: bool,
    /// One per row.
    pub(crate) row_bias: Option<&'a [f32]>,
    /// One per column.
    pub(crate) col_bias: Option<&'a [f32]>,
    /// Limits, after the bias.
    pub(crate) clamp: Option<(f32, f32)>,
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

/// Columns of a strip: two vectors.
#[inline(always)]
pub(crate) fn strip_width<S: Floats>(_: S) -> usize {
    2 * S::F32_LANES
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

#[inline(always)]
fn multiply_block<S: Simd>(
    simd: S,
    lhs: Lhs<'_>,
    strips: &Strips<'_>,
    block: &Block<'_>,
    out: Shared<'_, f32>,
) {
    let width = strip_width(simd);
    for (row, rows) in panels(lhs.rows).filter(|(row, _)| block.rows.contains(row)) {
        let panel = &lhs.panels[block.depth.start * lhs.rows + row * block.depth.len()..];
        for (index, col) in block.cols.clone().step_by(width).enumerate() {
            let operands = Operands {
                panel,
                strip: &strips.data[index * strips.strip_stride..],
                strip_stride: strips.row_stride,
                depth: block.depth.len(),
                row,
                col,
            };
            let cols = width.min(block.cols.end - col);
            let to = (out.tile((row, col), (rows, cols)), out.stride());
            // SAFETY: so many columns of so many rows exist from there on, and belong to this part.
            unsafe {
                if cols == width {
                    tile(simd, rows, &operands, &block.finish, to);
                } else {
                    narrow_tile(simd, (rows, cols), &operands, &block.finish, to);
                }
            }
        }
    }
}

/// Operands of one register tile.
struct Operands<'a> {
    panel: &'a [f32],
    strip: &'a [f32],
    strip_stride: usize,
    depth: usize,
    row: usize,
    col: usize,
}

/// A tile at the right edge: computed at full width beside the output, then copied.
///
/// # Safety
/// At `out` so many columns of so many rows, a stride apart, are readable and writable.
#[inline(always)]
unsafe fn narrow_tile<S: Simd>(
    simd: S,
    (rows, cols): (usize, usize),
    operands: &Operands<'_>,
    finish: &Finish<'_>,
    (out, out_stride): (*mut f32, usize),
) {
    let width = strip_width(simd);
    let mut wide = [0.0; LARGEST_TILE];
    let mut wide_bias = [0.0; LARGEST_TILE];
    for row in 0..rows {
        // SAFETY: the caller says so.
        let from = unsafe { from_raw_parts(out.add(row * out_stride), cols) };
        wide[row * width..][..cols].copy_from_slice(from);
    }
    let col_bias = finish.col_bias.map(|bias| {
        wide_bias[..cols].copy_from_slice(&bias[operands.col..][..cols]);
        &wide_bias[..]
    });
    let at_zero = Operands { col: 0, ..*operands };
    // SAFETY: there is room for the largest tile.
    unsafe { tile(simd, rows, &at_zero, &Finish { col_bias, ..*finish }, (wide.as_mut_ptr(), width)) };
    for row in 0..rows {
        // SAFETY: the caller says so.
        let to = unsafe { from_raw_parts_mut(out.add(row * out_stride), cols) };
        to.copy_from_slice(&wide[row * width..][..cols]);
    }
}

/// One register tile of four rows, or of one.
///
/// # Safety
/// At `out` two vectors of so many rows, a stride apart, are readable and writable.
#[inline(always)]
unsafe fn tile<S: Simd>(
    simd: S,
    rows: usize,
    operands: &Operands<'_>,
    finish: &Finish<'_>,
    (out, out_stride): (*mut f32, usize),
) {
    let (lanes, depth, stride) = (S::F32_LANES, operands.depth, operands.strip_stride);
    assert!(operands.panel.len() >= depth * rows);
    assert!(depth == 0 || operands.strip.len() >= (depth - 1) * stride + 2 * lanes);
    let of = (operands.panel.as_ptr(), operands.strip.as_ptr());
    // SAFETY: by the assertions the panel has a number of each row for each of `depth` steps, the strip
    // two vectors for each; the caller says that two vectors are readable and writable at each row.
    unsafe {
        if rows < ROWS {
            let sums = sums_of_one(simd, of, (depth, stride));
            return finish_row(simd, sums, finish, (operands.row, operands.col), out);
        }
        let [first, second, third, fourth] = sums_of_four(simd, of, (depth, stride));
        let (row, col) = (operands.row, operands.col);
        finish_row(simd, first, finish, (row, col), out);
        finish_row(simd, second, finish, (row + 1, col), out.add(out_stride));
        finish_row(simd, third, finish, (row + 2, col), out.add(2 * out_stride));
        finish_row(simd, fourth, finish, (row + 3, col), out.add(3 * out_stride));
    }
}

/// # Safety
/// Four numbers are readable at the panel and two vectors at the strip, and again for each of the other
/// steps of the depth, the strip's a stride apart.
#[inline(always)]
unsafe fn sums_of_four<S: Simd>(
    simd: S,
    (mut panel, mut strip): (*const f32, *const f32),
    (depth, stride): (usize, usize),
) -> [(S::F32, S::F32); 4] {
    let zero = simd.splat_f32(0.0);
    let (mut a0, mut b0, mut a1, mut b1) = (zero, zero, zero, zero);
    let (mut a2, mut b2, mut a3, mut b3) = (zero, zero, zero, zero);
    for _ in 0..depth {
        // SAFETY: the caller says so; `wrapping_add` lets both stop beyond the end.
        unsafe {
            let (left, right) = (simd.load_f32(strip), simd.load_f32(strip.add(S::F32_LANES)));
            let x = simd.splat_f32(*panel);
            a0 = simd.multiply_add(x, left, a0);
            b0 = simd.multiply_add(x, right, b0);
            let x = simd.splat_f32(*panel.add(1));
            a1 = simd.multiply_add(x, left, a1);
            b1 = simd.multiply_add(x, right, b1);
            let x = simd.splat_f32(*panel.add(2));
            a2 = simd.multiply_add(x, left, a2);
            b2 = simd.multiply_add(x, right, b2);
            let x = simd.splat_f32(*panel.add(3));
            a3 = simd.multiply_add(x, left, a3);
            b3 = simd.multiply_add(x, right, b3);
        }
        panel = panel.wrapping_add(ROWS);
        strip = strip.wrapping_add(stride);
    }
    [(a0, b0), (a1, b1), (a2, b2), (a3, b3)]
}

/// # Safety
/// As of [`sums_of_four`], with one number a step at the panel.
#[inline(always)]
unsafe fn sums_of_one<S: Simd>(
    simd: S,
    (mut panel, mut strip): (*const f32, *const f32),
    (depth, stride): (usize, usize),
) -> (S::F32, S::F32) {
    let (mut a, mut b) = (simd.splat_f32(0.0), simd.splat_f32(0.0));
    for _ in 0..depth {
        // SAFETY: the caller says so; `wrapping_add` lets both stop beyond the end.
        unsafe {
            let x = simd.splat_f32(*panel);
            a = simd.multiply_add(x, simd.load_f32(strip), a);
            b = simd.multiply_add(x, simd.load_f32(strip.add(S::F32_LANES)), b);
        }
        panel = panel.wrapping_add(1);
        strip = strip.wrapping_add(stride);
    }
    (a, b)
}

/// # Safety
/// Two vectors are readable and writable at `out`.
#[inline(always)]
unsafe fn finish_row<S: Simd>(
    simd: S,
    (mut left, mut right): (S::F32, S::F32),
    finish: &Finish<'_>,
    (row, col): (usize, usize),
    out: *mut f32,
) {
    let lanes = S::F32_LANES;
    if finish.accumulate {
        // SAFETY: the caller says so.
        let before = unsafe { (simd.load_f32(out), simd.load_f32(out.add(lanes))) };
        (left, right) = (simd.add_f32(left, before.0), simd.add_f32(right, before.1));
    }
    if let Some(bias) = finish.row_bias {
        let bias = simd.splat_f32(bias[row]);
        (left, right) = (simd.add_f32(left, bias), simd.add_f32(right, bias));
    }
    if let Some(bias) = finish.col_bias {
        let bias = bias[col..][..2 * lanes].as_ptr();
        // SAFETY: the slice is two vectors long.
        let bias = unsafe { (simd.load_f32(bias), simd.load_f32(bias.add(lanes))) };
        (left, right) = (simd.add_f32(left, bias.0), simd.add_f32(right, bias.1));
    }
    if let Some((lo, hi)) = finish.clamp {
        let (lo, hi) = (simd.splat_f32(lo), simd.splat_f32(hi));
        (left, right) = (simd.clamp_f32(left, lo, hi), simd.clamp_f32(right, lo, hi));
    }
    // SAFETY: the caller says so.
    unsafe {
        simd.store_f32(out, left);
        simd.store_f32(out.add(lanes), right);
    }
}
