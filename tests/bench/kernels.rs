//! Speed of the main kernels, in multiply-accumulates per second, for every instruction set here.
//!
//! The same cases run natively and, through the wasm test runner, in Node or a browser:
//! `cargo test --release --test bench_kernels -- --nocapture`. Each figure is the best of several
//! rounds, since other work on the machine can only slow a round down.

use bitlens::kernels::{
    Accumulate, Conv2dGeometry, Epilogue, GemmF32, Isa, MatLayout, PackedConvF32, PackedConvI8,
    PackedGemmF32, PackedGemmI8, QuantizedInput, Requantize, Window2d, conv2d_f32, conv2d_u8, gemm_f32,
    gemm_packed_f32, gemm_u8, relaxed_dot,
};
use wasm_bindgen_test::wasm_bindgen_test;

/// Rounds of each case.
const ROUNDS: usize = 50;
/// Time that one round takes at least: well above the resolution of a browser's clock, and shorter
/// than a turn of the scheduler, so that on a busy machine some rounds have the processor to themselves.
const ROUND_MS: f64 = 3.0;

#[cfg(target_arch = "wasm32")]
fn now_ms() -> f64 {
    use js_sys::{Function, Reflect, global};
    let performance = Reflect::get(&global(), &"performance".into()).unwrap();
    let now = Function::from(Reflect::get(&performance, &"now".into()).unwrap());
    now.call0(&performance).unwrap().as_f64().unwrap()
}

#[cfg(not(target_arch = "wasm32"))]
fn now_ms() -> f64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

fn say(line: &str) {
    #[cfg(target_arch = "wasm32")]
    wasm_bindgen_test::console_log!("{line}");
    #[cfg(not(target_arch = "wasm32"))]
    println!("{line}");
}

/// Best rate of several rounds, in 10⁹ multiply-accumulates a second.
fn rate(macs: u64, mut call: impl FnMut()) -> f64 {
    call();
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (start, mut calls) = (now_ms(), 0);
        while now_ms() - start < ROUND_MS {
            call();
            calls += 1;
        }
        best = best.max(macs as f64 * f64::from(calls) / ((now_ms() - start) * 1e6));
    }
    best
}

/// A convolution: input channels, output channels, groups, size, kernel and stride.
struct Shape {
    name: &'static str,
    channels: [usize; 3],
    size: usize,
    kernel: usize,
    stride: usize,
}

const SHAPES: [Shape; 6] = [
    Shape { name: "3x3 64-64 56x56", channels: [64, 64, 1], size: 56, kernel: 3, stride: 1 },
    Shape { name: "1x1 128-128 28x28", channels: [128, 128, 1], size: 28, kernel: 1, stride: 1 },
    Shape { name: "1x1 512-512 7x7", channels: [512, 512, 1], size: 7, kernel: 1, stride: 1 },
    Shape { name: "3x3 512-512 7x7", channels: [512, 512, 1], size: 7, kernel: 3, stride: 1 },
    Shape { name: "3x3 3-32 224x224 /2", channels: [3, 32, 1], size: 224, kernel: 3, stride: 2 },
    Shape { name: "3x3 128 depthwise 28x28", channels: [128, 128, 128], size: 28, kernel: 3, stride: 1 },
];

fn geometry(shape: &Shape) -> Conv2dGeometry {
    let [inputs, outputs, groups] = shape.channels;
    let output = shape.size.div_ceil(shape.stride);
    let window = Window2d {
        input: [shape.size; 2],
        output: [output; 2],
        kernel: [shape.kernel; 2],
        stride: [shape.stride; 2],
        dilation: [1, 1],
        pad_begin: [shape.kernel / 2; 2],
    };
    Conv2dGeometry::new(1, groups, inputs, outputs, window).unwrap()
}

fn reals(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn conv_rates(isa: Isa, shape: &Shape) -> [f64; 2] {
    let geometry = geometry(shape);
    let (input, weights) = (reals(geometry.input_len()), reals(geometry.weights_len()));
    let packed = PackedConvF32::pack(isa, &geometry, &weights).unwrap();
    let mut out = vec![0.0; geometry.output_len()];
    let bias = vec![0.0; geometry.out_channels()];
    let epilogue = Epilogue { bias: Some(&bias), clamp: Some((0.0, f32::INFINITY)) };
    let float = rate(geometry.macs(), || {
        conv2d_f32(&geometry, &input, &packed, epilogue, &mut out).unwrap();
    });
    let codes: Vec<u8> = input.iter().map(|x| ((x + 0.5) * 255.0) as u8).collect();
    let weights: Vec<i8> = weights.iter().map(|w| (w * 254.0) as i8).collect();
    let packed = PackedConvI8::pack(isa, &geometry, &weights).unwrap();
    let requantize = requantize(geometry.out_channels());
    let input = QuantizedInput { data: &codes, zero_point: 120 };
    let mut out = vec![0; geometry.output_len()];
    let integer = rate(geometry.macs(), || {
        conv2d_u8(&geometry, input, &packed, &requantize, &mut out).unwrap();
    });
    [float, integer]
}

fn requantize(channels: usize) -> Requantize {
    let multiplier = vec![1e-4; channels];
    Requantize { bias: vec![5; channels], multiplier, zero_point: 0, min: 0, max: 255 }
}

fn gemm_rates(isa: Isa, [m, k, n]: [usize; 3]) -> [f64; 2] {
    let macs = (m * k * n) as u64;
    let (lhs, rhs) = (reals(m * k), reals(k * n));
    let lhs_layout = MatLayout::row_major(m, k).unwrap();
    let rhs_layout = MatLayout::row_major(k, n).unwrap();
    let mut out = vec![0.0; m * n];
    let float = if m == 1 {
        let packed = PackedGemmF32::pack(isa, &rhs, rhs_layout).unwrap();
        rate(macs, || {
            gemm_packed_f32(&lhs, lhs_layout, &packed, Epilogue::default(), &mut out).unwrap();
        })
    } else {
        let operands = GemmF32 { lhs: &lhs, lhs_layout, rhs: &rhs, rhs_layout };
        rate(macs, || gemm_f32(isa, &operands, &mut out, Accumulate::Overwrite).unwrap())
    };
    let weights: Vec<i8> = rhs.iter().map(|w| (w * 254.0) as i8).collect();
    let packed = PackedGemmI8::pack(isa, k, &weights).unwrap();
    let codes: Vec<u8> = lhs.iter().map(|x| ((x + 0.5) * 255.0) as u8).collect();
    let (requantize, mut out) = (requantize(n), vec![0; m * n]);
    let input = QuantizedInput { data: &codes, zero_point: 120 };
    let integer = rate(macs, || gemm_u8(input, &packed, &requantize, &mut out).unwrap());
    [float, integer]
}

#[wasm_bindgen_test(unsupported = test)]
fn every_kernel_has_a_rate() {
    say(&format!("relaxed dot product: {:?}; 10^9 multiply-accumulates a second", relaxed_dot()));
    for isa in Isa::available() {
        for shape in &SHAPES {
            let [float, integer] = conv_rates(isa, shape);
            say(&format!("{isa:12} {:26} f32 {float:6.1}  int8 {integer:6.1}", shape.name));
            assert!(float > 0.0 && integer > 0.0);
        }
        for shape in [[64, 576, 3136], [1, 1280, 1000]] {
            let [float, integer] = gemm_rates(isa, shape);
            say(&format!("{isa:12} {:26} f32 {float:6.1}  int8 {integer:6.1}", format!("gemm {shape:?}")));
            assert!(float > 0.0 && integer > 0.0);
        }
    }
}
