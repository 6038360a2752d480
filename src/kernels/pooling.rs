//! Entry points for pooling of codes.

use super::affine::AveragePoolU8;
use super::arch;
use super::error::{KernelError, Result, check_length};
use super::generic::pooling::{AveragePoolTask, MaxPoolF32Task, MaxPoolTask};
use super::isa::Isa;
use super::layout::Pool2dGeometry;
use super::threads::{ByRows, cost, rows};

/// About what a tap of an element takes, in picoseconds.
const TAP_COST: u64 = 60;

/// Largest code under each window, `[N, H, W, C]` to `[N, OH, OW, C]`. Padding is excluded; a window
/// entirely in the padding gives 0.
///
/// # Errors
/// Lengths that do not fit `geometry`, an unavailable `isa`.
pub fn max_pool_u8(isa: Isa, geometry: &Pool2dGeometry, input: &[u8], out: &mut [u8]) -> Result<()> {
    check_length("input", geometry.input_len(), input.len())?;
    check_length("out", geometry.output_len(), out.len())?;
    let width = geometry.channels();
    let cost = cost(TAP_COST, &[width, geometry.window().kernel[0], geometry.window().kernel[1]]);
    rows(out, ByRows { width, step: 1, cost }, |pixels, out| {
        arch::run(isa, MaxPoolTask { geometry, input, first: pixels.start, out })
    })
}

/// Largest number under each window, `[N, C, H, W]` to `[N, C, OH, OW]`: NaN where one is under it, and of
/// equals any. Padding is excluded; a window entirely in the padding gives −∞.
///
/// # Errors
/// Lengths that do not fit `geometry`, an unavailable `isa`.
pub fn max_pool_f32(isa: Isa, geometry: &Pool2dGeometry, input: &[f32], out: &mut [f32]) -> Result<()> {
    check_length("input", geometry.input_len(), input.len())?;
    check_length("out", geometry.output_len(), out.len())?;
    let (width, seen) = (geometry.window().output_pixels(), geometry.window().input_pixels());
    let cost = cost(TAP_COST, &[width, geometry.window().kernel[0], geometry.window().kernel[1]]);
    rows(out, ByRows { width, step: 1, cost }, |planes, out| {
        let input = &input[planes.start * seen..planes.end * seen];
        arch::run(isa, MaxPoolF32Task { geometry, input, out })
    })
}

/// Average of the codes under each window, `[N, H, W, C]` to `[N, OH, OW, C]`, see [`AveragePoolU8`].
///
/// Global average pooling is [`Pool2dGeometry::global`].
///
/// # Errors
/// Lengths that do not fit `geometry`, a window over more than 2²³ positions of the input, a multiplier that is not
/// finite, `min > max`, an unavailable `isa`.
pub fn average_pool_u8(
    isa: Isa,
    geometry: &Pool2dGeometry,
    input: &[u8],
    average: &AveragePoolU8,
    out: &mut [u8],
) -> Result<()> {
    check_length("input", geometry.input_len(), input.len())?;
    check_length("out", geometry.output_len(), out.len())?;
    average.check()?;
    if geometry.window().most_taps_inside() > 1 << 23 {
        return Err(KernelError::TooLarge { what: "pooling window" });
    }
    arch::run(isa, AveragePoolTask { geometry, input, average, out })
}
