//! Fixed-width SIMD: `f32x4`, and `i32x4.dot_i16x8` on 16-bit pairs, which is exact.

use crate::kernels::generic::{Dot, Floats, Taps};
use core::arch::wasm32::{
    f32x4_abs, f32x4_add, f32x4_convert_i32x4, f32x4_div, f32x4_eq, f32x4_gt, f32x4_mul, f32x4_ne,
    f32x4_pmax, f32x4_pmin, f32x4_splat, f32x4_sub, i8x16_shuffle, i16x8_extend_high_u8x16,
    i16x8_extend_low_u8x16, i16x8_narrow_i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_extend_high_u16x8,
    i32x4_extend_low_u16x8, i32x4_shuffle, u8x16_max, u8x16_min, u8x16_narrow_i16x8, u8x16_splat,
    u16x8_load_extend_u8x8, v128, v128_and, v128_any_true, v128_bitselect, v128_load, v128_load32_splat,
    v128_or, v128_store, v128_store64_lane,
};

/// What all dot products of this architecture have in common: sums, and what becomes of them.
macro_rules! impl_sums {
    () => {
        #[inline(always)]
        fn zero(self) -> v128 {
            core::arch::wasm32::i32x4_splat(0)
        }
        #[inline(always)]
        unsafe fn store_sums(self, to: *mut i32, sums: v128) {
            // SAFETY: the caller says that four sums are writable; any alignment will do.
            unsafe { core::arch::wasm32::v128_store(to.cast(), sums) }
        }
        #[inline(always)]
        unsafe fn load_sums(self, from: *const i32) -> v128 {
            // SAFETY: the caller says that four integers are readable; any alignment will do.
            unsafe { core::arch::wasm32::v128_load(from.cast()) }
        }
        #[inline(always)]
        fn splat_sums(self, x: i32) -> v128 {
            core::arch::wasm32::i32x4_splat(x)
        }
        #[inline(always)]
        fn add_sums(self, a: v128, b: v128) -> v128 {
            core::arch::wasm32::i32x4_add(a, b)
        }
        #[inline(always)]
        unsafe fn load_reals(self, from: *const f32) -> v128 {
            // SAFETY: the caller says that four numbers are readable; any alignment will do.
            unsafe { core::arch::wasm32::v128_load(from.cast()) }
        }
        #[inline(always)]
        fn splat_reals(self, x: f32) -> v128 {
            core::arch::wasm32::f32x4_splat(x)
        }
        #[inline(always)]
        fn scale(self, sums: v128, factors: v128) -> v128 {
            $crate::kernels::arch::wasm32::simd128::scaled(sums, factors)
        }
        #[inline(always)]
        fn limited_bits(self, x: v128, limits: (v128, v128), shift: v128) -> v128 {
            $crate::kernels::arch::wasm32::simd128::limited_bits(x, limits, shift)
        }
        #[inline(always)]
        unsafe fn store_codes(self, to: *mut u8, first: v128, second: v128) {
            // SAFETY: the same contract.
            unsafe { $crate::kernels::arch::wasm32::simd128::store_codes(to, first, second) }
        }
    };
}
#[cfg(target_feature = "relaxed-simd")]
pub(crate) use impl_sums;

#[inline(always)]
pub(crate) fn scaled(sums: v128, factors: v128) -> v128 {
    f32x4_mul(f32x4_convert_i32x4(sums), factors)
}

#[inline(always)]
pub(crate) fn limited_bits(x: v128, (lo, hi): (v128, v128), shift: v128) -> v128 {
    f32x4_add(f32x4_pmin(hi, f32x4_pmax(lo, x)), shift)
}

/// # Safety
/// Eight codes are writable.
#[inline(always)]
pub(crate) unsafe fn store_codes(to: *mut u8, first: v128, second: v128) {
    let words = i16x8_narrow_i32x4(first, second);
    // SAFETY: the caller says that eight codes are writable; any alignment will do.
    unsafe { v128_store64_lane::<0>(u8x16_narrow_i16x8(words, words), to.cast()) }
}

/// Sixteen codes as 16-bit integers.
///
/// # Safety
/// Sixteen codes are readable and as many integers writable.
#[inline(always)]
pub(crate) unsafe fn widen16(from: *const u8, to: *mut i16) {
    // SAFETY: the caller says so; any alignment will do.
    unsafe {
        let codes = v128_load(from.cast());
        v128_store(to.cast(), i16x8_extend_low_u8x16(codes));
        v128_store(to.add(8).cast(), i16x8_extend_high_u8x16(codes));
    }
}

/// The module validated, so the instructions exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simd128;

impl Floats for Simd128 {
    const F32_LANES: usize = 4;
    type F32 = v128;

    #[inline(always)]
    fn splat_f32(self, x: f32) -> v128 {
        f32x4_splat(x)
    }
    #[inline(always)]
    fn multiply_add(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
    #[inline(always)]
    fn fuses(self) -> bool {
        false
    }
    #[inline(always)]
    fn add_f32(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn multiply_f32(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }
    #[inline(always)]
    fn divide_f32(self, a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }
    #[inline(always)]
    fn or_zero(self, x: v128) -> v128 {
        v128_and(x, f32x4_eq(x, x))
    }
    #[inline(always)]
    fn subtract_f32(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    fn larger(self, a: v128, b: v128) -> v128 {
        f32x4_pmax(a, b)
    }
    #[inline(always)]
    fn magnitude(self, x: v128) -> v128 {
        f32x4_abs(x)
    }
    #[inline(always)]
    fn limit(self, x: v128, (lo, hi): (v128, v128)) -> v128 {
        f32x4_pmin(hi, f32x4_pmax(lo, x))
    }
    #[inline(always)]
    fn exceeds(self, x: v128, limit: v128) -> bool {
        v128_any_true(f32x4_gt(x, limit))
    }
    #[inline(always)]
    fn clamp_f32(self, x: v128, lo: v128, hi: v128) -> v128 {
        // See `limited` for the selection of NaN.
        let within = f32x4_pmin(f32x4_pmax(x, lo), hi);
        v128_bitselect(x, within, f32x4_ne(x, x))
    }
    #[inline(always)]
    unsafe fn load_f32(self, from: *const f32) -> v128 {
        // SAFETY: the caller says that four numbers are readable; the instruction takes any alignment.
        unsafe { v128_load(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_even(self, from: *const f32) -> v128 {
        // SAFETY: the caller says that eight numbers are readable; the instruction takes any alignment.
        let (low, high) = unsafe { (v128_load(from.cast()), v128_load(from.add(4).cast())) };
        i32x4_shuffle::<0, 2, 4, 6>(low, high)
    }
    #[inline(always)]
    fn maximum(self, first: v128, second: v128) -> v128 {
        let is_larger = v128_or(f32x4_gt(second, first), f32x4_ne(second, second));
        v128_bitselect(second, first, is_larger)
    }
    #[inline(always)]
    unsafe fn store_f32(self, to: *mut f32, x: v128) {
        // SAFETY: the caller says that four numbers are writable; the instruction takes any alignment.
        unsafe { v128_store(to.cast(), x) }
    }
}

impl Dot for Simd128 {
    type Activation = i16;
    type Weight = i16;
    type Operand = v128;
    type Sums = v128;
    type Reals = v128;
    type Whole = Self;
    const LANES: usize = 4;
    const GROUP: usize = 2;

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
        unsafe { widen16(from, to) }
    }
    #[inline(always)]
    fn borrow_codes(self, _codes: &[u8]) -> Option<&[i16]> {
        None
    }
    #[inline(always)]
    fn dot(self, sums: v128, weights: v128, activations: v128) -> v128 {
        i32x4_add(sums, i32x4_dot_i16x8(weights, activations))
    }
    #[inline(always)]
    unsafe fn load_weights(self, from: *const i16) -> v128 {
        // SAFETY: the caller says that eight weights are readable; the instruction takes any alignment.
        unsafe { v128_load(from.cast()) }
    }
    #[inline(always)]
    unsafe fn splat_activations(self, from: *const i16) -> v128 {
        // SAFETY: the caller says that two activations are readable; the instruction takes any alignment.
        unsafe { v128_load32_splat(from.cast()) }
    }
    impl_sums!();
}

impl Taps for Simd128 {
    type Bytes = v128;

    #[inline(always)]
    unsafe fn interleave(self, first: *const u8, second: *const u8) -> [v128; 4] {
        // SAFETY: the caller says that sixteen codes are readable at both.
        let (first, second) = unsafe { (v128_load(first.cast()), v128_load(second.cast())) };
        let low = i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(first, second);
        let high =
            i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(first, second);
        [
            i16x8_extend_low_u8x16(low),
            i16x8_extend_high_u8x16(low),
            i16x8_extend_low_u8x16(high),
            i16x8_extend_high_u8x16(high),
        ]
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> v128 {
        // SAFETY: the caller says that sixteen codes are readable; any alignment will do.
        unsafe { v128_load(from.cast()) }
    }
    #[inline(always)]
    fn max_bytes(self, a: v128, b: v128) -> v128 {
        u8x16_max(a, b)
    }
    #[inline(always)]
    fn min_bytes(self, a: v128, b: v128) -> v128 {
        u8x16_min(a, b)
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, bytes: v128) {
        // SAFETY: the caller says that sixteen codes are writable; any alignment will do.
        unsafe { v128_store(to.cast(), bytes) }
    }
    #[inline(always)]
    unsafe fn load_codes(self, from: *const u8) -> [v128; 4] {
        // SAFETY: the caller says that sixteen codes are readable; any alignment will do.
        let codes = unsafe { v128_load(from.cast()) };
        let (low, high) = (i16x8_extend_low_u8x16(codes), i16x8_extend_high_u8x16(codes));
        [
            i32x4_extend_low_u16x8(low),
            i32x4_extend_high_u16x8(low),
            i32x4_extend_low_u16x8(high),
            i32x4_extend_high_u16x8(high),
        ]
    }
    #[inline(always)]
    unsafe fn load_pair(self, from: *const u8) -> [v128; 2] {
        // SAFETY: the caller says that eight codes are readable; any alignment will do.
        let codes = unsafe { u16x8_load_extend_u8x8(from) };
        [i32x4_extend_low_u16x8(codes), i32x4_extend_high_u16x8(codes)]
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> v128 {
        u8x16_splat(x)
    }
    #[inline(always)]
    unsafe fn store_within(self, to: *mut u8, (first, second): (v128, v128), (min, max): (v128, v128)) {
        let words = i16x8_narrow_i32x4(first, second);
        let codes = u8x16_min(u8x16_max(u8x16_narrow_i16x8(words, words), min), max);
        // SAFETY: the caller says that eight codes are writable; any alignment will do.
        unsafe { v128_store64_lane::<0>(codes, to.cast()) }
    }
    #[inline(always)]
    fn reals(self, sums: v128) -> v128 {
        f32x4_convert_i32x4(sums)
    }
    #[inline(always)]
    fn bits(self, x: v128) -> v128 {
        x
    }
}

#[cfg(test)]
crate::kernels::testing::kernel_conformance!(Isa::Simd128);
