//! Rounding of weights that looks at what the layer makes of them (docs/numerics.md).
//!
//! The nearest code of each weight is not the best: errors of different weights meet in one sum, and can
//! make up for each other. How they meet is said by a layer's inputs alone, in [`Curvature`].
//!
//! | module | what it decides | needs |
//! |---|---|---|
//! | [`gptq`] | codes, one weight after the other | `H` and its Cholesky factor |
//! | [`adaround`] | codes, all at once, by gradients | `H` |
//! | [`comq`] | codes, by coordinate descent; then scales | `H` |
//! | [`hqq`] | scales or zero points | the weights |
//! | [`range`] | ranges | `H` |
//!
//! These are pure functions of one output's weights, their grid and `H`. [`samples`] makes `H` of what layers
//! read on the pictures, and [`WeightRounding`] does it all for a network, in steps. Of each weight what was
//! found is kept where its error is at most that of nearest codes, and otherwise the nearest codes are; the
//! report says so.

pub mod adaround;
pub mod comq;
pub mod curvature;
pub mod gptq;
pub mod grid;
pub mod hqq;
mod layer;
pub mod range;
pub mod samples;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod work;

pub use curvature::Curvature;
pub use work::{MOST_TERMS, RoundedGraph, WeightRounding};

use super::recipe::RoundingChoice;

/// What became of a weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Rounded {
    /// How its codes were found in the end.
    pub rounding: RoundingChoice,
    /// The error of nearest codes with the plan's parameters, as a share of what losing the weight would
    /// be: of the layer's output (`E / w·H·wᵀ`), or of [`hqq`], which sees no output, `Σ|w − ŵ|^p / Σ|w|^p`.
    /// `None` where it was not measured.
    pub nearest: Option<f64>,
    /// The same of what was accepted; at most that of nearest codes.
    pub accepted: Option<f64>,
    /// Why nearest codes were kept, where others were asked for.
    pub note: Option<String>,
}

/// A layer and what became of its weight.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundedLayer {
    /// Name of the layer's node; the first, where several layers share the weight.
    pub layer: String,
    /// What became of the weight.
    pub rounded: Rounded,
}
