//! `GlobalMaxPool` (ONNX opsets 1–22): the largest value of each channel, `[N, C, …]` to
//! `[N, C, 1, …]`.
//!
//! NaN wins, so that it does not vanish. The gradient goes to the first maximum in scan order.

use super::pooling::{check_gradient, first_maximum, global_shape, infer_global};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Searched,
    Tape, TypeInputs, q_max_pool,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y[n, c] = max of x[n, c, …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalMaxPool;

impl Operator for GlobalMaxPool {
    const OP_TYPE: &'static str = "GlobalMaxPool";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        Some(1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        infer_global(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let (shape, cells) = global_shape(input.shape())?;
        let largest = |plane: &[f32]| plane[first_maximum(plane, 0, 0..cells)];
        let out = input.as_slice::<f32>()?.chunks_exact(cells).map(largest).collect();
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        q_max_pool::lower(context, Searched::All, true)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let (shape, cells) = global_shape(input.shape())?;
        let gradient = check_gradient(gradient, &shape)?;
        let mut out = vec![0.0_f32; input.len()];
        let planes = input.as_slice::<f32>()?.chunks_exact(cells);
        for ((plane, gradient), out) in planes.zip(gradient).zip(out.chunks_exact_mut(cells)) {
            out[first_maximum(plane, 0, 0..cells)] = *gradient;
        }
        Ok(vec![Some(Value::from_vec(input.shape(), out)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for GlobalMaxPool {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[1, 2, 2, 2], &[1.0, 2.0, 3.0, 6.0, -1.0, f32::NAN, 0.0, 2.0]);
            let spaced = Random::new(9).spaced(&[2, 3, 4]);
            vec![
                Sample::new(Attrs::new()).input(x).gives(vec![tensor(&[1, 2, 1, 1], &[6.0, f32::NAN])]),
                Sample::new(Attrs::new()).opset(7).input(spaced).gradients(&[0]),
                Sample::new(Attrs::new()).input(Random::new(10).spaced(&[2, 3, 3, 4])).gradients(&[0]),
            ]
        }
    }
}
