//! `GlobalAveragePool` (ONNX opsets 1–22): the mean of each channel, `[N, C, …]` to `[N, C, 1, …]`.
//!
//! Summed in f64, so the result does not depend on how many positions there are.

use super::pooling::{check_gradient, global_shape, infer_global};
use super::{
    Averaged, Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator,
    Tape, TypeInputs,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y[n, c] = mean of x[n, c, …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalAveragePool;

impl Operator for GlobalAveragePool {
    const OP_TYPE: &'static str = "GlobalAveragePool";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Average)
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
        let mean = |plane: &[f32]| {
            let sum: f64 = plane.iter().map(|&x| f64::from(x)).sum();
            (sum / cells as f64) as f32
        };
        let out = input.as_slice::<f32>()?.chunks_exact(cells).map(mean).collect();
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        super::q_average_pool::lower(context, Averaged::All, true)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let (shape, cells) = global_shape(input.shape())?;
        let gradient = check_gradient(gradient, &shape)?;
        let mut out = vec![0.0_f32; input.len()];
        for (plane, gradient) in out.chunks_exact_mut(cells).zip(gradient) {
            plane.fill((f64::from(*gradient) / cells as f64) as f32);
        }
        Ok(vec![Some(Value::from_vec(input.shape(), out)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor, try_run};

    impl Sampled for GlobalAveragePool {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[1, 2, 2, 2], &[1.0, 2.0, 3.0, 6.0, -1.0, 1.0, 0.0, 2.0]);
            let random = Random::new(9).uniform(&[2, 3, 4], -1.0, 1.0);
            vec![
                Sample::new(Attrs::new()).input(x).gives(vec![tensor(&[1, 2, 1, 1], &[3.0, 0.5])]),
                Sample::new(Attrs::new()).opset(7).input(random).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn no_position_to_average_is_an_error() {
        let op = GlobalAveragePool.into();
        assert!(try_run(&op, &[tensor(&[1, 2, 0, 3], &[])]).is_err());
        assert!(try_run(&op, &[tensor(&[1, 2], &[0.0; 2])]).is_err());
    }
}
