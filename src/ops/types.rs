//! What an operator sees when types are inferred.

use super::OpError;
use crate::tensor::{DType, Shape, TensorType, Value};

/// Types of a node's inputs, and the tensors of those that are constants.
#[derive(Debug, Clone)]
pub struct TypeInputs<'a> {
    slots: Vec<Option<(&'a TensorType, Option<&'a Value>)>>,
}

impl<'a> TypeInputs<'a> {
    /// From one entry per input: `None` where it is absent.
    pub fn new(slots: Vec<Option<(&'a TensorType, Option<&'a Value>)>>) -> Self {
        Self { slots }
    }

    /// Number of inputs, absent ones included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The type of a required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn ty(&self, index: usize) -> Result<&'a TensorType, OpError> {
        self.optional(index).ok_or(OpError::MissingInput { index })
    }

    /// The type of an optional input.
    pub fn optional(&self, index: usize) -> Option<&'a TensorType> {
        self.slots.get(index).copied().flatten().map(|(ty, _)| ty)
    }

    /// The tensor of an input, when it is a constant.
    pub fn constant(&self, index: usize) -> Option<&'a Value> {
        self.slots.get(index).copied().flatten().and_then(|(_, value)| value)
    }

    /// The shape of a required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn shape(&self, index: usize) -> Result<&'a Shape, OpError> {
        Ok(&self.ty(index)?.shape)
    }

    /// The type of a required input that must hold floats.
    ///
    /// # Errors
    /// [`OpError::MissingInput`], [`OpError::DType`].
    pub fn float(&self, index: usize, what: &'static str) -> Result<&'a TensorType, OpError> {
        let ty = self.ty(index)?;
        if ty.dtype == DType::F32 {
            return Ok(ty);
        }
        Err(OpError::DType { what, expected: "float32", got: ty.dtype })
    }
}
