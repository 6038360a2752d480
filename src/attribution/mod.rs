//! Attribution maps: which places of a picture speak for a class.
//!
//! A method sees a [`Model`]: a graph ready to run, whose logits and last spatial tensor have been
//! found. It never asks whether the graph is quantized: QuantizeLinear has a straight-through
//! gradient (docs/numerics.md), so the same code gives the maps of both networks.

mod grad_cam;
mod locate;
mod places;

pub use grad_cam::GradCam;
pub use locate::{Target, find_logits, find_targets};
pub use places::Places;

use crate::exec::{ExecError, Executor, Probe, Recording};
use crate::ir::ValueId;
use crate::tensor::Value;
use thiserror::Error;

/// A network that can be explained.
#[derive(Debug, Clone)]
pub struct Model {
    /// The graph, ready to run.
    pub executor: Executor,
    /// The scores of the classes before any Softmax: `[1, C]`, or that with axes of size 1 behind.
    pub logits: ValueId,
}

/// One picture's run through a model.
#[derive(Debug, Clone)]
pub struct Run {
    /// Every value of the run.
    pub recording: Recording,
    /// Score of each class.
    pub logits: Vec<f32>,
}

impl Model {
    /// Finds the logits of a graph.
    ///
    /// # Errors
    /// [`AttributionError::NoLogits`].
    pub fn new(executor: Executor) -> Result<Self, AttributionError> {
        let logits = find_logits(executor.graph()).ok_or(AttributionError::NoLogits)?;
        Ok(Self { executor, logits })
    }

    /// The score of each class for one input. Cheaper than [`Model::run`]: values are dropped as soon
    /// as nobody reads them.
    ///
    /// # Errors
    /// [`AttributionError::Exec`] when a node fails.
    pub fn scores(&self, input: Value) -> Result<Vec<f32>, AttributionError> {
        let mut watch = Watch { id: self.logits, found: None };
        self.executor.run(&[input], &mut watch)?;
        let name = || self.executor.graph().value(self.logits).name.clone();
        let logits = watch.found.ok_or_else(|| ExecError::NotComputed { name: name() })?;
        Ok(logits.into_vec::<f32>().map_err(ExecError::from)?)
    }

    /// Runs the network on one input and keeps every value.
    ///
    /// # Errors
    /// [`AttributionError::Exec`] when a node fails.
    pub fn run(&self, input: Value) -> Result<Run, AttributionError> {
        let recording = self.executor.record(&[input])?;
        let name = || self.executor.graph().value(self.logits).name.clone();
        let logits = recording.get(self.logits).ok_or_else(|| ExecError::NotComputed { name: name() })?;
        let logits = logits.as_slice::<f32>().map_err(ExecError::from)?.to_vec();
        Ok(Run { recording, logits })
    }
}

/// Keeps one value of a run.
struct Watch {
    id: ValueId,
    found: Option<Value>,
}

impl Probe for Watch {
    fn observe(&mut self, id: ValueId, value: &Value) {
        if id == self.id {
            self.found = Some(value.clone());
        }
    }
}

/// A map over the positions of a tensor or of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values in row-major order; for Grad-CAM at least 0.
    pub map: Vec<f32>,
    /// By how much the map misses the score that it should sum to, for methods that claim it.
    pub convergence_delta: Option<f32>,
}

/// A way to attribute a class's score to places. Cost is stated in forward runs.
pub trait Method {
    /// The map that explains class `target`.
    ///
    /// # Errors
    /// [`AttributionError`].
    fn attribute(&self, model: &Model, run: &Run, target: usize) -> Result<Attribution, AttributionError>;
}

/// What can go wrong while explaining.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AttributionError {
    /// No output looks like scores of classes.
    #[error("the network's output does not look like scores of classes, so there is nothing to explain")]
    NoLogits,
    /// No tensor has places.
    #[error("no tensor of the network keeps the picture's rows and columns, so there is no map to draw")]
    NoSpatialLayer,
    /// An operator on the way from the logits to the places cannot be differentiated.
    #[error("{op_type} `{node}` has no gradient, so there is no map to draw")]
    NoGradient {
        /// The node's name.
        node: String,
        /// Its operator.
        op_type: &'static str,
    },
    /// The class does not exist.
    #[error("class {target} does not exist: the network has {classes}")]
    NoSuchClass {
        /// Class asked for.
        target: usize,
        /// Classes of the network.
        classes: usize,
    },
    /// A run, or a gradient, failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
}
