//! Depthwise convolution in `f32`, NCHW: every plane with its own window, forward and backward.
//!
//! ```text
//! for each plane:
//!   copy it into a frame of zeros, so that no tap meets an end
//!   for 4 vectors of outputs:
//!     for each tap:  4 × { sums += weight · frame[output · stride + tap ..] }
//! ```
//!
//! Where the four vectors lie, in rows of the output from left to right, is the same for all planes and found
//! once. A vector that reaches beyond its row writes into what is computed later.
//!
//! Both gradients, and windows whose frame would be far larger than what they see, walk rows: for each row of
//! the output, for each tap whose input row exists, the outputs whose tap lies inside the input are a range, so
//! padding costs nothing and the inner loop has no test.

use super::runs::copy;
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
    /// Some planes, those of an image after those of the one before.
    pub(crate) input: &'a [f32],
    /// The number of the first of them.
    pub(crate) first: usize,
    pub(crate) weights: &'a [f32],
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) clamp: Option<(f32, f32)>,
    pub(crate) out: &'a mut [f32],
}

impl Task for DepthwiseForward<'_> {
    type Output = ();
    const SUMS_REALS: bool = true;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let window = self.geometry.window();
        match (Frame::new(window, S::F32_LANES), window.stride[1]) {
            (None, _) => self.by_rows(simd),
            (Some(frame), 1) => self.with_stride::<S, 1>(simd, frame),
            (Some(frame), 2) => self.with_stride::<S, 2>(simd, frame),
            (Some(frame), _) => self.with_stride::<S, 0>(simd, frame),
        }
    }
}

/// Elements that a frame may have, whatever is in it.
const LARGEST_FRAME: usize = 1 << 16;

/// A plane with zeros around it.
struct Frame {
    data: Vec<f32>,
    width: usize,
}

impl Frame {
    /// Zeros, wide enough for whole vectors of outputs. None where few of them would ever be seen: the taps
    /// of a window may be millions of cells apart.
    fn new(window: &Window2d, lanes: usize) -> Option<Self> {
        let reach = |axis: usize, outputs: usize| {
            let last = outputs.saturating_sub(1).checked_mul(window.stride[axis])?;
            let seen = ((window.kernel[axis] - 1) * window.dilation[axis] + 1).checked_add(last)?;
            Some(seen.max(window.pad_begin[axis] + window.input[axis]))
        };
        let width = reach(1, window.output[1].next_multiple_of(lanes))?;
        // Every other number of two vectors is read as two vectors.
        let size = width.checked_mul(reach(0, window.output[0])?)?.checked_add(lanes)?;
        let seen = window.input_pixels().saturating_add(window.output_pixels());
        let fits = size <= LARGEST_FRAME.max(seen.saturating_mul(4));
        fits.then(|| Self { data: vec![0.0; size], width })
    }

    #[inline(always)]
    fn fill<S: Simd>(&mut self, simd: S, window: &Window2d, plane: &[f32]) {
        let [top, left] = window.pad_begin;
        for (row, from) in plane.chunks_exact(window.input[1]).enumerate() {
            copy(simd, from, &mut self.data[(top + row) * self.width + left..][..from.len()]);
        }
    }
}

/// A vector of outputs: where it is, and where its first tap begins in the frame.
#[derive(Clone, Copy)]
struct Place {
    out: usize,
    frame: usize,
}

fn places(window: &Window2d, lanes: usize, width: usize) -> Vec<Place> {
    let [rows, cols] = window.output;
    let vectors = (0..rows).flat_map(|row| (0..cols).step_by(lanes).map(move |col| (row, col)));
    let place = |(row, col)| Place {
        out: row * cols + col,
        frame: row * window.stride[0] * width + col * window.stride[1],
    };
    let mut places: Vec<Place> = vectors.map(place).collect();
    if let Some(&last) = places.last() {
        places.resize(places.len().next_multiple_of(4), last);
    }
    places
}

impl DepthwiseForward<'_> {
    /// Weights and bias of one of the planes.
    fn of_plane(&self, index: usize) -> (&[f32], f32) {
        let channel = (self.first + index) % self.geometry.out_channels();
        let taps = self.geometry.window().taps();
        (&self.weights[channel * taps..][..taps], self.bias.map_or(0.0, |bias| bias[channel]))
    }

    /// Without a frame.
    #[inline(always)]
    fn by_rows<S: Simd>(mut self, simd: S) {
        let window = self.geometry.window();
        let stride = window.stride[1];
        let planes = self.input.chunks_exact(window.input_pixels());
        let outs = core::mem::take(&mut self.out).chunks_exact_mut(window.output_pixels().max(1));
        for (index, (plane, out)) in planes.zip(outs).enumerate() {
            let (weights, bias) = self.of_plane(index);
            out.fill(bias);
            for row in 0..window.output[0] {
                for_each_tap_row(window, row, |at| {
                    add_scaled(simd, &mut out[at.out], &plane[at.input], (1, stride), weights[at.tap]);
                });
            }
            if let Some((lo, hi)) = self.clamp {
                for value in out {
                    *value = limited(*value, lo, hi);
                }
            }
        }
    }

    #[inline(always)]
    fn with_stride<S: Simd, const STRIDE: usize>(mut self, simd: S, mut frame: Frame) {
        let out = core::mem::take(&mut self.out);
        let (window, pixels) = (self.geometry.window(), self.geometry.window().output_pixels());
        let places = places(window, S::F32_LANES, frame.width);
        let tap = |tap: usize| {
            let (row, col) = (tap / window.kernel[1], tap % window.kernel[1]);
            row * window.dilation[0] * frame.width + col * window.dilation[1]
        };
        let taps: Vec<usize> = (0..window.taps()).map(tap).collect();
        for (index, plane) in self.input.chunks_exact(window.input_pixels()).enumerate() {
            let (weights, bias) = self.of_plane(index);
            frame.fill(simd, window, plane);
            let bias = simd.splat_f32(bias);
            let rows = Rows { data: &frame.data, taps: &taps, weights, stride: window.stride[1] };
            let out = &mut out[index * pixels..];
            let clamp = self.clamp.map(|(lo, hi)| (simd.splat_f32(lo), simd.splat_f32(hi)));
            let mut rest = places.as_slice();
            while let [p0, p1, p2, p3, others @ ..] = rest {
                rest = others;
                let at = [p0.frame, p1.frame, p2.frame, p3.frame];
                let [s0, s1, s2, s3] = rows.sums::<S, STRIDE>(simd, bias, at);
                store(simd, s0, clamp, &mut out[p0.out..]);
                store(simd, s1, clamp, &mut out[p1.out..]);
                store(simd, s2, clamp, &mut out[p2.out..]);
                store(simd, s3, clamp, &mut out[p3.out..]);
            }
        }
    }
}

/// Limits a vector and writes it, or the part of it that there is room for.
#[inline(always)]
fn store<S: Simd>(simd: S, mut sum: S::F32, clamp: Option<(S::F32, S::F32)>, out: &mut [f32]) {
    if let Some((lo, hi)) = clamp {
        sum = simd.clamp_f32(sum, lo, hi);
    }
    if out.len() >= S::F32_LANES {
        // SAFETY: there is room for a vector.
        return unsafe { simd.store_f32(out.as_mut_ptr(), sum) };
    }
    let mut wide = [0.0; 8];
    // SAFETY: no instruction set has more than eight lanes.
    unsafe { simd.store_f32(wide.as_mut_ptr(), sum) };
    out.copy_from_slice(&wide[..out.len()]);
}

/// A frame, where its taps are from the first, and the weight of each.
struct Rows<'a> {
    data: &'a [f32],
    taps: &'a [usize],
    weights: &'a [f32],
    stride: usize,
}

impl Rows<'_> {
    /// Four vectors of outputs whose first taps begin at `at`.
    #[inline(always)]
    fn sums<S: Simd, const STRIDE: usize>(&self, simd: S, bias: S::F32, at: [usize; 4]) -> [S::F32; 4] {
        let [at0, at1, at2, at3] = at;
        let last = at0.max(at1).max(at2).max(at3) + self.taps.last().copied().unwrap_or(0);
        let read = if STRIDE == 2 { 2 * S::F32_LANES } else { (S::F32_LANES - 1) * self.stride + 1 };
        assert!(last + read <= self.data.len());
        let (mut a, mut b, mut c, mut d) = (bias, bias, bias, bias);
        let (data, weights) = (self.data.as_ptr(), self.weights.as_ptr());
        assert!(self.weights.len() >= self.taps.len());
        for (index, &tap) in self.taps.iter().enumerate() {
            // SAFETY: by the assertions each tap has a weight and, since taps grow and the last one's vector
            // is within the frame, a vector.
            unsafe {
                let (data, weight) = (data.add(tap), simd.splat_f32(*weights.add(index)));
                a = simd.multiply_add(weight, load::<S, STRIDE>(simd, data.add(at0), self.stride), a);
                b = simd.multiply_add(weight, load::<S, STRIDE>(simd, data.add(at1), self.stride), b);
                c = simd.multiply_add(weight, load::<S, STRIDE>(simd, data.add(at2), self.stride), c);
                d = simd.multiply_add(weight, load::<S, STRIDE>(simd, data.add(at3), self.stride), d);
            }
        }
        [a, b, c, d]
    }
}

/// A vector of numbers a stride apart.
///
/// # Safety
/// All numbers from the first to the last are readable; with a stride of 2 also the one behind the last.
#[inline(always)]
unsafe fn load<S: Simd, const STRIDE: usize>(simd: S, from: *const f32, stride: usize) -> S::F32 {
    // SAFETY: the caller says so; no instruction set has more than eight lanes.
    unsafe {
        match STRIDE {
            1 => simd.load_f32(from),
            2 => simd.load_even(from),
            _ => {
                let mut apart = [0.0; 8];
                for (lane, number) in apart.iter_mut().take(S::F32_LANES).enumerate() {
                    *number = *from.add(lane * stride);
                }
                simd.load_f32(apart.as_ptr())
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
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let window = self.geometry.window();
        let stride = window.stride[1];
        let grads = self.grad_out.chunks_exact(window.output_pixels().max(1));
        let planes = self.grad_in.chunks_exact_mut(window.input_pixels());
        for (index, (grad_out, plane)) in grads.zip(planes).enumerate() {
            let channel = index % self.geometry.out_channels();
            let weights = &self.weights[channel * window.taps()..][..window.taps()];
            for row in 0..window.output[0] {
                for_each_tap_row(window, row, |at| {
                    add_scaled(simd, &mut plane[at.input], &grad_out[at.out], (stride, 1), weights[at.tap]);
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
    const SUMS_REALS: bool = false;
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
fn add_scaled<S: Simd>(simd: S, to: &mut [f32], from: &[f32], strides: (usize, usize), factor: f32) {
    let (mut at, factors) = (0, simd.splat_f32(factor));
    if strides == (1, 1) {
        let len = to.len().min(from.len());
        while at + S::F32_LANES <= len {
            // SAFETY: a vector is left in both.
            unsafe {
                let (to, from) = (to.as_mut_ptr().add(at), simd.load_f32(from.as_ptr().add(at)));
                simd.store_f32(to, simd.add_f32(simd.load_f32(to), simd.multiply_f32(from, factors)));
            }
            at += S::F32_LANES;
        }
    }
    let rest = to[at..].iter_mut().step_by(strides.0).zip(from[at..].iter().step_by(strides.1));
    for (to, from) in rest {
        *to += from * factor;
    }
}
