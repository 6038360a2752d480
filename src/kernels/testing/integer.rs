//! Integer matrix product and convolution against the reference: equal, bit for bit.

use super::elementwise::sums_of_codes;
use super::{Cases, far_reaching_windows, square_conv};
use crate::kernels::isa::{Isa, RelaxedDot, relaxed_dot};
use crate::kernels::layout::{Conv2dGeometry, Window2d};
use crate::kernels::{
    AddU8, KernelError, PackedConvI8, PackedGemmI8, QuantizedInput, Requantize, RequantizeAdd, conv2d_add_u8,
    conv2d_i32, conv2d_u8, gemm_i32, gemm_u8, reference,
};

const ZERO_POINTS: [u8; 4] = [0, 1, 128, 255];

fn check_gemm(isa: Isa, input: QuantizedInput<'_>, weights: &[i8], depth: usize) -> PackedGemmI8 {
    let packed = PackedGemmI8::pack(isa, depth, weights).unwrap();
    let len = input.data.len() / depth * packed.columns();
    let (mut actual, mut expected) = (vec![1; len], vec![2; len]);
    gemm_i32(input, &packed, &mut actual).unwrap();
    reference::gemm_i32(input, weights, depth, &mut expected);
    let shape = (input.data.len() / depth, depth, packed.columns());
    assert_eq!(actual, expected, "{}, m k n {shape:?}, zero point {}", packed.kernel(), input.zero_point);
    packed
}

pub(crate) fn gemm_equals_the_reference_on_a_table_of_shapes(isa: Isa) {
    let mut cases = Cases::new(1);
    for rows in [0, 1, 3, 4, 5, 6, 7, 13] {
        for depth in [1, 2, 3, 4, 5, 7, 8, 9, 31, 64] {
            for columns in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33] {
                let (data, weights) = (cases.codes(rows * depth), cases.weights(columns * depth));
                let zero_point = cases.pick(&ZERO_POINTS);
                check_gemm(isa, QuantizedInput { data: &data, zero_point }, &weights, depth);
            }
        }
    }
    let (data, weights) = (cases.codes(300 * 70), cases.weights(20 * 70));
    check_gemm(isa, QuantizedInput { data: &data, zero_point: 7 }, &weights, 70);
}

pub(crate) fn gemm_is_exact_with_extreme_operands(isa: Isa) {
    let weight_pairs = [[-128, -128], [127, 127], [-128, 127], [127, -127], [-128, 0], [64, 64], [127, 1]];
    let code_pairs = [[255, 255], [0, 0], [255, 0], [0, 255], [128, 127], [127, 128]];
    for depth in [1, 2, 3, 4, 7, 16, 129] {
        for weight_pair in weight_pairs {
            for code_pair in code_pairs {
                let weights: Vec<i8> = (0..9 * depth).map(|i| weight_pair[i % depth % 2]).collect();
                let data: Vec<u8> = (0..5 * depth).map(|i| code_pair[i % depth % 2]).collect();
                for zero_point in ZERO_POINTS {
                    check_gemm(isa, QuantizedInput { data: &data, zero_point }, &weights, depth);
                }
            }
        }
    }
}

pub(crate) fn gemm_is_exact_up_to_the_accumulator_bound(isa: Isa) {
    for (weight, depth) in [(-128, 65_793), (127, 66_311), (-127, 66_311)] {
        let weights = vec![weight; depth];
        for (code, zero_point) in [(255, 0), (0, 255), (255, 255), (128, 1)] {
            let data = vec![code; depth];
            check_gemm(isa, QuantizedInput { data: &data, zero_point }, &weights, depth);
        }
        let longer = PackedGemmI8::pack(isa, depth + 1, &vec![weight; depth + 1]);
        assert!(matches!(longer, Err(KernelError::AccumulatorOverflow { channel: 0, .. })), "{longer:?}");
    }
}

pub(crate) fn differences_of_codes_are_exact(isa: Isa) {
    let mut cases = Cases::new(9);
    for [rows, depth, columns] in [[1, 1, 1], [4, 2, 8], [5, 31, 9], [7, 64, 33], [2, 33_025, 3]] {
        let data = if depth > 64 { vec![255; rows * depth] } else { cases.codes(rows * depth) };
        let mut weights = cases.differences(columns * depth);
        weights[..depth].fill(-255);
        let input = QuantizedInput { data: &data, zero_point: cases.pick(&ZERO_POINTS) };
        let (mut actual, mut expected) = (vec![1; rows * columns], vec![2; rows * columns]);
        let packed = PackedGemmI8::pack_differences(isa, depth, &weights).unwrap();
        assert_eq!(packed.kernel().name, "i16-pairs");
        gemm_i32(input, &packed, &mut actual).unwrap();
        reference::gemm_i32(input, &weights, depth, &mut expected);
        assert_eq!(actual, expected, "m k n {:?}", [rows, depth, columns]);
    }
    let deepest = PackedGemmI8::pack_differences(isa, 33_026, &vec![255; 33_026]);
    assert!(matches!(deepest, Err(KernelError::AccumulatorOverflow { .. })), "{deepest:?}");
    for w in [256, -256, i16::MIN] {
        let error = PackedGemmI8::pack_differences(isa, 2, &[0, w]).unwrap_err();
        assert!(matches!(error, KernelError::Parameter { name: "weight", .. }), "{error:?}");
    }
    for _ in 0..60 {
        let geometry = cases.geometry();
        let (data, mut weights) =
            (cases.codes(geometry.input_len()), cases.differences(geometry.weights_len()));
        weights[0] = 255;
        let input = QuantizedInput { data: &data, zero_point: cases.code() };
        let packed = PackedConvI8::pack_differences(isa, &geometry, &weights).unwrap();
        let (mut actual, mut expected) = (vec![1; geometry.output_len()], vec![2; geometry.output_len()]);
        conv2d_i32(&geometry, input, &packed, &mut actual).unwrap();
        reference::conv2d_i32(&geometry, input, &weights, &mut expected);
        assert_eq!(actual, expected, "{}: {geometry:?}", packed.kernel());
    }
}

pub(crate) fn gemm_takes_the_fast_path_for_bounded_pairs(isa: Isa) {
    let mut cases = Cases::new(2);
    let pairs = [[64, 64], [-64, -64], [-128, 0], [0, -128], [127, 1], [-1, -127], [3, -5]];
    for depth in [1_usize, 2, 5, 8, 36, 65] {
        let mut weights = Vec::new();
        for _ in 0..11 {
            let row = (0..depth.div_ceil(2)).flat_map(|_| cases.pick(&pairs));
            weights.extend(row.take(depth));
        }
        for codes in [cases.codes(7 * depth), vec![255; 7 * depth]] {
            let input = QuantizedInput { data: &codes, zero_point: 3 };
            let packed = check_gemm(isa, input, &weights, depth);
            let is_fast = packed.kernel().name != "i16-pairs";
            let can_be = isa == Isa::RelaxedSimd && relaxed_dot() != RelaxedDot::Unusable;
            assert_eq!(is_fast, can_be, "{} on {:?}", packed.kernel(), relaxed_dot());
        }
    }
}

pub(crate) fn requantization_saturates_and_rounds_half_to_even(isa: Isa) {
    let multipliers = [0.5, 0.25, 1.0, -0.5, 0.0, 1e-45, 3e38, -3e38, 0.001_234, 1.0 / 3.0];
    let biases = [0, 1, -3, 127, i32::MAX, i32::MIN, i32::MAX - 300, 1 << 24 | 1, -(1 << 25) - 3];
    let (rows, columns) = (256, multipliers.len() * biases.len());
    let data: Vec<u8> = (0..=255).collect();
    let weights: Vec<i8> = (0..columns).map(|i| if i % 2 == 0 { 1 } else { -128 }).collect();
    let packed = PackedGemmI8::pack(isa, 1, &weights).unwrap();
    let bias: Vec<i32> = (0..columns).map(|i| biases[i % biases.len()]).collect();
    let each: Vec<f32> = (0..columns).map(|i| multipliers[i / biases.len()]).collect();
    for (input_zero, zero_point, min, max) in [(0, 0, 0, 255), (128, 100, 100, 200), (255, 255, 0, 255)] {
        let input = QuantizedInput { data: &data, zero_point: input_zero };
        let mut sums = vec![0; rows * columns];
        reference::gemm_i32(input, &weights, 1, &mut sums);
        for multiplier in [each.clone(), vec![0.5], vec![0.1]] {
            let limits = Vec::new();
            let requantize = Requantize { bias: bias.clone(), multiplier, zero_point, min, max, limits };
            let mut actual = vec![0; rows * columns];
            gemm_u8(input, &packed, &requantize, &mut actual).unwrap();
            let expected = |(i, &sum)| reference::requantize(sum, i % columns, &requantize);
            let expected: Vec<u8> = sums.iter().enumerate().map(expected).collect();
            assert_eq!(actual, expected);
            // The least code of each row counts, whatever the convolution's own range of codes is.
            let limits = (0..columns).map(|column| (column * 37) as u8).collect();
            let limited = Requantize { limits, ..requantize };
            gemm_u8(input, &packed, &limited, &mut actual).unwrap();
            let expected = |(i, &sum)| reference::requantize(sum, i % columns, &limited);
            let limited: Vec<u8> = sums.iter().enumerate().map(expected).collect();
            assert_eq!(actual, limited);
        }
    }
}

fn check_conv(isa: Isa, geometry: &Conv2dGeometry, cases: &mut Cases) {
    let (data, weights) = (cases.codes(geometry.input_len()), cases.weights(geometry.weights_len()));
    check_conv_with(isa, geometry, (&data, &weights), cases);
}

fn check_conv_with(isa: Isa, geometry: &Conv2dGeometry, (data, weights): (&[u8], &[i8]), cases: &mut Cases) {
    let channels = geometry.out_channels();
    let input = QuantizedInput { data, zero_point: cases.code() };
    let packed = PackedConvI8::pack(isa, geometry, weights).unwrap();
    let (mut sums, mut expected) = (vec![1; geometry.output_len()], vec![2; geometry.output_len()]);
    conv2d_i32(geometry, input, &packed, &mut sums).unwrap();
    reference::conv2d_i32(geometry, input, weights, &mut expected);
    assert_eq!(sums, expected, "{}: {geometry:?}", packed.kernel());
    let requantize = Requantize {
        bias: (0..channels).map(|_| cases.between(0, 20_000) as i32 - 10_000).collect(),
        multiplier: (0..channels).map(|_| cases.real() * 0.01).collect(),
        zero_point: cases.code(),
        min: 3,
        max: 250,
        limits: Vec::new(),
    };
    let mut codes = vec![0; geometry.output_len()];
    conv2d_u8(geometry, input, &packed, &requantize, &mut codes).unwrap();
    let expected = |(i, &sum)| reference::requantize(sum, i % channels, &requantize);
    let expected: Vec<u8> = sums.iter().enumerate().map(expected).collect();
    assert_eq!(codes, expected, "{}: {geometry:?}", packed.kernel());
    let limited = Requantize { limits: cases.codes(channels), ..requantize.clone() };
    conv2d_u8(geometry, input, &packed, &limited, &mut codes).unwrap();
    let expected_limited = |(i, &code): (usize, &u8)| limited.limits[i % channels].min(code);
    let expected_limited: Vec<u8> = expected.iter().enumerate().map(expected_limited).collect();
    assert_eq!(codes, expected_limited, "{}: {geometry:?}", packed.kernel());
    let codes = expected;
    if !geometry.is_depthwise() {
        let other = cases.codes(codes.len());
        let add = any_sum(cases);
        check_sum(geometry, (input, &packed, &requantize), (&codes, &other), add);
    }
}

/// Summands of some scales and zero points.
fn any_sum(cases: &mut Cases) -> AddU8 {
    AddU8 {
        lhs_zero_point: cases.code(),
        lhs_factor: cases.pick(&[0.5, 0.731, 1.0, -1.3, 0.004, 200.0]),
        rhs_zero_point: cases.code(),
        rhs_factor: cases.pick(&[0.5, 1.319, -1.0, 0.25, 1.0 / 4096.0, 0.0]),
        zero_point: cases.code(),
        min: cases.pick(&[0, 5, 100]),
        max: cases.pick(&[255, 200, 100]),
    }
}

/// A convolution with codes on either side of a sum, against the sum of its own codes.
fn check_sum(
    geometry: &Conv2dGeometry,
    (input, packed, requantize): (QuantizedInput<'_>, &PackedConvI8, &Requantize),
    (codes, other): (&[u8], &[u8]),
    add: AddU8,
) {
    for is_lhs in [true, false] {
        let mut sum = other.to_vec();
        let finish = RequantizeAdd { requantize, add, is_lhs };
        conv2d_add_u8(geometry, input, packed, finish, &mut sum).unwrap();
        let of = |(&code, &other): (&u8, &u8)| {
            let (lhs, rhs) = if is_lhs { (code, other) } else { (other, code) };
            reference::add_u8(lhs, rhs, &add)
        };
        let expected: Vec<u8> = codes.iter().zip(other).map(of).collect();
        assert_eq!(sum, expected, "{}: {geometry:?}, {add:?}, left {is_lhs}", packed.kernel());
    }
}

pub(crate) fn convolution_adds_all_pairs_of_codes_as_the_definition(isa: Isa) {
    // Every code as it is, in every channel; with the first 16 channels all pairs, in whole vectors.
    let geometry = square_conv([1, 1, 18], 65, [1, 1, 1, 0]);
    let packed = PackedConvI8::pack(isa, &geometry, &[1; 18]).unwrap();
    let data: Vec<u8> = (0..65 * 65).map(|position| position as u8).collect();
    let other = |at: usize| (at / 18 / 256 * 16 + at % 18) as u8;
    let other: Vec<u8> = (0..geometry.output_len()).map(other).collect();
    let input = QuantizedInput { data: &data, zero_point: 0 };
    for add in sums_of_codes() {
        for (bias, code_zero) in [(0, 0), (-100, 100), (i32::MAX - 100, 7)] {
            let requantize = Requantize {
                bias: vec![bias; 18],
                multiplier: vec![1.0],
                zero_point: code_zero,
                min: 0,
                max: 255,
                limits: Vec::new(),
            };
            let codes: Vec<u8> = (0..geometry.output_len())
                .map(|at| reference::requantize(data[at / 18].into(), at % 18, &requantize))
                .collect();
            check_sum(&geometry, (input, &packed, &requantize), (&codes, &other), add);
        }
    }
}

pub(crate) fn convolution_equals_the_reference_on_a_table(isa: Isa) {
    let mut cases = Cases::new(3);
    for (channels, size, window) in [
        ([1, 3, 16], 9, [3, 2, 1, 1]),
        ([1, 3, 8], 12, [7, 2, 1, 3]),
        ([1, 16, 24], 7, [3, 1, 2, 2]),
        ([1, 64, 32], 5, [3, 1, 1, 1]),
        ([4, 16, 16], 6, [3, 1, 1, 1]),
        ([2, 6, 10], 6, [5, 3, 1, 2]),
        ([8, 8, 16], 6, [3, 1, 1, 1]),
        ([1, 5, 7], 1, [1, 1, 1, 0]),
        ([1, 130, 9], 1, [3, 1, 1, 1]),
        ([1, 4, 4], 8, [1, 2, 1, 0]),
    ] {
        check_conv(isa, &square_conv(channels, size, window), &mut cases);
    }
    let all_padding = Window2d {
        input: [1, 2],
        output: [5, 4],
        kernel: [2, 1],
        stride: [2, 3],
        dilation: [1, 1],
        pad_begin: [4, 5],
    };
    check_conv(isa, &Conv2dGeometry::new(2, 1, 3, 5, all_padding).unwrap(), &mut cases);
    let nothing = Window2d { output: [0, 4], ..all_padding };
    check_conv(isa, &Conv2dGeometry::new(1, 3, 3, 3, nothing).unwrap(), &mut cases);
    check_conv(isa, &Conv2dGeometry::new(0, 1, 3, 3, all_padding).unwrap(), &mut cases);
}

pub(crate) fn convolution_equals_the_reference_on_random_geometries(isa: Isa) {
    let mut cases = Cases::new(4);
    for _ in 0..250 {
        let geometry = cases.geometry();
        check_conv(isa, &geometry, &mut cases);
    }
}

pub(crate) fn codes_far_apart_convolve_as_the_reference(isa: Isa) {
    let mut cases = Cases::new(8);
    for window in far_reaching_windows() {
        for groups in [1, 3] {
            check_conv(isa, &Conv2dGeometry::new(1, groups, 3, 3, window).unwrap(), &mut cases);
        }
    }
}

pub(crate) fn depthwise_convolution_handles_every_tail(isa: Isa) {
    let mut cases = Cases::new(5);
    for channels in (1..=19).chain([32, 33]) {
        for window in [[3, 1, 1, 1], [3, 2, 1, 0], [5, 1, 1, 2], [2, 1, 2, 1], [1, 1, 1, 0]] {
            let geometry = square_conv([channels, channels, channels], 6, window);
            check_conv(isa, &geometry, &mut cases);
            let (low, high) = (vec![-128; geometry.weights_len()], vec![255; geometry.input_len()]);
            check_conv_with(isa, &geometry, (&high, &low), &mut cases);
        }
    }
}

pub(crate) fn pointwise_convolution_handles_every_tail(isa: Isa) {
    let mut cases = Cases::new(6);
    for inputs in [1, 2, 3, 4, 5, 8, 12, 15, 16, 17] {
        for outputs in [1, 7, 8, 9, 16, 17] {
            for size in [1, 3, 5] {
                check_conv(isa, &square_conv([1, inputs, outputs], size, [1, 1, 1, 0]), &mut cases);
            }
        }
    }
}

pub(crate) fn operands_may_start_anywhere(isa: Isa) {
    let mut cases = Cases::new(7);
    for (channels, window) in
        [([1, 8, 8], [1, 1, 1, 0]), ([1, 3, 9], [3, 1, 1, 1]), ([9, 9, 9], [3, 1, 1, 1])]
    {
        let geometry = square_conv(channels, 5, window);
        let data = cases.codes(geometry.input_len() + 16);
        let weights = cases.weights(geometry.weights_len() + 16);
        for start in 0..16 {
            let operands =
                (&data[start..][..geometry.input_len()], &weights[start..][..geometry.weights_len()]);
            check_conv_with(isa, &geometry, operands, &mut cases);
        }
    }
}
