//! Rounding, and the elementwise integer operators that are made of it.

use crate::kernels::affine::{AddU8, AffineParams, fused};

/// THE definition of quantization: `saturate(round_half_even(x / scale) + zero_point)`.
///
/// The quotient is one `f32` division, as ONNX `QuantizeLinear` says; multiplying by `1/scale`
/// would move exact half-steps. Saturation is to `qmin..=qmax`; infinities saturate. NaN gives
/// `zero_point`, the code of zero, since ONNX leaves it open.
///
/// ```
/// use bitlens::kernels::{AffineParams, reference::quantize};
/// let params = AffineParams::new(0.5, 10, 0, 255).unwrap();
/// assert_eq!(quantize(0.25, &params), 10); // half a step: to the even code
/// assert_eq!(quantize(0.75, &params), 12); // one and a half: to the even code
/// assert_eq!(quantize(f32::NAN, &params), 10);
/// ```
pub fn quantize(x: f32, params: &AffineParams) -> i32 {
    let steps = (x / params.scale()).round_ties_even();
    if steps.is_nan() {
        return params.zero_point();
    }
    let code = f64::from(steps) + f64::from(params.zero_point());
    code.clamp(f64::from(params.qmin()), f64::from(params.qmax())) as i32
}

/// The real number that a code stands for: `(q − zero_point) · scale`, one `f32` multiplication.
pub fn dequantize(q: i32, params: &AffineParams) -> f32 {
    (q - params.zero_point()) as f32 * params.scale()
}

/// [`dequantize`] of [`quantize`].
pub fn fake_quantize(x: f32, params: &AffineParams) -> f32 {
    dequantize(quantize(x, params), params)
}

/// One element of [`crate::kernels::add_u8`].
pub fn add_u8(a: u8, b: u8, add: &AddU8) -> u8 {
    let sum = fused(a, add.lhs_factor, fused(b, add.rhs_factor, add.offset()));
    round_to_u8(sum, 0, add.min, add.max)
}

/// `clamp(round_half_even(value) + zero_point, min, max)` of a number that is not NaN.
pub(crate) fn round_to_u8(value: f32, zero_point: u8, min: u8, max: u8) -> u8 {
    let code = f64::from(value.round_ties_even()) + f64::from(zero_point);
    code.clamp(f64::from(min), f64::from(max)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn rounds_half_to_even() {
        let params = AffineParams::new(1.0, 0, -128, 127).unwrap();
        let halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
        assert_eq!(halves.map(|x| quantize(x, &params)), [-2, -2, 0, 0, 2, 2, 4]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn divides_by_the_scale_instead_of_multiplying_by_its_inverse() {
        let mut moved = 0;
        for hundredth in 1..100 {
            let params = AffineParams::new(hundredth as f32 * 0.01, 0, 0, 255).unwrap();
            for half in 0..255 {
                let x = (half as f32 + 0.5) * params.scale();
                let divided = quantize(x, &params);
                assert_eq!(divided, (x / params.scale()).round_ties_even() as i32);
                let multiplied = (x * (1.0 / params.scale())).round_ties_even() as i32;
                moved += usize::from(divided != multiplied);
            }
        }
        assert!(moved > 1000, "multiplying by the inverse moved {moved} codes");
    }

    /// Codes that onnxruntime 1.31 gives on x86-64 with AVX2; one more or one less is as close to the
    /// exact sum, which is within 2·10⁻⁵ of a half step.
    #[wasm_bindgen_test(unsupported = test)]
    fn adds_as_onnxruntime_next_to_half_steps() {
        for (codes, zero_points, factors, expected) in [
            ([113, 24], [161, 73, 250], [0.653_508_37, 0.655_746_94], 187),
            ([238, 235], [231, 69, 92], [1.081_701_5, 0.168_241_49], 127),
            ([16, 249], [199, 181, 197], [1.598_556_4, 1.559_35], 11),
            ([97, 98], [71, 178, 148], [1.611_081_1, 0.692_351_3], 134),
            ([165, 193], [189, 247, 56], [0.692_247_5, 0.701_593_5], 1),
            ([146, 165], [253, 177, 103], [0.487_599_94, 1.777_233_5], 30),
            ([252, 199], [4, 133, 97], [0.207_002_2, 1.093_385_7], 220),
            ([12, 38], [35, 183, 225], [0.845_054_5, 0.531_474_1], 128),
            ([138, 207], [132, 155, 213], [0.158_150_14, 0.779_828_97], 254),
        ] {
            let add = AddU8 {
                lhs_zero_point: zero_points[0],
                lhs_factor: factors[0],
                rhs_zero_point: zero_points[1],
                rhs_factor: factors[1],
                zero_point: zero_points[2],
                min: 0,
                max: 255,
            };
            assert_eq!(add_u8(codes[0], codes[1], &add), expected, "{codes:?} {add:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn saturates_and_gives_nan_the_code_of_zero() {
        let params = AffineParams::new(0.5, 3, 0, 15).unwrap();
        let inputs = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::NAN, 0.0];
        assert_eq!(inputs.map(|x| quantize(x, &params)), [15, 0, 15, 0, 3, 3]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn fake_quantization_is_idempotent_and_within_half_a_step() {
        let params = AffineParams::new(0.037, 11, 0, 255).unwrap();
        for i in -300..9000 {
            let x = i as f32 * 0.001;
            let once = fake_quantize(x, &params);
            assert_eq!(fake_quantize(once, &params), once);
            assert!((once - x).abs() <= params.scale() * 0.500_001, "{x} became {once}");
        }
    }
}
