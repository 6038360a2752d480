//! Elementwise kernels against the definitions: equal, bit for bit.

use super::Cases;
use crate::kernels::isa::Isa;
use crate::kernels::{
    AddU8, AffineParams, ImageLayout, add_u8, dequantize_i8, dequantize_u8, fake_quantize_f32, lookup_u8,
    quantize_i8, quantize_u8, quantize_u8_nchw_to_nhwc, reference, transpose_nchw_to_nhwc,
    transpose_nhwc_to_nchw,
};

fn unsigned() -> Vec<AffineParams> {
    [(0.5, 0, 0, 255), (0.1, 128, 0, 255), (1.0, 255, 0, 255), (1.0 / 3.0, 2, 0, 3), (1e-45, 7, 0, 15)]
        .into_iter()
        .chain([(3e38, 1, 0, 255), (0.007_843_138, 127, 0, 255)])
        .map(|(scale, zero_point, qmin, qmax)| AffineParams::new(scale, zero_point, qmin, qmax).unwrap())
        .collect()
}

fn signed() -> Vec<AffineParams> {
    [(0.5, 0, -127, 127), (0.1, -128, -128, 127), (0.013, 127, -128, 127), (2.0, 0, -2, 1)]
        .map(|(scale, zero_point, qmin, qmax)| AffineParams::new(scale, zero_point, qmin, qmax).unwrap())
        .to_vec()
}

/// Every half step and its neighbours, the odd numbers of `f32`, and random ones.
fn awkward(params: &AffineParams) -> Vec<f32> {
    let mut cases = Cases::new(21);
    let halves = (-600..600).flat_map(|half| {
        let x = half as f32 * 0.5 * params.scale();
        [x, x.next_up(), x.next_down()]
    });
    let specials = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0].into_iter().chain([
        f32::MIN_POSITIVE,
        -1e-45,
        f32::MAX,
        f32::MIN,
        8_388_609.0,
        2_147_483_648.0,
    ]);
    let bits = (0..20_000).map(|_| f32::from_bits(cases.next() as u32));
    halves.chain(specials).chain(bits).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

pub(crate) fn quantization_equals_the_definition_everywhere(isa: Isa) {
    for params in unsigned() {
        let input = awkward(&params);
        let mut out = vec![0; input.len()];
        quantize_u8(isa, &input, &params, &mut out).unwrap();
        let expected: Vec<u8> = input.iter().map(|&x| reference::quantize(x, &params) as u8).collect();
        assert_eq!(out, expected, "{params:?}");
    }
    for params in signed() {
        let input = awkward(&params);
        let mut out = vec![0; input.len()];
        quantize_i8(isa, &input, &params, &mut out).unwrap();
        let expected: Vec<i8> = input.iter().map(|&x| reference::quantize(x, &params) as i8).collect();
        assert_eq!(out, expected, "{params:?}");
    }
}

pub(crate) fn every_length_and_start_quantizes_alike(isa: Isa) {
    let params = AffineParams::new(0.01, 100, 0, 255).unwrap();
    let values = Cases::new(22).reals(100);
    for start in 0..9 {
        for len in 0..70 {
            let input = &values[start..start + len];
            let mut out = vec![0; start + len];
            quantize_u8(isa, input, &params, &mut out[start..]).unwrap();
            let expected: Vec<u8> = input.iter().map(|&x| reference::quantize(x, &params) as u8).collect();
            assert_eq!(out[start..], expected);
        }
    }
}

pub(crate) fn dequantization_and_fake_quantization_equal_the_definition(isa: Isa) {
    let codes: Vec<u8> = (0..=255).collect();
    let mut reals = vec![0.0; 256];
    for params in unsigned() {
        dequantize_u8(isa, &codes, &params, &mut reals).unwrap();
        let expected: Vec<f32> = codes.iter().map(|&q| reference::dequantize(q.into(), &params)).collect();
        assert_eq!(bits(&reals), bits(&expected));
    }
    let wide = AffineParams::new(0.3, -5, -(1 << 20), 1 << 20).unwrap();
    for params in unsigned().into_iter().chain(signed()).chain([wide]) {
        let signed: Vec<i8> = (-128..=127).collect();
        dequantize_i8(isa, &signed, &params, &mut reals).unwrap();
        let expected: Vec<f32> = signed.iter().map(|&q| reference::dequantize(q.into(), &params)).collect();
        assert_eq!(bits(&reals), bits(&expected));
        let input = awkward(&params);
        let mut fake = vec![0.0; input.len()];
        fake_quantize_f32(isa, &input, &params, &mut fake).unwrap();
        let expected: Vec<f32> = input.iter().map(|&x| reference::fake_quantize(x, &params)).collect();
        assert_eq!(bits(&fake), bits(&expected), "{params:?}");
    }
}

/// Zero points at both ends, limits, factors that cancel, are far from one another, or all but vanish.
pub(super) fn sums_of_codes() -> impl Iterator<Item = AddU8> {
    [
        ([0, 0, 0], [0.5, 0.5], [0, 255]),
        ([128, 3, 100], [0.731, 1.319], [0, 255]),
        ([255, 255, 255], [1.0, -1.0], [0, 255]),
        ([10, 20, 30], [0.25, 0.75], [30, 200]),
        ([0, 255, 128], [256.0, 256.0], [1, 254]),
        ([7, 9, 1], [1.0 / 4096.0, -200.0], [0, 255]),
        ([7, 255, 1], [0.0, 0.999_999_94], [0, 255]),
    ]
    .into_iter()
    .map(|([lhs_zero_point, rhs_zero_point, zero_point], [lhs_factor, rhs_factor], [min, max])| AddU8 {
        lhs_zero_point,
        lhs_factor,
        rhs_zero_point,
        rhs_factor,
        zero_point,
        min,
        max,
    })
}

pub(crate) fn addition_equals_the_definition_for_all_pairs(isa: Isa) {
    let lhs: Vec<u8> = (0..=255).flat_map(|a| [a; 256]).collect();
    let rhs: Vec<u8> = (0..256).flat_map(|_| 0..=255).collect();
    for add in sums_of_codes() {
        let mut out = vec![0; lhs.len()];
        add_u8(isa, &lhs, &rhs, &add, &mut out).unwrap();
        let pairs = lhs.iter().zip(&rhs);
        let expected: Vec<u8> = pairs.map(|(&a, &b)| reference::add_u8(a, b, &add)).collect();
        assert_eq!(out, expected, "{add:?}");
    }
}

pub(crate) fn lookup_reads_the_table(isa: Isa) {
    let table = core::array::from_fn(|i| (i * 7 + 3) as u8);
    let input = Cases::new(23).codes(1000);
    let mut out = vec![0; input.len()];
    lookup_u8(isa, &table, &input, &mut out).unwrap();
    assert!(out.iter().zip(&input).all(|(&to, &from)| to == (usize::from(from) * 7 + 3) as u8));
}

pub(crate) fn transposes_move_every_element(isa: Isa) {
    let mut cases = Cases::new(24);
    for (batch, channels, pixels) in [(1, 1, 1), (2, 3, 5), (1, 33, 70), (3, 64, 31), (1, 0, 4), (2, 5, 0)] {
        let layout = ImageLayout { batch, channels, pixels };
        let nchw = cases.reals(batch * channels * pixels);
        let at = |[n, p, c]: [usize; 3]| nchw[(n * channels + c) * pixels + p];
        let place = |i: usize| [i / (channels * pixels), i / channels % pixels, i % channels];
        let expected: Vec<f32> = (0..nchw.len()).map(|i| at(place(i))).collect();
        let mut nhwc = vec![0.0; nchw.len()];
        transpose_nchw_to_nhwc(isa, layout, &nchw, &mut nhwc).unwrap();
        assert_eq!(nhwc, expected);
        let mut back = vec![0.0; nchw.len()];
        transpose_nhwc_to_nchw(isa, layout, &nhwc, &mut back).unwrap();
        assert_eq!(back, nchw);
        let params = AffineParams::new(0.01, 120, 0, 255).unwrap();
        let mut codes = vec![0; nchw.len()];
        quantize_u8_nchw_to_nhwc(isa, layout, &nchw, &params, &mut codes).unwrap();
        let quantized = |&x: &f32| reference::quantize(x, &params) as u8;
        assert_eq!(codes, expected.iter().map(quantized).collect::<Vec<_>>());
        let mut planar = vec![0; codes.len()];
        transpose_nhwc_to_nchw(isa, layout, &codes, &mut planar).unwrap();
        assert_eq!(planar, nchw.iter().map(quantized).collect::<Vec<_>>());
    }
}
