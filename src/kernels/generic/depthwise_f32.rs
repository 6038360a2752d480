//! Depthwise convolution in `f32`, NCHW: every plane with its own window, forward and backward.
//!
//! ```text
//! for each plane, for each row of the output:
//!   for each tap whose input row exists:  out[lo..hi] += weight · input[lo·stride + offset ..]
//! ```
//!
//! `lo..hi` are the outputs whose tap lies inside the input, so padding costs nothing and the inner
//! loop has no test. An output row stays in the first-level cache while the taps are added to it.
//! Both gradients walk the same rows with the roles of the three operands exchanged.

use super::{Simd, Task, limited};
use crate::kernels::layout::{Conv2dGeometry, Window2d};
use core::ops::Range;

/// One tap over one output row: `out` positions `cols` of the row meet inputs from `first` on.
struct TapRow {
    tap: usize,
    out: Range<usize>,
    input: Range<usize>,
}

/// The taps of output row `row` that meet the input anywhere.
#[inline(always)]
fn for_each_tap_row(window: &Window2d, row: usize, mut visit: impl FnMut(TapRow)) {
    for kernel_row in 0..window.kernel[0] {
        let Some(source_row) = window.source(0, row, kernel_row) else {
            continue;
        };
        for kernel_col in 0..window.kernel[1] {
            let cols = window.valid_outputs(1, kernel_col);
            if cols.is_empty() {
                continue;
            }
            let offset = kernel_col * window.dilation[1];
            let first = cols.start * window.stride[1] + offset - window.pad_begin[1];
            let last = (cols.end - 1) * window.stride[1] + offset - window.pad_begin[1];
            let at = source_row * window.input[1];
            visit(TapRow {
                tap: kernel_row * window.kernel[1] + kernel_col,
                out: row * window.output[1] + cols.start..row * window.output[1] + cols.end,
                input: at + first..at + last + 1,
            });
        }
    }
}

/// `out = clamp(Σ input · weights + bias)`.
pub(crate) struct DepthwiseForward<'a> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: &'a [f32],
    pub(crate) weights: &'a [f32],
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) clamp: Option<(f32, f32)>,
    pub(crate) out: &'a mut [f32],
}

impl Task for DepthwiseForward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let window = self.geometry.window();
        let stride = window.stride[1];
        let planes = self.input.chunks_exact(window.input_pixels());
        let outs = self.out.chunks_exact_mut(window.output_pixels().max(1));
        for (index, (plane, out)) in planes.zip(outs).enumerate() {
            let channel = index % self.geometry.out_channels();
            let weights = &self.weights[channel * window.taps()..][..window.taps()];
            out.fill(self.bias.map_or(0.0, |bias| bias[channel]));
            for row in 0..window.output[0] {
                for_each_tap_row(window, row, |at| {
                    add_scaled(&mut out[at.out], &plane[at.input], (1, stride), weights[at.tap]);
                });
            }
            if let Some((lo, hi)) = self.clamp {
                for value in out {
                    *value = limited(*value, lo, hi);
                }
            }
        }
    }
}

/// `grad_in += grad_out · weights`.
pub(crate) struct DepthwiseBackwardInput<'a> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) grad_out: &'a [f32],
    pub(crate) weights: &'a [f32],
    pub(crate) grad_in: &'a mut [f32],
}

impl Task for DepthwiseBackwardInput<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let window = self.geometry.window();
        let stride = window.stride[1];
        let grads = self.grad_out.chunks_exact(window.output_pixels().max(1));
        let planes = self.grad_in.chunks_exact_mut(window.input_pixels());
        for (index, (grad_out, plane)) in grads.zip(planes).enumerate() {
            let channel = index % self.geometry.out_channels();
            let weights = &self.weights[channel * window.taps()..][..window.taps()];
            for row in 0..window.output[0] {
                for_each_tap_row(window, row, |at| {
                    add_scaled(&mut plane[at.input], &grad_out[at.out], (stride, 1), weights[at.tap]);
                });
            }
        }
    }
}

/// `grad_weights += grad_out · input`.
pub(crate) struct DepthwiseBackwardWeights<'a> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: &'a [f32],
    pub(crate) grad_out: &'a [f32],
    pub(crate) grad_weights: &'a mut [f32],
}

impl Task for DepthwiseBackwardWeights<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let window = self.geometry.window();
        let grads = self.grad_out.chunks_exact(window.output_pixels().max(1));
        let planes = self.input.chunks_exact(window.input_pixels());
        for (index, (grad_out, plane)) in grads.zip(planes).enumerate() {
            let channel = index % self.geometry.out_channels();
            let grad_weights = &mut self.grad_weights[channel * window.taps()..][..window.taps()];
            for row in 0..window.output[0] {
                for_each_tap_row(window, row, |at| {
                    let inputs = plane[at.input].iter().step_by(window.stride[1]);
                    let products = grad_out[at.out].iter().zip(inputs).map(|(&grad, &x)| grad * x);
                    grad_weights[at.tap] += products.sum::<f32>();
                });
            }
        }
    }
}

/// `to[i · to_stride] += from[i · from_stride] · factor`.
#[inline(always)]
fn add_scaled(to: &mut [f32], from: &[f32], (to_stride, from_stride): (usize, usize), factor: f32) {
    if to_stride == 1 && from_stride == 1 {
        for (to, from) in to.iter_mut().zip(from) {
            *to += from * factor;
        }
    } else {
        for (to, from) in to.iter_mut().step_by(to_stride).zip(from.iter().step_by(from_stride)) {
            *to += from * factor;
        }
    }
}
