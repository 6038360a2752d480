//! Integer convolution, matrix product and pooling, summed in `i64`.

use super::affine::round_to_u8;
use crate::kernels::affine::{AveragePoolU8, PoolDivisor, QuantizedInput, Requantize};
use crate::kernels::layout::{Conv2dGeometry, Pool2dGeometry, Window2d};

/// One element of a requantized output, see [`Requantize`].
pub fn requantize(accumulator: i32, channel: usize, requantize: &Requantize) -> u8 {
    let multiplier = match requantize.multiplier.as_slice() {
        [all] => *all,
        each => each[channel],
    };
    let sum = accumulator.saturating_add(requantize.bias[channel]);
    let code = round_to_u8(sum as f32 * multiplier, requantize.zero_point, requantize.min, requantize.max);
    requantize.limits.get(channel).map_or(code, |&limit| code.min(limit))
}

/// `Σ (x − zero_point) · w` for an NHWC input and OIHW weights; padding contributes nothing.
pub fn conv2d_i32<W: Copy + Into<i64>>(
    geometry: &Conv2dGeometry,
    input: QuantizedInput<'_>,
    weights_oihw: &[W],
    out_nhwc: &mut [i32],
) {
    let window = geometry.window();
    let [out_h, out_w] = window.output;
    let outputs = out_nhwc.chunks_exact_mut(geometry.out_channels());
    for (pixel, out) in outputs.enumerate() {
        let at = [pixel / out_w % out_h, pixel % out_w];
        let image = pixel / (out_h * out_w);
        for (channel, sum) in out.iter_mut().enumerate() {
            *sum = conv2d_at(geometry, input, weights_oihw, [image, at[0], at[1], channel]);
        }
    }
}

fn conv2d_at<W: Copy + Into<i64>>(
    geometry: &Conv2dGeometry,
    input: QuantizedInput<'_>,
    weights_oihw: &[W],
    [image, row, col, channel]: [usize; 4],
) -> i32 {
    let per_group = geometry.in_channels_per_group();
    let first = channel / geometry.out_channels_per_group() * per_group;
    let weights = &weights_oihw[channel * geometry.depth()..][..geometry.depth()];
    let mut sum = 0_i64;
    for_each_tap(geometry.window(), [row, col], |tap, source| {
        let pixel = image * geometry.window().input_pixels() + source;
        for i in 0..per_group {
            let x = input.data[pixel * geometry.in_channels() + first + i];
            let w = weights[i * geometry.window().taps() + tap];
            sum += (i64::from(x) - i64::from(input.zero_point)) * w.into();
        }
    });
    sum as i32
}

/// Calls `visit(tap, input position)` for every tap of one output that is not in the padding.
fn for_each_tap(window: &Window2d, out: [usize; 2], mut visit: impl FnMut(usize, usize)) {
    for kernel_row in 0..window.kernel[0] {
        for kernel_col in 0..window.kernel[1] {
            let row = window.source(0, out[0], kernel_row);
            let col = window.source(1, out[1], kernel_col);
            if let (Some(row), Some(col)) = (row, col) {
                visit(kernel_row * window.kernel[1] + kernel_col, row * window.input[1] + col);
            }
        }
    }
}

/// `Σ_k (x[m, k] − zero_point) · w[n, k]`, row-major `M × N`.
pub fn gemm_i32<W: Copy + Into<i64>>(
    input: QuantizedInput<'_>,
    weights_nk: &[W],
    depth: usize,
    out: &mut [i32],
) {
    let columns = weights_nk.len() / depth.max(1);
    for (index, sum) in out.iter_mut().enumerate() {
        let row = &input.data[index / columns * depth..][..depth];
        let weights = &weights_nk[index % columns * depth..][..depth];
        let products =
            row.iter().zip(weights).map(|(&x, &w)| (i64::from(x) - i64::from(input.zero_point)) * w.into());
        *sum = products.sum::<i64>() as i32;
    }
}

/// Largest code under each window, NHWC; a window entirely in the padding gives 0.
pub fn max_pool_u8(geometry: &Pool2dGeometry, input: &[u8], out: &mut [u8]) {
    pool(geometry, out, |image, at, channel| {
        let mut largest = 0;
        for_each_tap(geometry.window(), at, |_, source| {
            largest = largest.max(element(geometry, input, [image, source, channel]));
        });
        largest
    });
}

/// Average of the codes under each window, NHWC, see [`AveragePoolU8`].
pub fn average_pool_u8(geometry: &Pool2dGeometry, input: &[u8], average: &AveragePoolU8, out: &mut [u8]) {
    pool(geometry, out, |image, at, channel| {
        let mut sum = 0_i32;
        for_each_tap(geometry.window(), at, |_, source| {
            let x = element(geometry, input, [image, source, channel]);
            sum += i32::from(x) - i32::from(average.input_zero_point);
        });
        let count = divisor(geometry.window(), at, average.divisor).max(1);
        let value = sum as f32 * (average.multiplier / count as f32);
        round_to_u8(value, average.zero_point, average.min, average.max)
    });
}

/// How many positions of the window at output `at` the average divides by.
fn divisor(window: &Window2d, at: [usize; 2], divisor: PoolDivisor) -> usize {
    let count = |axis: usize| match divisor {
        PoolDivisor::Valid => {
            (0..window.kernel[axis]).filter(|&tap| window.source(axis, at[axis], tap).is_some()).count()
        }
        PoolDivisor::Padded { pad_end } => (0..window.kernel[axis])
            .filter(|&tap| {
                let padded = at[axis] * window.stride[axis] + tap * window.dilation[axis];
                let end = (window.pad_begin[axis] + window.input[axis]).saturating_add(pad_end[axis]);
                padded < end
            })
            .count(),
    };
    count(0) * count(1)
}

fn element(geometry: &Pool2dGeometry, input: &[u8], [image, source, channel]: [usize; 3]) -> u8 {
    input[(image * geometry.window().input_pixels() + source) * geometry.channels() + channel]
}

fn pool(geometry: &Pool2dGeometry, out: &mut [u8], mut value: impl FnMut(usize, [usize; 2], usize) -> u8) {
    let [out_h, out_w] = geometry.window().output;
    for (pixel, codes) in out.chunks_exact_mut(geometry.channels()).enumerate() {
        let at = [pixel / out_w % out_h, pixel % out_w];
        for (channel, code) in codes.iter_mut().enumerate() {
            *code = value(pixel / (out_h * out_w), at, channel);
        }
    }
}
