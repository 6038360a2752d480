//! Pooling of `u8` codes, NHWC: all channels of a position are one run, so the taps of a window are as many
//! runs, which meet sixteen channels at a time.

use super::elementwise::Limits;
use super::{Simd, Task};
use crate::kernels::affine::AveragePoolU8;
use crate::kernels::layout::Pool2dGeometry;
use crate::kernels::reference::divisor;

/// Calls `visit` with the codes of every tap of one output that is not in the padding.
#[inline(always)]
fn for_each_tap<'a>(
    geometry: &Pool2dGeometry,
    input: &'a [u8],
    (image, at): (usize, [usize; 2]),
    mut visit: impl FnMut(&'a [u8]),
) {
    let (window, channels) = (geometry.window(), geometry.channels());
    for kernel_row in 0..window.kernel[0] {
        let Some(row) = window.source(0, at[0], kernel_row) else {
            continue;
        };
        for kernel_col in 0..window.kernel[1] {
            let Some(col) = window.source(1, at[1], kernel_col) else {
                continue;
            };
            let pixel = image * window.input_pixels() + row * window.input[1] + col;
            visit(&input[pixel * channels..][..channels]);
        }
    }
}

/// The image and position of an output pixel.
#[inline(always)]
fn place(geometry: &Pool2dGeometry, pixel: usize) -> (usize, [usize; 2]) {
    let [out_h, out_w] = geometry.window().output;
    (pixel / (out_h * out_w), [pixel / out_w % out_h, pixel % out_w])
}

/// See [`crate::kernels::max_pool_u8`].
pub(crate) struct MaxPoolTask<'a> {
    pub(crate) geometry: &'a Pool2dGeometry,
    pub(crate) input: &'a [u8],
    pub(crate) out: &'a mut [u8],
}

impl Task for MaxPoolTask<'_> {
    type Output = ();
    /// The taps of a position are found once; each sixteen channels of them meet in one register.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.geometry.channels();
        let mut taps = Vec::with_capacity(self.geometry.window().taps());
        for (pixel, out) in self.out.chunks_exact_mut(channels).enumerate() {
            taps.clear();
            for_each_tap(self.geometry, self.input, place(self.geometry, pixel), |codes| taps.push(codes));
            largest(simd, &taps, out);
        }
    }
}

/// The largest of each channel over `taps`, each of which has all channels.
#[inline(always)]
fn largest<S: Simd>(simd: S, taps: &[&[u8]], out: &mut [u8]) {
    let Some((first, others)) = taps.split_first() else { return out.fill(0) };
    assert!(taps.iter().all(|tap| tap.len() == out.len()));
    let whole = out.len() / 16 * 16;
    for at in (0..whole).step_by(16) {
        // SAFETY: by the assertion sixteen codes from `at` on are within each tap and within `out`.
        unsafe {
            let mut best = simd.load_bytes(first.as_ptr().add(at));
            for tap in others {
                best = simd.max_bytes(best, simd.load_bytes(tap.as_ptr().add(at)));
            }
            simd.store_bytes(out.as_mut_ptr().add(at), best);
        }
    }
    for (at, out) in out.iter_mut().enumerate().skip(whole) {
        *out = taps.iter().map(|tap| tap[at]).max().unwrap_or(0);
    }
}

/// See [`crate::kernels::average_pool_u8`].
pub(crate) struct AveragePoolTask<'a> {
    pub(crate) geometry: &'a Pool2dGeometry,
    pub(crate) input: &'a [u8],
    pub(crate) average: &'a AveragePoolU8,
    pub(crate) out: &'a mut [u8],
}

impl Task for AveragePoolTask<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AveragePoolU8 { zero_point, min, max, .. } = *self.average;
        let limits = Limits::of_u8(zero_point, min, max);
        let input_zero_point = i32::from(self.average.input_zero_point);
        let mut sums = vec![0_i32; self.geometry.channels()];
        for (pixel, out) in self.out.chunks_exact_mut(self.geometry.channels()).enumerate() {
            let place = place(self.geometry, pixel);
            sums.fill(0);
            for_each_tap(self.geometry, self.input, place, |codes| {
                for (sum, &code) in sums.iter_mut().zip(codes) {
                    *sum += i32::from(code) - input_zero_point;
                }
            });
            let count = divisor(self.geometry.window(), place.1, self.average.divisor).max(1);
            let multiplier = self.average.multiplier / count as f32;
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = limits.code(sum as f32 * multiplier) as u8;
            }
        }
    }
}
