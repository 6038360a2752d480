//! Rates of the kernels by themselves, beside what their instruction reaches in registers.

use crate::now;
use crate::peak;
use bitlens::kernels::{
    AddU8, Conv2dGeometry, Epilogue, Isa, MatLayout, PackedConvF32, PackedConvI8, PackedGemmF32,
    PackedGemmI8, Pool2dGeometry, QuantizedInput, Requantize, Window2d, add_u8, conv2d_f32, conv2d_u8,
    gemm_packed_f32, gemm_u8, lookup_u8, max_pool_f32, max_pool_u8,
};
use std::fmt::Write as _;

/// Rounds of each case: the best counts, since other work can only slow a round down.
const ROUNDS: usize = 30;
/// Least time of a round: well above the resolution of a browser's clock, shorter than a scheduler's turn.
const ROUND_MS: f64 = 1.5;

/// Best rate of several rounds, in 10⁹ of `units` a second.
fn rate(mut call: impl FnMut() -> u64) -> f64 {
    for _ in 0..20 {
        call();
    }
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (start, mut units, mut spent) = (now(), 0, 0.0);
        while spent < ROUND_MS {
            units += call();
            spent = now() - start;
        }
        best = best.max(units as f64 / (spent * 1e6));
    }
    best
}

/// Convolutions: name, channels in and out, groups, side, kernel, stride.
const CONVOLUTIONS: &[(&str, [usize; 3], usize, usize, usize)] = &[
    ("resnet18 first layer", [3, 64, 1], 224, 7, 2),
    ("resnet18 3x3 64", [64, 64, 1], 56, 3, 1),
    ("resnet18 3x3 128", [128, 128, 1], 28, 3, 1),
    ("resnet18 3x3 256", [256, 256, 1], 14, 3, 1),
    ("resnet18 3x3 512", [512, 512, 1], 7, 3, 1),
    ("resnet50 1x1 64-256", [64, 256, 1], 56, 1, 1),
    ("resnet50 1x1 1024-256", [1024, 256, 1], 14, 1, 1),
    ("squeezenet first layer", [3, 64, 1], 224, 3, 2),
    ("squeezenet 1x1 128-16", [128, 16, 1], 55, 1, 1),
    ("squeezenet 3x3 16-64", [16, 64, 1], 55, 3, 1),
    ("squeezenet 1x1 512-1000", [512, 1000, 1], 13, 1, 1),
    ("mobilenet 1x1 16-96", [16, 96, 1], 112, 1, 1),
    ("mobilenet 1x1 144-24", [144, 24, 1], 56, 1, 1),
    ("mobilenet 1x1 384-64", [384, 64, 1], 14, 1, 1),
    ("mobilenet 1x1 960-160", [960, 160, 1], 7, 1, 1),
    ("mobilenet depthwise 32", [32, 32, 32], 112, 3, 1),
    ("mobilenet depthwise 144 /2", [144, 144, 144], 56, 3, 2),
    ("mobilenet depthwise 144", [144, 144, 144], 56, 3, 1),
    ("mobilenet depthwise 576", [576, 576, 576], 14, 3, 1),
    ("mobilenet depthwise 960", [960, 960, 960], 7, 3, 1),
];

/// Matrix products of ResNet-18's convolutions: rows (positions), depth, columns (channels).
const PRODUCTS: &[(&str, [usize; 3])] = &[
    ("resnet18 gemm 64", [3136, 576, 64]),
    ("resnet18 gemm 128", [784, 1152, 128]),
    ("resnet18 gemm 256", [196, 2304, 256]),
    ("resnet18 gemm 512", [49, 4608, 512]),
    ("dense", [1, 1280, 1000]),
];

fn geometry(channels: [usize; 3], side: usize, kernel: usize, stride: usize) -> Option<Conv2dGeometry> {
    let [inputs, outputs, groups] = channels;
    let window = Window2d {
        input: [side; 2],
        output: [side.div_ceil(stride); 2],
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [1; 2],
        pad_begin: [kernel / 2; 2],
    };
    Conv2dGeometry::new(1, groups, inputs, outputs, window).ok()
}

/// Ordinary numbers: no zeros, no denormals.
fn reals(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.4997).collect()
}

fn codes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 7919 % 251) as u8).collect()
}

fn weights(count: usize) -> Vec<i8> {
    (0..count).map(|i| ((i * 104_729 % 127) as i8) - 63).collect()
}

fn requantize(channels: usize) -> Requantize {
    let (bias, multiplier, limits) = (vec![5; channels], vec![1e-4; channels], Vec::new());
    Requantize { bias, multiplier, zero_point: 7, min: 7, max: 255, limits }
}

/// A line of the result.
struct Report {
    filter: String,
    text: String,
}

impl Report {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    fn add(&mut self, name: &str, unit: &str, rate: f64, peak: f64) {
        let comma = if self.text.is_empty() { "" } else { ",\n" };
        let _ = write!(
            self.text,
            r#"{comma}{{"name":"{name}","unit":"{unit}","rate":{rate:.2},"peak":{peak:.2}}}"#
        );
    }
}

/// All figures whose name contains `filter`, as JSON.
pub(crate) fn measure(filter: &str) -> Result<String, String> {
    let mut report = Report { filter: filter.to_owned(), text: String::new() };
    for isa in Isa::available() {
        let peaks = Peaks::of(isa);
        report.add(&format!("{isa} peak int8"), "GMAC/s", peaks.int8, peaks.int8);
        report.add(&format!("{isa} peak f32"), "GMAC/s", peaks.f32, peaks.f32);
        convolutions(isa, &peaks, &mut report).map_err(|error| error.to_string())?;
        products(isa, &peaks, &mut report).map_err(|error| error.to_string())?;
        elementwise(isa, &mut report).map_err(|error| error.to_string())?;
    }
    Ok(format!("[{}]", report.text))
}

/// Rates in registers.
struct Peaks {
    int8: f64,
    f32: f64,
}

impl Peaks {
    fn of(isa: Isa) -> Self {
        #[cfg(target_feature = "relaxed-simd")]
        if isa == Isa::RelaxedSimd {
            use bitlens::kernels::{RelaxedDot, relaxed_dot};
            let quads = relaxed_dot() != RelaxedDot::Unusable;
            let int8 = rate(if quads { peak::quads } else { peak::pairs });
            return Self { int8, f32: rate(peak::fused_floats) };
        }
        if isa == Isa::Portable {
            return Self { int8: 0.0, f32: 0.0 };
        }
        Self { int8: rate(peak::pairs), f32: rate(peak::floats) }
    }
}

fn convolutions(isa: Isa, peaks: &Peaks, report: &mut Report) -> bitlens::kernels::Result<()> {
    for &(name, channels, side, kernel, stride) in CONVOLUTIONS {
        let Some(geometry) = geometry(channels, side, kernel, stride) else { continue };
        let macs = geometry.macs();
        let label = format!("{isa} f32 {name}");
        if report.wants(&label) {
            let input = reals(geometry.input_len());
            let packed = PackedConvF32::pack(isa, &geometry, &reals(geometry.weights_len()))?;
            let (mut out, bias) = (vec![0.0; geometry.output_len()], vec![0.5; geometry.out_channels()]);
            let epilogue = Epilogue { bias: Some(&bias), clamp: Some((0.0, f32::INFINITY)) };
            conv2d_f32(&geometry, &input, &packed, epilogue, &mut out)?;
            let rate = rate(|| {
                let _ = conv2d_f32(&geometry, &input, &packed, epilogue, &mut out);
                macs
            });
            report.add(&label, "GMAC/s", rate, peaks.f32);
        }
        let label = format!("{isa} int8 {name}");
        if report.wants(&label) {
            let data = codes(geometry.input_len());
            let input = QuantizedInput { data: &data, zero_point: 120 };
            let packed = PackedConvI8::pack(isa, &geometry, &weights(geometry.weights_len()))?;
            let (requantize, mut out) = (requantize(geometry.out_channels()), vec![0; geometry.output_len()]);
            conv2d_u8(&geometry, input, &packed, &requantize, &mut out)?;
            let codes_rate = rate(|| {
                let _ = conv2d_u8(&geometry, input, &packed, &requantize, &mut out);
                macs
            });
            report.add(&label, "GMAC/s", codes_rate, peaks.int8);
        }
    }
    Ok(())
}

fn products(isa: Isa, peaks: &Peaks, report: &mut Report) -> bitlens::kernels::Result<()> {
    for &(name, [m, k, n]) in PRODUCTS {
        let macs = (m * k * n) as u64;
        let label = format!("{isa} f32 {name}");
        if report.wants(&label) {
            let (lhs, rhs, mut out) = (reals(m * k), reals(k * n), vec![0.0; m * n]);
            let layouts = [MatLayout::row_major(m, k)?, MatLayout::row_major(k, n)?];
            let packed = PackedGemmF32::pack(isa, &rhs, layouts[1])?;
            let rate = rate(|| {
                let _ = gemm_packed_f32(&lhs, layouts[0], &packed, Epilogue::default(), &mut out);
                macs
            });
            report.add(&label, "GMAC/s", rate, peaks.f32);
        }
        let label = format!("{isa} int8 {name}");
        if report.wants(&label) {
            let data = codes(m * k);
            let input = QuantizedInput { data: &data, zero_point: 120 };
            let packed = PackedGemmI8::pack(isa, k, &weights(k * n))?;
            let (requantize, mut out) = (requantize(n), vec![0; m * n]);
            let rate = rate(|| {
                let _ = gemm_u8(input, &packed, &requantize, &mut out);
                macs
            });
            report.add(&label, "GMAC/s", rate, peaks.int8);
        }
    }
    Ok(())
}

/// In 10⁹ output elements a second.
fn elementwise(isa: Isa, report: &mut Report) -> bitlens::kernels::Result<()> {
    let count = 64 * 56 * 56;
    let (lhs, rhs, mut out) = (codes(count), codes(count), vec![0; count]);
    let label = format!("{isa} int8 add");
    if report.wants(&label) {
        let add = AddU8 {
            lhs_zero_point: 3,
            lhs_factor: 0.613,
            rhs_zero_point: 120,
            rhs_factor: 0.771,
            zero_point: 100,
            min: 100,
            max: 255,
        };
        let rate = rate(|| {
            let _ = add_u8(isa, &lhs, &rhs, &add, &mut out);
            count as u64
        });
        report.add(&label, "G/s", rate, 0.0);
    }
    let label = format!("{isa} int8 lookup");
    if report.wants(&label) {
        let table = core::array::from_fn(|i| 255 - i as u8);
        let rate = rate(|| {
            let _ = lookup_u8(isa, &table, &lhs, &mut out);
            count as u64
        });
        report.add(&label, "G/s", rate, 0.0);
    }
    let window = Window2d {
        input: [112; 2],
        output: [56; 2],
        kernel: [3; 2],
        stride: [2; 2],
        dilation: [1; 2],
        pad_begin: [1; 2],
    };
    let geometry = Pool2dGeometry::new(1, 64, window)?;
    let label = format!("{isa} int8 max pool");
    if report.wants(&label) {
        let (input, mut out) = (codes(geometry.input_len()), vec![0; geometry.output_len()]);
        let rate = rate(|| {
            let _ = max_pool_u8(isa, &geometry, &input, &mut out);
            geometry.output_len() as u64
        });
        report.add(&label, "G/s", rate, 0.0);
    }
    let label = format!("{isa} f32 max pool");
    if report.wants(&label) {
        let (input, mut out) = (reals(geometry.input_len()), vec![0.0; geometry.output_len()]);
        let rate = rate(|| {
            let _ = max_pool_f32(isa, &geometry, &input, &mut out);
            geometry.output_len() as u64
        });
        report.add(&label, "G/s", rate, 0.0);
    }
    Ok(())
}
