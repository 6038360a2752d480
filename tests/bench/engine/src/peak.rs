//! What the machine can do: each kernel's instruction in a loop whose operands never leave registers.
//!
//! Twelve sums that do not depend on each other hide the instruction's latency; each is itself an operand, so
//! that nothing can be computed beforehand.

use core::arch::wasm32::{
    f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_splat, i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane,
    i32x4_splat, v128,
};
use std::hint::black_box;

/// Steps of one call.
const STEPS: u64 = 20_000;
/// Sums of a step.
const SUMS: u64 = 12;

/// One step for each of twelve sums.
macro_rules! twelve {
    ($step:expr, $sums:ident) => {{
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11] = $sums;
        let step = $step;
        [
            step(s0),
            step(s1),
            step(s2),
            step(s3),
            step(s4),
            step(s5),
            step(s6),
            step(s7),
            step(s8),
            step(s9),
            step(s10),
            step(s11),
        ]
    }};
}

/// Runs `step` on every sum, often; the multiply-accumulates of `lanes` a step.
macro_rules! peak {
    ($name:ident, $lanes:literal, $start:expr, $operands:expr, $step:expr, $end:expr) => {
        pub(crate) fn $name() -> u64 {
            let (left, right): (v128, v128) = black_box($operands);
            let mut sums = [black_box($start); 12];
            for _ in 0..STEPS {
                sums = twelve!(|sum| $step(left, right, sum), sums);
            }
            for sum in sums {
                black_box($end(sum));
            }
            STEPS * SUMS * $lanes
        }
    };
}

peak!(
    pairs,
    8,
    i32x4_splat(1),
    (i32x4_splat(0x0003_0005), i32x4_splat(0x0007_0002)),
    |left, right, sum| i32x4_add(i32x4_dot_i16x8(sum, right), left),
    i32x4_extract_lane::<0>
);
peak!(
    floats,
    4,
    f32x4_splat(1.0),
    (f32x4_splat(0.5), f32x4_splat(1.5)),
    |left, right, sum| f32x4_add(f32x4_mul(sum, left), right),
    f32x4_extract_lane::<0>
);
#[cfg(target_feature = "relaxed-simd")]
peak!(
    quads,
    16,
    i32x4_splat(1),
    (i32x4_splat(0x0103_0205), i32x4_splat(0x0107_0302)),
    core::arch::wasm32::i32x4_relaxed_dot_i8x16_i7x16_add,
    i32x4_extract_lane::<0>
);
#[cfg(target_feature = "relaxed-simd")]
peak!(
    fused_floats,
    4,
    f32x4_splat(1.0),
    (f32x4_splat(0.5), f32x4_splat(1.5)),
    core::arch::wasm32::f32x4_relaxed_madd,
    f32x4_extract_lane::<0>
);
