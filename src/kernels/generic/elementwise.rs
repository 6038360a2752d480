//! Work that touches each element once: rounding, requantization, addition, changes of layout.
//!
//! Plain loops over slices of equal length, which the compiler vectorizes for the instruction set
//! that the enclosing task is compiled for. Rounding half to even adds and subtracts `1.5 · 2²³`:
//! at that magnitude a step of `f32` is 1, so the addition itself rounds, to even, and the low bits of
//! the sum are the integer. It holds for `|x| ≤ 2²²`, so values are limited first; limits are whole
//! numbers, so limiting before or after rounding gives the same.

use super::conv_i8::RowSink;
use super::{Simd, Task};
use crate::kernels::affine::{AddU8, AffineParams, Requantize, fused};
use crate::kernels::layout::ImageLayout;

/// `1.5 · 2²³`.
const ROUNDING: f32 = 12_582_912.0;
const ROUNDING_BITS: i32 = ROUNDING.to_bits() as i32;

/// Whole-number limits around the zero point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    lo: f32,
    hi: f32,
    zero_point: i32,
}

impl Limits {
    pub(crate) fn new(zero_point: i32, min: i32, max: i32) -> Self {
        Self { lo: (min - zero_point) as f32, hi: (max - zero_point) as f32, zero_point }
    }

    pub(crate) fn of_u8(zero_point: u8, min: u8, max: u8) -> Self {
        Self::new(zero_point.into(), min.into(), max.into())
    }

    fn of(params: &AffineParams) -> Self {
        Self::new(params.zero_point(), params.qmin(), params.qmax())
    }

    #[inline(always)]
    fn limit(self, value: f32) -> f32 {
        let above = if value < self.lo { self.lo } else { value };
        if above > self.hi { self.hi } else { above }
    }

    /// `clamp(round_half_even(value) + zero_point, min, max)`, for a value that is not NaN.
    #[inline(always)]
    pub(crate) fn code(self, value: f32) -> i32 {
        let rounded = self.limit(value) + ROUNDING;
        (rounded.to_bits() as i32).wrapping_sub(ROUNDING_BITS - self.zero_point)
    }

    /// The rounded value itself, before the zero point is added.
    #[inline(always)]
    fn steps(self, value: f32) -> f32 {
        (self.limit(value) + ROUNDING) - ROUNDING
    }
}

/// NaN becomes zero, the code of which is the zero point.
#[inline(always)]
fn steps_of(x: f32, scale: f32) -> f32 {
    let steps = x / scale;
    if steps.is_nan() { 0.0 } else { steps }
}

/// `Σ (x − zero_point)·w` from the sum of stored activations, per output channel.
#[inline(always)]
fn correct(corrections: &mut [i32], weight_sums: &[i32], zero_point: u8, shift: i32) {
    for (correction, &sum) in corrections.iter_mut().zip(weight_sums) {
        *correction = sum.wrapping_mul(shift - i32::from(zero_point));
    }
}

/// Finished rows as `i32`.
pub(crate) struct SumSink<'a> {
    zero_point: u8,
    weight_sums: &'a [i32],
    corrections: Vec<i32>,
    out: &'a mut [i32],
}

impl<'a> SumSink<'a> {
    pub(crate) fn new(zero_point: u8, weight_sums: &'a [i32], out: &'a mut [i32]) -> Self {
        Self { zero_point, weight_sums, corrections: vec![0; weight_sums.len()], out }
    }
}

impl RowSink for SumSink<'_> {
    #[inline(always)]
    fn set_shift(&mut self, shift: i32) {
        correct(&mut self.corrections, self.weight_sums, self.zero_point, shift);
    }

    #[inline(always)]
    fn finish(&mut self, row: usize, first: usize, sums: &[i32]) {
        let channels = self.corrections.len();
        let out = &mut self.out[row * channels + first..][..sums.len()];
        let corrections = &self.corrections[first..][..sums.len()];
        for i in 0..sums.len() {
            out[i] = sums[i].wrapping_add(corrections[i]);
        }
    }
}

/// Finished rows as `u8` codes, see [`Requantize`].
pub(crate) struct RequantizeSink<'a> {
    zero_point: u8,
    weight_sums: &'a [i32],
    corrections: Vec<i32>,
    bias: &'a [i32],
    multipliers: Vec<f32>,
    limits: Limits,
    out: &'a mut [u8],
}

impl<'a> RequantizeSink<'a> {
    pub(crate) fn new(
        zero_point: u8,
        weight_sums: &'a [i32],
        requantize: &'a Requantize,
        out: &'a mut [u8],
    ) -> Self {
        let channels = weight_sums.len();
        let multipliers = match requantize.multiplier.as_slice() {
            [all] => vec![*all; channels],
            each => each.to_vec(),
        };
        Self {
            zero_point,
            weight_sums,
            corrections: vec![0; channels],
            bias: &requantize.bias,
            multipliers,
            limits: Limits::of_u8(requantize.zero_point, requantize.min, requantize.max),
            out,
        }
    }
}

impl RowSink for RequantizeSink<'_> {
    #[inline(always)]
    fn set_shift(&mut self, shift: i32) {
        correct(&mut self.corrections, self.weight_sums, self.zero_point, shift);
    }

    #[inline(always)]
    fn finish(&mut self, row: usize, first: usize, sums: &[i32]) {
        let (channels, count) = (self.corrections.len(), sums.len());
        let out = &mut self.out[row * channels + first..][..count];
        let corrections = &self.corrections[first..][..count];
        let bias = &self.bias[first..][..count];
        let multipliers = &self.multipliers[first..][..count];
        for i in 0..count {
            let sum = sums[i].wrapping_add(corrections[i]).saturating_add(bias[i]);
            out[i] = self.limits.code(sum as f32 * multipliers[i]) as u8;
        }
    }
}

/// See [`crate::kernels::add_u8`].
pub(crate) struct AddTask<'a> {
    pub(crate) lhs: &'a [u8],
    pub(crate) rhs: &'a [u8],
    pub(crate) add: AddU8,
    pub(crate) out: &'a mut [u8],
}

impl Task for AddTask<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AddU8 { lhs_factor, rhs_factor, min, max, .. } = self.add;
        let (limits, offset) = (Limits::of_u8(0, min, max), self.add.offset());
        let add = |code: u8, factor: f32, addend: f32| {
            if S::HAS_FMA { f32::from(code).mul_add(factor, addend) } else { fused(code, factor, addend) }
        };
        for (out, (&a, &b)) in self.out.iter_mut().zip(self.lhs.iter().zip(self.rhs)) {
            *out = limits.code(add(a, lhs_factor, add(b, rhs_factor, offset))) as u8;
        }
    }
}

/// A stored code of either sign.
pub(crate) trait Code: Copy {
    fn from_i32(code: i32) -> Self;
    fn to_i32(self) -> i32;
}

impl Code for u8 {
    #[inline(always)]
    fn from_i32(code: i32) -> Self {
        code as Self
    }
    #[inline(always)]
    fn to_i32(self) -> i32 {
        self.into()
    }
}

impl Code for i8 {
    #[inline(always)]
    fn from_i32(code: i32) -> Self {
        code as Self
    }
    #[inline(always)]
    fn to_i32(self) -> i32 {
        self.into()
    }
}

/// Reals to codes.
pub(crate) struct QuantizeTask<'a, Q> {
    pub(crate) input: &'a [f32],
    pub(crate) params: &'a AffineParams,
    pub(crate) out: &'a mut [Q],
}

impl<Q: Code> Task for QuantizeTask<'_, Q> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (limits, scale) = (Limits::of(self.params), self.params.scale());
        for (out, &x) in self.out.iter_mut().zip(self.input) {
            *out = Q::from_i32(limits.code(steps_of(x, scale)));
        }
    }
}

/// Codes to reals.
pub(crate) struct DequantizeTask<'a, Q> {
    pub(crate) input: &'a [Q],
    pub(crate) params: &'a AffineParams,
    pub(crate) out: &'a mut [f32],
}

impl<Q: Code> Task for DequantizeTask<'_, Q> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (zero_point, scale) = (self.params.zero_point(), self.params.scale());
        for (out, &q) in self.out.iter_mut().zip(self.input) {
            *out = (q.to_i32() - zero_point) as f32 * scale;
        }
    }
}

/// Reals to the reals that their codes stand for.
pub(crate) struct FakeQuantizeTask<'a> {
    pub(crate) input: &'a [f32],
    pub(crate) params: &'a AffineParams,
    pub(crate) out: &'a mut [f32],
}

impl Task for FakeQuantizeTask<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (limits, scale) = (Limits::of(self.params), self.params.scale());
        for (out, &x) in self.out.iter_mut().zip(self.input) {
            *out = limits.steps(steps_of(x, scale)) * scale;
        }
    }
}

/// Through a table of 256 codes.
pub(crate) struct LookupTask<'a> {
    pub(crate) table: &'a [u8; 256],
    pub(crate) input: &'a [u8],
    pub(crate) out: &'a mut [u8],
}

impl Task for LookupTask<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (out, &code) in self.out.iter_mut().zip(self.input) {
            *out = self.table[usize::from(code)];
        }
    }
}

/// `[N, R, C]` to `[N, C, R]` with a change of element on the way.
pub(crate) struct TransposeTask<'a, T, Q, F> {
    /// `channels` are the rows `R` of the input, `pixels` its columns `C`.
    pub(crate) layout: ImageLayout,
    pub(crate) input: &'a [T],
    pub(crate) convert: F,
    pub(crate) out: &'a mut [Q],
}

impl<T: Copy, Q, F: Fn(T) -> Q> Task for TransposeTask<'_, T, Q, F> {
    type Output = ();
    /// Square blocks, so that both sides stay in the first-level cache.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        const BLOCK: usize = 32;
        let (rows, cols) = (self.layout.channels, self.layout.pixels);
        let images = self.input.chunks_exact((rows * cols).max(1));
        for (input, out) in images.zip(self.out.chunks_exact_mut((rows * cols).max(1))) {
            for first_row in (0..rows).step_by(BLOCK) {
                for first_col in (0..cols).step_by(BLOCK) {
                    for col in first_col..cols.min(first_col + BLOCK) {
                        let block_rows = first_row..rows.min(first_row + BLOCK);
                        let to = &mut out[col * rows..][block_rows.clone()];
                        for (to, row) in to.iter_mut().zip(block_rows) {
                            *to = (self.convert)(input[row * cols + col]);
                        }
                    }
                }
            }
        }
    }
}

/// One real to one code, for [`TransposeTask`].
#[inline(always)]
pub(crate) fn quantizer(params: &AffineParams) -> impl Fn(f32) -> u8 + use<> {
    let (limits, scale) = (Limits::of(params), params.scale());
    move |x| limits.code(steps_of(x, scale)) as u8
}
