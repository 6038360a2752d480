//! Instruction sets: which exist, which is best, and what the relaxed dot product really does.
//!
//! On wasm the set is fixed when the module is compiled, since a module with unknown opcodes does
//! not validate; on x86-64 it is found at run time. `Portable` exists everywhere, so that a result
//! can be checked and a speed compared on any machine.
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
    /// Plain Rust, everywhere.
    Portable,
    /// WebAssembly fixed-width SIMD.
    Simd128,
    /// WebAssembly relaxed SIMD, on top of [`Isa::Simd128`].
    RelaxedSimd,
    /// x86-64 with AVX2 and FMA.
    Avx2,
}

impl Isa {
    /// Every instruction set that the library has kernels for, slowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Simd128, Self::RelaxedSimd, Self::Avx2];

    /// True when this build contains the kernels and this machine can run them.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            Self::RelaxedSimd => cfg!(all(target_arch = "wasm32", target_feature = "relaxed-simd")),
            Self::Avx2 => avx2_detected(),
        }
    }

    /// The instruction sets that can run here, slowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|isa| isa.is_available())
            .collect()
    }

    /// The fastest instruction set that can run here. Found once, then remembered.
    ///
    /// ```
    /// assert!(bitlens::kernels::Isa::best().is_available());
    /// ```
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            Self::available()
                .into_iter()
                .max()
                .unwrap_or(Self::Portable)
        })
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Simd128 => "simd128",
            Self::RelaxedSimd => "relaxed-simd",
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

/// Compares an instruction with each definition in turn, most useful first.
pub(crate) fn classify(instruction: Dot16) -> RelaxedDot {
    let definitions = [
        (RelaxedDot::Unsigned, unsigned_dot as Dot16, FULL_PAIRS),
        (RelaxedDot::Signed, signed_dot, FULL_PAIRS),
        (RelaxedDot::UnsignedSaturating, unsigned_dot, BOUNDED_PAIRS),
    ];
    definitions
        .into_iter()
        .find(|(_, definition, pairs)| {
            agrees_on_products(instruction, *definition)
                && agrees_on_sums(instruction, *definition, pairs)
        })
        .map_or(RelaxedDot::Unusable, |(found, ..)| found)
}

/// Adjacent weights whose pair sums are the largest of any.
const FULL_PAIRS: &[[i8; 2]] = &[
    [127, 127],
    [-128, -128],
    [-127, -127],
    [127, 126],
    [-128, -127],
    [127, -128],
    [-128, 127],
    [65, 65],
];
/// Adjacent weights at the bound `|w0| + |w1| = 128`.
const BOUNDED_PAIRS: &[[i8; 2]] = &[
    [64, 64],
    [-64, -64],
    [-128, 0],
    [0, -128],
    [127, 1],
    [-127, -1],
    [1, 127],
    [64, -64],
    [127, -1],
];

/// Every weight with every activation, four at a time, each alone in its lane and in each place.
fn agrees_on_products(instruction: Dot16, definition: Dot16) -> bool {
    (0..=255_u8).all(|weight| {
        (0..=255_u8).step_by(4).all(|activation| {
            (0..4).all(|place| {
                let mut a = [0_i8; 16];
                let mut b = [0_u8; 16];
                for lane in 0..4 {
                    a[4 * lane + place] = weight as i8;
                    b[4 * lane + place] = activation + lane as u8;
                }
                instruction(a, b) == definition(a, b)
            })
        })
    })
}

/// Both pairs of every lane at once, with the activations that make the sums largest.
fn agrees_on_sums(instruction: Dot16, definition: Dot16, pairs: &[[i8; 2]]) -> bool {
    const EXTREMES: [[u8; 2]; 8] = [
        [255, 255],
        [128, 128],
        [127, 127],
        [0, 255],
        [255, 128],
        [128, 127],
        [129, 254],
        [0, 0],
    ];
    pairs.iter().all(|first| {
        pairs.iter().all(|second| {
            EXTREMES.iter().all(|activations| {
                let a = core::array::from_fn(|i| {
                    if i % 4 < 2 {
                        first[i % 2]
                    } else {
                        second[i % 2]
                    }
                });
                let b = core::array::from_fn(|i| activations[i % 2]);
                instruction(a, b) == definition(a, b)
            })
        })
    })
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
        let product = |i: usize| {
            i32::from(a[i])
                * if signed {
                    i32::from(b[i] as i8)
                } else {
                    i32::from(b[i])
                }
        };
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
        assert_eq!(
            classify(unsigned_saturating_dot),
            RelaxedDot::UnsignedSaturating
        );
        assert_eq!(classify(signed_saturating_dot), RelaxedDot::Unusable);
        assert_eq!(classify(|_, _| [0; 4]), RelaxedDot::Unusable);
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
