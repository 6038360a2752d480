//! Quantization: from a network and calibration pictures to a network with QuantizeLinear and
//! DequantizeLinear nodes.
//!
//! Three roles, kept apart: a [`Calibrator`] watches runs and collects [`Statistics`]; a range
//! estimator turns statistics into a [`Range`]; [`plan`] turns ranges and a [`Recipe`] into a
//! [`QuantPlan`]. [`apply`] writes a plan into a graph. Everything behind the calibrator is a pure
//! function, so that trying other bits needs no new calibration.
//!
//! The graph that [`apply`] makes, run in float, *defines* the quantized network (ONNX
//! QuantizeLinear, DequantizeLinear); integer execution is `passes::lower_int8` of it.

pub mod affine;
pub mod allocate;
mod apply;
mod beside;
pub mod correct;
pub mod estimate;
pub mod observe;
mod params;
pub mod parts;
mod plan;
pub mod recipe;
pub mod round;
mod spec;

pub use apply::{Quantized, apply};
pub use beside::{Beside, LayerBeside, beside};
pub use observe::{Calibrator, Statistics};
pub use params::{QuantParams, Range, TensorQuant};
pub use plan::{LARGEST_REDUCTION, QuantPlan, data_input, plan};
pub use recipe::{FLOAT_BITS, Preset, RECIPE_SCHEMA, Recipe, RecipeError};
pub use spec::{Granularity, QuantSpec};

use thiserror::Error;

/// What can go wrong while a network is quantized.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum QuantError {
    /// Calibration saw nothing.
    #[error("no picture was given to calibrate on: the ranges of the activations are not known")]
    NoCalibration,
    /// A recipe leaves the rule for ranges to be found by measuring, and none was found yet.
    #[error(
        "`activationRange` is `held-out`, so the rule for ranges is chosen by measuring: choose one of the others for a plan"
    )]
    RuleNotChosen,
    /// A picture came when others were on their way already.
    #[error(
        "a picture was given after the correction of biases had begun: give all pictures before the first step"
    )]
    LatePicture,
    /// A value of the network was NaN or infinite while calibrating.
    #[error(
        "`{value}` is {got} on a calibration picture, so it has no range: check the network's weights and the preprocessing"
    )]
    NotFinite {
        /// Name of the value.
        value: String,
        /// What was seen.
        got: f32,
    },
    /// What was found while calibrating belongs to another network.
    #[error("ranges of {got} values were given for a network that has {expected}")]
    OtherNetwork {
        /// Values of this network.
        expected: usize,
        /// Values that there are ranges of.
        got: usize,
    },
    /// A weight cannot be quantized.
    #[error("weight `{value}` holds {got}, which cannot be quantized")]
    Weight {
        /// Name of the constant.
        value: String,
        /// What it holds.
        got: f32,
    },
    /// There is nothing to quantize.
    #[error("the network has no layer with constant weights, so there is nothing to quantize")]
    NothingToQuantize,
    /// A sum has too many terms for 32-bit accumulators.
    #[error("layer `{node}` sums {terms} products, more than the {limit} that 32-bit accumulators hold")]
    Accumulator {
        /// Name of the node.
        node: String,
        /// Products summed for one output.
        terms: usize,
        /// Largest number that cannot overflow.
        limit: usize,
    },
    /// Bits cannot be chosen so.
    #[error(transparent)]
    Allocation(#[from] allocate::AllocationError),
    /// The recipe is not valid.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A picture could not be run through the network.
    #[error(transparent)]
    Run(#[from] crate::exec::ExecError),
    /// The graph could not be changed.
    #[error(transparent)]
    Graph(#[from] crate::ir::GraphError),
    /// A pass failed on the quantized graph.
    #[error(transparent)]
    Pass(#[from] crate::passes::PassError),
    /// What a layer reads does not fit it.
    #[error(transparent)]
    Operator(#[from] crate::ops::OpError),
    /// A tensor is not what it should be.
    #[error(transparent)]
    Tensor(#[from] crate::tensor::TensorError),
}
