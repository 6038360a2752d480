//! How far a quantized network's outputs and maps are from full precision's: pure functions on slices.
//!
//! Values come in as f32 and are accumulated in f64 or, where only order counts, in integers. One rule holds
//! throughout: a measure that is undefined for its input is `None`, never a number that looks like a result. Undefined
//! means: empty, of unequal lengths, NaN anywhere, or what the function itself names, such as a constant map for a rank correlation.
//!
//! Deliberately absent: anything that runs a network, and costs (size, MACs), which need the graph.

#![allow(clippy::float_cmp, reason = "ties, constants and zero noise are exact equality")]

pub mod agreement;
pub mod distance;
pub mod divergence;
pub mod rank;
pub mod sqnr;
pub mod summary;

pub use agreement::{Agreement, top_1, top_k};
pub use divergence::{kl_divergence, log_softmax, softmax};
pub use rank::{kendall_tau_b, spearman};
pub use sqnr::{Sqnr, decibels, sqnr_db};

/// Whether two slices can be compared at all: equally long, not empty, and without NaN.
fn comparable(lhs: &[f32], rhs: &[f32]) -> bool {
    lhs.len() == rhs.len() && !lhs.is_empty() && !lhs.iter().chain(rhs).any(|v| v.is_nan())
}

/// As [`comparable`], and without infinities.
fn comparable_finite(lhs: &[f32], rhs: &[f32]) -> bool {
    let is_finite = |v: &f32| v.is_finite();
    comparable(lhs, rhs) && lhs.iter().all(is_finite) && rhs.iter().all(is_finite)
}

/// Whether all values are the same; an empty slice is constant.
fn is_constant(values: &[f32]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}
