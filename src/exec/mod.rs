//! Running a graph: forward ([`Executor`]), and backward for gradients ([`gradients`]).
//!
//! An executor is made once per graph: it fixes the order, lets each operator prepare its constants
//! (pack weights, also those that are codes in the graph: `weights`), and knows after which step each
//! value is dead. A run then walks the steps, hands each operator its inputs (owned where this is their
//! last use, so that it can write in place) and shows every value to a [`Probe`]. What is not here:
//! quantization (a quantized network is just another graph), time, and any choice of kernels beyond the
//! [`Isa`](crate::ops::Isa).

mod backward;
mod peak;
mod run;
mod schedule;
mod weights;

pub use backward::gradients;
pub use peak::least_peak;
pub use run::{Executor, NoProbe, Probe, Recording};

use crate::ir::GraphError;
use crate::ops::OpError;
use thiserror::Error;

/// What can go wrong in a run.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ExecError {
    /// A node failed.
    #[error("{op_type} `{node}` ({inputs}): {source}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        op_type: &'static str,
        /// Types and shapes of what it read, as text.
        inputs: String,
        /// What it said.
        source: Box<OpError>,
    },
    /// The caller gave another number of inputs than the network has.
    #[error("the network has {expected} input(s), but {got} were given")]
    InputCount {
        /// Inputs of the network.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An input has another type or shape than the network declares.
    #[error("input `{name}` should be {expected}, but the data is {got}")]
    InputType {
        /// Name of the input.
        name: String,
        /// Declared type.
        expected: String,
        /// Type given.
        got: String,
    },
    /// A value that was asked for is not computed by the network.
    #[error("value `{name}` is not computed by the network")]
    NotComputed {
        /// Its name.
        name: String,
    },
    /// The graph is not valid.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A tensor is not what it should be.
    #[error(transparent)]
    Tensor(#[from] crate::tensor::TensorError),
}

impl ExecError {
    /// The node, and its operator, that a backward walk could not pass since it has no gradient.
    pub fn not_differentiable(&self) -> Option<(&str, &'static str)> {
        match self {
            Self::Node { node, op_type, source, .. } if **source == OpError::NotDifferentiable => {
                Some((node, op_type))
            }
            _ => None,
        }
    }
}
