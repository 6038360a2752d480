//! What an entry point can refuse.
//!
//! Every check happens before any arithmetic: a kernel that has started cannot fail.

use super::isa::Isa;

/// Why a kernel did not run. The operands are unchanged when one of these is returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A slice does not have the length that its layout states.
    #[error("{operand} has {actual} elements but its layout needs {expected}")]
    Length {
        /// Name of the operand, as in the entry point's documentation.
        operand: &'static str,
        /// Length that the layout asks for.
        expected: usize,
        /// Length of the slice handed in.
        actual: usize,
    },
    /// Two operands disagree about an extent that they share.
    #[error("{extent} is {actual}, expected {expected}")]
    Mismatch {
        /// The extent that is shared.
        extent: &'static str,
        /// Value given by the operand that decides.
        expected: usize,
        /// Value given by the other one.
        actual: usize,
    },
    /// An extent that must be at least one is zero.
    #[error("{extent} must be at least 1")]
    Zero {
        /// Name of the extent.
        extent: &'static str,
    },
    /// Channels cannot be split evenly into groups.
    #[error("{channels} {which} channels cannot be split into {groups} groups")]
    Groups {
        /// "input" or "output".
        which: &'static str,
        /// Number of channels.
        channels: usize,
        /// Number of groups.
        groups: usize,
    },
    /// A tensor or a coordinate does not fit this machine's address range.
    #[error("{what} is too large for this machine")]
    TooLarge {
        /// What overflows.
        what: &'static str,
    },
    /// A number lies outside the range that keeps the definition free of NaN.
    #[error("{name} is {value}, but must be {requirement}")]
    Parameter {
        /// Name of the number.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The condition that it breaks.
        requirement: &'static str,
    },
    /// The weights of one output could overflow a 32-bit accumulator.
    #[error(
        "output channel {channel}: the absolute weights sum to {weight_sum}, and 255 times that \
         exceeds a 32-bit accumulator; split the reduction"
    )]
    AccumulatorOverflow {
        /// Index of the output channel.
        channel: usize,
        /// Σ|w| of that channel.
        weight_sum: i64,
    },
    /// The instruction set does not exist on this machine or in this build.
    #[error("{isa} is not available here")]
    IsaUnavailable {
        /// The instruction set asked for.
        isa: Isa,
    },
}

/// Result of every entry point.
pub type Result<T> = core::result::Result<T, KernelError>;

/// Compares a slice's length with what its layout needs.
pub(crate) fn check_length(operand: &'static str, expected: usize, actual: usize) -> Result<()> {
    if expected == actual { Ok(()) } else { Err(KernelError::Length { operand, expected, actual }) }
}

/// Compares an extent that two operands share.
pub(crate) fn check_equal(extent: &'static str, expected: usize, actual: usize) -> Result<()> {
    if expected == actual { Ok(()) } else { Err(KernelError::Mismatch { extent, expected, actual }) }
}

/// Refuses zero.
pub(crate) fn check_positive(extent: &'static str, value: usize) -> Result<()> {
    if value == 0 { Err(KernelError::Zero { extent }) } else { Ok(()) }
}

/// Product of extents, refused when a slice of that many `f32` could not exist.
pub(crate) fn checked_product(what: &'static str, extents: &[usize]) -> Result<usize> {
    let limit = isize::MAX as usize / size_of::<f32>();
    extents
        .iter()
        .try_fold(1_usize, |product, &extent| product.checked_mul(extent))
        .filter(|&product| product <= limit)
        .ok_or(KernelError::TooLarge { what })
}
