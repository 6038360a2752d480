//! `out = clamp(lhs · rhs + bias)` in `f32`, row-major out.
//!
//! ```text
//! for 128 columns of rhs:                 a block of rhs stays in the second-level cache
//!   for 256 of the depth:
//!     lay out the block of rhs            row-major, one cache line of slack a row
//!     for ROWS rows of lhs:               a packed panel, read once per strip
//!       for 2 vectors of columns:         a strip: 256 rows of two vectors, first-level cache
//!         register tile: ROWS × 2 accumulators over the depth
//! ```
//!
//! `lhs` is packed in panels of `ROWS` rows, each `[depth][rows]`, so that one pointer serves the
//! whole tile; the last panel is narrower, not padded:
//!
//! ```text
//! panel 0: a00 a10 a20 a30 | a01 a11 a21 a31 | …     panel 1: a40 a50 | a41 a51 | …
//! ```
//!
//! Where products are not fused, the order of a sum is thus the same for every instruction set: the
//! depth in blocks of 256, each summed from the first product to the last, then added to the blocks
//! before it, then to the bias. Calibration relies on it ([`Isa::reproducible`](crate::kernels::Isa)).
//!
//! The slack of a row keeps a strip from falling into few cache sets, which a power-of-two stride
//! would do. A right-hand side that is constant is packed beforehand in strips `[depth][2 vectors]`.

use super::{Floats, Simd, Task};
use crate::kernels::layout::MatLayout;
use core::ops::Range;

/// Columns of a block of `rhs`.
pub(crate) const BLOCK_COLS: usize = 128;
/// Depth of a block of `rhs`.
pub(crate) const BLOCK_DEPTH: usize = 256;
/// One cache line of `f32`.
const ROW_SLACK: usize = 16;
/// Largest register tile of any instruction set: 6 rows of 2 vectors of 8.
const LARGEST_TILE: usize = 96;

/// Copies a strided matrix into panels of `lhs`.
pub(crate) fn pack_lhs<S: Floats>(_: S, lhs: &[f32], layout: MatLayout) -> Vec<f32> {
    let (rows, depth) = (layout.rows(), layout.cols());
    let mut panels = Vec::with_capacity(rows * depth);
    for first in (0..rows).step_by(S::F32_ROWS) {
        let panel = first..rows.min(first + S::F32_ROWS);
        for k in 0..depth {
            let column = k * layout.col_stride();
            panels.extend(panel.clone().map(|row| lhs[row * layout.row_stride() + column]));
        }
    }
    panels
}

/// A block of `rhs`, ready for the register tile: strips of two vectors.
pub(crate) struct Strips<'a> {
    data: &'a [f32],
    /// From one row of the depth to the next.
    row_stride: usize,
    /// From one strip to the next.
    strip_stride: usize,
}

/// Where the columns of `rhs` come from.
pub(crate) trait RhsSource {
    /// Writes `rhs[depth, cols]` to `block`, row by row, `stride` apart.
    fn fill(&self, depth: Range<usize>, cols: Range<usize>, block: &mut [f32], stride: usize);

    /// The block as strips, laid out in `buffer` unless it already exists.
    #[inline(always)]
    fn strips<'a>(
        &'a self,
        depth: Range<usize>,
        cols: Range<usize>,
        strip: usize,
        buffer: &'a mut [f32],
    ) -> Strips<'a> {
        let row_stride = cols.len().next_multiple_of(strip) + ROW_SLACK;
        self.fill(depth, cols, buffer, row_stride);
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
    fn fill(&self, depth: Range<usize>, cols: Range<usize>, block: &mut [f32], stride: usize) {
        let (row_stride, col_stride) = (self.layout.row_stride(), self.layout.col_stride());
        for (k, row) in depth.zip(block.chunks_mut(stride)) {
            let source = &self.data[k * row_stride + cols.start * col_stride..];
            let row = &mut row[..cols.len()];
            if col_stride == 1 {
                row.copy_from_slice(&source[..cols.len()]);
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
    fn fill(&self, _: Range<usize>, _: Range<usize>, _: &mut [f32], _: usize) {}

    #[inline(always)]
    fn strips<'a>(
        &'a self,
        depth: Range<usize>,
        cols: Range<usize>,
        strip: usize,
        _: &'a mut [f32],
    ) -> Strips<'a> {
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
        let panels = pack_lhs(simd, self.lhs, self.lhs_layout);
        let (rows, depth) = (self.lhs_layout.rows(), self.lhs_layout.cols());
        let lhs = Lhs { panels: &panels, rows, depth };
        multiply(simd, lhs, (self.rhs, self.cols), self.finish, self.out);
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

/// The loops of the module documentation.
#[inline(always)]
pub(crate) fn multiply<S: Simd, R: RhsSource>(
    simd: S,
    lhs: Lhs<'_>,
    (rhs, cols): (&R, usize),
    finish: Finish<'_>,
    out: &mut [f32],
) {
    let strip = strip_width(simd);
    let widest = BLOCK_COLS.min(cols.next_multiple_of(strip)) + ROW_SLACK;
    let mut buffer = vec![0.0; widest * BLOCK_DEPTH.min(lhs.depth)];
    for first_col in (0..cols).step_by(BLOCK_COLS) {
        let block_cols = first_col..cols.min(first_col + BLOCK_COLS);
        let mut start = 0;
        loop {
            let depth = start..lhs.depth.min(start + BLOCK_DEPTH);
            start = depth.end;
            let is_last = start == lhs.depth;
            let strips = rhs.strips(depth.clone(), block_cols.clone(), strip, &mut buffer);
            let block = Block {
                depth: depth.clone(),
                cols: block_cols.clone(),
                finish: Finish {
                    accumulate: finish.accumulate || depth.start > 0,
                    row_bias: finish.row_bias.filter(|_| is_last),
                    col_bias: finish.col_bias.filter(|_| is_last),
                    clamp: finish.clamp.filter(|_| is_last),
                },
            };
            multiply_block(simd, lhs, &strips, &block, (out, cols));
            if is_last {
                break;
            }
        }
    }
}

/// A part of the depth and of the columns.
struct Block<'a> {
    depth: Range<usize>,
    cols: Range<usize>,
    finish: Finish<'a>,
}

#[inline(always)]
fn multiply_block<S: Simd>(
    simd: S,
    lhs: Lhs<'_>,
    strips: &Strips<'_>,
    block: &Block<'_>,
    (out, out_stride): (&mut [f32], usize),
) {
    let width = strip_width(simd);
    for first_row in (0..lhs.rows).step_by(S::F32_ROWS) {
        let rows = S::F32_ROWS.min(lhs.rows - first_row);
        let panel = &lhs.panels[first_row * lhs.depth + block.depth.start * rows..];
        for (index, col) in block.cols.clone().step_by(width).enumerate() {
            let operands = Operands {
                panel,
                strip: &strips.data[index * strips.strip_stride..],
                strip_stride: strips.row_stride,
                depth: block.depth.len(),
                row: first_row,
                col,
            };
            let to = (&mut out[first_row * out_stride + col..], out_stride);
            let cols = width.min(block.cols.end - col);
            if cols == width {
                tile_of(simd, rows, &operands, &block.finish, to);
            } else {
                narrow_tile(simd, (rows, cols), &operands, &block.finish, to);
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
#[inline(always)]
fn narrow_tile<S: Simd>(
    simd: S,
    (rows, cols): (usize, usize),
    operands: &Operands<'_>,
    finish: &Finish<'_>,
    (out, out_stride): (&mut [f32], usize),
) {
    let width = strip_width(simd);
    let mut wide = [0.0; LARGEST_TILE];
    let mut wide_bias = [0.0; LARGEST_TILE];
    for row in 0..rows {
        wide[row * width..][..cols].copy_from_slice(&out[row * out_stride..][..cols]);
    }
    let col_bias = finish.col_bias.map(|bias| {
        wide_bias[..cols].copy_from_slice(&bias[operands.col..][..cols]);
        &wide_bias[..]
    });
    let at_zero = Operands { col: 0, ..*operands };
    tile_of(simd, rows, &at_zero, &Finish { col_bias, ..*finish }, (&mut wide, width));
    for row in 0..rows {
        out[row * out_stride..][..cols].copy_from_slice(&wide[row * width..][..cols]);
    }
}

#[inline(always)]
fn tile_of<S: Simd>(
    simd: S,
    rows: usize,
    operands: &Operands<'_>,
    finish: &Finish<'_>,
    to: (&mut [f32], usize),
) {
    match rows {
        1 => tile::<S, 1>(simd, operands, finish, to),
        2 => tile::<S, 2>(simd, operands, finish, to),
        3 => tile::<S, 3>(simd, operands, finish, to),
        4 => tile::<S, 4>(simd, operands, finish, to),
        5 if S::F32_ROWS > 4 => tile::<S, 5>(simd, operands, finish, to),
        6 if S::F32_ROWS > 4 => tile::<S, 6>(simd, operands, finish, to),
        _ => {}
    }
}

#[inline(always)]
fn tile<S: Simd, const ROWS: usize>(
    simd: S,
    operands: &Operands<'_>,
    finish: &Finish<'_>,
    (out, out_stride): (&mut [f32], usize),
) {
    let (lanes, depth, stride) = (S::F32_LANES, operands.depth, operands.strip_stride);
    assert!(operands.panel.len() >= depth * ROWS);
    assert!(depth == 0 || operands.strip.len() >= (depth - 1) * stride + 2 * lanes);
    assert!(out.len() >= (ROWS - 1) * out_stride + 2 * lanes);
    let mut sums = [[simd.splat_f32(0.0); 2]; ROWS];
    let (mut a, mut b) = (operands.panel.as_ptr(), operands.strip.as_ptr());
    for _ in 0..depth {
        // SAFETY: by the assertions, `a` has ROWS numbers for each of `depth` steps and `b` two
        // vectors at each; `wrapping_add` lets both stop beyond the end.
        unsafe {
            let (left, right) = (simd.load_f32(b), simd.load_f32(b.add(lanes)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32(*a.add(row));
                sums[0] = simd.multiply_add(factor, left, sums[0]);
                sums[1] = simd.multiply_add(factor, right, sums[1]);
            }
        }
        a = a.wrapping_add(ROWS);
        b = b.wrapping_add(stride);
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (half, sum) in sums.into_iter().enumerate() {
            let out = &mut out[row * out_stride + half * lanes..][..lanes];
            let place = (operands.row + row, operands.col + half * lanes);
            finish_vector(simd, sum, finish, place, out);
        }
    }
}

#[inline(always)]
fn finish_vector<S: Simd>(
    simd: S,
    mut sum: S::F32,
    finish: &Finish<'_>,
    (row, col): (usize, usize),
    out: &mut [f32],
) {
    assert!(out.len() >= S::F32_LANES);
    if finish.accumulate {
        // SAFETY: by the assertion a vector is readable.
        sum = simd.add_f32(sum, unsafe { simd.load_f32(out.as_ptr()) });
    }
    if let Some(bias) = finish.row_bias {
        sum = simd.add_f32(sum, simd.splat_f32(bias[row]));
    }
    if let Some(bias) = finish.col_bias {
        let bias = &bias[col..][..S::F32_LANES];
        // SAFETY: the slice is a vector long.
        sum = simd.add_f32(sum, unsafe { simd.load_f32(bias.as_ptr()) });
    }
    if let Some((lo, hi)) = finish.clamp {
        sum = simd.clamp_f32(sum, simd.splat_f32(lo), simd.splat_f32(hi));
    }
    // SAFETY: by the assertion a vector is writable.
    unsafe { simd.store_f32(out.as_mut_ptr(), sum) };
}
