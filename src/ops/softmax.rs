//! `Softmax` (ONNX opsets 1–13): exponentials, divided by their sum along a row.
//!
//! The largest element of a row is subtracted first, so nothing overflows; the sum is in f64.

use super::pooling::check_gradient;
use super::softmax_rows::Rows;
use super::{Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = exp(x) / Σ exp(x)`, the sum over a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// What is normalized together.
    pub rows: Rows,
}

impl Operator for Softmax {
    const OP_TYPE: &'static str = "Softmax";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { rows: Rows::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        self.rows.export(Self::OP_TYPE)
    }

    fn facts(&self) -> Facts {
        Facts { is_softmax: true, ..Facts::default() }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.rows.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let layout = self.rows.layout(&shape)?;
        let mut x = input.into_vec::<f32>()?;
        for start in layout.starts(x.len()) {
            let largest = layout.row(start).fold(f32::NEG_INFINITY, |max, at| max.max(x[at]));
            let mut sum = 0.0_f64;
            for at in layout.row(start) {
                x[at] = (x[at] - largest).exp();
                sum += f64::from(x[at]);
            }
            for at in layout.row(start) {
                x[at] = (f64::from(x[at]) / sum) as f32;
            }
        }
        Ok(vec![Value::from_vec(&shape, x)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let output = tape.output(0)?;
        let y = output.as_slice::<f32>()?;
        let layout = self.rows.layout(output.shape())?;
        let mut out = check_gradient(gradient, output.shape())?.to_vec();
        for start in layout.starts(y.len()) {
            let mean: f64 = layout.row(start).map(|at| f64::from(out[at]) * f64::from(y[at])).sum();
            for at in layout.row(start) {
                out[at] = (f64::from(y[at]) * (f64::from(out[at]) - mean)) as f32;
            }
        }
        Ok(vec![Some(Value::from_vec(output.shape(), out)?)])
    }

    fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
        Some(Self { rows: self.rows.with_sizes(inputs)? })
    }
}
