//! Work that touches each element once: rounding, requantization, addition, changes of layout.
//!
//! What runs in integer networks is written in vectors. Rounding half to even adds and subtracts `1.5 · 2²³`:
//! at that magnitude a step of `f32` is 1, so the addition itself rounds, to even, and the low bits of
//! the sum are the integer. It holds for `|x| ≤ 2²²`, so values are limited first; limits are whole
//! numbers, so limiting before or after rounding gives the same.

use super::{Simd, Task};
use crate::kernels::affine::{AddU8, AffineParams};
use crate::kernels::layout::ImageLayout;
use crate::kernels::reference;
use core::ops::Range;

/// `1.5 · 2²³`.
pub(super) const ROUNDING: f32 = 12_582_912.0;
pub(super) const ROUNDING_BITS: i32 = ROUNDING.to_bits() as i32;

/// Whole-number limits around the zero point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(super) lo: f32,
    pub(super) hi: f32,
    pub(super) zero_point: i32,
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

/// See [`crate::kernels::add_u8`].
///
/// Where one of a few sums is left open ([`Addition::is_open`]), all of them are computed again as the
/// definition says.
pub(crate) struct AddTask<'a> {
    pub(crate) lhs: &'a [u8],
    pub(crate) rhs: &'a [u8],
    pub(crate) add: AddU8,
    pub(crate) out: &'a mut [u8],
}

impl Task for AddTask<'_> {
    type Output = ();
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if simd.fuses() { self.run_as::<S, true>(simd) } else { self.run_as::<S, false>(simd) }
    }
}

impl AddTask<'_> {
    #[inline(always)]
    fn run_as<S: Simd, const FUSES: bool>(self, simd: S) {
        let (sums, width) = (Addition::<S, FUSES>::new(simd, &OpenSum::new(&self.add)), 4 * S::LANES);
        let whole = self.out.len() / width * width;
        let (vectors, rest) = self.out.split_at_mut(whole);
        for (index, out) in vectors.chunks_exact_mut(width).enumerate() {
            let (lhs, rhs) = (&self.lhs[index * width..][..width], &self.rhs[index * width..][..width]);
            if sums.leaves_open(simd, lhs, rhs, out) {
                for ((out, &a), &b) in out.iter_mut().zip(lhs).zip(rhs) {
                    *out = reference::add_u8(a, b, &self.add);
                }
            }
        }
        for ((out, &a), &b) in rest.iter_mut().zip(&self.lhs[whole..]).zip(&self.rhs[whole..]) {
            *out = reference::add_u8(a, b, &self.add);
        }
    }
}

/// Rows of codes of which each channel has a largest one of its own: `out[i] = min(out[i], limits[i % channels])`.
///
/// Rows follow each other without gaps, so the limits of sixteen rows are a whole number of vectors.
pub(crate) struct LimitTask<'a> {
    pub(crate) limits: &'a [u8],
    pub(crate) out: &'a mut [u8],
}

impl Task for LimitTask<'_> {
    type Output = ();
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let limits = self.limits.repeat(16);
        for out in self.out.chunks_mut(limits.len().max(1)) {
            let whole = out.len() / 16 * 16;
            let mut at = 0;
            while at < whole {
                // SAFETY: sixteen codes from `at` on are within `out`, which is no longer than `limits`.
                unsafe {
                    let limit = simd.load_bytes(limits.as_ptr().add(at));
                    let codes = simd.load_bytes(out.as_ptr().add(at));
                    simd.store_bytes(out.as_mut_ptr().add(at), simd.min_bytes(codes, limit));
                }
                at += 16;
            }
            for (code, &limit) in out.iter_mut().zip(&limits).skip(whole) {
                *code = limit.min(*code);
            }
        }
    }
}

/// A sum as [`AddU8`] defines it, and what it takes to round it in another way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenSum {
    factors: [f32; 2],
    offset: f32,
    range: [u8; 2],
    /// How far from its code a sum decides it alone: 0.5 less what roundings can differ by.
    safe: f32,
}

impl OpenSum {
    /// With `u = 2⁻²⁴`, `A = 255·|fa|`, `B = 255·|fb|` and the offset `o`, the definition's inner sum is
    /// within `u·(B + |o|)` of the exact one. Where products are rounded by themselves that is `u·B` more, then
    /// their sum, the product `a·fa`, and the whole: where the code is not limited that is below 257 in
    /// magnitude in both. The bound doubles this, for the roundings of the bound itself.
    pub(crate) fn new(add: &AddU8) -> Self {
        let (factors, offset) = ([add.lhs_factor, add.rhs_factor], add.offset());
        let [a, b] = factors.map(|factor| 255.0 * factor.abs());
        let roundings = 2.0 * (b + offset.abs()) + b + a + 2.0 * 257.0;
        let safe = 0.5 - 2.0 * roundings * (f32::EPSILON / 2.0);
        Self { factors, offset, range: [add.min, add.max], safe }
    }
}

/// Sums of vectors, `a · fa + (b · fb + offset)`, as [`OpenSum`] says.
///
/// That is the definition where an instruction for `x · y + z` rounds once, `FUSES`. Elsewhere a sum that
/// lies so close to a half step that the difference could decide its code is left open. Sums are below 2¹⁸, so
/// they are rounded first and limited as codes.
pub(super) struct Addition<S: Simd, const FUSES: bool> {
    factors: (S::F32, S::F32),
    offset: S::F32,
    range: (S::Bytes, S::Bytes),
    safe: S::F32,
    /// [`ROUNDING`], and what makes codes of its bits.
    rounding: S::F32,
    zero: S::Sums,
}

/// A vector of sums, and the same plus [`ROUNDING`].
type Rounded<F> = (F, F);

impl<S: Simd, const FUSES: bool> Addition<S, FUSES> {
    #[inline(always)]
    pub(super) fn new(simd: S, sum: &OpenSum) -> Self {
        Self {
            factors: (simd.splat_f32(sum.factors[0]), simd.splat_f32(sum.factors[1])),
            offset: simd.splat_f32(sum.offset),
            range: (simd.splat_byte(sum.range[0]), simd.splat_byte(sum.range[1])),
            safe: simd.splat_f32(sum.safe),
            rounding: simd.splat_f32(ROUNDING),
            zero: simd.splat_sums(0_i32.wrapping_sub(ROUNDING_BITS)),
        }
    }

    /// Adds four vectors of codes; true where one of the sums is left open.
    #[inline(always)]
    fn leaves_open(&self, simd: S, lhs: &[u8], rhs: &[u8], out: &mut [u8]) -> bool {
        assert!(lhs.len() == 4 * S::LANES && rhs.len() == lhs.len() && out.len() == lhs.len());
        // SAFETY: by the assertion all three hold four vectors of codes.
        unsafe {
            let [a0, a1, a2, a3] = simd.load_codes(lhs.as_ptr()).map(|codes| simd.reals(codes));
            let [b0, b1, b2, b3] = simd.load_codes(rhs.as_ptr()).map(|codes| simd.reals(codes));
            let first = [self.sum(simd, a0, b0), self.sum(simd, a1, b1)];
            self.store(simd, out.as_mut_ptr(), first);
            let second = [self.sum(simd, a2, b2), self.sum(simd, a3, b3)];
            self.store(simd, out.as_mut_ptr().add(2 * S::LANES), second);
            self.is_open(simd, first) || self.is_open(simd, second)
        }
    }

    #[inline(always)]
    pub(super) fn sum(&self, simd: S, a: S::F32, b: S::F32) -> Rounded<S::F32> {
        let inner = simd.multiply_add(b, self.factors.1, self.offset);
        let sum = simd.multiply_add(a, self.factors.0, inner);
        (sum, simd.add_f32(sum, self.rounding))
    }

    /// Whether one of two vectors of sums does not decide its code.
    #[inline(always)]
    pub(super) fn is_open(&self, simd: S, [left, right]: [Rounded<S::F32>; 2]) -> bool {
        let distance = |(sum, rounded): Rounded<S::F32>| {
            simd.magnitude(simd.subtract_f32(sum, simd.subtract_f32(rounded, self.rounding)))
        };
        !FUSES && simd.exceeds(simd.larger(distance(left), distance(right)), self.safe)
    }

    /// Writes two vectors of sums as codes.
    ///
    /// # Safety
    /// They are writable.
    #[inline(always)]
    pub(super) unsafe fn store(&self, simd: S, to: *mut u8, [left, right]: [Rounded<S::F32>; 2]) {
        let code = |(_, rounded): Rounded<S::F32>| simd.add_sums(simd.bits(rounded), self.zero);
        // SAFETY: the same contract.
        unsafe { simd.store_within(to, (code(left), code(right)), self.range) }
    }
}

/// A stored code of either sign.
pub(crate) trait Code: Copy {
    fn from_i32(code: i32) -> Self;
    fn to_i32(self) -> i32;
    /// Four vectors of codes as integers.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> [S::Sums; 4];
    /// Writes two vectors of integers, which are codes.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store<S: Simd>(simd: S, to: *mut Self, codes: [S::Sums; 2]);
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
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> [S::Sums; 4] {
        // SAFETY: the same contract.
        unsafe { simd.load_codes(from) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, to: *mut Self, [first, second]: [S::Sums; 2]) {
        // SAFETY: the same contract.
        unsafe { simd.store_codes(to, first, second) }
    }
}

/// Signed codes are those of weights and of files of others, so no instruction is asked for them.
impl Code for i8 {
    #[inline(always)]
    fn from_i32(code: i32) -> Self {
        code as Self
    }
    #[inline(always)]
    fn to_i32(self) -> i32 {
        self.into()
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> [S::Sums; 4] {
        let mut codes = [0; MOST_CODES];
        // SAFETY: the caller says that four vectors are readable, and the array holds as many.
        unsafe {
            for (lane, code) in codes.iter_mut().take(4 * S::LANES).enumerate() {
                *code = (*from.add(lane)).into();
            }
            let at = |vector: usize| codes.as_ptr().add(vector * S::LANES);
            [simd.load_sums(at(0)), simd.load_sums(at(1)), simd.load_sums(at(2)), simd.load_sums(at(3))]
        }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, to: *mut Self, [first, second]: [S::Sums; 2]) {
        let mut codes = [0; MOST_CODES];
        // SAFETY: the array holds two vectors, and the caller says that as many codes are writable.
        unsafe {
            simd.store_sums(codes.as_mut_ptr(), first);
            simd.store_sums(codes.as_mut_ptr().add(S::LANES), second);
            for (lane, code) in codes.iter().take(2 * S::LANES).enumerate() {
                *to.add(lane) = *code as Self;
            }
        }
    }
}

/// Lanes of four vectors of any instruction set.
const MOST_CODES: usize = 32;

/// Reals to codes.
pub(crate) struct QuantizeTask<'a, Q> {
    pub(crate) input: &'a [f32],
    pub(crate) params: &'a AffineParams,
    pub(crate) out: &'a mut [Q],
}

impl<Q: Code> Task for QuantizeTask<'_, Q> {
    type Output = ();
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (limits, scale) = (Limits::of(self.params), self.params.scale());
        let steps = Steps {
            limits: (simd.splat_f32(limits.lo), simd.splat_f32(limits.hi)),
            divisor: simd.splat_f32(scale),
            rounding: simd.splat_f32(ROUNDING),
            zero: simd.splat_sums(limits.zero_point.wrapping_sub(ROUNDING_BITS)),
        };
        let (from, to, len) = (self.input.as_ptr(), self.out.as_mut_ptr(), self.out.len());
        assert!(self.input.len() == len);
        let mut at = 0;
        while at + 2 * S::LANES <= len {
            // SAFETY: two vectors are left in both, which are of one length.
            unsafe {
                let (first, second) = (simd.load_f32(from.add(at)), simd.load_f32(from.add(at + S::LANES)));
                Q::store(simd, to.add(at), [steps.codes(simd, first), steps.codes(simd, second)]);
            }
            at += 2 * S::LANES;
        }
        for (out, &x) in self.out[at..].iter_mut().zip(&self.input[at..]) {
            *out = Q::from_i32(limits.code(steps_of(x, scale)));
        }
    }
}

/// What makes codes of a vector. (Not a closure: one that is not inlined does not know the instruction set.)
#[derive(Clone, Copy)]
struct Steps<S: Simd> {
    limits: (S::F32, S::F32),
    divisor: S::F32,
    rounding: S::F32,
    zero: S::Sums,
}

impl<S: Simd> Steps<S> {
    #[inline(always)]
    fn codes(self, simd: S, reals: S::F32) -> S::Sums {
        let steps = simd.or_zero(simd.divide_f32(reals, self.divisor));
        simd.add_sums(simd.limited_bits(steps, self.limits, self.rounding), self.zero)
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
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (zero_point, scale) = (self.params.zero_point(), self.params.scale());
        let (minus, factor) = (simd.splat_sums(-zero_point), simd.splat_f32(scale));
        let (from, to, len) = (self.input.as_ptr(), self.out.as_mut_ptr(), self.out.len());
        assert!(self.input.len() == len);
        let mut at = 0;
        while at + 4 * S::LANES <= len {
            // SAFETY: four vectors are left in both, which are of one length.
            unsafe {
                let [a, b, c, d] = Q::load(simd, from.add(at));
                simd.store_f32(to.add(at), simd.scale(simd.add_sums(a, minus), factor));
                simd.store_f32(to.add(at + S::LANES), simd.scale(simd.add_sums(b, minus), factor));
                simd.store_f32(to.add(at + 2 * S::LANES), simd.scale(simd.add_sums(c, minus), factor));
                simd.store_f32(to.add(at + 3 * S::LANES), simd.scale(simd.add_sums(d, minus), factor));
            }
            at += 4 * S::LANES;
        }
        for (out, &q) in self.out[at..].iter_mut().zip(&self.input[at..]) {
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
    const SUMS_REALS: bool = false;
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
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let of = |code: u8| self.table[usize::from(code)];
        let ((out, out_rest), (input, rest)) = (self.out.as_chunks_mut::<8>(), self.input.as_chunks::<8>());
        for (out, &[a, b, c, d, e, f, g, h]) in out.iter_mut().zip(input) {
            *out = [of(a), of(b), of(c), of(d), of(e), of(f), of(g), of(h)];
        }
        for (out, &code) in out_rest.iter_mut().zip(rest) {
            *out = of(code);
        }
    }
}

/// `[N, R, C]` to `[N, C, R]` with a change of element on the way; some of the `N · C` rows of it.
pub(crate) struct TransposeTask<'a, T, Q, F> {
    /// `channels` are the rows `R` of the input, `pixels` its columns `C`.
    pub(crate) layout: ImageLayout,
    pub(crate) input: &'a [T],
    pub(crate) convert: F,
    /// Which rows of the output `out` has.
    pub(crate) lines: Range<usize>,
    pub(crate) out: &'a mut [Q],
}

impl<T: Copy, Q, F: Fn(T) -> Q> Task for TransposeTask<'_, T, Q, F> {
    type Output = ();
    const SUMS_REALS: bool = false;
    /// Square blocks, so that both sides stay in the first-level cache.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        const BLOCK: usize = 32;
        let (rows, cols) = (self.layout.channels, self.layout.pixels);
        let mut line = self.lines.start;
        while line < self.lines.end {
            let (image, first) = (line / cols, line % cols);
            let these = first..cols.min(first + self.lines.end - line);
            let input = &self.input[image * rows * cols..][..rows * cols];
            let out = &mut self.out[(line - self.lines.start) * rows..];
            for first_row in (0..rows).step_by(BLOCK) {
                for first_col in these.clone().step_by(BLOCK) {
                    for col in first_col..these.end.min(first_col + BLOCK) {
                        let block_rows = first_row..rows.min(first_row + BLOCK);
                        let to = &mut out[(col - first) * rows..][block_rows.clone()];
                        for (to, row) in to.iter_mut().zip(block_rows) {
                            *to = (self.convert)(input[row * cols + col]);
                        }
                    }
                }
            }
            line += these.len();
        }
    }
}

/// One real to one code, for [`TransposeTask`].
#[inline(always)]
pub(crate) fn quantizer(params: &AffineParams) -> impl Fn(f32) -> u8 + Copy + Sync + use<> {
    let (limits, scale) = (Limits::of(params), params.scale());
    move |x| limits.code(steps_of(x, scale)) as u8
}
