//! What an operator is given when it runs: its inputs, what it prepared, and the tape of a run for the
//! way back.

use super::OpError;
use crate::kernels::Isa;
use crate::tensor::{Element, Value};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What an operator prepared for its runs.
#[derive(Clone)]
pub struct Prepared {
    made: Arc<dyn Any + Send + Sync>,
    weight: Option<Arc<[usize]>>,
    kernel: Option<&'static str>,
}

impl Prepared {
    /// Wraps what [`Operator::prepare`](super::Operator::prepare) made.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self { made: Arc::new(value), weight: None, kernel: None }
    }

    /// Wraps a form of the weight (input 1, of this shape) that lets a run do without the weight
    /// itself: it may then be absent.
    pub fn of_weight<T: Any + Send + Sync>(shape: &[usize], packed: T) -> Self {
        Self { made: Arc::new(packed), weight: Some(shape.into()), kernel: None }
    }

    /// Says on which kernel a run will work.
    #[must_use]
    pub fn on(self, kernel: &'static str) -> Self {
        Self { kernel: Some(kernel), ..self }
    }

    /// Name of the kernel that a run will work on, where the operator has a choice.
    pub fn kernel(&self) -> Option<&'static str> {
        self.kernel
    }

    /// What was wrapped, when it is a `T`.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.made.downcast_ref()
    }

    /// Whether runs can do without the weight.
    pub fn holds_weight(&self) -> bool {
        self.weight.is_some()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

/// How a computation is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Instruction set for the kernels.
    pub isa: Isa,
    /// What [`Operator::prepare`](super::Operator::prepare) made, if it ran.
    pub prepared: Option<&'a Prepared>,
}

impl<'a> Context<'a> {
    /// A context without preparation.
    pub fn new(isa: Isa) -> Self {
        Self { isa, prepared: None }
    }

    /// What [`Operator::prepare`](super::Operator::prepare) made, when it is a `T`.
    pub fn prepared<T: Any>(&self) -> Option<&'a T> {
        self.prepared.and_then(Prepared::get)
    }

    /// Shape of the weight, input 1: of the tensor, or of the one that was prepared in its place.
    ///
    /// # Errors
    /// [`OpError::MissingInput`] when it is neither.
    pub fn weight_shape<'b>(&'b self, inputs: &'b Inputs) -> Result<&'b [usize], OpError> {
        match (inputs.optional(1), self.prepared.and_then(|prepared| prepared.weight.as_deref())) {
            (None, Some(shape)) => Ok(shape),
            _ => Ok(inputs.get(1)?.shape()),
        }
    }
}

/// The tensors that a node reads, owned: an operator that takes an input whose elements nobody else
/// holds writes into it without a copy.
#[derive(Debug, Clone)]
pub struct Inputs(Vec<Option<Value>>);

impl Inputs {
    /// Inputs in the order of the operator's definition.
    pub fn new(values: Vec<Option<Value>>) -> Self {
        Self(values)
    }

    /// Number of inputs, absent ones included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn get(&self, index: usize) -> Result<&Value, OpError> {
        self.optional(index).ok_or(OpError::MissingInput { index })
    }

    /// An optional input.
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.0.get(index)?.as_ref()
    }

    /// The elements of a required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`], [`OpError::Tensor`].
    pub fn slice<T: Element>(&self, index: usize) -> Result<&[T], OpError> {
        Ok(self.get(index)?.as_slice::<T>()?)
    }

    /// Takes a required input out, to write into it.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn take(&mut self, index: usize) -> Result<Value, OpError> {
        self.0.get_mut(index).and_then(Option::take).ok_or(OpError::MissingInput { index })
    }

    /// All present inputs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().flatten()
    }
}

/// What a backward computation may look at.
#[derive(Debug, Clone, Copy)]
pub struct Tape<'a> {
    /// Inputs of the forward computation.
    pub inputs: &'a [Option<&'a Value>],
    /// Its outputs.
    pub outputs: &'a [&'a Value],
    /// For each output the gradient of the scalar, `None` where it is zero.
    pub gradients: &'a [Option<&'a Value>],
    /// For each input whether its gradient is needed.
    pub wanted: &'a [bool],
}

impl<'a> Tape<'a> {
    /// A required input of the forward computation.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn input(&self, index: usize) -> Result<&'a Value, OpError> {
        self.inputs.get(index).copied().flatten().ok_or(OpError::MissingInput { index })
    }

    /// An output of the forward computation.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn output(&self, index: usize) -> Result<&'a Value, OpError> {
        self.outputs.get(index).copied().ok_or(OpError::MissingInput { index })
    }

    /// The gradient with respect to an output.
    pub fn gradient(&self, index: usize) -> Option<&'a Value> {
        self.gradients.get(index).copied().flatten()
    }

    /// The gradient with respect to the only output, where it is not zero and the gradient with
    /// respect to the first input is needed: for operators with one differentiable input.
    pub fn wanted_gradient(&self) -> Option<&'a Value> {
        self.gradient(0).filter(|_| self.wants(0))
    }

    /// Whether the gradient with respect to an input is needed.
    pub fn wants(&self, index: usize) -> bool {
        self.wanted.get(index).copied().unwrap_or(false)
    }
}
