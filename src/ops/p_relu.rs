//! `PRelu` (ONNX opsets 7–16): `y = x` where `x ≥ 0`, `slope · x` below, element by element. The slope is
//! an input that broadcasts to `x`: one number, or one per channel.
//!
//! The derivative at 0 is 1, that of the side which contains 0.

use super::{Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, broadcast};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value, broadcast_types};

/// `y = max(x, 0) + slope · min(x, 0)`. Inputs: `x`, `slope`.
#[derive(Debug, Clone, PartialEq)]
pub struct PRelu;

impl Operator for PRelu {
    const OP_TYPE: &'static str = "PRelu";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts { is_axis_free: true, ..Facts::default() }
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        Some(1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (x, slope) = (inputs.float(0, "x")?, inputs.float(1, "the slope")?);
        broadcast_types(&x.shape, &slope.shape)?;
        Ok(vec![x.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (x, slope) = (inputs.take(0)?, inputs.take(1)?);
        Ok(vec![broadcast::apply::<f32, f32>(x, &slope, |x, slope| {
            if *x < 0.0 {
                *x *= slope;
            }
        })?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let (x, slope) = (tape.input(0)?, tape.input(1)?);
        let gradient = broadcast::unclamped_gradient(tape, None)?;
        let by_x = |g| {
            let slopes = broadcast::apply::<f32, f32>(x.clone(), slope, |x, slope| {
                *x = if *x < 0.0 { slope } else { 1.0 };
            })?;
            broadcast::apply::<f32, f32>(g, &slopes, |g, slope| *g *= slope)
        };
        let by_slope = |g| broadcast::apply::<f32, f32>(g, x, |g, x| *g *= x.min(0.0));
        broadcast::gradients(tape, gradient, by_x, by_slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor, try_run};

    impl Sampled for PRelu {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(5);
            let x = random.avoiding(&[2, 3, 4], (-2.0, 2.0), &[0.0]);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[-1.0, 2.0, -3.0, -4.0]))
                    .constant(tensor(&[2, 1], &[0.5, 0.25]))
                    .gives(vec![tensor(&[2, 2], &[-0.5, 2.0, -0.75, -1.0])]),
                Sample::new(Attrs::new())
                    .input(x.clone())
                    .input(random.uniform(&[3, 1], -1.0, 1.0))
                    .gradients(&[0, 1]),
                Sample::new(Attrs::new()).input(x).constant(tensor(&[], &[0.25])).gradients(&[0, 1]),
            ]
        }
    }

    #[test]
    fn the_slope_broadcasts_to_x_and_not_the_other_way() {
        let inputs = [tensor(&[3], &[1.0; 3]), tensor(&[2, 3], &[1.0; 6])];
        assert!(try_run(&PRelu.into(), &inputs).is_err());
    }
}
