//! Kernels on several threads: the same bits as on one.

use super::{Cases, far_reaching_windows, square_conv};
use crate::kernels::threads::with_threads;
use crate::kernels::{
    Accumulate, AddU8, AffineParams, Conv2dGeometry, Epilogue, EpilogueAdd, GemmF32, ImageLayout, Isa,
    MatLayout, PackedConvF32, PackedConvI8, PackedGemmF32, PackedGemmI8, Pool2dGeometry, QuantizedInput,
    Requantize, RequantizeAdd, add_u8, conv2d_add_f32, conv2d_add_u8, conv2d_f32, conv2d_i32, conv2d_u8,
    dequantize_i8, dequantize_u8, fake_quantize_f32, gemm_f32, gemm_i32, gemm_packed_f32, gemm_u8, lookup_u8,
    max_pool_f32, max_pool_u8, quantize_i8, quantize_u8, quantize_u8_nchw_to_nhwc, transpose_nchw_to_nhwc,
};

/// What a kernel wrote, as bytes.
type Written = Vec<u8>;

fn bytes<T: bytemuck::NoUninit>(out: &[T]) -> Written {
    bytemuck::cast_slice(out).to_vec()
}

/// Compares what `kernel` writes on one to four threads, and sees that its work was divided.
fn check(what: &dyn core::fmt::Debug, kernel: impl Fn() -> Written) {
    check_where((what, true), kernel);
}

/// As [`check`]; says also whether the work can be divided at all.
fn check_where((what, is_divisible): (&dyn core::fmt::Debug, bool), kernel: impl Fn() -> Written) {
    let expected = kernel();
    for threads in 1..=4 {
        let (actual, divided) = with_threads(threads, &kernel);
        assert!(actual == expected, "{what:?} on {threads} threads");
        let is_divided = is_divisible && threads > 1;
        assert_eq!(divided > 0, is_divided, "{what:?} on {threads} threads was divided {divided} times");
    }
}

/// Of many sizes, also such as have fewer rows or columns than there are threads.
fn convolutions(cases: &mut Cases) -> Vec<Conv2dGeometry> {
    let mut all = vec![
        square_conv([1, 3, 8], 30, [7, 2, 1, 3]), // by columns in full precision
        square_conv([1, 17, 21], 7, [3, 1, 1, 1]), // by rows
        square_conv([1, 12, 40], 14, [1, 1, 1, 0]),
        square_conv([1, 300, 5], 5, [1, 1, 1, 0]), // two blocks of the depth
        square_conv([2, 6, 8], 9, [3, 1, 1, 1]),
        square_conv([1, 4, 5], 3, [3, 1, 1, 0]), // one position
        square_conv([19, 19, 19], 9, [3, 2, 1, 1]),
        square_conv([70, 70, 70], 5, [3, 1, 1, 1]),
    ];
    all.extend((0..40).map(|_| cases.geometry()));
    let far = |window| [1, 3].map(|groups| Conv2dGeometry::new(1, groups, 3, 3, window).unwrap());
    all.extend(far_reaching_windows().into_iter().flat_map(far));
    // One with a single row and a single column cannot be divided.
    all.retain(|geometry| geometry.output_len() / geometry.out_channels() > 4);
    all
}

const ADD: AddU8 = AddU8 {
    lhs_zero_point: 3,
    lhs_factor: 0.613,
    rhs_zero_point: 120,
    rhs_factor: 0.771,
    zero_point: 100,
    min: 100,
    max: 255,
};

fn requantize(channels: usize) -> Requantize {
    let bias = (0..channels as i32).map(|channel| 40 * channel - 300).collect();
    Requantize { bias, multiplier: vec![0.004], zero_point: 7, min: 3, max: 250, limits: Vec::new() }
}

#[test]
fn integer_convolutions_are_the_same_on_any_number_of_threads() {
    let mut cases = Cases::new(501);
    for geometry in convolutions(&mut cases) {
        let (data, weights) = (cases.codes(geometry.input_len()), cases.weights(geometry.weights_len()));
        let input = QuantizedInput { data: &data, zero_point: cases.code() };
        let packed = PackedConvI8::pack(Isa::best(), &geometry, &weights).unwrap();
        check(&geometry, || {
            let mut out = vec![1; geometry.output_len()];
            conv2d_i32(&geometry, input, &packed, &mut out).unwrap();
            bytes(&out)
        });
        check(&geometry, || {
            let mut out = vec![1; geometry.output_len()];
            conv2d_u8(&geometry, input, &packed, &requantize(geometry.out_channels()), &mut out).unwrap();
            out
        });
        let limits = cases.codes(geometry.out_channels());
        let limited = Requantize { limits, ..requantize(geometry.out_channels()) };
        check(&geometry, || {
            let mut out = vec![1; geometry.output_len()];
            conv2d_u8(&geometry, input, &packed, &limited, &mut out).unwrap();
            out
        });
        if geometry.is_depthwise() {
            continue;
        }
        let (other, requantize) = (cases.codes(geometry.output_len()), requantize(geometry.out_channels()));
        let finish = RequantizeAdd { requantize: &requantize, add: ADD, is_lhs: false };
        check(&geometry, || {
            let mut out = other.clone();
            conv2d_add_u8(&geometry, input, &packed, finish, &mut out).unwrap();
            out
        });
    }
}

#[test]
fn convolutions_of_reals_are_the_same_on_any_number_of_threads() {
    let mut cases = Cases::new(502);
    for geometry in convolutions(&mut cases) {
        let (input, weights) = (cases.reals(geometry.input_len()), cases.reals(geometry.weights_len()));
        let (bias, other) = (cases.reals(geometry.out_channels()), cases.reals(geometry.output_len()));
        for isa in [Isa::best(), Isa::reproducible()] {
            let packed = PackedConvF32::pack(isa, &geometry, &weights).unwrap();
            let epilogue = Epilogue { bias: Some(&bias), clamp: Some((-0.5, 0.75)) };
            // Into panels of four rows, or halves of a block of columns.
            let is_divisible = geometry.out_channels_per_group() > 4
                || geometry.window().output_pixels() > 112
                || geometry.is_depthwise();
            check_where((&geometry, is_divisible), || {
                let mut out = vec![f32::NAN; geometry.output_len()];
                conv2d_f32(&geometry, &input, &packed, epilogue, &mut out).unwrap();
                bytes(&out)
            });
            if geometry.is_depthwise() {
                continue;
            }
            let finish = EpilogueAdd { epilogue, other: &other, clamp: Some((0.0, 1.0)) };
            check_where((&geometry, is_divisible), || {
                let mut out = vec![f32::NAN; geometry.output_len()];
                conv2d_add_f32(&geometry, &input, &packed, finish, &mut out).unwrap();
                bytes(&out)
            });
        }
    }
}

#[test]
fn products_are_the_same_on_any_number_of_threads() {
    let mut cases = Cases::new(503);
    for [m, k, n] in [[13, 300, 40], [9, 7, 1], [8, 64, 17], [70, 1030, 24]] {
        let (lhs, rhs) = (cases.reals(m * k), cases.reals(k * n));
        let row_major = |rows, cols| MatLayout::row_major(rows, cols).unwrap();
        // The left side also transposed.
        for lhs_layout in [row_major(m, k), row_major(k, m).transposed()] {
            let operands = GemmF32 { lhs: &lhs, lhs_layout, rhs: &rhs, rhs_layout: row_major(k, n) };
            check(&(m, k, n), || {
                let mut out = vec![0.5; m * n];
                gemm_f32(Isa::best(), &operands, &mut out, Accumulate::Add).unwrap();
                bytes(&out)
            });
            let packed = PackedGemmF32::pack(Isa::best(), &rhs, row_major(k, n)).unwrap();
            let bias = cases.reals(n);
            check(&(m, k, n), || {
                let mut out = vec![f32::NAN; m * n];
                let epilogue = Epilogue { bias: Some(&bias), clamp: None };
                gemm_packed_f32(&lhs, lhs_layout, &packed, epilogue, &mut out).unwrap();
                bytes(&out)
            });
        }
        let (codes, weights) = (cases.codes(m * k), cases.weights(k * n));
        let input = QuantizedInput { data: &codes, zero_point: 100 };
        let packed = PackedGemmI8::pack(Isa::best(), k, &weights).unwrap();
        check(&(m, k, n), || {
            let (mut sums, mut out) = (vec![0; m * n], vec![0; m * n]);
            gemm_i32(input, &packed, &mut sums).unwrap();
            gemm_u8(input, &packed, &requantize(n), &mut out).unwrap();
            [bytes(&sums), out].concat()
        });
    }
}

#[test]
fn pooling_is_the_same_on_any_number_of_threads() {
    let mut cases = Cases::new(504);
    for geometry in convolutions(&mut cases) {
        let geometry = Pool2dGeometry::new(geometry.batch(), geometry.in_channels(), *geometry.window());
        let geometry = geometry.unwrap();
        let (codes, reals) = (cases.codes(geometry.input_len()), cases.reals(geometry.input_len()));
        check(&geometry, || {
            let mut out = vec![1; geometry.output_len()];
            max_pool_u8(Isa::best(), &geometry, &codes, &mut out).unwrap();
            out
        });
        if geometry.batch() * geometry.channels() > 1 {
            check(&geometry, || {
                let mut out = vec![0.0; geometry.output_len()];
                max_pool_f32(Isa::best(), &geometry, &reals, &mut out).unwrap();
                bytes(&out)
            });
        }
    }
}

#[test]
fn elements_are_the_same_on_any_number_of_threads() {
    let mut cases = Cases::new(505);
    let isa = Isa::best();
    for count in [65, 129, 1000, 4099] {
        let (lhs, rhs, reals) = (cases.codes(count), cases.codes(count), cases.reals(count));
        let signed = cases.weights(count);
        let table = core::array::from_fn(|i| (i as u8).wrapping_mul(37));
        let params = AffineParams::new(0.01, 5, 0, 255).unwrap();
        let centred = AffineParams::new(0.01, 0, -128, 127).unwrap();
        check(&count, || {
            let (mut codes, mut signed_codes) = (vec![0; count], vec![0; count]);
            let mut out = vec![0.0; count];
            let mut all = Vec::new();
            add_u8(isa, &lhs, &rhs, &ADD, &mut codes).unwrap();
            all.extend_from_slice(&codes);
            lookup_u8(isa, &table, &lhs, &mut codes).unwrap();
            all.extend_from_slice(&codes);
            quantize_u8(isa, &reals, &params, &mut codes).unwrap();
            all.extend_from_slice(&codes);
            quantize_i8(isa, &reals, &centred, &mut signed_codes).unwrap();
            all.extend(bytes(&signed_codes));
            dequantize_u8(isa, &lhs, &params, &mut out).unwrap();
            all.extend(bytes(&out));
            dequantize_i8(isa, &signed, &centred, &mut out).unwrap();
            all.extend(bytes(&out));
            fake_quantize_f32(isa, &reals, &params, &mut out).unwrap();
            all.extend(bytes(&out));
            all
        });
    }
}

#[test]
fn changes_of_memory_order_are_the_same_on_any_number_of_threads() {
    let mut cases = Cases::new(506);
    for [batch, channels, pixels] in [[1, 3, 50], [2, 33, 70], [3, 70, 33], [5, 1, 9]] {
        let layout = ImageLayout { batch, channels, pixels };
        let reals = cases.reals(batch * channels * pixels);
        let params = AffineParams::new(0.01, 5, 0, 255).unwrap();
        check(&layout, || {
            let mut codes = vec![0; reals.len()];
            quantize_u8_nchw_to_nhwc(Isa::best(), layout, &reals, &params, &mut codes).unwrap();
            let mut out = vec![0.0; reals.len()];
            transpose_nchw_to_nhwc(Isa::best(), layout, &reals, &mut out).unwrap();
            [codes, bytes(&out)].concat()
        });
    }
}
