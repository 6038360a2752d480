//! What entry points refuse, and that they say why.

use super::square_conv;
use crate::kernels::layout::{Conv2dGeometry, MatLayout, Pool2dGeometry, Window2d};
use crate::kernels::{
    Accumulate, AddU8, AffineParams, Epilogue, GemmF32, Isa, KernelError, PackedConvF32, PackedConvI8,
    PackedGemmI8, QuantizedInput, Requantize, RequantizeAdd, add_u8, conv2d_add_u8, conv2d_f32, conv2d_u8,
    fake_quantize_f32, gemm_f32, max_pool_u8, quantize_i8, quantize_u8,
};
use wasm_bindgen_test::wasm_bindgen_test;

const ISA: Isa = Isa::Portable;

fn window() -> Window2d {
    Window2d {
        input: [4, 4],
        output: [4, 4],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        pad_begin: [1, 1],
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn impossible_geometries_are_refused() {
    let zero = |extent| KernelError::Zero { extent };
    assert_eq!(Conv2dGeometry::new(1, 0, 1, 1, window()), Err(zero("groups")));
    let no_stride = Window2d { stride: [1, 0], ..window() };
    assert_eq!(Conv2dGeometry::new(1, 1, 1, 1, no_stride), Err(zero("stride")));
    assert_eq!(
        Conv2dGeometry::new(1, 2, 4, 3, window()),
        Err(KernelError::Groups { which: "output", channels: 3, groups: 2 })
    );
    for huge in [
        Window2d { output: [usize::MAX, 1], stride: [2, 2], ..window() },
        Window2d { dilation: [usize::MAX / 2, 1], ..window() },
        Window2d { pad_begin: [usize::MAX, 0], ..window() },
        Window2d { input: [usize::MAX, 1], ..window() },
    ] {
        assert_eq!(Pool2dGeometry::new(1, 1, huge), Err(KernelError::TooLarge { what: "window" }));
    }
    let many = Conv2dGeometry::new(usize::MAX / 8, 1, 1, 1, window());
    assert_eq!(many, Err(KernelError::TooLarge { what: "convolution input" }));
    assert!(MatLayout::new(usize::MAX, 2, 2, 1).is_err());
    assert!(MatLayout::new(usize::MAX, usize::MAX, 0, 0).is_err());
}

#[wasm_bindgen_test(unsupported = test)]
fn slices_of_the_wrong_length_are_refused_and_named() {
    let geometry = square_conv([1, 2, 3], 4, [3, 1, 1, 1]);
    let packed = PackedConvF32::pack(ISA, &geometry, &[0.0; 54]).unwrap();
    let error = conv2d_f32(&geometry, &[0.0; 31], &packed, Epilogue::default(), &mut [0.0; 48]).unwrap_err();
    assert_eq!(error.to_string(), "input has 31 elements but its layout needs 32");
    let error = PackedConvI8::pack(ISA, &geometry, &[0; 53]).unwrap_err();
    assert_eq!(error.to_string(), "weights has 53 elements but its layout needs 54");
    let error = quantize_u8(ISA, &[0.0; 3], &AffineParams::new(1.0, 0, 0, 255).unwrap(), &mut [0; 2]);
    assert_eq!(error, Err(KernelError::Length { operand: "out", expected: 3, actual: 2 }));
    let pool = Pool2dGeometry::global(1, 3, [2, 2]).unwrap();
    let error = max_pool_u8(ISA, &pool, &[0; 11], &mut [0; 3]);
    assert_eq!(error, Err(KernelError::Length { operand: "input", expected: 12, actual: 11 }));
    assert!(PackedGemmI8::pack(ISA, 4, &[0; 7]).is_err());
    assert!(PackedGemmI8::pack(ISA, 0, &[]).is_err());
    let layout = MatLayout::row_major(2, 3).unwrap();
    let operands = GemmF32 { lhs: &[0.0; 6], lhs_layout: layout, rhs: &[0.0; 6], rhs_layout: layout };
    let error = gemm_f32(ISA, &operands, &mut [0.0; 6], Accumulate::Add);
    assert_eq!(error, Err(KernelError::Mismatch { extent: "rows of rhs", expected: 3, actual: 2 }));
}

#[wasm_bindgen_test(unsupported = test)]
fn weights_packed_for_other_shapes_are_refused() {
    let geometry = square_conv([1, 2, 3], 4, [3, 1, 1, 1]);
    let other = square_conv([1, 2, 3], 4, [1, 1, 1, 0]);
    let packed = PackedConvF32::pack(ISA, &geometry, &[0.0; 54]).unwrap();
    let error = conv2d_f32(&other, &[0.0; 32], &packed, Epilogue::default(), &mut [0.0; 48]);
    assert_eq!(error, Err(KernelError::Mismatch { extent: "kernel height", expected: 3, actual: 1 }));
}

#[wasm_bindgen_test(unsupported = test)]
fn parameters_that_could_make_nan_are_refused() {
    for (scale, zero_point, qmin, qmax) in [
        (0.0, 0, 0, 255),
        (-1.0, 0, 0, 255),
        (f32::NAN, 0, 0, 255),
        (f32::INFINITY, 0, 0, 255),
        (1.0, 256, 0, 255),
        (1.0, 0, 1, 0),
        (1.0, 0, i32::MIN, 0),
        (1.0, 0, 0, i32::MAX),
    ] {
        let error = AffineParams::new(scale, zero_point, qmin, qmax);
        assert!(matches!(error, Err(KernelError::Parameter { .. })), "{error:?}");
    }
    let signed = AffineParams::new(1.0, 0, -128, 127).unwrap();
    assert!(quantize_u8(ISA, &[], &signed, &mut []).is_err());
    let wide = AffineParams::new(1.0, 0, 0, 255).unwrap();
    assert!(quantize_i8(ISA, &[], &wide, &mut []).is_err());
    assert!(fake_quantize_f32(ISA, &[], &signed, &mut []).is_ok());
    let geometry = square_conv([1, 1, 1], 1, [1, 1, 1, 0]);
    let packed = PackedConvI8::pack(ISA, &geometry, &[1]).unwrap();
    let input = QuantizedInput { data: &[1], zero_point: 0 };
    for (bias, multiplier, min) in [(1, vec![f32::NAN], 0), (1, vec![f32::INFINITY], 0), (2, vec![1.0], 0)]
        .into_iter()
        .chain([(1, vec![1.0, 1.0], 0), (1, vec![1.0], 9)])
    {
        let bias = vec![0; bias];
        let requantize = Requantize { bias, multiplier, zero_point: 0, min, max: 8, limits: Vec::new() };
        assert!(conv2d_u8(&geometry, input, &packed, &requantize, &mut [0]).is_err(), "{requantize:?}");
    }
    let limited = |limits: usize| Requantize {
        bias: vec![0],
        multiplier: vec![1.0],
        zero_point: 0,
        min: 0,
        max: 8,
        limits: vec![3; limits],
    };
    assert!(conv2d_u8(&geometry, input, &packed, &limited(1), &mut [0]).is_ok());
    assert!(conv2d_u8(&geometry, input, &packed, &limited(2), &mut [0]).is_err());
}

#[wasm_bindgen_test(unsupported = test)]
fn factors_of_a_sum_that_would_round_twice_are_refused() {
    let add = AddU8 {
        lhs_zero_point: 0,
        lhs_factor: 1.0,
        rhs_zero_point: 0,
        rhs_factor: -1.0,
        zero_point: 0,
        min: 0,
        max: 255,
    };
    assert!(add_u8(ISA, &[], &[], &add, &mut []).is_ok());
    for factor in [256.1, -256.1, 0.000_244, f32::NAN, f32::INFINITY] {
        assert!(add_u8(ISA, &[], &[], &AddU8 { lhs_factor: factor, ..add }, &mut []).is_err());
        assert!(add_u8(ISA, &[], &[], &AddU8 { rhs_factor: factor, ..add }, &mut []).is_err());
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_sum_that_would_be_made_twice_or_wrongly_is_refused() {
    let depthwise = square_conv([2, 2, 2], 3, [3, 1, 1, 1]);
    let dense = square_conv([1, 2, 2], 3, [1, 1, 1, 0]);
    let add = AddU8 {
        lhs_zero_point: 0,
        lhs_factor: 1.0,
        rhs_zero_point: 0,
        rhs_factor: 1.0,
        zero_point: 0,
        min: 0,
        max: 255,
    };
    let plain = Requantize {
        bias: vec![0; 2],
        multiplier: vec![1.0],
        zero_point: 0,
        min: 0,
        max: 255,
        limits: Vec::new(),
    };
    let of = |geometry: &Conv2dGeometry, add, requantize: &Requantize| {
        let weights = vec![1; geometry.weights_len()];
        let packed = PackedConvI8::pack(ISA, geometry, &weights).unwrap();
        let input = QuantizedInput { data: &[0; 18], zero_point: 0 };
        let finish = RequantizeAdd { requantize, add, is_lhs: true };
        conv2d_add_u8(geometry, input, &packed, finish, &mut [7; 18])
    };
    let sum = |geometry: &Conv2dGeometry, add| of(geometry, add, &plain);
    let limited = Requantize { limits: vec![9; 2], ..plain.clone() };
    let error = of(&dense, add, &limited).unwrap_err();
    assert!(error.to_string().contains("limits"), "{error}");
    assert!(sum(&dense, add).is_ok());
    assert!(sum(&dense, AddU8 { rhs_factor: 300.0, ..add }).is_err());
    assert!(sum(&dense, AddU8 { min: 9, max: 8, ..add }).is_err());
    let error = sum(&depthwise, add).unwrap_err();
    assert!(matches!(error, KernelError::Parameter { name: "groups", .. }), "{error}");
}

#[wasm_bindgen_test(unsupported = test)]
fn an_instruction_set_that_is_absent_is_refused() {
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        let params = AffineParams::new(1.0, 0, 0, 255).unwrap();
        let error = quantize_u8(isa, &[1.0], &params, &mut [0]);
        assert_eq!(error, Err(KernelError::IsaUnavailable { isa }));
        assert_eq!(error.unwrap_err().to_string(), format!("{isa} is not available here"));
    }
}
