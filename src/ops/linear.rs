//! What Conv, Gemm and MatMul share: biases, and a clamp fused into the output.

use super::{Clamp, ExportStep, OpError, Tape};
use crate::tensor::Value;

/// The operator's node, and one for the clamp that was fused into it.
pub(super) fn export_clamp(step: ExportStep, clamp: Option<Clamp>) -> Vec<ExportStep> {
    std::iter::once(step).chain(clamp.map(Clamp::export)).collect()
}

/// A bias of one number per output channel.
pub(super) fn bias_of(bias: &Value, channels: usize) -> Result<&[f32], OpError> {
    if bias.shape() == [channels] {
        return Ok(bias.as_slice()?);
    }
    let expected = format!("[{channels}], one per output channel");
    Err(OpError::Shape { what: "bias", expected, got: format!("{:?}", bias.shape()) })
}

/// The gradient before the clamp: zero where the output is at or beyond an end of its range.
/// `gradient` has the output's shape.
pub(super) fn unclamped_gradient(
    gradient: &Value,
    clamp: Option<Clamp>,
    tape: &Tape<'_>,
) -> Result<Value, OpError> {
    let Some(clamp) = clamp else { return Ok(gradient.clone()) };
    let output = tape.output(0)?;
    super::pooling::check_gradient(output, gradient.shape())?;
    let shape = gradient.shape().to_vec();
    let mut gradient = gradient.clone().into_vec::<f32>()?;
    for (g, &y) in gradient.iter_mut().zip(output.as_slice::<f32>()?) {
        if y <= clamp.min || y >= clamp.max {
            *g = 0.0;
        }
    }
    Ok(Value::from_vec(&shape, gradient)?)
}

/// Limits every element; NaN stays.
pub(super) fn apply_clamp(values: &mut [f32], clamp: Option<Clamp>) {
    let Some(clamp) = clamp else { return };
    for value in values {
        if *value < clamp.min {
            *value = clamp.min;
        }
        if *value > clamp.max {
            *value = clamp.max;
        }
    }
}
