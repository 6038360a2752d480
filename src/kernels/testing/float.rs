//! `f32` kernels against the `f64` reference: within `γ_k · Σ|a||b|`.

use super::{Cases, far_reaching_windows, square_conv};
use crate::kernels::generic::gemm_f32::BLOCK_DEPTH;
use crate::kernels::isa::Isa;
use crate::kernels::layout::{Conv2dGeometry, MatLayout};
use crate::kernels::reference::{self, Bounded};
use crate::kernels::{
    Accumulate, Epilogue, EpilogueAdd, GemmF32, PackedConvF32, PackedGemmF32, conv2d_add_f32, conv2d_f32,
    conv2d_f32_backward_input, conv2d_f32_backward_weights, gemm_f32, gemm_packed_f32,
};
use wasm_bindgen_test::wasm_bindgen_test;

/// `γ_k = k·u / (1 − k·u)`, with the unit roundoff of `f32`.
fn gamma(k: usize) -> f64 {
    let ku = k as f64 * f64::from(f32::EPSILON) / 2.0;
    ku / (1.0 - ku)
}

/// Sums of `depth` products, then `added` (bias or previous contents), then a clamp.
struct Expected<'a> {
    sums: &'a [Bounded],
    depth: usize,
    added: &'a dyn Fn(usize) -> f32,
    clamp: (f64, f64),
}

const UNLIMITED: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

impl Expected<'_> {
    /// A sum of `k` products and one more term passes at most `k + 1` roundings in any order.
    fn check(&self, actual: &[f32], what: &dyn core::fmt::Debug) {
        assert_eq!(actual.len(), self.sums.len());
        for (i, (&actual, sum)) in actual.iter().zip(self.sums).enumerate() {
            let added = f64::from((self.added)(i));
            let expected = (sum.value + added).clamp(self.clamp.0, self.clamp.1);
            let bound = gamma(self.depth + 1) * (sum.magnitude + added.abs());
            let error = (f64::from(actual) - expected).abs();
            assert!(error <= bound, "{what:?}: element {i} is {actual}, expected {expected} ± {bound}");
        }
    }
}

fn check_sums(actual: &[f32], sums: &[Bounded], depth: usize, what: &dyn core::fmt::Debug) {
    Expected { sums, depth, added: &|_| 0.0, clamp: UNLIMITED }.check(actual, what);
}

pub(crate) fn gemm_is_within_the_error_bound_on_a_table_of_shapes(isa: Isa) {
    let mut cases = Cases::new(11);
    let mut shapes = vec![[13, 300, 140], [6, 257, 129], [1, 600, 200], [200, 5, 1]];
    for m in [0, 1, 3, 4, 5, 6, 7, 13] {
        for k in [1, 2, 3, 9] {
            shapes.extend([0, 1, 7, 8, 9, 15, 16, 17, 33].map(|n| [m, k, n]));
        }
    }
    for [m, k, n] in shapes {
        let (lhs, rhs) = (cases.reals(m * k), cases.reals(k * n));
        let lhs_layout = MatLayout::row_major(m, k).unwrap();
        let rhs_layout = MatLayout::row_major(k, n).unwrap();
        let operands = GemmF32 { lhs: &lhs, lhs_layout, rhs: &rhs, rhs_layout };
        let mut out = vec![f32::NAN; m * n];
        gemm_f32(isa, &operands, &mut out, Accumulate::Overwrite).unwrap();
        let sums = reference::gemm_f32((&lhs, lhs_layout), (&rhs, rhs_layout));
        check_sums(&out, &sums, k, &(m, k, n));
    }
}

pub(crate) fn gemm_reads_any_strides_and_accumulates(isa: Isa) {
    let mut cases = Cases::new(12);
    let mut layout = |rows: usize, cols: usize| {
        let gap = cases.between(0, 3);
        let (row_stride, col_stride) = cases.pick(&[
            (cols + gap, 1),
            (1, rows + gap),
            (2 * cols + gap, 2),
            (3, 3 * rows + gap),
            (0, 1),
            (1, 0),
        ]);
        MatLayout::new(rows, cols, row_stride, col_stride).unwrap()
    };
    let shapes = [[5, 7, 9], [4, 8, 16], [1, 30, 17], [13, 1, 3], [7, 300, 150]];
    let layouts: Vec<_> = shapes
        .iter()
        .flat_map(|&[m, k, n]| (0..12).map(move |_| [m, k, n]))
        .map(|[m, k, n]| (layout(m, k), layout(k, n)))
        .collect();
    for (lhs_layout, rhs_layout) in layouts {
        let lhs = cases.reals(lhs_layout.required_len() + 1);
        let rhs = cases.reals(rhs_layout.required_len() + 1);
        let (lhs, rhs) = (&lhs[1..], &rhs[1..]);
        let before = cases.reals(lhs_layout.rows() * rhs_layout.cols());
        let mut out = before.clone();
        let operands = GemmF32 { lhs, lhs_layout, rhs, rhs_layout };
        gemm_f32(isa, &operands, &mut out, Accumulate::Add).unwrap();
        let sums = reference::gemm_f32((lhs, lhs_layout), (rhs, rhs_layout));
        let added = |i: usize| before[i];
        Expected { sums: &sums, depth: lhs_layout.cols(), added: &added, clamp: UNLIMITED }
            .check(&out, &operands.lhs_layout);
    }
}

pub(crate) fn packed_gemm_adds_the_bias_and_clamps(isa: Isa) {
    let mut cases = Cases::new(13);
    let shapes = [[1, 1], [8, 16], [9, 17], [300, 33], [70, 300], [4, 129]];
    let few = [0, 1, 2, 5, 7].map(|m| shapes.map(|[k, n]| [m, k, n]));
    // Rows of the last one are packed in three parts.
    for [m, k, n] in few.into_iter().flatten().chain([[18, 9000, 9]]) {
        let (lhs, rhs, bias) = (cases.reals(m * k), cases.reals(n * k), cases.reals(n));
        let lhs_layout = MatLayout::row_major(m, k).unwrap();
        let rhs_layout = MatLayout::row_major(n, k).unwrap().transposed();
        let packed = PackedGemmF32::pack(isa, &rhs, rhs_layout).unwrap();
        let mut out = vec![f32::NAN; m * n];
        let epilogue = Epilogue { bias: Some(&bias), clamp: Some((-0.5, 0.75)) };
        gemm_packed_f32(&lhs, lhs_layout, &packed, epilogue, &mut out).unwrap();
        let sums = reference::gemm_f32((&lhs, lhs_layout), (&rhs, rhs_layout));
        let added = |i: usize| bias[i % n];
        Expected { sums: &sums, depth: k, added: &added, clamp: (-0.5, 0.75) }.check(&out, &(m, k, n));
    }
}

fn geometries(cases: &mut Cases, random: usize) -> Vec<Conv2dGeometry> {
    let table = [
        ([1, 3, 16], 9, [3, 2, 1, 1]),
        ([1, 3, 8], 12, [7, 2, 1, 3]),
        ([1, 40, 24], 17, [3, 1, 1, 1]),
        ([1, 300, 7], 5, [1, 1, 1, 0]),
        ([4, 16, 16], 6, [3, 1, 1, 1]),
        ([19, 19, 19], 9, [3, 1, 1, 1]),
        ([5, 5, 5], 20, [5, 2, 1, 2]),
        ([3, 3, 3], 40, [3, 1, 2, 2]),
        ([8, 8, 16], 6, [3, 1, 1, 1]),
        ([1, 5, 7], 1, [1, 1, 1, 0]),
        ([1, 6, 5], 8, [1, 2, 1, 0]),
    ];
    let table = table.map(|(channels, size, window)| square_conv(channels, size, window));
    table.into_iter().chain((0..random).map(|_| cases.geometry())).collect()
}

pub(crate) fn convolution_is_within_the_error_bound(isa: Isa) {
    let mut cases = Cases::new(14);
    let geometries = geometries(&mut cases, 200);
    convolution_is_within(isa, &mut cases, &geometries);
}

pub(crate) fn reals_far_apart_convolve_within_the_error_bound(isa: Isa) {
    let of = |window| [1, 3].map(|groups| Conv2dGeometry::new(1, groups, 3, 3, window).unwrap());
    let geometries: Vec<_> = far_reaching_windows().into_iter().flat_map(of).collect();
    let mut cases = Cases::new(16);
    convolution_is_within(isa, &mut cases, &geometries);
    gradients_are_within(isa, &mut cases, &geometries);
}

fn convolution_is_within(isa: Isa, cases: &mut Cases, geometries: &[Conv2dGeometry]) {
    for geometry in geometries {
        let (input, weights) = (cases.reals(geometry.input_len()), cases.reals(geometry.weights_len()));
        let bias = cases.reals(geometry.out_channels());
        let packed = PackedConvF32::pack(isa, geometry, &weights).unwrap();
        let sums = reference::conv2d_f32(geometry, &input, &weights);
        let pixels = geometry.window().output_pixels().max(1);
        let added = |i: usize| bias[i / pixels % bias.len()];
        let mut out = vec![f32::NAN; geometry.output_len()];
        let epilogue = Epilogue { bias: Some(&bias), clamp: Some((0.0, 2.0)) };
        conv2d_f32(geometry, &input, &packed, epilogue, &mut out).unwrap();
        Expected { sums: &sums, depth: geometry.depth(), added: &added, clamp: (0.0, 2.0) }
            .check(&out, geometry);
        conv2d_f32(geometry, &input, &packed, Epilogue::default(), &mut out).unwrap();
        check_sums(&out, &sums, geometry.depth(), geometry);
    }
}

pub(crate) fn convolution_adds_a_tensor_with_the_bits_of_a_sum(isa: Isa) {
    let mut cases = Cases::new(17);
    let deep = square_conv([1, 2 * BLOCK_DEPTH + 3, 6], 5, [1, 1, 1, 0]);
    let mut geometries = geometries(&mut cases, 100);
    geometries.push(deep);
    geometries.retain(|geometry| !geometry.is_depthwise());
    for geometry in geometries {
        let (input, weights) = (cases.reals(geometry.input_len()), cases.reals(geometry.weights_len()));
        let (bias, other) = (cases.reals(geometry.out_channels()), cases.reals(geometry.output_len()));
        let packed = PackedConvF32::pack(isa, &geometry, &weights).unwrap();
        for (clamp, sum_clamp) in
            [(None, None), (None, Some((0.0, f32::INFINITY))), (Some((-0.25, 0.5)), Some((-0.5, 0.75)))]
        {
            let epilogue = Epilogue { bias: Some(&bias), clamp };
            let (mut alone, mut sum) = (vec![f32::NAN; other.len()], vec![f32::NAN; other.len()]);
            conv2d_f32(&geometry, &input, &packed, epilogue, &mut alone).unwrap();
            let finish = EpilogueAdd { epilogue, other: &other, clamp: sum_clamp };
            conv2d_add_f32(&geometry, &input, &packed, finish, &mut sum).unwrap();
            let (lo, hi) = sum_clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
            let apart = alone.iter().zip(&other).map(|(x, y)| (x + y).clamp(lo, hi).to_bits());
            assert!(sum.iter().map(|x| x.to_bits()).eq(apart), "{geometry:?}");
        }
    }
}

pub(crate) fn both_gradients_are_within_the_error_bound(isa: Isa) {
    let mut cases = Cases::new(15);
    let geometries = geometries(&mut cases, 120);
    gradients_are_within(isa, &mut cases, &geometries);
}

fn gradients_are_within(isa: Isa, cases: &mut Cases, geometries: &[Conv2dGeometry]) {
    for geometry in geometries {
        let (input, weights) = (cases.reals(geometry.input_len()), cases.reals(geometry.weights_len()));
        let grad_out = cases.reals(geometry.output_len());
        let window = geometry.window();
        let mut grad_in = vec![f32::NAN; geometry.input_len()];
        conv2d_f32_backward_input(isa, geometry, &grad_out, &weights, &mut grad_in).unwrap();
        let sums = reference::conv2d_f32_backward_input(geometry, &grad_out, &weights);
        let terms = geometry.out_channels_per_group() * window.taps();
        check_sums(&grad_in, &sums, terms, geometry);
        let mut grad_weights = vec![f32::NAN; geometry.weights_len()];
        conv2d_f32_backward_weights(isa, geometry, &input, &grad_out, &mut grad_weights).unwrap();
        let sums = reference::conv2d_f32_backward_weights(geometry, &input, &grad_out);
        check_sums(&grad_weights, &sums, geometry.batch() * window.output_pixels(), geometry);
    }
}

pub(crate) fn a_clamp_keeps_nan(isa: Isa) {
    for channels in [[1, 2, 3], [3, 3, 3]] {
        let geometry = square_conv(channels, 9, [3, 1, 1, 1]);
        let mut input = vec![1.0; geometry.input_len()];
        input[0] = f32::NAN;
        let packed = PackedConvF32::pack(isa, &geometry, &vec![1.0; geometry.weights_len()]).unwrap();
        let mut out = vec![0.0; geometry.output_len()];
        let epilogue = Epilogue { bias: None, clamp: Some((0.0, 6.0)) };
        conv2d_f32(&geometry, &input, &packed, epilogue, &mut out).unwrap();
        assert!(out[0].is_nan() && out[10].is_nan(), "{out:?}");
        assert!((out[40] - 6.0).abs() < f32::EPSILON, "{out:?}");
    }
}

pub(crate) fn an_empty_depth_gives_the_bias(isa: Isa) {
    let layout = MatLayout::row_major(3, 0).unwrap();
    let packed = PackedGemmF32::pack(isa, &[], MatLayout::row_major(0, 9).unwrap()).unwrap();
    let bias = [0.5; 9];
    let mut out = [f32::NAN; 27];
    let epilogue = Epilogue { bias: Some(&bias), clamp: None };
    gemm_packed_f32(&[], layout, &packed, epilogue, &mut out).unwrap();
    assert_eq!(out, [0.5; 27]);
}

/// Instruction sets that promise the order of sums, see [`Isa::reproducible`].
fn unfused() -> Vec<Isa> {
    let unfused = [Isa::Portable, Isa::Simd128, Isa::Avx2Unfused];
    unfused.into_iter().filter(|isa| isa.is_available()).collect()
}

/// Products one after the other in blocks of the depth, each block added to those before it.
fn in_order(terms: impl Iterator<Item = (f32, f32)>) -> f32 {
    let terms: Vec<(f32, f32)> = terms.collect();
    let block = |block: &[(f32, f32)]| block.iter().fold(0.0_f32, |sum, (a, b)| a * b + sum);
    terms.chunks(BLOCK_DEPTH).map(block).reduce(|before, sum| sum + before).unwrap_or(0.0)
}

fn bits(values: &[f32]) -> Vec<u32> {
    // A sum of nothing but zeros may have either sign.
    values.iter().map(|v| (v + 0.0).to_bits()).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn unfused_products_of_matrices_have_one_order() {
    let mut cases = Cases::new(16);
    for [m, k, n] in [[5, 700, 33], [7, 256, 9], [13, 257, 140], [1, 30, 17], [6, 3, 300]] {
        let (lhs, rhs, bias) = (cases.reals(m * k), cases.reals(k * n), cases.reals(n));
        let lhs_layout = MatLayout::row_major(m, k).unwrap();
        let rhs_layout = MatLayout::row_major(k, n).unwrap();
        let sum = |row: usize, col: usize| in_order((0..k).map(|i| (lhs[row * k + i], rhs[i * n + col])));
        let expected: Vec<f32> = (0..m * n).map(|at| sum(at / n, at % n)).collect();
        let with_bias: Vec<f32> = expected.iter().enumerate().map(|(at, sum)| sum + bias[at % n]).collect();
        for isa in unfused() {
            let mut out = vec![f32::NAN; m * n];
            let operands = GemmF32 { lhs: &lhs, lhs_layout, rhs: &rhs, rhs_layout };
            gemm_f32(isa, &operands, &mut out, Accumulate::Overwrite).unwrap();
            assert_eq!(bits(&out), bits(&expected), "{isa}: {m} x {k} x {n}");
            let packed = PackedGemmF32::pack(isa, &rhs, rhs_layout).unwrap();
            let epilogue = Epilogue { bias: Some(&bias), clamp: None };
            gemm_packed_f32(&lhs, lhs_layout, &packed, epilogue, &mut out).unwrap();
            assert_eq!(bits(&out), bits(&with_bias), "{isa}: packed {m} x {k} x {n}");
        }
    }
}

/// One output of a convolution: the bias comes last, and first where it is depthwise.
fn convolved(
    geometry: &Conv2dGeometry,
    (input, weights, bias): (&[f32], &[f32], &[f32]),
    [image, channel, row, col]: [usize; 4],
) -> f32 {
    let window = geometry.window();
    let per_group = geometry.in_channels_per_group();
    let group = channel / geometry.out_channels_per_group();
    let term = |at: usize| {
        let (plane, tap) = (at / window.taps(), at % window.taps());
        let plane = (image * geometry.groups() + group) * per_group + plane;
        let y = window.source(0, row, tap / window.kernel[1])?;
        let x = window.source(1, col, tap % window.kernel[1])?;
        let pixel = input[plane * window.input_pixels() + y * window.input[1] + x];
        Some((pixel, weights[channel * geometry.depth() + at]))
    };
    let terms = (0..geometry.depth()).map(term);
    if geometry.is_depthwise() {
        return terms.flatten().fold(bias[channel], |sum, (a, b)| sum + a * b);
    }
    in_order(terms.map(|term| term.unwrap_or((0.0, 1.0)))) + bias[channel]
}

#[wasm_bindgen_test(unsupported = test)]
fn unfused_convolutions_have_one_order() {
    let mut cases = Cases::new(17);
    for geometry in geometries(&mut cases, 40) {
        let (input, weights) = (cases.reals(geometry.input_len()), cases.reals(geometry.weights_len()));
        let bias = cases.reals(geometry.out_channels());
        let [rows, cols] = geometry.window().output;
        let place = |at: usize| {
            let (channel, pixel) = (at / (rows * cols), at % (rows * cols));
            let channels = geometry.out_channels();
            [channel / channels, channel % channels, pixel / cols, pixel % cols]
        };
        let value = |at: usize| convolved(&geometry, (&input, &weights, &bias), place(at));
        let expected: Vec<f32> = (0..geometry.output_len()).map(value).collect();
        for isa in unfused() {
            let packed = PackedConvF32::pack(isa, &geometry, &weights).unwrap();
            let mut out = vec![f32::NAN; geometry.output_len()];
            let epilogue = Epilogue { bias: Some(&bias), clamp: None };
            conv2d_f32(&geometry, &input, &packed, epilogue, &mut out).unwrap();
            assert_eq!(bits(&out), bits(&expected), "{isa}: {geometry:?}");
        }
    }
}
