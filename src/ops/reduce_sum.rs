//! `ReduceSum` (ONNX opsets 1–18): sum over some axes.
//!
//! Summed in f64. The axes became an input with opset 13.

use super::reduce::Axes;
use super::{Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = sum of x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceSum {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceSum {
    const OP_TYPE: &'static str = "ReduceSum";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: Axes::import(node, 13)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.axes.export(Self::OP_TYPE))
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let reduction = self.axes.plan(input.shape(), inputs.optional(1))?;
        Ok(vec![reduction.sum(input.as_slice()?, 1.0)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let reduction = self.axes.plan(tape.input(0)?.shape(), tape.inputs.get(1).copied().flatten())?;
        reduction.spread(tape, 1.0)
    }
}
