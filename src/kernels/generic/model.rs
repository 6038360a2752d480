//! Models of instructions that this machine may not have, so that the code around them is tested
//! everywhere: the four-product dot with activations as they are, and shifted by 128.

use super::conv_i8::{ConvTask, GemmTask};
use super::gemm_i8::{PackTask, PackedWeights};
use super::sinks::{SumSink, WeightSums};
use super::{Dot, DotTask};
use crate::kernels::affine::QuantizedInput;
use crate::kernels::arch::portable::Portable;
use crate::kernels::integer::widened;
use crate::kernels::layout::Conv2dGeometry;
use crate::kernels::reference;
use crate::kernels::testing::{Cases, square_conv};
use wasm_bindgen_test::wasm_bindgen_test;

/// Four products a lane; `SHIFTED` reads activations as signed.
#[derive(Debug, Clone, Copy)]
struct Model<const SHIFTED: bool>;

impl<const SHIFTED: bool> Dot for Model<SHIFTED> {
    type Activation = u8;
    type Weight = i8;
    type Operand = [u8; 16];
    type Sums = [i32; 4];
    type Reals = [f32; 4];
    type Whole = Portable;
    const LANES: usize = 4;
    const GROUP: usize = 4;

    fn whole(self) -> Portable {
        Portable
    }
    fn shift(self) -> i32 {
        if SHIFTED { 128 } else { 0 }
    }
    fn activation(self, code: u8) -> u8 {
        if SHIFTED { code ^ 128 } else { code }
    }
    unsafe fn convert16(self, from: *const u8, to: *mut u8) {
        // SAFETY: the caller says that sixteen codes are readable and sixteen activations writable.
        unsafe { to.cast::<[u8; 16]>().write(from.cast::<[u8; 16]>().read().map(|c| self.activation(c))) }
    }
    fn borrow_codes(self, codes: &[u8]) -> Option<&[u8]> {
        (!SHIFTED).then_some(codes)
    }
    fn zero(self) -> [i32; 4] {
        Portable.zero()
    }
    fn dot(self, sums: [i32; 4], weights: [u8; 16], activations: [u8; 16]) -> [i32; 4] {
        let value = |code: u8| {
            if SHIFTED { i32::from(code as i8) } else { i32::from(code) }
        };
        let product = |i: usize| i32::from(weights[i] as i8) * value(activations[i]);
        core::array::from_fn(|lane| sums[lane] + (0..4).map(|i| product(4 * lane + i)).sum::<i32>())
    }
    unsafe fn load_weights(self, from: *const i8) -> [u8; 16] {
        // SAFETY: the caller says that sixteen weights are readable.
        unsafe { from.cast::<[u8; 16]>().read_unaligned() }
    }
    unsafe fn splat_activations(self, from: *const u8) -> [u8; 16] {
        // SAFETY: the caller says that four activations are readable.
        let group = unsafe { from.cast::<[u8; 4]>().read_unaligned() };
        core::array::from_fn(|i| group[i % 4])
    }
    unsafe fn store_sums(self, to: *mut i32, sums: [i32; 4]) {
        // SAFETY: the same contract.
        unsafe { Portable.store_sums(to, sums) }
    }
    unsafe fn load_sums(self, from: *const i32) -> [i32; 4] {
        // SAFETY: the same contract.
        unsafe { Portable.load_sums(from) }
    }
    fn splat_sums(self, x: i32) -> [i32; 4] {
        Portable.splat_sums(x)
    }
    fn add_sums(self, a: [i32; 4], b: [i32; 4]) -> [i32; 4] {
        Portable.add_sums(a, b)
    }
    unsafe fn load_reals(self, from: *const f32) -> [f32; 4] {
        // SAFETY: the same contract.
        unsafe { Portable.load_reals(from) }
    }
    fn splat_reals(self, x: f32) -> [f32; 4] {
        Portable.splat_reals(x)
    }
    fn scale(self, sums: [i32; 4], factors: [f32; 4]) -> [f32; 4] {
        Portable.scale(sums, factors)
    }
    fn limited_bits(self, x: [f32; 4], limits: ([f32; 4], [f32; 4]), shift: [f32; 4]) -> [i32; 4] {
        Portable.limited_bits(x, limits, shift)
    }
    unsafe fn store_codes(self, to: *mut u8, first: [i32; 4], second: [i32; 4]) {
        // SAFETY: the same contract.
        unsafe { Portable.store_codes(to, first, second) }
    }
}

/// `Σw` per row of `depth` weights.
fn row_sums(weights: &[i8], depth: usize) -> WeightSums {
    let signed = weights.chunks_exact(depth).map(|row| row.iter().map(|&w| i32::from(w)).sum()).collect();
    WeightSums { signed, absolute: Vec::new() }
}

fn check_gemm<D: Dot>(dot: D) {
    let mut cases = Cases::new(41);
    for (rows, depth, columns) in [(1, 1, 1), (4, 4, 4), (7, 8, 5), (5, 13, 9), (100, 40, 3)] {
        let (data, weights) = (cases.codes(rows * depth), cases.weights(columns * depth));
        let input = QuantizedInput { data: &data, zero_point: cases.code() };
        let packed = PackTask { weights_nk: &widened(&weights), columns, depth }.run(dot);
        let sums = row_sums(&weights, depth);
        let (mut actual, mut expected) = (vec![0; rows * columns], vec![1; rows * columns]);
        let sink = &mut SumSink::new(input.zero_point, &sums, &mut actual);
        GemmTask { input, depth, columns, weights: &packed, sink }.run(dot);
        reference::gemm_i32(input, &weights, depth, &mut expected);
        assert_eq!(actual, expected, "m k n {:?}", (rows, depth, columns));
    }
}

/// One tap, so that OIHW weights are also the packed order.
fn check_pointwise<D: Dot>(dot: D, geometry: &Conv2dGeometry, cases: &mut Cases) {
    let (data, weights) = (cases.codes(geometry.input_len()), cases.weights(geometry.weights_len()));
    let input = QuantizedInput { data: &data, zero_point: cases.code() };
    let (columns, depth) = (geometry.out_channels_per_group(), geometry.depth());
    let wide = widened(&weights);
    let groups = wide.chunks_exact(columns * depth);
    let packed: Vec<PackedWeights> =
        groups.map(|weights_nk| PackTask { weights_nk, columns, depth }.run(dot)).collect();
    let sums = row_sums(&weights, depth);
    let (mut actual, mut expected) = (vec![0; geometry.output_len()], vec![1; geometry.output_len()]);
    let sink = &mut SumSink::new(input.zero_point, &sums, &mut actual);
    let rows = 0..geometry.output_len() / geometry.out_channels();
    ConvTask { geometry, input, weights: &packed, rows, sink }.run(dot);
    reference::conv2d_i32(geometry, input, &weights, &mut expected);
    assert_eq!(actual, expected, "{geometry:?}");
}

fn check_conv<D: Dot>(dot: D) {
    let mut cases = Cases::new(42);
    for (channels, size, window) in [
        ([1, 4, 5], 6, [1, 1, 1, 0]),
        ([1, 8, 3], 6, [1, 1, 1, 0]),
        ([1, 5, 3], 6, [1, 1, 1, 0]),
        ([2, 8, 6], 6, [1, 1, 1, 0]),
        ([1, 4, 6], 6, [1, 2, 1, 1]),
    ] {
        check_pointwise(dot, &square_conv(channels, size, window), &mut cases);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn groups_of_four_are_exact_with_activations_as_they_are() {
    check_gemm(Model::<false>);
    check_conv(Model::<false>);
}

#[wasm_bindgen_test(unsupported = test)]
fn groups_of_four_are_exact_with_shifted_activations() {
    check_gemm(Model::<true>);
    check_conv(Model::<true>);
}
