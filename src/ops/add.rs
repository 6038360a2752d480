//! `Add` (ONNX opsets 7–14): elementwise sum with multidirectional broadcasting.

use super::{
    Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value, broadcast_types};

/// `y = lhs + rhs`, limited to `clamp` where one was fused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Add {
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

impl Operator for Add {
    const OP_TYPE: &'static str = "Add";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self::default())
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut steps = vec![ExportStep::new(Self::OP_TYPE, Attrs::new())];
        steps.extend(self.clamp.map(Clamp::export));
        Some(steps)
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Sum)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let lhs = inputs.ty(0)?;
        let shape = broadcast_types(&lhs.shape, inputs.shape(1)?)?;
        Ok(vec![TensorType::new(lhs.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, _inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Err(OpError::NotDifferentiable)
    }

    fn backward(&self, _: &Context<'_>, _tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        Err(OpError::NotDifferentiable)
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        Some(Self { clamp: Some(self.clamp.map_or(clamp, |first| first.then(clamp))) })
    }
}
