//! `Dropout` (ONNX opsets 7–22) as it is when a network is used, not trained: the identity.
//!
//! `ratio` and `seed` mean nothing then and are dropped. The mask, where it is read, keeps every
//! element. A network that is in training mode, or decides about it itself, is refused.

use super::{
    Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs,
    index,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// `y = x`. Inputs: `x`, and in files a `ratio` and a `training_mode` that is false.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropout {
    /// Whether the mask is read: a second output, of truth values.
    pub has_mask: bool,
}

impl Operator for Dropout {
    const OP_TYPE: &'static str = "Dropout";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "it could be in training mode before opset 7")?;
        let has_mask = node.output_count > 1;
        if has_mask && node.opset.0 < 10 {
            return Err(refused("mask", "read", "it had another type before opset 10"));
        }
        if node.opset.0 < 12 {
            node.attrs.take_float("ratio")?;
        } else {
            node.attrs.take_int("seed")?;
        }
        match node.inputs.get(2) {
            None | Some(ImportInput::Absent) => Ok(Self { has_mask }),
            Some(ImportInput::Constant(mode)) if mode.as_slice::<bool>() == Ok(&[false]) => {
                Ok(Self { has_mask })
            }
            Some(ImportInput::Constant(_)) => {
                Err(refused("training_mode", "true", "export the network for inference"))
            }
            Some(ImportInput::Computed) => {
                Err(refused("training_mode", "computed", "only a constant false is supported"))
            }
        }
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        let kind = if self.has_mask { Kind::Other } else { Kind::Rearrange };
        Facts { is_identity: !self.has_mask, ..Facts::of(kind) }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.float(0, "the input")?;
        let mask = self.has_mask.then(|| TensorType::new(DType::Bool, ty.shape.clone()));
        Ok(std::iter::once(ty.clone()).chain(mask).collect())
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.take(0)?;
        let everything = || Ok::<_, OpError>(Value::from_vec(x.shape(), vec![true; x.len()])?);
        let mask = self.has_mask.then(everything).transpose()?;
        Ok(std::iter::once(x).chain(mask).collect())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| Ok(g.clone()))
    }
}

fn refused(name: &str, value: &str, reason: &'static str) -> AttrError {
    AttrError::Unsupported { name: name.into(), value: value.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::ops::testing::{Random, Sample, Sampled, import_node};

    impl Sampled for Dropout {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[2, 3], -1.0, 1.0);
            let ratio = Attrs::new().with("ratio", Attr::Float(0.5));
            vec![
                Sample::new(ratio).opset(7).input(x.clone()).gives(vec![x.clone()]).gradients(&[0]),
                Sample::new(Attrs::new().with("seed", Attr::Int(1)))
                    .opset(13)
                    .input(x.clone())
                    .constant(Value::scalar(0.5_f32))
                    .constant(Value::scalar(false))
                    .gives(vec![x.clone()]),
                Sample::new(Attrs::new())
                    .input(x.clone())
                    .output_count(2)
                    .gives(vec![x, Value::from_vec(&[2, 3], vec![true; 6]).unwrap()])
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn training_mode_is_refused() {
        let mode = Value::scalar(true);
        let error = import_node("Dropout", Attrs::new(), 13, &[None, None, Some(&mode)]).unwrap_err();
        assert!(error.to_string().starts_with("attribute `training_mode` = true is not supported"));
    }
}
