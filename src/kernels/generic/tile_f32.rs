//! The register tile of a product in `f32`: its sums, and what becomes of them.
//!
//! Accumulators are locals written out one by one: they are then registers at any level of optimization.

use super::{Floats, Simd};
use core::slice::{from_raw_parts, from_raw_parts_mut};

/// Rows of a register tile and of a panel of `lhs`.
pub(super) const ROWS: usize = 4;
/// Widest strip of any instruction set: 2 vectors of 8.
pub(super) const LARGEST_STRIP: usize = 16;
/// Largest register tile of any instruction set.
const LARGEST_TILE: usize = ROWS * LARGEST_STRIP;

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
    /// Is added then.
    pub(crate) added: Option<Added<'a>>,
}

/// Numbers that are added to finished ones, and the limits of the sums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Added<'a> {
    /// They lie as the output does.
    pub(crate) other: &'a [f32],
    pub(crate) clamp: Option<(f32, f32)>,
}

impl Added<'_> {
    /// From a place on.
    #[inline(always)]
    pub(crate) fn from(self, place: usize) -> Self {
        Self { other: &self.other[place..], ..self }
    }
}

/// Columns of a strip: two vectors.
#[inline(always)]
pub(super) fn strip_width<S: Floats>(_: S) -> usize {
    2 * S::F32_LANES
}

/// Operands of one register tile of [`ROWS`] rows, or of one.
pub(super) struct Operands<'a> {
    pub(super) panel: &'a [f32],
    pub(super) strip: &'a [f32],
    pub(super) strip_stride: usize,
    pub(super) depth: usize,
    pub(super) rows: usize,
}

/// Where a tile belongs, and how many columns there are at the right edge.
pub(super) struct Target {
    /// Its first element; other threads may write those beside it.
    pub(super) out: *mut f32,
    pub(super) stride: usize,
    pub(super) cols: usize,
    pub(super) row: usize,
    pub(super) col: usize,
}

/// A tile beside the output, the bias of its columns, and what is added to it.
pub(super) struct Aside {
    tile: [f32; LARGEST_TILE],
    bias: [f32; LARGEST_TILE],
    added: [f32; LARGEST_TILE],
}

impl Aside {
    pub(super) fn new() -> Self {
        let zeros = [0.0; LARGEST_TILE];
        Self { tile: zeros, bias: zeros, added: zeros }
    }
}

/// One register tile. At the right edge it is computed at full width beside the output, then copied.
///
/// # Safety
/// The target's columns of the operands' rows, a stride apart, are readable and writable, and nobody else
/// reads or writes them.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd>(
    simd: S,
    operands: &Operands<'_>,
    finish: &Finish<'_>,
    to: &Target,
    aside: &mut Aside,
) {
    let width = strip_width(simd);
    let (rows, depth, stride) = (operands.rows, operands.depth, operands.strip_stride);
    let is_narrow = to.cols < width;
    let mut col_bias = finish.col_bias.map(|bias| &bias[to.col..][..to.cols]);
    let mut added = finish.added.map(|added| added.from(to.row * to.stride + to.col));
    if is_narrow {
        for row in 0..rows {
            // SAFETY: the caller says so.
            let from = unsafe { from_raw_parts(to.out.add(row * to.stride), to.cols) };
            aside.tile[row * width..][..to.cols].copy_from_slice(from);
        }
        if let Some(bias) = &mut col_bias {
            aside.bias[..to.cols].copy_from_slice(bias);
            *bias = &aside.bias[..width];
        }
        if let Some(added) = &mut added {
            for row in 0..rows {
                let from = &added.other[row * to.stride..][..to.cols];
                aside.added[row * width..][..to.cols].copy_from_slice(from);
            }
            added.other = &aside.added;
        }
    }
    let (out, out_stride) = if is_narrow { (aside.tile.as_mut_ptr(), width) } else { (to.out, to.stride) };
    assert!(operands.panel.len() >= depth * rows);
    assert!(depth == 0 || operands.strip.len() >= (depth - 1) * stride + width);
    let of = (operands.panel.as_ptr(), operands.strip.as_ptr());
    let row_bias = finish.row_bias.map(|bias| &bias[to.row..][..rows]);
    let finish = Finish { row_bias, col_bias, added, ..*finish };
    // SAFETY: by the assertions the panel has a number of each row for each of `depth` steps, the strip
    // two vectors for each. Two vectors of `out` are readable and writable at each row: the caller says so of
    // the target where it is as wide, and beside it there is room for the largest tile.
    unsafe {
        if rows == ROWS {
            let sums = sums_of_four(simd, of, (depth, stride));
            finish_four(simd, sums, &finish, (out, out_stride));
        } else {
            let sums = sums_of_one(simd, of, (depth, stride));
            finish_row(simd, sums, &finish, out);
        }
    }
    if is_narrow {
        for row in 0..rows {
            // SAFETY: the caller says so.
            let to_row = unsafe { from_raw_parts_mut(to.out.add(row * to.stride), to.cols) };
            to_row.copy_from_slice(&aside.tile[row * width..][..to.cols]);
        }
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
/// Two vectors are readable and writable at `out`, and at each of the three rows after it.
#[inline(always)]
unsafe fn finish_four<S: Simd>(
    simd: S,
    sums: [(S::F32, S::F32); 4],
    finish: &Finish<'_>,
    (out, stride): (*mut f32, usize),
) {
    let [first, second, third, fourth] = sums;
    let of = |row: usize| Finish {
        row_bias: finish.row_bias.map(|bias| &bias[row..]),
        added: finish.added.map(|added| added.from(row * stride)),
        ..*finish
    };
    // SAFETY: the caller says so.
    unsafe {
        finish_row(simd, first, &of(0), out);
        finish_row(simd, second, &of(1), out.add(stride));
        finish_row(simd, third, &of(2), out.add(2 * stride));
        finish_row(simd, fourth, &of(3), out.add(3 * stride));
    }
}

/// Finishes one row; biases, and what is added, begin with its own.
///
/// # Safety
/// Two vectors are readable and writable at `out`.
#[inline(always)]
unsafe fn finish_row<S: Simd>(
    simd: S,
    (mut left, mut right): (S::F32, S::F32),
    finish: &Finish<'_>,
    out: *mut f32,
) {
    let lanes = S::F32_LANES;
    if finish.accumulate {
        // SAFETY: the caller says so.
        let before = unsafe { (simd.load_f32(out), simd.load_f32(out.add(lanes))) };
        (left, right) = (simd.add_f32(left, before.0), simd.add_f32(right, before.1));
    }
    if let Some(bias) = finish.row_bias {
        let bias = simd.splat_f32(bias[0]);
        (left, right) = (simd.add_f32(left, bias), simd.add_f32(right, bias));
    }
    if let Some(bias) = finish.col_bias {
        let bias = bias[..2 * lanes].as_ptr();
        // SAFETY: the slice is two vectors long.
        let bias = unsafe { (simd.load_f32(bias), simd.load_f32(bias.add(lanes))) };
        (left, right) = (simd.add_f32(left, bias.0), simd.add_f32(right, bias.1));
    }
    if let Some((lo, hi)) = finish.clamp {
        let (lo, hi) = (simd.splat_f32(lo), simd.splat_f32(hi));
        (left, right) = (simd.clamp_f32(left, lo, hi), simd.clamp_f32(right, lo, hi));
    }
    if let Some(Added { other, clamp }) = finish.added {
        let other = other[..2 * lanes].as_ptr();
        // SAFETY: the slice is two vectors long.
        let other = unsafe { (simd.load_f32(other), simd.load_f32(other.add(lanes))) };
        (left, right) = (simd.add_f32(left, other.0), simd.add_f32(right, other.1));
        if let Some((lo, hi)) = clamp {
            let (lo, hi) = (simd.splat_f32(lo), simd.splat_f32(hi));
            (left, right) = (simd.clamp_f32(left, lo, hi), simd.clamp_f32(right, lo, hi));
        }
    }
    // SAFETY: the caller says so.
    unsafe {
        simd.store_f32(out, left);
        simd.store_f32(out.add(lanes), right);
    }
}
