//! Rounding of weights that looks at what the layer makes of them (docs/numerics.md).
//!
//! The nearest code of each weight is not the best: errors of different weights meet in one sum, and can
//! make up for each other. How they meet is said by a layer's inputs alone, in [`Curvature`].
//!
//! | module | what it decides | needs |
//! |---|---|---|
//! | [`gptq`] | codes, one weight after the other | `H` and its Cholesky factor |
//! | [`comq`] | codes, by coordinate descent; then scales | `H` |
//! | [`hqq`] | scales or zero points | the weights |
//! | [`range`] | ranges | `H` |
//!
//! These are pure functions of one output's weights, their grid and `H`.

pub mod comq;
pub mod curvature;
pub mod gptq;
pub mod grid;
pub mod hqq;
pub mod range;
pub mod samples;
#[cfg(test)]
mod testing;

pub use curvature::Curvature;
