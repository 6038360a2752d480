//! `Add` (ONNX opsets 7–14): elementwise sum with multidirectional broadcasting.

use super::{Layout, LowerContext, Lowered, QAdd, Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, TypeInputs};
use crate::ir::{AttrError, Attrs};
use crate::kernels::AddU8;
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

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (lhs, rhs) = (inputs.get(0)?, inputs.get(1)?);
        let shape = crate::tensor::broadcast_shapes(lhs.shape(), rhs.shape())?;
        let mut sum = Value::zeros::<f32>(&shape)?.into_array::<f32>()?;
        sum += &lhs.view::<f32>()?;
        sum += &rhs.view::<f32>()?;
        Ok(vec![Value::from_array(sum)])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let (lhs, rhs, output) = (context.activation(0)?, context.activation(1)?, context.output?);
        context.same_shape(0, 1)?;
        let (min, max) = output.limits(self.clamp);
        let add = AddU8 {
            lhs_zero_point: lhs.zero_point,
            lhs_factor: lhs.scale / output.scale,
            rhs_zero_point: rhs.zero_point,
            rhs_factor: rhs.scale / output.scale,
            zero_point: output.zero_point,
            min,
            max,
        };
        Some(Lowered { op: QAdd { add }.into(), inputs: vec![0, 1], layout: Layout::Nhwc })
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        Some(Self { clamp: Some(self.clamp.map_or(clamp, |first| first.then(clamp))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, tensor};

    impl Sampled for Add {
        fn samples() -> Vec<Sample> {
            let sum = tensor(&[2, 2], &[11.0, 22.0, 13.0, 24.0]);
            let lhs = tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
            vec![Sample::new(Attrs::new()).input(lhs).input(tensor(&[2], &[10.0, 20.0])).gives(vec![sum])]
        }
    }
}
