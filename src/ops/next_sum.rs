//! A sum behind an operator, made by the operator itself: the branches of a residual network meet in an
//! Add, and a convolution that ends one of them can add the other before it stores anything.
//!
//! In the graph they stay two nodes, each with its value. It is the executor that finds such pairs, and
//! that runs them as one where nobody looks at the value between (`exec::Probe`).

use super::{Context, Inputs, Op, OpError};
use crate::tensor::Value;

/// A sum that reads what an operator makes, and a tensor that is there before.
#[derive(Debug)]
pub struct NextSum<'a> {
    /// The operator of the sum.
    pub op: &'a Op,
    /// Which of its two inputs is made.
    pub slot: usize,
    /// The other one, owned as [`Inputs`] are.
    pub other: Value,
}

impl NextSum<'_> {
    /// Leaves the sum to its own operator.
    ///
    /// # Errors
    /// [`OpError::MissingInput`] where there is no output.
    pub fn apart(self, outputs: Vec<Value>) -> Result<Summed, OpError> {
        let output = outputs.into_iter().next().ok_or(OpError::MissingInput { index: self.slot })?;
        Ok(Summed::Apart(output, self.other))
    }
}

/// What an operator made where a sum comes next.
#[derive(Debug)]
pub enum Summed {
    /// The sum.
    Sum(Value),
    /// Its own output, and the other summand as it was.
    Apart(Value, Value),
}

/// An operator that can add another tensor to its output.
pub trait MakesSum {
    /// Whether it can do what `sum` does, where shapes allow it.
    fn makes(&self, sum: &Op) -> bool;

    /// The sum, with the same bits as of one operator after the other; or the output alone, where the sum
    /// has to look at the shapes.
    ///
    /// # Errors
    /// As [`Operator::forward`](super::Operator::forward).
    fn forward_sum(&self, context: &Context<'_>, inputs: Inputs, sum: NextSum<'_>)
    -> Result<Summed, OpError>;
}
