//! AVX2 with FMA, and the same without fusing products and sums of `f32`. Integers are widened to
//! 16-bit pairs for `pmaddwd`, which is exact; `pmaddubsw` would saturate.

use crate::kernels::generic::{Dot, Floats, Taps, Task};
use crate::kernels::isa::Isa;
use core::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_GT_OQ, _CMP_ORD_Q, _CMP_UNORD_Q, _mm_loadl_epi64, _mm_loadu_si128,
    _mm_max_epu8, _mm_min_epu8, _mm_packus_epi16, _mm_set1_epi8, _mm_storeu_si128, _mm_unpackhi_epi8,
    _mm_unpacklo_epi8, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_andnot_ps, _mm256_blendv_ps,
    _mm256_castpd_ps, _mm256_castps_pd, _mm256_castps_si256, _mm256_castsi256_si128, _mm256_cmp_ps,
    _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtepu8_epi32, _mm256_div_ps, _mm256_extracti128_si256,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_ps, _mm256_min_ps,
    _mm256_movemask_ps, _mm256_mul_ps, _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_permute4x64_pd,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_storeu_ps,
    _mm256_storeu_si256, _mm256_sub_ps,
};

/// Proof that the processor has AVX2 and FMA; `FUSED` says whether `f32` kernels use the latter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2<const FUSED: bool>(());

impl<const FUSED: bool> Avx2<FUSED> {
    /// `None` where the instructions do not exist.
    pub(crate) fn new() -> Option<Self> {
        Isa::Avx2.is_available().then_some(Self(()))
    }

    /// Compiles all of `task` for AVX2 and runs it.
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<T: Task, const FUSED: bool>(avx2: Avx2<FUSED>, task: T) -> T::Output {
            task.run(avx2)
        }
        // SAFETY: `self` proves that AVX2 and FMA exist.
        unsafe { compiled(self, task) }
    }
}

impl<const FUSED: bool> Floats for Avx2<FUSED> {
    const F32_LANES: usize = 8;
    type F32 = __m256;

    #[inline(always)]
    fn splat_f32(self, x: f32) -> __m256 {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn multiply_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { if FUSED { _mm256_fmadd_ps(a, b, c) } else { _mm256_add_ps(_mm256_mul_ps(a, b), c) } }
    }
    #[inline(always)]
    fn fuses(self) -> bool {
        FUSED
    }
    #[inline(always)]
    fn add_f32(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn multiply_f32(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn divide_f32(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn or_zero(self, x: __m256) -> __m256 {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_ORD_Q>(x, x)) }
    }
    #[inline(always)]
    fn subtract_f32(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn larger(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn magnitude(self, x: __m256) -> __m256 {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), x) }
    }
    #[inline(always)]
    fn limit(self, x: __m256, (lo, hi): (__m256, __m256)) -> __m256 {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { _mm256_min_ps(_mm256_max_ps(x, lo), hi) }
    }
    #[inline(always)]
    fn exceeds(self, x: __m256, limit: __m256) -> bool {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, limit)) != 0 }
    }
    #[inline(always)]
    fn clamp_f32(self, x: __m256, lo: __m256, hi: __m256) -> __m256 {
        // SAFETY: `self` proves that the instructions exist. Both return their second operand when
        // either is NaN, so NaN in `x` stays.
        unsafe { _mm256_min_ps(hi, _mm256_max_ps(lo, x)) }
    }
    #[inline(always)]
    unsafe fn load_f32(self, from: *const f32) -> __m256 {
        // SAFETY: the caller says that eight numbers are readable; `self` proves the instruction.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_even(self, from: *const f32) -> __m256 {
        // SAFETY: the caller says that sixteen numbers are readable; `self` proves the instructions.
        unsafe {
            let (low, high) = (_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8)));
            // The shuffle works on halves; the permutation puts them in order.
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(low, high));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even))
        }
    }
    #[inline(always)]
    fn maximum(self, first: __m256, second: __m256) -> __m256 {
        // SAFETY: `self` proves that the instructions exist. The second operand is returned of equals and
        // where either is NaN, so only NaN in `second` is left.
        unsafe {
            let larger = _mm256_max_ps(second, first);
            _mm256_blendv_ps(larger, second, _mm256_cmp_ps::<_CMP_UNORD_Q>(second, second))
        }
    }
    #[inline(always)]
    unsafe fn store_f32(self, to: *mut f32, x: __m256) {
        // SAFETY: the caller says that eight numbers are writable; `self` proves the instruction.
        unsafe { _mm256_storeu_ps(to, x) }
    }
}

impl<const FUSED: bool> Dot for Avx2<FUSED> {
    type Activation = i16;
    type Weight = i16;
    type Operand = __m256i;
    type Sums = __m256i;
    type Reals = __m256;
    type Whole = Self;
    const LANES: usize = 8;
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
        unsafe { _mm256_storeu_si256(to.cast(), _mm256_cvtepu8_epi16(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    fn borrow_codes(self, _codes: &[u8]) -> Option<&[i16]> {
        None
    }
    #[inline(always)]
    fn zero(self) -> __m256i {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    fn dot(self, sums: __m256i, weights: __m256i, activations: __m256i) -> __m256i {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(weights, activations)) }
    }
    #[inline(always)]
    unsafe fn load_weights(self, from: *const i16) -> __m256i {
        // SAFETY: the caller says that sixteen weights are readable; any alignment will do.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn splat_activations(self, from: *const i16) -> __m256i {
        // SAFETY: the caller says that two activations are readable; `self` proves the instruction.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store_sums(self, to: *mut i32, sums: __m256i) {
        // SAFETY: the caller says that eight sums are writable; any alignment will do.
        unsafe { _mm256_storeu_si256(to.cast(), sums) }
    }
    #[inline(always)]
    unsafe fn load_sums(self, from: *const i32) -> __m256i {
        // SAFETY: the caller says that eight integers are readable; any alignment will do.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    fn splat_sums(self, x: i32) -> __m256i {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_set1_epi32(x) }
    }
    #[inline(always)]
    fn add_sums(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn load_reals(self, from: *const f32) -> __m256 {
        // SAFETY: the caller says that eight numbers are readable; `self` proves the instruction.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    fn splat_reals(self, x: f32) -> __m256 {
        self.splat_f32(x)
    }
    #[inline(always)]
    fn scale(self, sums: __m256i, factors: __m256) -> __m256 {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { _mm256_mul_ps(_mm256_cvtepi32_ps(sums), factors) }
    }
    #[inline(always)]
    fn limited_bits(self, x: __m256, (lo, hi): (__m256, __m256), shift: __m256) -> __m256i {
        // SAFETY: `self` proves that the instructions exist.
        unsafe { _mm256_castps_si256(_mm256_add_ps(_mm256_min_ps(_mm256_max_ps(x, lo), hi), shift)) }
    }
    #[inline(always)]
    unsafe fn store_codes(self, to: *mut u8, first: __m256i, second: __m256i) {
        // SAFETY: the caller says that sixteen codes are writable; `self` proves the instructions.
        unsafe {
            // Packing works on halves; the permutation puts them in order.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(first, second));
            let halves = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(to.cast(), _mm_packus_epi16(halves.0, halves.1));
        }
    }
}

impl<const FUSED: bool> Taps for Avx2<FUSED> {
    type Bytes = __m128i;

    #[inline(always)]
    unsafe fn interleave(self, first: *const u8, second: *const u8) -> [__m256i; 4] {
        // SAFETY: the caller says that 32 codes are readable at both; `self` proves the rest.
        unsafe {
            let [first0, first1] = [_mm_loadu_si128(first.cast()), _mm_loadu_si128(first.add(16).cast())];
            let [second0, second1] = [_mm_loadu_si128(second.cast()), _mm_loadu_si128(second.add(16).cast())];
            [
                _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first0, second0)),
                _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first0, second0)),
                _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first1, second1)),
                _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first1, second1)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m128i {
        // SAFETY: the caller says that sixteen codes are readable; any alignment will do.
        unsafe { _mm_loadu_si128(from.cast()) }
    }
    #[inline(always)]
    fn max_bytes(self, a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm_max_epu8(a, b) }
    }
    #[inline(always)]
    fn min_bytes(self, a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm_min_epu8(a, b) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, bytes: __m128i) {
        // SAFETY: the caller says that sixteen codes are writable; any alignment will do.
        unsafe { _mm_storeu_si128(to.cast(), bytes) }
    }
    #[inline(always)]
    unsafe fn load_codes(self, from: *const u8) -> [__m256i; 4] {
        // SAFETY: the caller says that 32 codes are readable; `self` proves the rest.
        unsafe {
            [
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())),
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.add(8).cast())),
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.add(16).cast())),
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.add(24).cast())),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_pair(self, from: *const u8) -> [__m256i; 2] {
        // SAFETY: the caller says that sixteen codes are readable; `self` proves the rest.
        unsafe {
            [
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())),
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.add(8).cast())),
            ]
        }
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> __m128i {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm_set1_epi8(x as i8) }
    }
    #[inline(always)]
    unsafe fn store_within(
        self,
        to: *mut u8,
        (first, second): (__m256i, __m256i),
        (min, max): (__m128i, __m128i),
    ) {
        // SAFETY: the caller says that sixteen codes are writable; `self` proves the instructions.
        unsafe {
            // Packing works on halves; the permutation puts them in order.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(first, second));
            let halves = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let codes = _mm_max_epu8(_mm_packus_epi16(halves.0, halves.1), min);
            _mm_storeu_si128(to.cast(), _mm_min_epu8(codes, max));
        }
    }
    #[inline(always)]
    fn reals(self, sums: __m256i) -> __m256 {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_cvtepi32_ps(sums) }
    }
    #[inline(always)]
    fn bits(self, x: __m256) -> __m256i {
        // SAFETY: `self` proves that the instruction exists.
        unsafe { _mm256_castps_si256(x) }
    }
}

#[cfg(test)]
mod fused {
    crate::kernels::testing::kernel_conformance!(Isa::Avx2);
}

#[cfg(test)]
mod unfused {
    crate::kernels::testing::kernel_conformance!(Isa::Avx2Unfused);
}
