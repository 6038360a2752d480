//! Entry points that touch each element once: see [`super`] for how they are called.

use super::affine::{AddU8, AffineParams};
use super::arch;
use super::error::{Result, check_length};
use super::generic::elementwise::{
    AddTask, DequantizeTask, FakeQuantizeTask, LookupTask, QuantizeTask, TransposeTask, quantizer,
};
use super::isa::Isa;
use super::layout::ImageLayout;
use super::threads::{ByRows, cost, rows};
use core::ops::Range;

/// About what an element takes, in picoseconds.
const ELEMENT_COST: u64 = 400;
/// Elements that are not worth dividing.
const STEP: usize = 64;

/// Divides an output of which each element needs those at its own place only.
fn elements<T: Send>(
    out: &mut [T],
    work: impl Fn(Range<usize>, &mut [T]) -> Result<()> + Sync,
) -> Result<()> {
    rows(out, ByRows { width: 1, step: STEP, cost: ELEMENT_COST }, work)
}

/// Adds two `u8` tensors of the same shape in the scale of the output, see [`AddU8`].
///
/// # Errors
/// Lengths that differ, a factor that [`AddU8`] does not allow, `min > max`, an unavailable `isa`.
pub fn add_u8(isa: Isa, lhs: &[u8], rhs: &[u8], add: &AddU8, out: &mut [u8]) -> Result<()> {
    check_length("rhs", lhs.len(), rhs.len())?;
    check_length("out", lhs.len(), out.len())?;
    add.check()?;
    elements(out, |at, out| arch::run(isa, AddTask { lhs: &lhs[at.clone()], rhs: &rhs[at], add: *add, out }))
}

/// Replaces each code by its entry in a table: any function of one `u8` variable.
///
/// # Errors
/// Lengths that differ, an unavailable `isa`.
pub fn lookup_u8(isa: Isa, table: &[u8; 256], input: &[u8], out: &mut [u8]) -> Result<()> {
    check_length("out", input.len(), out.len())?;
    elements(out, |at, out| arch::run(isa, LookupTask { table, input: &input[at], out }))
}

/// Reals to `u8` codes, element by element as [`super::reference::quantize`].
///
/// # Errors
/// Lengths that differ, `qmin..=qmax` beyond `0..=255`, an unavailable `isa`.
pub fn quantize_u8(isa: Isa, input: &[f32], params: &AffineParams, out: &mut [u8]) -> Result<()> {
    params.check_codes(0, 255)?;
    check_length("out", input.len(), out.len())?;
    elements(out, |at, out| arch::run(isa, QuantizeTask { input: &input[at], params, out }))
}

/// Reals to `i8` codes, element by element as [`super::reference::quantize`].
///
/// # Errors
/// Lengths that differ, `qmin..=qmax` beyond `-128..=127`, an unavailable `isa`.
pub fn quantize_i8(isa: Isa, input: &[f32], params: &AffineParams, out: &mut [i8]) -> Result<()> {
    params.check_codes(-128, 127)?;
    check_length("out", input.len(), out.len())?;
    elements(out, |at, out| arch::run(isa, QuantizeTask { input: &input[at], params, out }))
}

/// `u8` codes to reals: `(q − zero_point) · scale`. Codes beyond `qmin..=qmax` are taken as they are.
///
/// # Errors
/// Lengths that differ, an unavailable `isa`.
pub fn dequantize_u8(isa: Isa, input: &[u8], params: &AffineParams, out: &mut [f32]) -> Result<()> {
    check_length("out", input.len(), out.len())?;
    elements(out, |at, out| arch::run(isa, DequantizeTask { input: &input[at], params, out }))
}

/// `i8` codes to reals: `(q − zero_point) · scale`. Codes beyond `qmin..=qmax` are taken as they are.
///
/// # Errors
/// Lengths that differ, an unavailable `isa`.
pub fn dequantize_i8(isa: Isa, input: &[i8], params: &AffineParams, out: &mut [f32]) -> Result<()> {
    check_length("out", input.len(), out.len())?;
    elements(out, |at, out| arch::run(isa, DequantizeTask { input: &input[at], params, out }))
}

/// Reals to the nearest reals that have a code: quantize and dequantize in one go, per tensor.
///
/// # Errors
/// Lengths that differ, an unavailable `isa`.
pub fn fake_quantize_f32(isa: Isa, input: &[f32], params: &AffineParams, out: &mut [f32]) -> Result<()> {
    check_length("out", input.len(), out.len())?;
    elements(out, |at, out| arch::run(isa, FakeQuantizeTask { input: &input[at], params, out }))
}

/// An `[N, C, H, W]` image of reals to `[N, H, W, C]` codes: the entry to the integer network.
///
/// # Errors
/// Lengths that do not fit `layout`, `qmin..=qmax` beyond `0..=255`, an unavailable `isa`.
pub fn quantize_u8_nchw_to_nhwc(
    isa: Isa,
    layout: ImageLayout,
    input: &[f32],
    params: &AffineParams,
    out: &mut [u8],
) -> Result<()> {
    params.check_codes(0, 255)?;
    check_image(layout, input.len(), out.len())?;
    transpose(isa, layout, input, quantizer(params), out)
}

/// `[N, C, P]` to `[N, P, C]`.
///
/// # Errors
/// Lengths that do not fit `layout`, an unavailable `isa`.
pub fn transpose_nchw_to_nhwc<T: Copy + Send + Sync>(
    isa: Isa,
    layout: ImageLayout,
    input: &[T],
    out: &mut [T],
) -> Result<()> {
    check_image(layout, input.len(), out.len())?;
    transpose(isa, layout, input, |x| x, out)
}

/// `[N, P, C]` to `[N, C, P]`.
///
/// # Errors
/// Lengths that do not fit `layout`, an unavailable `isa`.
pub fn transpose_nhwc_to_nchw<T: Copy + Send + Sync>(
    isa: Isa,
    layout: ImageLayout,
    input: &[T],
    out: &mut [T],
) -> Result<()> {
    check_image(layout, input.len(), out.len())?;
    let layout = ImageLayout { channels: layout.pixels, pixels: layout.channels, ..layout };
    transpose(isa, layout, input, |x| x, out)
}

/// `[N, R, C]` to `[N, C, R]`, divided by the rows of the output.
fn transpose<T: Copy + Sync, Q: Send>(
    isa: Isa,
    layout: ImageLayout,
    input: &[T],
    convert: impl Fn(T) -> Q + Copy + Sync,
    out: &mut [Q],
) -> Result<()> {
    let width = layout.channels;
    rows(out, ByRows { width, step: 1, cost: cost(ELEMENT_COST, &[width]) }, |lines, out| {
        arch::run(isa, TransposeTask { layout, input, convert, lines, out })
    })
}

fn check_image(layout: ImageLayout, input: usize, out: usize) -> Result<()> {
    let expected = layout.checked_len()?;
    check_length("input", expected, input)?;
    check_length("out", expected, out)
}
