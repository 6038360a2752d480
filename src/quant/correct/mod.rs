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
//! | [`mod@fit`] | scales and biases bring each channel's deviation and mean back, or each of its values as near as can be | a plan, and pictures |
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
pub mod fit;
mod layer;
mod part;
#[cfg(test)]
pub(in crate::quant) mod testing;
mod walk;
pub mod weight_moments;

pub use absorb::{AbsorbReport, Absorbed, absorb};
pub use bias::{BiasCorrection, LayerShift};
pub use channel_moments::{ChannelMoments, ChannelSums, ChannelWatch, Gaussian, PictureSums};
pub use equalize::{EqualizeReport, Equalized, Relu6, equalize};
pub use fit::{Fit, LayerFit};
pub use walk::Walked;
pub use weight_moments::{WeightShift, WeightsCorrected, correct_weights};

use super::{QuantError, QuantPlan};
use crate::ops::Graph;
use crate::tensor::Value;

/// A correction that runs pictures through both networks, as work in steps.
pub trait Correction: std::fmt::Debug {
    /// Takes one more picture in. All pictures come before the first step.
    ///
    /// # Errors
    /// [`QuantError::Run`] when the picture does not fit the network, [`QuantError::LatePicture`] after
    /// the first layer.
    fn observe(&mut self, inputs: &[Value]) -> Result<(), QuantError>;

    /// Takes one picture to the next layer, or corrects that when all pictures have reached it; `None` once
    /// every layer is corrected.
    ///
    /// # Errors
    /// [`QuantError::NoCalibration`], [`QuantError::NotFinite`], [`QuantError::Run`].
    fn step(&mut self) -> Result<Option<Walked>, QuantError>;

    /// What comes of it.
    ///
    /// # Errors
    /// [`QuantError::Graph`], [`QuantError::Pass`].
    fn finish(self: Box<Self>) -> Result<Corrected, QuantError>;
}

/// A graph with what was corrected so far, to be quantized by the plan that comes with it.
#[derive(Debug, Clone)]
pub struct Corrected {
    /// The graph.
    pub graph: Graph,
    /// The plan, with other scales where these were corrected.
    pub plan: QuantPlan,
    /// What was corrected, layer by layer in the order of execution.
    pub layers: Vec<LayerShift>,
}
