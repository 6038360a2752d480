//! Corrections: what is done to a network's weights and biases so that quantizing it costs less.
//!
//! Each is a function from a full-precision graph (simplified, see `passes::simplify`) to another one,
//! with a report of what it did. None of them writes codes: [`plan`](super::plan) and
//! [`apply`](super::apply) do that with the graph that comes out. They build on each other in this
//! order.
//!
//! | module | what it does | needs |
//! |---|---|---|
//! | [`mod@equalize`] | channels of neighbouring layers get weights of the same range; the function stays | nothing |
//! | [`mod@absorb`] | what a channel always has moves into the next layer's bias | moments of that graph |
//! | [`weight_moments`] | rounded weights get back each channel's deviation, and its mean through the bias | a plan, and moments |
//! | [`analytic`] | biases make up for what rounding the weights adds | a plan, and moments |
//! | [`bias`] | biases make up for what quantizing adds to each channel's mean, as measured | a plan, and pictures |
//!
//! The first two come before calibration, since they change ranges; the others after [`plan`](super::plan),
//! and their result is quantized with that plan, or with the one that comes back. Moments are measured by a [`ChannelWatch`].
//!
//! A *layer* here is a linear operator with constant weights whose output has its channels on axis 1.
//! Layers are named by their node's name, which every correction keeps.

pub mod absorb;
pub mod analytic;
pub mod bias;
mod channel_moments;
pub mod equalize;
mod layer;
mod part;
#[cfg(test)]
pub(in crate::quant) mod testing;
pub mod weight_moments;

pub use absorb::{AbsorbReport, Absorbed, absorb};
pub use bias::{BiasCorrected, BiasCorrection, LayerShift, Walked};
pub use channel_moments::{ChannelMoments, ChannelSums, ChannelWatch, Gaussian, PictureSums};
pub use equalize::{EqualizeReport, Equalized, Relu6, equalize};
pub use weight_moments::{WeightShift, WeightsCorrected, correct_weights};
