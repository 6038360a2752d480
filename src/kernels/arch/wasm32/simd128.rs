//! Fixed-width SIMD: `f32x4`, and `i32x4.dot_i16x8` on 16-bit pairs, which is exact.

use crate::kernels::generic::{Dot, Floats, Taps};
use core::arch::wasm32::{
    f32x4_add, f32x4_mul, f32x4_ne, f32x4_pmax, f32x4_pmin, f32x4_splat, i8x16_shuffle, i32x4_add,
    i32x4_dot_i16x8, i32x4_splat, v128, v128_bitselect, v128_load, v128_load32_splat, v128_load32_zero,
    v128_store,
};

/// The module validated, so the instructions exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simd128;

impl Floats for Simd128 {
    const F32_LANES: usize = 4;
    const F32_ROWS: usize = 4;
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
    fn add_f32(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
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
    const LANES: usize = 4;
    const GROUP: usize = 2;
    const ROWS: usize = 4;

    #[inline(always)]
    fn shift(self) -> i32 {
        0
    }
    #[inline(always)]
    fn activation(self, code: u8) -> i16 {
        code.into()
    }
    #[inline(always)]
    fn borrow_codes(self, _codes: &[u8]) -> Option<&[i16]> {
        None
    }
    #[inline(always)]
    fn zero(self) -> v128 {
        i32x4_splat(0)
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
    #[inline(always)]
    unsafe fn store_sums(self, to: *mut i32, sums: v128) {
        // SAFETY: the caller says that four sums are writable; the instruction takes any alignment.
        unsafe { v128_store(to.cast(), sums) }
    }
}

impl Taps for Simd128 {
    #[inline(always)]
    unsafe fn interleave(self, first: *const u8, second: *const u8) -> v128 {
        // SAFETY: the caller says that four codes are readable at both.
        let (first, second) = unsafe { (v128_load32_zero(first.cast()), v128_load32_zero(second.cast())) };
        // Byte 4 of a zero-extending load is 0: the upper half of every 16-bit code.
        i8x16_shuffle::<0, 4, 16, 4, 1, 4, 17, 4, 2, 4, 18, 4, 3, 4, 19, 4>(first, second)
    }
}

#[cfg(test)]
crate::kernels::testing::kernel_conformance!(Isa::Simd128);
