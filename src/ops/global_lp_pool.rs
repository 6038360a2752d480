//! `GlobalLpPool` (ONNX opsets 2–22): the p-norm of each channel, `[N, C, …]` to `[N, C, 1, …]`.

use super::lp_pool::LpNorm;
use super::pooling::{check_gradient, global_shape, infer_global};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y[n, c] = (Σ |x[n, c, …]|ᵖ)^(1/p)`.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalLpPool {
    /// Which norm.
    pub norm: LpNorm,
}

impl Operator for GlobalLpPool {
    const OP_TYPE: &'static str = "GlobalLpPool";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(2, "p was no whole number in opset 1")?;
        Ok(Self { norm: LpNorm::import(&mut node.attrs)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, self.norm.export())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        infer_global(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let (shape, cells) = global_shape(input.shape())?;
        let planes = input.as_slice::<f32>()?.chunks_exact(cells);
        let norms = planes.map(|plane| self.norm.of(plane.iter().copied())).collect();
        Ok(vec![Value::from_vec(&shape, norms)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let (shape, cells) = global_shape(input.shape())?;
        let norms = check_gradient(tape.output(0)?, &shape)?.iter();
        let mut out = input.clone().into_vec::<f32>()?;
        let planes = out.chunks_exact_mut(cells);
        for ((plane, norm), gradient) in planes.zip(norms).zip(check_gradient(gradient, &shape)?) {
            for v in plane {
                *v = gradient * self.norm.derivative(*v, *norm);
            }
        }
        Ok(vec![Some(Value::from_vec(input.shape(), out)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, pattern, tensor};

    impl Sampled for GlobalLpPool {
        fn samples() -> Vec<Sample> {
            let cubes = Attrs::new().with("p", Attr::Int(3));
            let random = || Random::new(42).avoiding(&[2, 2, 3], (-1.0, 1.0), &[0.0]);
            vec![
                // onnxruntime 1.31
                Sample::new(cubes.clone())
                    .input(pattern(&[1, 2, 2, 2], 7, 11))
                    .gives_about(2e-7, vec![tensor(&[1, 2, 1, 1], &[6.431_228, 4.514_357_6])]),
                Sample::new(cubes).input(random()).gradients(&[0]),
                Sample::new(Attrs::new()).opset(7).input(random()).gradients(&[0]),
            ]
        }
    }
}
