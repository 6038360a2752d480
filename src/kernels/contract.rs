//! What a kernel promises, as data.
//!
//! Dispatch reads these values: it takes the fastest kernel whose ranges admit the operands. The
//! page shows them, and the conformance suite tests them. Nothing here computes.

use super::isa::Isa;
use core::fmt;

/// Integers `min..=max` that an operand may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntRange {
    /// Smallest value.
    pub min: i32,
    /// Largest value.
    pub max: i32,
}

impl IntRange {
    /// Every `u8`.
    pub const U8: Self = Self { min: 0, max: 255 };
    /// Every `i8`.
    pub const I8: Self = Self { min: -128, max: 127 };
    /// Every difference of two `u8` or two `i8`.
    pub const DIFFERENCES: Self = Self { min: -255, max: 255 };

    /// True when every value of `other` lies within.
    pub fn admits(self, other: Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }
}

/// How a kernel's result relates to the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exactness {
    /// Equal, bit for bit, on all admitted operands.
    BitExact,
    /// Equal, bit for bit, as long as each adjacent pair of weights has `|w0| + |w1| ≤ 128`.
    BitExactForBoundedPairs,
    /// Within `γ_k · Σ|a||b|` with `γ_k = k·u / (1 − k·u)`, `u = 2⁻²⁴`: the order of the sum is free.
    ReorderedSum,
}

/// One kernel: what it is called, what it runs on and what it promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelInfo {
    /// Name for reports, such as `i16-pairs`.
    pub name: &'static str,
    /// Instruction set.
    pub isa: Isa,
    /// Admitted activations.
    pub lhs: IntRange,
    /// Admitted weights.
    pub rhs: IntRange,
    /// Relation to the reference.
    pub exactness: Exactness,
}

impl fmt::Display for KernelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.isa)
    }
}
