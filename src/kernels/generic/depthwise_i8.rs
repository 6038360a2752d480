//! Integer depthwise convolution, NHWC.
//!
//! Every output pixel has a list of pointers, one for each tap: to the codes of an input pixel, or to
//! a row of zero points for padding. The inner loop takes two taps at a time, pairs their codes
//! channel by channel, and multiplies with pairs of weights:
//!
//! ```text
//! for each block of 4 vectors of channels:
//!   for each pair of taps:  4 × { sums += (x0·w0 + x1·w1) }      one instruction a vector, all lanes
//!   the block's sums go from the registers to their sink
//! ```
//!
//! Weights are packed `[block][pair of taps][vector][lane][2]`; an odd last tap is paired with weight
//! zero. Where blocks do not divide the channels, the last one begins early enough to end with them, so
//! that some channels are computed twice; fewer channels than a block are copied aside.

use super::gemm_i8::{Place, Sink};
use super::{Simd, Task};
use crate::kernels::affine::QuantizedInput;
use crate::kernels::layout::{Conv2dGeometry, Window2d};
use core::ops::Range;
use core::slice::from_raw_parts;

/// Channels of the largest block of any instruction set.
const MOST_CHANNELS: usize = 32;

/// First channels of the blocks.
fn blocks(channels: usize, block: usize) -> impl Iterator<Item = usize> {
    let last = channels.saturating_sub(block);
    (0..channels.div_ceil(block)).map(move |index| (index * block).min(last))
}

/// Packs weights `[channels][taps]`.
pub(crate) struct PackTask<'a> {
    pub(crate) weights: &'a [i16],
    pub(crate) channels: usize,
    pub(crate) taps: usize,
}

impl Task for PackTask<'_> {
    type Output = Vec<i16>;
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Vec<i16> {
        let (block, pairs) = (4 * S::LANES, self.taps.div_ceil(2));
        let mut packed = Vec::with_capacity(self.channels.next_multiple_of(block) * pairs * 2);
        let weight = |channel: usize, tap: usize| {
            let exists = channel < self.channels && tap < self.taps;
            if exists { self.weights[channel * self.taps + tap] } else { 0 }
        };
        for first in blocks(self.channels, block) {
            for pair in 0..pairs {
                let pair_of = |channel| [weight(channel, 2 * pair), weight(channel, 2 * pair + 1)];
                packed.extend((first..first + block).flat_map(pair_of));
            }
        }
        packed
    }
}

/// Rows of a depthwise convolution, for [`crate::kernels::arch::run`].
pub(crate) struct DepthwiseTask<'a, R> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: QuantizedInput<'a>,
    pub(crate) weights: &'a [i16],
    /// Which positions of the output, those of an image after those of the one before.
    pub(crate) rows: Range<usize>,
    /// Its first row is the first of `rows`.
    pub(crate) sink: &'a mut R,
}

impl<R: Sink> Task for DepthwiseTask<'_, R> {
    type Output = ();
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.sink.begin(simd);
        let window = self.geometry.window();
        let channels = self.geometry.out_channels();
        let block = 4 * S::LANES;
        let [out_h, out_w] = window.output;
        let padding = vec![self.input.zero_point; channels];
        let mut taps = vec![padding.as_ptr(); window.taps().next_multiple_of(2)];
        let mut aside = vec![0; if channels < block { taps.len() * MOST_CHANNELS } else { 0 }];
        for (row, at) in self.rows.clone().enumerate() {
            let (image, pixel) = (at / (out_h * out_w), at % (out_h * out_w));
            self.find_taps(window, (image, [pixel / out_w, pixel % out_w]), padding.as_ptr(), &mut taps);
            if channels < block {
                for (aside, tap) in aside.chunks_exact_mut(MOST_CHANNELS).zip(&mut taps) {
                    // SAFETY: a tap has `channels` codes.
                    aside[..channels].copy_from_slice(unsafe { from_raw_parts(*tap, channels) });
                    *tap = aside.as_ptr();
                }
            }
            let (last, mut first, mut weights) = (channels.saturating_sub(block), 0, self.weights);
            while first < channels {
                let (these, others) = weights.split_at(taps.len() * block);
                // SAFETY: a tap has `channels` codes, or room for a block of them where that is
                // more; a block ends with the last channel at the latest.
                let sums = unsafe { sum_block(simd, &taps, these, first.min(last)) };
                let place = Place { row, first: first.min(last), count: channels.min(block) };
                self.sink.finish_row(simd, place, sums);
                (first, weights) = (first + block, others);
            }
        }
    }
}

impl<R> DepthwiseTask<'_, R> {
    /// Points `taps` to the codes of the input pixels that an output sees, all channels of each.
    #[inline(always)]
    fn find_taps(
        &self,
        window: &Window2d,
        (image, at): (usize, [usize; 2]),
        padding: *const u8,
        taps: &mut [*const u8],
    ) {
        let channels = self.geometry.in_channels();
        let plane = &self.input.data[image * window.input_pixels() * channels..];
        for kernel_row in 0..window.kernel[0] {
            let taps = &mut taps[kernel_row * window.kernel[1]..][..window.kernel[1]];
            let Some(row) = window.source(0, at[0], kernel_row) else {
                taps.fill(padding);
                continue;
            };
            for (kernel_col, tap) in taps.iter_mut().enumerate() {
                *tap = window.source(1, at[1], kernel_col).map_or(padding, |col| {
                    plane[(row * window.input[1] + col) * channels..][..channels].as_ptr()
                });
            }
        }
        // An odd last tap is paired with anything.
        taps[window.taps()..].fill(padding);
    }
}

/// Sums of one pixel: four vectors of channels from `first` on.
///
/// # Safety
/// At every tap `first + 4 · LANES` codes are readable.
#[inline(always)]
unsafe fn sum_block<S: Simd>(simd: S, taps: &[*const u8], weights: &[i16], first: usize) -> [S::Sums; 4] {
    let step = 2 * S::LANES;
    assert!(weights.len() >= taps.len() / 2 * 4 * step);
    let (mut a, mut b, mut c, mut d) = (simd.zero(), simd.zero(), simd.zero(), simd.zero());
    let mut w = weights.as_ptr();
    let mut pair = 0;
    while pair + 1 < taps.len() {
        // SAFETY: the caller says that four vectors of codes are readable at both taps; by the assertion
        // there are four vectors of weights for each pair. `wrapping_add` lets the pointer stop at the end.
        unsafe {
            let (left, right) = (taps[pair].add(first), taps[pair + 1].add(first));
            let [x0, x1, x2, x3] = simd.interleave(left, right);
            a = simd.dot(a, simd.load_weights(w), x0);
            b = simd.dot(b, simd.load_weights(w.add(step)), x1);
            c = simd.dot(c, simd.load_weights(w.add(2 * step)), x2);
            d = simd.dot(d, simd.load_weights(w.add(3 * step)), x3);
        }
        w = w.wrapping_add(4 * step);
        pair += 2;
    }
    [a, b, c, d]
}
