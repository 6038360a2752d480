//! What can go wrong in one operator.

use crate::tensor::{DType, TensorError};
use thiserror::Error;

/// What can go wrong in one operator; the caller adds the node's name.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OpError {
    /// A required input is absent.
    #[error("input {index} (counted from 0) is missing")]
    MissingInput {
        /// Position, from 0.
        index: usize,
    },
    /// An input has a type that the operator does not take.
    #[error("{what} is {got}, which is not supported: it must be {expected}")]
    DType {
        /// Which input.
        what: &'static str,
        /// Types allowed.
        expected: &'static str,
        /// Type found.
        got: DType,
    },
    /// Sizes do not fit together.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// What was compared.
        what: &'static str,
        /// What is needed, as text.
        expected: String,
        /// What was found, as text.
        got: String,
    },
    /// A value is outside what the operator's definition allows.
    #[error("{what} = {got}, but it must be {expected}")]
    Range {
        /// Which value.
        what: &'static str,
        /// What is allowed, as text.
        expected: String,
        /// What was found, as text.
        got: String,
    },
    /// A value that must be known before the run is computed by the network.
    #[error("{what} is computed by the network; only a constant is supported")]
    NotConstant {
        /// Which input.
        what: &'static str,
    },
    /// The operator has no gradient here.
    #[error("this operator is not differentiable")]
    NotDifferentiable,
    /// A tensor is not what it should be.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A kernel refused its arguments.
    #[error(transparent)]
    Kernel(#[from] crate::kernels::KernelError),
}
