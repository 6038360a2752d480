//! The operations that the algorithms ask of an instruction set, and no others.
//!
//! A value of an implementing type is the proof that its instructions exist, so arithmetic is safe
//! to call and only memory access is not. Every method is inlined into a caller that was compiled
//! for the instruction set (see `arch`); an algorithm that is itself not inlined would still be
//! right, only slow.

/// Vectors of `f32`.
pub(crate) trait Floats: Copy {
    /// Lanes of a vector.
    const F32_LANES: usize;
    /// A vector of `f32`.
    type F32: Copy;

    /// The same number in every lane.
    fn splat_f32(self, x: f32) -> Self::F32;
    /// `a · b + c`, fused or not: only the sets of [`Isa::reproducible`](crate::kernels::Isa) promise
    /// that they do not fuse.
    fn multiply_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// Whether [`Floats::multiply_add`] rounds once.
    fn fuses(self) -> bool;
    /// `a + b`.
    fn add_f32(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a · b`.
    fn multiply_f32(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`.
    fn divide_f32(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `x`, and 0 where it is NaN.
    fn or_zero(self, x: Self::F32) -> Self::F32;
    /// `a − b`.
    fn subtract_f32(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger of each two, neither being NaN.
    fn larger(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// Whether a lane of `x` is greater than the same of `limit`.
    fn exceeds(self, x: Self::F32, limit: Self::F32) -> bool;
    /// `|x|`.
    fn magnitude(self, x: Self::F32) -> Self::F32;
    /// `min(max(x, lo), hi)`; nothing is NaN.
    fn limit(self, x: Self::F32, limits: (Self::F32, Self::F32)) -> Self::F32;
    /// `x` limited to `lo..=hi`; NaN stays NaN.
    fn clamp_f32(self, x: Self::F32, lo: Self::F32, hi: Self::F32) -> Self::F32;
    /// Reads [`Self::F32_LANES`] numbers.
    ///
    /// # Safety
    /// They are readable; alignment is that of `f32`.
    unsafe fn load_f32(self, from: *const f32) -> Self::F32;
    /// Reads twice as many numbers and gives those at even places.
    ///
    /// # Safety
    /// They are readable; alignment is that of `f32`.
    unsafe fn load_even(self, from: *const f32) -> Self::F32;
    /// The larger of each two, NaN where one of them is; the first of equals.
    fn maximum(self, first: Self::F32, second: Self::F32) -> Self::F32;
    /// Writes [`Self::F32_LANES`] numbers.
    ///
    /// # Safety
    /// They are writable; alignment is that of `f32`.
    unsafe fn store_f32(self, to: *mut f32, x: Self::F32);
}

/// `x` limited to `lo..=hi`; NaN stays NaN.
///
/// NaN has a selection of its own because, where relaxed SIMD is enabled, the compiler makes
/// `relaxed_min` and `relaxed_max` of a comparison and selection, and those leave NaN open.
#[inline(always)]
pub(crate) fn limited(x: f32, lo: f32, hi: f32) -> f32 {
    let above = if x < lo { lo } else { x };
    let within = if above > hi { hi } else { above };
    if x.is_nan() { x } else { within }
}

/// Integer dot products of short groups: each 32-bit lane gains `GROUP` products at once.
pub(crate) trait Dot: Copy {
    /// An activation as the instruction wants it.
    type Activation: Copy + Default;
    /// A weight as the instruction wants it.
    type Weight: WeightElement;
    /// Operand of the instruction.
    type Operand: Copy;
    /// `LANES` sums.
    type Sums: Copy;
    /// `LANES` real numbers.
    type Reals: Copy;
    /// The instruction set that this is a dot product of.
    type Whole: Simd<Sums = Self::Sums, F32 = Self::Reals>;
    /// 32-bit lanes.
    const LANES: usize;
    /// Products summed into one lane by one instruction.
    const GROUP: usize;

    /// Everything else that the instruction set can do.
    fn whole(self) -> Self::Whole;
    /// What is subtracted from a code when it is stored as an [`Self::Activation`].
    fn shift(self) -> i32;
    /// A code as the instruction wants it: `code − shift`.
    fn activation(self, code: u8) -> Self::Activation;
    /// Sixteen codes as the instruction wants them.
    ///
    /// # Safety
    /// They are readable, and as many activations writable.
    unsafe fn convert16(self, from: *const u8, to: *mut Self::Activation);
    /// The codes themselves, where the instruction takes them as they are.
    fn borrow_codes(self, codes: &[u8]) -> Option<&[Self::Activation]>;
    /// All sums zero.
    fn zero(self) -> Self::Sums;
    /// Adds to each lane its `GROUP` products, wrapping.
    fn dot(self, sums: Self::Sums, weights: Self::Operand, activations: Self::Operand) -> Self::Sums;
    /// Reads `LANES · GROUP` weights.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_weights(self, from: *const Self::Weight) -> Self::Operand;
    /// Reads `GROUP` activations and repeats them in every lane.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn splat_activations(self, from: *const Self::Activation) -> Self::Operand;
    /// Writes `LANES` sums.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store_sums(self, to: *mut i32, sums: Self::Sums);
    /// Reads `LANES` integers.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_sums(self, from: *const i32) -> Self::Sums;
    /// The same integer in every lane.
    fn splat_sums(self, x: i32) -> Self::Sums;
    /// `a + b`, wrapping.
    fn add_sums(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// Reads `LANES` real numbers.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_reals(self, from: *const f32) -> Self::Reals;
    /// The same number in every lane.
    fn splat_reals(self, x: f32) -> Self::Reals;
    /// `sums as f32 · factors`, rounded after each of the two.
    fn scale(self, sums: Self::Sums, factors: Self::Reals) -> Self::Reals;
    /// The bits of `min(max(x, lo), hi) + shift`; nothing is NaN.
    fn limited_bits(
        self,
        x: Self::Reals,
        limits: (Self::Reals, Self::Reals),
        shift: Self::Reals,
    ) -> Self::Sums;
    /// Writes two vectors of integers within −32768..=32767 as `2 · LANES` codes, saturating.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store_codes(self, to: *mut u8, first: Self::Sums, second: Self::Sums);
}

/// Two taps of neighbouring channels as pairs, for depthwise convolution, and bytes by themselves.
pub(crate) trait Taps:
    Floats + Dot<Activation = i16, Weight = i16, Reals = <Self as Floats>::F32>
{
    /// Sixteen codes.
    type Bytes: Copy;

    /// Lane `i` of vector `v` becomes the pair `(first[v · LANES + i], second[v · LANES + i])`.
    ///
    /// # Safety
    /// `4 · LANES` codes are readable at both.
    unsafe fn interleave(self, first: *const u8, second: *const u8) -> [Self::Operand; 4];
    /// Reads sixteen codes.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_bytes(self, from: *const u8) -> Self::Bytes;
    /// The larger of each two.
    fn max_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The smaller of each two.
    fn min_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Writes sixteen codes.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store_bytes(self, to: *mut u8, bytes: Self::Bytes);
    /// `4 · LANES` codes as integers.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_codes(self, from: *const u8) -> [Self::Sums; 4];
    /// `2 · LANES` codes as integers.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load_pair(self, from: *const u8) -> [Self::Sums; 2];
    /// The same code sixteen times.
    fn splat_byte(self, x: u8) -> Self::Bytes;
    /// Writes two vectors of integers as `2 · LANES` codes, limited to a range of codes.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store_within(
        self,
        to: *mut u8,
        codes: (Self::Sums, Self::Sums),
        range: (Self::Bytes, Self::Bytes),
    );
    /// Integers as real numbers.
    fn reals(self, sums: Self::Sums) -> Self::F32;
    /// The bits of real numbers.
    fn bits(self, x: Self::F32) -> Self::Sums;
}

/// Everything that a general algorithm may use.
pub(crate) trait Simd: Taps {}
impl<T: Taps> Simd for T {}

/// An algorithm that is ready to run on whichever instruction set is chosen.
pub(crate) trait Task {
    /// What it gives.
    type Output;
    /// Whether its result depends on products and sums of `f32` being fused. What does not is the same
    /// on two sets that differ in nothing else, and compiled for one of them.
    const SUMS_REALS: bool;
    /// Runs it; implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An algorithm that needs integer dot products only.
pub(crate) trait DotTask {
    /// What it gives.
    type Output;
    /// Runs it; implementations are `#[inline(always)]`.
    fn run<D: Dot>(self, dot: D) -> Self::Output;
}

/// Packed weights of either width.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WeightPanels {
    /// For groups of four.
    I8(Vec<i8>),
    /// For pairs.
    I16(Vec<i16>),
}

/// A stored weight: knows which kind of panel it belongs to.
pub(crate) trait WeightElement: Copy + Default {
    /// From the weight itself, which fits.
    fn from_i16(weight: i16) -> Self;
    /// Panels of this element.
    fn wrap(panels: Vec<Self>) -> WeightPanels;
    /// The elements; empty when the panels are of the other kind.
    fn unwrap(panels: &WeightPanels) -> &[Self];
}

impl WeightElement for i8 {
    fn from_i16(weight: i16) -> Self {
        weight as Self
    }
    fn wrap(panels: Vec<Self>) -> WeightPanels {
        WeightPanels::I8(panels)
    }
    fn unwrap(panels: &WeightPanels) -> &[Self] {
        match panels {
            WeightPanels::I8(elements) => elements,
            WeightPanels::I16(_) => &[],
        }
    }
}

impl WeightElement for i16 {
    fn from_i16(weight: i16) -> Self {
        weight
    }
    fn wrap(panels: Vec<Self>) -> WeightPanels {
        WeightPanels::I16(panels)
    }
    fn unwrap(panels: &WeightPanels) -> &[Self] {
        match panels {
            WeightPanels::I16(elements) => elements,
            WeightPanels::I8(_) => &[],
        }
    }
}
