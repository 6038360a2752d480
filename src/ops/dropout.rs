//! `Dropout` (ONNX opsets 7–22) as it is when a network is used, not trained: the identity.
//!
//! `ratio` and `seed` mean nothing then and are dropped. A network that is in training mode, decides
//! about it itself, or reads the mask is refused.

use super::{
    Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs,
    index,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = x`. Inputs: `x`, and in files a `ratio` and a `training_mode` that is false.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropout;

impl Operator for Dropout {
    const OP_TYPE: &'static str = "Dropout";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "it could be in training mode before opset 7")?;
        if node.output_count > 1 {
            return Err(refused("mask", "read", "the mask only exists while training"));
        }
        if node.opset.0 < 12 {
            node.attrs.take_float("ratio")?;
        } else {
            node.attrs.take_int("seed")?;
        }
        match node.inputs.get(2) {
            None | Some(ImportInput::Absent) => Ok(Self),
            Some(ImportInput::Constant(mode)) if mode.as_slice::<bool>() == Ok(&[false]) => Ok(Self),
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
        Facts { is_identity: true, ..Facts::of(Kind::Rearrange) }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![inputs.float(0, "the input")?.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![inputs.take(0)?])
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
                    .gives(vec![x]),
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
