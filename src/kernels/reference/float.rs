//! Floating-point matrix product and convolution, summed in `f64`, with the sum of magnitudes that
//! bounds the error of any other order of summation.

use crate::kernels::layout::{Conv2dGeometry, MatLayout, Pool2dGeometry};

/// A value and `Σ|a||b|` over the products that made it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounded {
    /// The sum in `f64`.
    pub value: f64,
    /// The sum of magnitudes.
    pub magnitude: f64,
}

impl Bounded {
    fn add_product(&mut self, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        self.value += product;
        self.magnitude += product.abs();
    }
}

/// `lhs · rhs`, row-major.
pub fn gemm_f32(
    (lhs, lhs_layout): (&[f32], MatLayout),
    (rhs, rhs_layout): (&[f32], MatLayout),
) -> Vec<Bounded> {
    let mut out = vec![Bounded::default(); lhs_layout.rows() * rhs_layout.cols()];
    for i in 0..lhs_layout.rows() {
        for j in 0..rhs_layout.cols() {
            for p in 0..lhs_layout.cols() {
                let a = lhs[i * lhs_layout.row_stride() + p * lhs_layout.col_stride()];
                let b = rhs[p * rhs_layout.row_stride() + j * rhs_layout.col_stride()];
                out[i * rhs_layout.cols() + j].add_product(a, b);
            }
        }
    }
    out
}

/// The larger of two numbers: NaN where one of them is, the first of equals.
pub fn larger(first: f32, second: f32) -> f32 {
    if first.is_nan() || second <= first { first } else { second }
}

/// Largest number under each window, `[N, C, H, W]` to `[N, C, OH, OW]`, see [`larger`]; a window entirely
/// in the padding gives −∞.
pub fn max_pool_f32(geometry: &Pool2dGeometry, input: &[f32], out: &mut [f32]) {
    let window = geometry.window();
    let [rows, cols] = window.output;
    for (at, out) in out.iter_mut().enumerate() {
        let plane = &input[at / (rows * cols) * window.input_pixels()..];
        let (row, col) = (at / cols % rows, at % cols);
        *out = f32::NEG_INFINITY;
        for tap in 0..window.taps() {
            let y = window.source(0, row, tap / window.kernel[1]);
            let x = window.source(1, col, tap % window.kernel[1]);
            if let Some((y, x)) = y.zip(x) {
                *out = larger(*out, plane[y * window.input[1] + x]);
            }
        }
    }
}

/// Where one product of a convolution comes from and goes to: offsets into NCHW and OIHW tensors.
#[derive(Debug, Clone, Copy)]
struct Product {
    input: usize,
    weight: usize,
    output: usize,
}

/// `Σ x · w`, `[N, C, H, W]` and OIHW to `[N, O, OH, OW]`.
pub fn conv2d_f32(geometry: &Conv2dGeometry, input: &[f32], weights: &[f32]) -> Vec<Bounded> {
    let mut out = vec![Bounded::default(); geometry.output_len()];
    for_each_product(geometry, |at| {
        out[at.output].add_product(input[at.input], weights[at.weight]);
    });
    out
}

/// Gradient with respect to the input: every product sends `grad_out · w` back where `x` was.
pub fn conv2d_f32_backward_input(
    geometry: &Conv2dGeometry,
    grad_out: &[f32],
    weights: &[f32],
) -> Vec<Bounded> {
    let mut grad_in = vec![Bounded::default(); geometry.input_len()];
    for_each_product(geometry, |at| {
        grad_in[at.input].add_product(grad_out[at.output], weights[at.weight]);
    });
    grad_in
}

/// Gradient with respect to the weights: every product sends `grad_out · x` back where `w` was.
pub fn conv2d_f32_backward_weights(
    geometry: &Conv2dGeometry,
    input: &[f32],
    grad_out: &[f32],
) -> Vec<Bounded> {
    let mut grad_weights = vec![Bounded::default(); geometry.weights_len()];
    for_each_product(geometry, |at| {
        grad_weights[at.weight].add_product(grad_out[at.output], input[at.input]);
    });
    grad_weights
}

fn for_each_product(geometry: &Conv2dGeometry, mut visit: impl FnMut(Product)) {
    let [out_h, out_w] = geometry.window().output;
    for image in 0..geometry.batch() {
        for channel in 0..geometry.out_channels() {
            for row in 0..out_h {
                for col in 0..out_w {
                    let plane = image * geometry.out_channels() + channel;
                    let output = (plane * out_h + row) * out_w + col;
                    products_of_output(geometry, [image, channel, row, col], |input, weight| {
                        visit(Product { input, weight, output });
                    });
                }
            }
        }
    }
}

fn products_of_output(
    geometry: &Conv2dGeometry,
    [image, channel, row, col]: [usize; 4],
    mut visit: impl FnMut(usize, usize),
) {
    let window = geometry.window();
    let per_group = geometry.in_channels_per_group();
    let first = channel / geometry.out_channels_per_group() * per_group;
    for i in 0..per_group {
        for kernel_row in 0..window.kernel[0] {
            for kernel_col in 0..window.kernel[1] {
                let from_row = window.source(0, row, kernel_row);
                let from_col = window.source(1, col, kernel_col);
                if let (Some(from_row), Some(from_col)) = (from_row, from_col) {
                    let plane = image * geometry.in_channels() + first + i;
                    let input = (plane * window.input[0] + from_row) * window.input[1] + from_col;
                    let tap = kernel_row * window.kernel[1] + kernel_col;
                    visit(input, (channel * per_group + i) * window.taps() + tap);
                }
            }
        }
    }
}
