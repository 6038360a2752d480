//! Plain Rust: four-lane arrays, which the compiler turns into whatever vectors the target has.

use crate::kernels::generic::{Dot, Floats, Taps, limited};

/// Exists everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Floats for Portable {
    const F32_LANES: usize = 4;
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
    fn fuses(self) -> bool {
        false
    }
    #[inline(always)]
    fn add_f32(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn multiply_f32(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn divide_f32(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn or_zero(self, x: Self::F32) -> Self::F32 {
        x.map(|x| if x.is_nan() { 0.0 } else { x })
    }
    #[inline(always)]
    fn subtract_f32(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn magnitude(self, x: Self::F32) -> Self::F32 {
        x.map(f32::abs)
    }
    #[inline(always)]
    fn limit(self, x: Self::F32, (lo, hi): (Self::F32, Self::F32)) -> Self::F32 {
        self.clamp_f32(x, lo, hi)
    }
    #[inline(always)]
    fn exceeds(self, x: Self::F32, limit: Self::F32) -> bool {
        (0..4).any(|i| x[i] > limit[i])
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
    unsafe fn load_even(self, from: *const f32) -> Self::F32 {
        // SAFETY: the caller says that eight numbers are readable.
        let all = unsafe { from.cast::<[f32; 8]>().read_unaligned() };
        [all[0], all[2], all[4], all[6]]
    }
    #[inline(always)]
    fn maximum(self, first: Self::F32, second: Self::F32) -> Self::F32 {
        core::array::from_fn(|i| crate::kernels::reference::larger(first[i], second[i]))
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
    type Reals = [f32; 4];
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
        // SAFETY: the caller says that sixteen codes are readable and sixteen activations writable.
        unsafe { to.cast::<[i16; 16]>().write_unaligned(from.cast::<[u8; 16]>().read().map(i16::from)) }
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
    #[inline(always)]
    unsafe fn load_sums(self, from: *const i32) -> Self::Sums {
        // SAFETY: the caller says that four integers are readable.
        unsafe { from.cast::<[i32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    fn splat_sums(self, x: i32) -> Self::Sums {
        [x; 4]
    }
    #[inline(always)]
    fn add_sums(self, a: Self::Sums, b: Self::Sums) -> Self::Sums {
        core::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    unsafe fn load_reals(self, from: *const f32) -> Self::Reals {
        // SAFETY: the caller says that four numbers are readable.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    fn splat_reals(self, x: f32) -> Self::Reals {
        [x; 4]
    }
    #[inline(always)]
    fn scale(self, sums: Self::Sums, factors: Self::Reals) -> Self::Reals {
        core::array::from_fn(|i| sums[i] as f32 * factors[i])
    }
    #[inline(always)]
    fn limited_bits(
        self,
        x: Self::Reals,
        (lo, hi): (Self::Reals, Self::Reals),
        shift: Self::Reals,
    ) -> Self::Sums {
        core::array::from_fn(|i| (limited(x[i], lo[i], hi[i]) + shift[i]).to_bits() as i32)
    }
    #[inline(always)]
    unsafe fn store_codes(self, to: *mut u8, first: Self::Sums, second: Self::Sums) {
        let code = |i: usize| if i < 4 { first[i] } else { second[i - 4] }.clamp(0, 255) as u8;
        // SAFETY: the caller says that eight codes are writable.
        unsafe { to.cast::<[u8; 8]>().write_unaligned(core::array::from_fn(code)) }
    }
}

impl Taps for Portable {
    type Bytes = [u8; 16];

    #[inline(always)]
    unsafe fn interleave(self, first: *const u8, second: *const u8) -> [Self::Operand; 4] {
        // SAFETY: the caller says that sixteen codes are readable at both.
        let [first, second] = unsafe { [first.cast::<[u8; 16]>().read(), second.cast::<[u8; 16]>().read()] };
        let pair =
            |v: usize, i: usize| i16::from(if i.is_multiple_of(2) { first } else { second }[4 * v + i / 2]);
        core::array::from_fn(|v| core::array::from_fn(|i| pair(v, i)))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> Self::Bytes {
        // SAFETY: the caller says that sixteen codes are readable.
        unsafe { from.cast::<[u8; 16]>().read() }
    }
    #[inline(always)]
    fn max_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        core::array::from_fn(|i| a[i].max(b[i]))
    }
    #[inline(always)]
    fn min_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        core::array::from_fn(|i| a[i].min(b[i]))
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, bytes: Self::Bytes) {
        // SAFETY: the caller says that sixteen codes are writable.
        unsafe { to.cast::<[u8; 16]>().write(bytes) }
    }
    #[inline(always)]
    unsafe fn load_codes(self, from: *const u8) -> [Self::Sums; 4] {
        // SAFETY: the caller says that sixteen codes are readable.
        unsafe { from.cast::<[[u8; 4]; 4]>().read() }.map(|codes| codes.map(i32::from))
    }
    #[inline(always)]
    unsafe fn load_pair(self, from: *const u8) -> [Self::Sums; 2] {
        // SAFETY: the caller says that eight codes are readable.
        unsafe { from.cast::<[[u8; 4]; 2]>().read() }.map(|codes| codes.map(i32::from))
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> Self::Bytes {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn store_within(
        self,
        to: *mut u8,
        (first, second): (Self::Sums, Self::Sums),
        (min, max): (Self::Bytes, Self::Bytes),
    ) {
        let code = |i: usize| if i < 4 { first[i] } else { second[i - 4] }.clamp(0, 255) as u8;
        let within = |i: usize| code(i).max(min[i]).min(max[i]);
        // SAFETY: the caller says that eight codes are writable.
        unsafe { to.cast::<[u8; 8]>().write_unaligned(core::array::from_fn(within)) }
    }
    #[inline(always)]
    fn reals(self, sums: Self::Sums) -> Self::F32 {
        sums.map(|sum| sum as f32)
    }
    #[inline(always)]
    fn bits(self, x: Self::F32) -> Self::Sums {
        x.map(|x| x.to_bits() as i32)
    }
}

#[cfg(test)]
crate::kernels::testing::kernel_conformance!(Isa::Portable);
