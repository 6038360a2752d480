//! Plain Rust: four-lane arrays, which the compiler turns into whatever vectors the target has.

use crate::kernels::generic::{Dot, Floats, Taps, limited};

/// Exists everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Floats for Portable {
    const F32_LANES: usize = 4;
    const F32_ROWS: usize = 4;
    type F32 = [f32; 4];

    #[inline(always)]
    fn splat_f32(self, x: f32) -> Self::F32 {
        [x; 4]
    }
    #[inline(always)]
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn add_f32(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn clamp_f32(self, x: Self::F32, lo: Self::F32, hi: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| limited(x[i], lo[i], hi[i]))
    }
    #[inline(always)]
    unsafe fn load_f32(self, from: *const f32) -> Self::F32 {
        // SAFETY: the caller says that four numbers are readable.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_f32(self, to: *mut f32, x: Self::F32) {
        // SAFETY: the caller says that four numbers are writable.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(x) }
    }
}

impl Dot for Portable {
    type Activation = i16;
    type Weight = i16;
    type Operand = [i16; 8];
    type Sums = [i32; 4];
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
    fn zero(self) -> Self::Sums {
        [0; 4]
    }
    #[inline(always)]
    fn dot(self, sums: Self::Sums, weights: Self::Operand, activations: Self::Operand) -> Self::Sums {
        let product = |i: usize| i32::from(weights[i]) * i32::from(activations[i]);
        core::array::from_fn(|i| sums[i].wrapping_add(product(2 * i) + product(2 * i + 1)))
    }
    #[inline(always)]
    unsafe fn load_weights(self, from: *const i16) -> Self::Operand {
        // SAFETY: the caller says that eight weights are readable.
        unsafe { from.cast::<[i16; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat_activations(self, from: *const i16) -> Self::Operand {
        // SAFETY: the caller says that two activations are readable.
        let [first, second] = unsafe { from.cast::<[i16; 2]>().read_unaligned() };
        [first, second, first, second, first, second, first, second]
    }
    #[inline(always)]
    unsafe fn store_sums(self, to: *mut i32, sums: Self::Sums) {
        // SAFETY: the caller says that four sums are writable.
        unsafe { to.cast::<[i32; 4]>().write_unaligned(sums) }
    }
}

impl Taps for Portable {
    #[inline(always)]
    unsafe fn interleave(self, first: *const u8, second: *const u8) -> Self::Operand {
        // SAFETY: the caller says that four codes are readable at both.
        let [first, second] =
            unsafe { [first.cast::<[u8; 4]>().read_unaligned(), second.cast::<[u8; 4]>().read_unaligned()] };
        core::array::from_fn(|i| i16::from(if i % 2 == 0 { first[i / 2] } else { second[i / 2] }))
    }
}

#[cfg(test)]
crate::kernels::testing::kernel_conformance!(Isa::Portable);
