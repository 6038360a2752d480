//! Instruction sets: which exist, which is best, and what the relaxed dot product really does.
//!
//! On wasm the set is fixed when the module is compiled, since a module with unknown opcodes does
//! not validate; on x86-64 it is found at run time. `Portable` exists in every build that has no other
//! set for certain, and in all tests, so that a result can be checked on any machine.
//!
//! `i32x4.relaxed_dot_i8x16_i7x16_add(a, b, c)` leaves two things to the engine: whether a byte of
//! `b` with its top bit set counts as negative, and whether the sum of a pair of products saturates
//! to 16 bits. Neither can be asked for, so [`relaxed_dot`] finds out by running the instruction
//! once on every pair of bytes and on the extreme sums, and compares with the possible definitions.

use core::fmt;
use std::sync::OnceLock;

/// An instruction set that a kernel is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust: natively, and in tests everywhere. A wasm build with SIMD would never choose it.
    Portable,
    /// WebAssembly fixed-width SIMD.
    Simd128,
    /// WebAssembly relaxed SIMD, on top of [`Isa::Simd128`].
    RelaxedSimd,
    /// [`Isa::Avx2`] without fusing products and sums of `f32`.
    Avx2Unfused,
    /// x86-64 with AVX2 and FMA.
    Avx2,
}

impl Isa {
    /// Every instruction set that the library has kernels for, slowest first.
    pub const ALL: [Self; 5] =
        [Self::Portable, Self::Simd128, Self::RelaxedSimd, Self::Avx2Unfused, Self::Avx2];

    /// True when this build contains the kernels and this machine can run them.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => cfg!(any(test, not(all(target_arch = "wasm32", target_feature = "simd128")))),
            Self::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            Self::RelaxedSimd => cfg!(all(target_arch = "wasm32", target_feature = "relaxed-simd")),
            Self::Avx2Unfused | Self::Avx2 => avx2_detected(),
        }
    }

    /// The instruction sets that can run here, slowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The fastest instruction set that can run here. Found once, then remembered.
    ///
    /// ```
    /// assert!(bitlens::kernels::Isa::best().is_available());
    /// ```
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().into_iter().max().unwrap_or(Self::Portable))
    }

    /// The fastest instruction set here whose `f32` kernels give the same bits as those of every other
    /// machine and build: products and sums are rounded one by one, in an order that does not depend
    /// on the width of a vector.
    ///
    /// [`Isa::best`] may fuse a product with its sum, as WebAssembly's relaxed SIMD and AVX2 do, and
    /// then the last bits differ.
    pub fn reproducible() -> Self {
        let mut unfused = [Self::Avx2Unfused, Self::Simd128].into_iter();
        unfused.find(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Simd128 => "simd128",
            Self::RelaxedSimd => "relaxed-simd",
            Self::Avx2Unfused => "avx2-unfused",
            Self::Avx2 => "avx2",
        })
    }
}

#[cfg(target_arch = "x86_64")]
fn avx2_detected() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn avx2_detected() -> bool {
    false
}

/// What the engine's relaxed dot product computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelaxedDot {
    /// `b` counts as unsigned and nothing saturates: `u8` activations at full range.
    Unsigned,
    /// `b` counts as signed and nothing saturates: activations shifted by 128 at full range.
    Signed,
    /// `b` counts as unsigned and pair sums saturate: exact while `|w0| + |w1| ≤ 128`.
    UnsignedSaturating,
    /// None of these: the fixed-width kernels are used instead.
    Unusable,
}

/// Four products summed into each of four lanes: the instruction, or a model of it.
pub(crate) type Dot16 = fn([i8; 16], [u8; 16]) -> [i32; 4];

/// The relaxed dot product of this engine, found once. [`RelaxedDot::Unusable`] without relaxed SIMD.
pub fn relaxed_dot() -> RelaxedDot {
    static FOUND: OnceLock<RelaxedDot> = OnceLock::new();
    *FOUND.get_or_init(|| super::arch::relaxed_instruction().map_or(RelaxedDot::Unusable, classify))
}

/// Compares an instruction with each definition, most useful first.
///
/// Every definition is judged on the very same results. An engine may recompile the instruction while
/// the probe runs, and not every compiler in it need be right (the baseline compiler of V8 11.3 adds
/// the products twice): one wrong result, however early, excludes a definition for good.
pub(crate) fn classify(instruction: Dot16) -> RelaxedDot {
    let definitions = [
        (RelaxedDot::Unsigned, unsigned_dot as Dot16, true),
        (RelaxedDot::Signed, signed_dot, true),
        (RelaxedDot::UnsignedSaturating, unsigned_dot, false),
    ];
    let mut alive = [true; 3];
    for_each_case(|a, b, pairs_are_bounded| {
        let result = instruction(a, b);
        for (alive, (_, definition, beyond_bound)) in alive.iter_mut().zip(&definitions) {
            let applies = pairs_are_bounded || *beyond_bound;
            *alive &= !applies || definition(a, b) == result;
        }
        alive.contains(&true)
    });
    let survivor = definitions.iter().zip(alive).find(|(_, alive)| *alive);
    survivor.map_or(RelaxedDot::Unusable, |((found, ..), _)| *found)
}

/// Adjacent weights whose pair sums are the largest of any.
const FULL_PAIRS: &[[i8; 2]] =
    &[[127, 127], [-128, -128], [-127, -127], [127, 126], [-128, -127], [127, -128], [-128, 127], [65, 65]];
/// Activations of a pair that make sums largest, and that tell signs apart.
const EXTREME_ACTIVATIONS: [[u8; 2]; 8] =
    [[255, 255], [128, 128], [127, 127], [0, 255], [255, 128], [128, 127], [129, 254], [0, 0]];
/// Adjacent weights at the bound `|w0| + |w1| = 128`.
const BOUNDED_PAIRS: &[[i8; 2]] =
    &[[64, 64], [-64, -64], [-128, 0], [0, -128], [127, 1], [-127, -1], [1, 127], [64, -64], [127, -1]];

/// Calls `visit` with every case of the probe, and whether its weights keep the bound on pairs, until
/// it returns false.
fn for_each_case(mut visit: impl FnMut([i8; 16], [u8; 16], bool) -> bool) {
    for weight in 0..=255_u8 {
        for activation in (0..=255_u8).step_by(4) {
            for place in 0..4 {
                let (a, b) = single_products(weight as i8, activation, place);
                if !visit(a, b, true) {
                    return;
                }
            }
        }
    }
    for (pairs, are_bounded) in [(BOUNDED_PAIRS, true), (FULL_PAIRS, false)] {
        for (first, second) in pairs.iter().flat_map(|first| pairs.iter().map(move |second| (first, second)))
        {
            for activations in EXTREME_ACTIVATIONS {
                let a = core::array::from_fn(|i| if i % 4 < 2 { first[i % 2] } else { second[i % 2] });
                let b = core::array::from_fn(|i| activations[i % 2]);
                if !visit(a, b, are_bounded) {
                    return;
                }
            }
        }
    }
}

/// One weight with four neighbouring activations, each product alone in its lane, in one place of four.
fn single_products(weight: i8, activation: u8, place: usize) -> ([i8; 16], [u8; 16]) {
    let (mut a, mut b) = ([0; 16], [0; 16]);
    for lane in 0..4 {
        a[4 * lane + place] = weight;
        b[4 * lane + place] = activation + lane as u8;
    }
    (a, b)
}

fn unsigned_dot(a: [i8; 16], b: [u8; 16]) -> [i32; 4] {
    lane_sums(|i| i32::from(a[i]) * i32::from(b[i]))
}

fn signed_dot(a: [i8; 16], b: [u8; 16]) -> [i32; 4] {
    lane_sums(|i| i32::from(a[i]) * i32::from(b[i] as i8))
}

fn lane_sums(product: impl Fn(usize) -> i32) -> [i32; 4] {
    core::array::from_fn(|lane| (0..4).map(|place| product(4 * lane + place)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn saturate(sum: i32) -> i32 {
        sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
    }

    fn saturating(a: [i8; 16], b: [u8; 16], signed: bool) -> [i32; 4] {
        let product =
            |i: usize| i32::from(a[i]) * if signed { i32::from(b[i] as i8) } else { i32::from(b[i]) };
        core::array::from_fn(|lane| {
            let at = 4 * lane;
            saturate(product(at) + product(at + 1)) + saturate(product(at + 2) + product(at + 3))
        })
    }

    fn unsigned_saturating_dot(a: [i8; 16], b: [u8; 16]) -> [i32; 4] {
        saturating(a, b, false)
    }

    fn signed_saturating_dot(a: [i8; 16], b: [u8; 16]) -> [i32; 4] {
        saturating(a, b, true)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_probe_tells_every_engine_apart() {
        assert_eq!(classify(unsigned_dot), RelaxedDot::Unsigned);
        assert_eq!(classify(signed_dot), RelaxedDot::Signed);
        assert_eq!(classify(unsigned_saturating_dot), RelaxedDot::UnsignedSaturating);
        assert_eq!(classify(signed_saturating_dot), RelaxedDot::Unusable);
        assert_eq!(classify(|_, _| [0; 4]), RelaxedDot::Unusable);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_engine_that_is_wrong_only_at_first_is_not_trusted() {
        use std::sync::atomic::{AtomicU32, Ordering};
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let recompiled = |a, b| {
            let products = unsigned_dot(a, b);
            let is_early = CALLS.fetch_add(1, Ordering::Relaxed) < 1100;
            if is_early { products.map(|sum| 2 * sum) } else { products }
        };
        assert_eq!(classify(recompiled), RelaxedDot::Unusable);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn portable_is_always_available_and_best_is_available() {
        assert!(Isa::available().contains(&Isa::Portable));
        assert!(Isa::best().is_available());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_relaxed_dot_is_found_exactly_where_relaxed_simd_exists() {
        let usable = relaxed_dot() != RelaxedDot::Unusable;
        assert!(!usable || Isa::RelaxedSimd.is_available());
    }
}
