//! Integer depthwise convolution, NHWC.
//!
//! Every output pixel has a list of pointers, one for each tap: to the codes of an input pixel, or to
//! a row of zero points for padding. The inner loop takes two taps at a time, pairs their codes
//! channel by channel, and multiplies with pairs of weights:
//!
//! ```text
//! for each vector of channels:
//!   for each pair of taps:  sums += (x0·w0 + x1·w1)      one instruction, all lanes
//! ```
//!
//! Weights are packed `[vector of channels][pair of taps][lane][2]`; an odd last tap is paired with
//! weight zero. Channels beyond the last whole vector are copied aside, so that no load passes the end.

use super::conv_i8::RowSink;
use super::{Simd, Task};
use crate::kernels::affine::QuantizedInput;
use crate::kernels::layout::{Conv2dGeometry, Window2d};

/// Most lanes of any instruction set.
const MOST_LANES: usize = 16;

/// Packs weights `[channels][taps]`.
pub(crate) struct PackTask<'a> {
    pub(crate) weights: &'a [i8],
    pub(crate) channels: usize,
    pub(crate) taps: usize,
}

impl Task for PackTask<'_> {
    type Output = Vec<i16>;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Vec<i16> {
        let (lanes, pairs) = (S::LANES, self.taps.div_ceil(2));
        let mut packed = vec![0; self.channels.next_multiple_of(lanes) * pairs * 2];
        for (channel, weights) in self.weights.chunks_exact(self.taps).enumerate() {
            for (tap, &weight) in weights.iter().enumerate() {
                let vector = (channel / lanes * pairs + tap / 2) * lanes;
                packed[(vector + channel % lanes) * 2 + tap % 2] = weight.into();
            }
        }
        packed
    }
}

/// A whole depthwise convolution, for [`crate::kernels::arch::run`].
pub(crate) struct DepthwiseTask<'a, R> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: QuantizedInput<'a>,
    pub(crate) weights: &'a [i16],
    pub(crate) sink: &'a mut R,
}

impl<R: RowSink> Task for DepthwiseTask<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.sink.set_shift(0);
        let window = self.geometry.window();
        let channels = self.geometry.out_channels();
        let [out_h, out_w] = window.output;
        let padding = vec![self.input.zero_point; channels];
        let mut taps = vec![padding.as_slice(); window.taps().next_multiple_of(2)];
        let mut sums = vec![0; channels.next_multiple_of(S::LANES)];
        for image in 0..self.geometry.batch() {
            for pixel in 0..out_h * out_w {
                let at = [pixel / out_w, pixel % out_w];
                self.find_taps(window, image, at, &padding, &mut taps);
                sum_pixel(simd, &taps, self.weights, channels, &mut sums);
                self.sink.finish(image * out_h * out_w + pixel, 0, &sums[..channels]);
            }
        }
    }
}

impl<'a, R> DepthwiseTask<'a, R> {
    #[inline(always)]
    fn find_taps<'t>(
        &self,
        window: &Window2d,
        image: usize,
        at: [usize; 2],
        padding: &'t [u8],
        taps: &mut [&'t [u8]],
    ) where
        'a: 't,
    {
        let channels = self.geometry.in_channels();
        let data: &'a [u8] = self.input.data;
        for kernel_row in 0..window.kernel[0] {
            let row = window.source(0, at[0], kernel_row);
            for kernel_col in 0..window.kernel[1] {
                let col = window.source(1, at[1], kernel_col);
                taps[kernel_row * window.kernel[1] + kernel_col] = match (row, col) {
                    (Some(row), Some(col)) => {
                        let pixel = image * window.input_pixels() + row * window.input[1] + col;
                        &data[pixel * channels..][..channels]
                    }
                    _ => padding,
                };
            }
        }
    }
}

/// Sums of one pixel, all channels.
#[inline(always)]
fn sum_pixel<S: Simd>(simd: S, taps: &[&[u8]], weights: &[i16], channels: usize, sums: &mut [i32]) {
    let lanes = S::LANES;
    let vectors = weights.chunks_exact(taps.len() * lanes).zip(sums.chunks_exact_mut(lanes));
    for (index, (weights, sums)) in vectors.enumerate() {
        let first = index * lanes;
        let mut total = simd.zero();
        for (pair, weights) in taps.chunks_exact(2).zip(weights.chunks_exact(2 * lanes)) {
            let whole = first + lanes <= channels;
            let codes = if whole {
                let (left, right) = (&pair[0][first..][..lanes], &pair[1][first..][..lanes]);
                // SAFETY: both slices hold a vector of codes.
                unsafe { simd.interleave(left.as_ptr(), right.as_ptr()) }
            } else {
                let (left, right) = (beside(&pair[0][first..]), beside(&pair[1][first..]));
                // SAFETY: both arrays hold at least a vector of codes.
                unsafe { simd.interleave(left.as_ptr(), right.as_ptr()) }
            };
            // SAFETY: the chunk holds a vector of pairs.
            total = simd.dot(total, unsafe { simd.load_weights(weights.as_ptr()) }, codes);
        }
        // SAFETY: the chunk holds a vector of sums.
        unsafe { simd.store_sums(sums.as_mut_ptr(), total) };
    }
}

/// The last few codes of a pixel, with room for a whole vector.
#[inline(always)]
fn beside(codes: &[u8]) -> [u8; MOST_LANES] {
    let mut wide = [0; MOST_LANES];
    wide[..codes.len()].copy_from_slice(codes);
    wide
}
