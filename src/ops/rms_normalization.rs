//! `RMSNormalization` (ONNX opset 23): the last axes of each element of the first ones brought to a
//! mean square of 1, then scaled by parameters per place.

use super::layer_normalization::trailing_blocks;
use super::normalize::{Normalize, no_moments, take_stash_type};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = x / √(mean of x² + epsilon) · scale`. Inputs: `x`, `scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct RMSNormalization {
    /// The first of the axes that are normalized together; negative ones count from the end.
    pub axis: i64,
    /// Keeps the divisor away from zero.
    pub epsilon: f32,
}

impl RMSNormalization {
    fn normalize(&self) -> Normalize {
        Normalize { epsilon: self.epsilon, centred: false }
    }
}

impl Operator for RMSNormalization {
    const OP_TYPE: &'static str = "RMSNormalization";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        take_stash_type(&mut node.attrs)?;
        let axis = node.attrs.take_int("axis")?.unwrap_or(-1);
        Ok(Self { axis, epsilon: Normalize::import_epsilon(&mut node.attrs)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs =
            Attrs::new().with("axis", Attr::Int(self.axis)).with("epsilon", Attr::Float(self.epsilon));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs).since(23)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        inputs.float(1, "scale")?;
        Ok(vec![inputs.float(0, "input")?.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let scale = inputs.get(1)?;
        let blocks = trailing_blocks(self.axis, &shape, scale)?;
        let mut x = input.into_vec::<f32>()?;
        self.normalize().forward(&mut x, blocks, scale.as_slice()?, None)?;
        Ok(vec![Value::from_vec(&shape, x)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let blocks = trailing_blocks(self.axis, tape.input(0)?.shape(), tape.input(1)?)?;
        self.normalize().backward(tape, blocks, &no_moments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for RMSNormalization {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(46);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            vec![
                Sample::new(Attrs::new().with("epsilon", Attr::Float(0.0)))
                    .opset(23)
                    .input(tensor(&[1, 2], &[1.0, -7.0]))
                    .constant(tensor(&[2], &[10.0, 1.0]))
                    .gives_about(1e-7, vec![tensor(&[1, 2], &[2.0, -1.4])]),
                Sample::new(Attrs::new().with("axis", Attr::Int(-2)))
                    .opset(23)
                    .input(random(&[2, 2, 3]))
                    .constant(random(&[2, 3]))
                    .gradients(&[0, 1]),
            ]
        }
    }
}
