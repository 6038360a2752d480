//! The conformance suite: [`kernel_conformance!`] gives an instruction set all of it.
//!
//! Every test compares entry points with `reference` on a table of awkward shapes and on seeded random
//! cases. The same functions run natively, in Node and in a browser worker. A suite whose instruction
//! set this machine lacks is skipped and counted; the count is compared with
//! `BITLENS_SKIPPED_ISAS`, read when the tests are compiled (0 when unset).

pub(crate) mod elementwise;
pub(crate) mod float;
pub(crate) mod integer;
pub(crate) mod pooling;
mod refusals;
#[cfg(not(target_arch = "wasm32"))]
mod threads;

use super::isa::Isa;
use super::layout::{Conv2dGeometry, Window2d};

/// Instantiates the whole suite for one [`Isa`].
macro_rules! kernel_conformance {
    ($isa:expr) => {
        #[cfg(test)]
        mod conformance {
            use crate::kernels::{Isa, testing};
            use wasm_bindgen_test::wasm_bindgen_test;

            const ISA: Isa = $isa;

            $crate::kernels::testing::kernel_conformance! {
                integer: [
                    gemm_equals_the_reference_on_a_table_of_shapes,
                    gemm_is_exact_with_extreme_operands,
                    gemm_is_exact_up_to_the_accumulator_bound,
                    gemm_takes_the_fast_path_for_bounded_pairs,
                    differences_of_codes_are_exact,
                    requantization_saturates_and_rounds_half_to_even,
                    convolution_equals_the_reference_on_a_table,
                    convolution_equals_the_reference_on_random_geometries,
                    codes_far_apart_convolve_as_the_reference,
                    convolution_adds_all_pairs_of_codes_as_the_definition,
                    depthwise_convolution_handles_every_tail,
                    pointwise_convolution_handles_every_tail,
                    operands_may_start_anywhere,
                ],
                float: [
                    gemm_is_within_the_error_bound_on_a_table_of_shapes,
                    gemm_reads_any_strides_and_accumulates,
                    packed_gemm_adds_the_bias_and_clamps,
                    convolution_is_within_the_error_bound,
                    convolution_adds_a_tensor_with_the_bits_of_a_sum,
                    reals_far_apart_convolve_within_the_error_bound,
                    both_gradients_are_within_the_error_bound,
                    a_clamp_keeps_nan,
                    an_empty_depth_gives_the_bias,
                ],
                elementwise: [
                    quantization_equals_the_definition_everywhere,
                    every_length_and_start_quantizes_alike,
                    dequantization_and_fake_quantization_equal_the_definition,
                    addition_equals_the_definition_for_all_pairs,
                    lookup_reads_the_table,
                    transposes_move_every_element,
                ],
                pooling: [
                    max_pooling_equals_the_reference,
                    max_pooling_of_reals_equals_the_reference,
                    average_pooling_equals_the_reference,
                    taps_far_apart_pool_as_the_reference,
                    windows_far_beyond_the_input_end_at_once,
                    global_average_pooling_of_extremes_is_exact,
                ],
            }
        }
    };
    ($($family:ident: [$($case:ident,)*],)*) => {
        $($(
            #[wasm_bindgen_test(unsupported = test)]
            fn $case() {
                if testing::can_test(ISA) {
                    testing::$family::$case(ISA);
                }
            }
        )*)*
    };
}
pub(crate) use kernel_conformance;

/// False, with a line of output, where a suite has to be skipped.
pub(crate) fn can_test(isa: Isa) -> bool {
    if !isa.is_available() {
        println!("skipped: {isa} is not available on this machine");
    }
    isa.is_available()
}

/// A seeded generator (`SplitMix64`): same seed, same cases, on every machine.
pub(crate) struct Cases(u64);

impl Cases {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `lo..=hi`.
    pub(crate) fn between(&mut self, lo: usize, hi: usize) -> usize {
        lo + (self.next() % (hi - lo + 1) as u64) as usize
    }

    /// One of a few.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() - 1)]
    }

    /// Any codes, the two extremes often.
    pub(crate) fn codes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.code()).collect()
    }

    pub(crate) fn code(&mut self) -> u8 {
        match self.next() % 8 {
            0 => 0,
            1 => 255,
            other => (self.next() ^ other) as u8,
        }
    }

    /// Any weights, the two extremes often.
    pub(crate) fn weights(&mut self, count: usize) -> Vec<i8> {
        let weight = |code: u8| (code ^ 128) as i8;
        (0..count).map(|_| weight(self.code())).collect()
    }

    /// Differences of two codes.
    pub(crate) fn differences(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| i16::from(self.code()) - i16::from(self.code())).collect()
    }

    /// A number in `-1.0..1.0`.
    pub(crate) fn real(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn reals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.real()).collect()
    }

    fn window(&mut self) -> Window2d {
        let mut pair = |lo, hi| [self.between(lo, hi), self.between(lo, hi)];
        let (input, kernel, stride) = (pair(1, 11), pair(1, 4), pair(1, 3));
        let (dilation, pad_begin, pad_end) = (pair(1, 3), pair(0, 3), pair(0, 3));
        let output = core::array::from_fn(|axis| {
            let padded = input[axis] + pad_begin[axis] + pad_end[axis];
            padded.saturating_sub((kernel[axis] - 1) * dilation[axis] + 1) / stride[axis] + 1
        });
        Window2d { input, output, kernel, stride, dilation, pad_begin }
    }

    /// Any convolution: grouped, depthwise or dense; strides, dilations, unequal padding.
    pub(crate) fn geometry(&mut self) -> Conv2dGeometry {
        let window = self.window();
        let (batch, groups) = (self.between(1, 2), self.pick(&[1, 1, 2, 3, 5, 9, 17]));
        let (inputs, outputs) =
            if groups < 5 { (self.between(1, 9), self.between(1, 9)) } else { (1, self.between(1, 2)) };
        Conv2dGeometry::new(batch, groups, groups * inputs, groups * outputs, window).unwrap()
    }
}

/// Small inputs and outputs under windows that reach millions of cells into the padding.
pub(crate) fn far_reaching_windows() -> Vec<Window2d> {
    let far = 1 << 24;
    let square = |input, output, kernel, [stride, dilation, pad]: [usize; 3]| Window2d {
        input: [input; 2],
        output: [output; 2],
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [dilation; 2],
        pad_begin: [pad; 2],
    };
    vec![
        square(2, 2, 2, [far, far, far]),
        square(5, 3, 3, [1, far, far]),
        square(5, 5, 3, [2, far, far + 1]),
        square(5, 9, 3, [far, 1, 4 * far + 1]),
        square(3, 1, 2, [1, 1, far]),
        Window2d { stride: [1, far], pad_begin: [0, far], ..square(4, 3, 2, [1, 1, 0]) },
        Window2d { dilation: [far, 1], pad_begin: [far, 1], ..square(4, 3, 2, [1, 1, 0]) },
    ]
}

/// A square convolution for tables: `[in, out, kernel, stride, dilation, pad]` on `size × size`.
pub(crate) fn square_conv(
    channels: [usize; 3],
    size: usize,
    [kernel, stride, dilation, pad]: [usize; 4],
) -> Conv2dGeometry {
    let [groups, inputs, outputs] = channels;
    let output = (size + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
    let window = Window2d {
        input: [size, size],
        output: [output, output],
        kernel: [kernel, kernel],
        stride: [stride, stride],
        dilation: [dilation, dilation],
        pad_begin: [pad, pad],
    };
    Conv2dGeometry::new(1, groups, inputs, outputs, window).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// Instruction sets that this build has a suite for.
    fn built() -> Vec<Isa> {
        let wasm = cfg!(target_arch = "wasm32");
        let in_build = |isa: &Isa| match isa {
            Isa::Portable => true,
            Isa::Simd128 => wasm && cfg!(target_feature = "simd128"),
            Isa::RelaxedSimd => wasm && cfg!(target_feature = "relaxed-simd"),
            Isa::Avx2 | Isa::Avx2Unfused => cfg!(target_arch = "x86_64"),
        };
        Isa::ALL.into_iter().filter(in_build).collect()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn as_many_suites_are_skipped_as_expected() {
        let expected: usize = option_env!("BITLENS_SKIPPED_ISAS").unwrap_or("0").parse().unwrap();
        let skipped = built().into_iter().filter(|isa| !isa.is_available()).count();
        assert_eq!(skipped, expected, "built {:?}, available {:?}", built(), Isa::available());
    }
}
