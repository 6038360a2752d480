//! `InstanceNormalization` (ONNX opsets 6–22): each channel of each image brought to mean 0 and
//! variance 1 over its positions, then scaled and shifted by parameters per channel.

use super::normalize::{Blocks, Normalize, no_moments};
use super::pooling::global_shape;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = (x − mean) / √(variance + epsilon) · scale + bias`. Inputs: `x` `[N, C, …]`, `scale` and `bias`
/// `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceNormalization {
    /// Keeps the divisor away from zero.
    pub epsilon: f32,
}

impl InstanceNormalization {
    fn normalize(&self) -> Normalize {
        Normalize { epsilon: self.epsilon, centred: true }
    }
}

fn blocks(shape: &[usize]) -> Result<Blocks, OpError> {
    let (_, cells) = global_shape(shape)?;
    Ok(Blocks { len: cells, run: cells, period: shape[1] })
}

impl Operator for InstanceNormalization {
    const OP_TYPE: &'static str = "InstanceNormalization";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { epsilon: Normalize::import_epsilon(&mut node.attrs)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("epsilon", Attr::Float(self.epsilon));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        inputs.float(1, "scale")?;
        inputs.float(2, "bias")?;
        Ok(vec![inputs.float(0, "input")?.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let blocks = blocks(&shape)?;
        let (scale, bias) = (inputs.get(1)?.as_slice()?, inputs.get(2)?.as_slice()?);
        let mut x = input.into_vec::<f32>()?;
        self.normalize().forward(&mut x, blocks, scale, Some(bias))?;
        Ok(vec![Value::from_vec(&shape, x)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        self.normalize().backward(tape, blocks(tape.input(0)?.shape())?, &no_moments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for InstanceNormalization {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(47);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            vec![
                Sample::new(Attrs::new().with("epsilon", Attr::Float(0.0)))
                    .opset(7)
                    .input(tensor(&[1, 2, 2], &[2.0, 4.0, 3.0, 7.0]))
                    .constant(tensor(&[2], &[1.0, 10.0]))
                    .constant(tensor(&[2], &[0.5, 0.0]))
                    .gives(vec![tensor(&[1, 2, 2], &[-0.5, 1.5, -10.0, 10.0])]),
                Sample::new(Attrs::new())
                    .input(random(&[2, 3, 2, 2]))
                    .constant(random(&[3]))
                    .input(random(&[3]))
                    .gradients(&[0, 1, 2]),
            ]
        }
    }
}
