//! Tensors as the graph and the operators see them: a type-erased, reference-counted array
//! ([`Value`]), its element types ([`DType`]) and symbolic shapes ([`Shape`]).
//!
//! Storage, strides and broadcasting are `ndarray`'s; this module adds what an ONNX graph needs on
//! top: one type for all element types, shapes with names in them, and checked construction.
//! There is no arithmetic here: that is `kernels` and `ops`. What a file's narrow floats mean is here
//! ([`FloatFormat`]), since tensors hold them as float32.

mod dtype;
mod float_format;
mod order;
mod shape;
mod value;

pub(crate) use dtype::with_element;
pub use dtype::{DType, Element, I2, I4, U2, U4};
pub use float_format::{FloatFormat, FloatRounding, PowerRounding};
pub use order::{ordered, sort_positions, sorted};
pub use shape::{Dim, Shape, TensorType, broadcast_shapes, broadcast_types};
pub use value::Value;

use thiserror::Error;

/// What can be wrong with a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The element type is not the one needed.
    #[error("expected a tensor of {expected}, got {got}")]
    DType {
        /// The type asked for.
        expected: DType,
        /// The type found.
        got: DType,
    },
    /// The number of elements does not fit the shape.
    #[error("a tensor of shape {shape:?} needs {expected} elements, got {got}")]
    Length {
        /// The shape asked for.
        shape: Vec<usize>,
        /// Elements that the shape holds.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// The tensor would not fit in memory.
    #[error("a tensor of shape {shape:?} is too large for this machine")]
    TooLarge {
        /// The shape asked for.
        shape: Vec<usize>,
    },
    /// Two shapes cannot be broadcast together.
    #[error("shapes {lhs} and {rhs} cannot be broadcast together")]
    Broadcast {
        /// Left shape, as text.
        lhs: String,
        /// Right shape, as text.
        rhs: String,
    },
}
