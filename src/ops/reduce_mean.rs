//! `ReduceMean` (ONNX opsets 1–18): mean over some axes.
//!
//! Summed in f64. Over the two spatial axes of an image it is a global average pool, and says so.

use super::reduce::Axes;
use super::{
    Averaged, Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator,
    Tape, TypeInputs,
};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = mean of x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceMean {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceMean {
    const OP_TYPE: &'static str = "ReduceMean";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: Axes::import(node, 18)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.axes.export(Self::OP_TYPE))
    }

    fn facts(&self) -> Facts {
        Facts { is_global_pool: self.axes.are_spatial(), ..Facts::of(Kind::Average) }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let reduction = self.axes.plan(input.shape(), inputs.optional(1))?;
        Ok(vec![reduction.sum(input.as_slice()?, reduction.count() as f64)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let averaged = self.axes.are_spatial().then_some(Averaged::All)?;
        super::q_average_pool::lower(context, averaged, self.axes.keep_dims)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let reduction = self.axes.plan(tape.input(0)?.shape(), tape.inputs.get(1).copied().flatten())?;
        reduction.spread(tape, reduction.count() as f64)
    }
}
