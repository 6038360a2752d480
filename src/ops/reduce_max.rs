//! `ReduceMax` (ONNX opsets 1–18): largest value over some axes.
//!
//! NaN wins, so that it does not vanish. The gradient goes to the first maximum in row-major order.

use super::pooling::check_gradient;
use super::reduce::Axes;
use super::{Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = largest value of x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceMax {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceMax {
    const OP_TYPE: &'static str = "ReduceMax";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: Axes::import(node, 18)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.axes.export(Self::OP_TYPE))
    }

    fn facts(&self) -> Facts {
        Facts { is_global_pool: self.axes.are_spatial(), ..Facts::of(Kind::Rearrange) }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let reduction = self.axes.plan(input.shape(), inputs.optional(1))?;
        let x = input.as_slice::<f32>()?;
        let out = reduction.first_maxima(x)?.into_iter().map(|at| x[at]).collect();
        Ok(vec![Value::from_vec(&reduction.output_shape, out)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.wanted_gradient() else { return Ok(gradients) };
        let input = tape.input(0)?;
        let reduction = self.axes.plan(input.shape(), tape.inputs.get(1).copied().flatten())?;
        let gradient = check_gradient(gradient, &reduction.output_shape)?;
        let mut out = vec![0.0_f32; input.len()];
        for (at, gradient) in reduction.first_maxima(input.as_slice()?)?.into_iter().zip(gradient) {
            out[at] = *gradient;
        }
        gradients[0] = Some(Value::from_vec(input.shape(), out)?);
        Ok(gradients)
    }
}
