//! Relaxed SIMD: fused multiply-add for `f32`, and four 8-bit products a lane for integers.
//!
//! [`Quads`] and [`ShiftedQuads`] are exact only where the start-up probe has said so
//! ([`relaxed_dot`](crate::kernels::relaxed_dot)); packing chooses between them and the 16-bit pairs.

use super::simd128::{Simd128, impl_sums};
use crate::kernels::generic::{Dot, Floats, Taps};
use core::arch::wasm32::{
    f32x4_extract_lane, f32x4_relaxed_madd, f32x4_splat, i8x16_splat, i8x16_sub,
    i32x4_relaxed_dot_i8x16_i7x16_add, i32x4_splat, v128, v128_load, v128_load32_splat, v128_store,
};

/// The module validated, so the instructions exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relaxed;

impl Floats for Relaxed {
    const F32_LANES: usize = 4;
    type F32 = v128;

    #[inline(always)]
    fn splat_f32(self, x: f32) -> v128 {
        Simd128.splat_f32(x)
    }
    #[inline(always)]
    fn multiply_add(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_relaxed_madd(a, b, c)
    }
    /// An engine does either, as the processor can, and always the same: `(1 + 2⁻¹²)²` is not an `f32`.
    #[inline(always)]
    fn fuses(self) -> bool {
        let x = f32x4_splat(core::hint::black_box(1.0 + 1.0 / 4096.0));
        let rest = f32x4_relaxed_madd(x, x, f32x4_splat(-1.0 - 1.0 / 2048.0));
        f32x4_extract_lane::<0>(rest) != 0.0
    }
    #[inline(always)]
    fn add_f32(self, a: v128, b: v128) -> v128 {
        Simd128.add_f32(a, b)
    }
    #[inline(always)]
    fn multiply_f32(self, a: v128, b: v128) -> v128 {
        Simd128.multiply_f32(a, b)
    }
    #[inline(always)]
    fn divide_f32(self, a: v128, b: v128) -> v128 {
        Simd128.divide_f32(a, b)
    }
    #[inline(always)]
    fn or_zero(self, x: v128) -> v128 {
        Simd128.or_zero(x)
    }
    #[inline(always)]
    fn subtract_f32(self, a: v128, b: v128) -> v128 {
        Simd128.subtract_f32(a, b)
    }
    #[inline(always)]
    fn larger(self, a: v128, b: v128) -> v128 {
        Simd128.larger(a, b)
    }
    #[inline(always)]
    fn magnitude(self, x: v128) -> v128 {
        Simd128.magnitude(x)
    }
    #[inline(always)]
    fn limit(self, x: v128, limits: (v128, v128)) -> v128 {
        Simd128.limit(x, limits)
    }
    #[inline(always)]
    fn exceeds(self, x: v128, limit: v128) -> bool {
        Simd128.exceeds(x, limit)
    }
    #[inline(always)]
    fn clamp_f32(self, x: v128, lo: v128, hi: v128) -> v128 {
        Simd128.clamp_f32(x, lo, hi)
    }
    #[inline(always)]
    unsafe fn load_f32(self, from: *const f32) -> v128 {
        // SAFETY: the same contract.
        unsafe { Simd128.load_f32(from) }
    }
    #[inline(always)]
    unsafe fn load_even(self, from: *const f32) -> v128 {
        // SAFETY: the same contract.
        unsafe { Simd128.load_even(from) }
    }
    #[inline(always)]
    fn maximum(self, first: v128, second: v128) -> v128 {
        Simd128.maximum(first, second)
    }
    #[inline(always)]
    unsafe fn store_f32(self, to: *mut f32, x: v128) {
        // SAFETY: the same contract.
        unsafe { Simd128.store_f32(to, x) }
    }
}

impl Dot for Relaxed {
    type Activation = i16;
    type Weight = i16;
    type Operand = v128;
    type Sums = v128;
    type Reals = v128;
    type Whole = Self;
    const LANES: usize = Simd128::LANES;
    const GROUP: usize = Simd128::GROUP;

    #[inline(always)]
    fn whole(self) -> Self {
        self
    }
    #[inline(always)]
    fn shift(self) -> i32 {
        0
    }
    #[inline(always)]
    fn activation(self, code: u8) -> i16 {
        code.into()
    }
    #[inline(always)]
    unsafe fn convert16(self, from: *const u8, to: *mut i16) {
        // SAFETY: the same contract.
        unsafe { Simd128.convert16(from, to) }
    }
    #[inline(always)]
    fn borrow_codes(self, _codes: &[u8]) -> Option<&[i16]> {
        None
    }
    #[inline(always)]
    fn dot(self, sums: v128, weights: v128, activations: v128) -> v128 {
        Simd128.dot(sums, weights, activations)
    }
    #[inline(always)]
    unsafe fn load_weights(self, from: *const i16) -> v128 {
        // SAFETY: the same contract.
        unsafe { Simd128.load_weights(from) }
    }
    #[inline(always)]
    unsafe fn splat_activations(self, from: *const i16) -> v128 {
        // SAFETY: the same contract.
        unsafe { Simd128.splat_activations(from) }
    }
    impl_sums!();
}

impl Taps for Relaxed {
    type Bytes = v128;

    #[inline(always)]
    unsafe fn interleave(self, first: *const u8, second: *const u8) -> [v128; 4] {
        // SAFETY: the same contract.
        unsafe { Simd128.interleave(first, second) }
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> v128 {
        // SAFETY: the same contract.
        unsafe { Simd128.load_bytes(from) }
    }
    #[inline(always)]
    fn max_bytes(self, a: v128, b: v128) -> v128 {
        Simd128.max_bytes(a, b)
    }
    #[inline(always)]
    fn min_bytes(self, a: v128, b: v128) -> v128 {
        Simd128.min_bytes(a, b)
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, bytes: v128) {
        // SAFETY: the same contract.
        unsafe { Simd128.store_bytes(to, bytes) }
    }
    #[inline(always)]
    unsafe fn load_codes(self, from: *const u8) -> [v128; 4] {
        // SAFETY: the same contract.
        unsafe { Simd128.load_codes(from) }
    }
    #[inline(always)]
    unsafe fn load_pair(self, from: *const u8) -> [v128; 2] {
        // SAFETY: the same contract.
        unsafe { Simd128.load_pair(from) }
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> v128 {
        Simd128.splat_byte(x)
    }
    #[inline(always)]
    unsafe fn store_within(self, to: *mut u8, codes: (v128, v128), range: (v128, v128)) {
        // SAFETY: the same contract.
        unsafe { Simd128.store_within(to, codes, range) }
    }
    #[inline(always)]
    fn reals(self, sums: v128) -> v128 {
        Simd128.reals(sums)
    }
    #[inline(always)]
    fn bits(self, x: v128) -> v128 {
        x
    }
}

/// The relaxed dot product with `u8` activations as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quads;

/// The relaxed dot product with activations less 128, for engines that read them as signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShiftedQuads;

/// The two differ in how a code is stored, and in nothing else.
macro_rules! impl_quads {
    ($token:ident, $shift:literal, $borrow:expr) => {
        impl Dot for $token {
            type Activation = u8;
            type Weight = i8;
            type Operand = v128;
            type Sums = v128;
            type Reals = v128;
            type Whole = Relaxed;
            const LANES: usize = 4;
            const GROUP: usize = 4;

            #[inline(always)]
            fn whole(self) -> Relaxed {
                Relaxed
            }
            #[inline(always)]
            fn shift(self) -> i32 {
                $shift
            }
            #[inline(always)]
            fn activation(self, code: u8) -> u8 {
                code.wrapping_sub($shift)
            }
            #[inline(always)]
            unsafe fn convert16(self, from: *const u8, to: *mut u8) {
                // SAFETY: the caller says that sixteen codes are readable and sixteen activations
                // writable; any alignment will do.
                unsafe {
                    let codes = v128_load(from.cast());
                    v128_store(to.cast(), i8x16_sub(codes, i8x16_splat($shift as u8 as i8)));
                }
            }
            #[inline(always)]
            fn borrow_codes(self, codes: &[u8]) -> Option<&[u8]> {
                let borrow: fn(&[u8]) -> Option<&[u8]> = $borrow;
                borrow(codes)
            }
            #[inline(always)]
            fn dot(self, sums: v128, weights: v128, activations: v128) -> v128 {
                i32x4_relaxed_dot_i8x16_i7x16_add(weights, activations, sums)
            }
            #[inline(always)]
            unsafe fn load_weights(self, from: *const i8) -> v128 {
                // SAFETY: the caller says that sixteen weights are readable; any alignment will do.
                unsafe { v128_load(from.cast()) }
            }
            #[inline(always)]
            unsafe fn splat_activations(self, from: *const u8) -> v128 {
                // SAFETY: the caller says that four activations are readable; any alignment will do.
                unsafe { v128_load32_splat(from.cast()) }
            }
            impl_sums!();
        }
    };
}

impl_quads!(Quads, 0, |codes| Some(codes));
impl_quads!(ShiftedQuads, 128, |_| None);

/// The instruction on plain arrays, for the start-up probe.
#[inline(never)]
pub(crate) fn dot16(a: [i8; 16], b: [u8; 16]) -> [i32; 4] {
    let mut out = [0; 4];
    // SAFETY: both arrays hold sixteen bytes and the result has four lanes.
    unsafe {
        let sums = i32x4_relaxed_dot_i8x16_i7x16_add(
            v128_load(a.as_ptr().cast()),
            v128_load(b.as_ptr().cast()),
            i32x4_splat(0),
        );
        v128_store(out.as_mut_ptr().cast(), sums);
    }
    out
}

#[cfg(test)]
crate::kernels::testing::kernel_conformance!(Isa::RelaxedSimd);
