//! `bitlens.QAdd`: the sum or difference of two tensors of `uint8` codes; what
//! [`Add`](super::Add) and [`Sub`](super::Sub) of two activations of one shape become between
//! DequantizeLinear and QuantizeLinear. No file can contain it.

use super::{
    Clamp, Context, ExportStep, ImportNode, Inputs, Layout, LowerContext, Lowered, OpError, Operator,
    TypeInputs, refuse_import,
};
use crate::ir::AttrError;
use crate::kernels::{self, AddU8};
use crate::tensor::{DType, TensorType, Value};

/// A sum on codes; both inputs and the output have one shape and layout.
#[derive(Debug, Clone, PartialEq)]
pub struct QAdd {
    /// Zero points and factors.
    pub add: AddU8,
}

/// Lowers `lhs + sign · rhs`. Not where the scales lie so far apart that the kernel refuses their
/// quotients: that sum stays in float.
pub(super) fn lower(context: &LowerContext<'_>, sign: f32, clamp: Option<Clamp>) -> Option<Lowered> {
    let (lhs, rhs, output) = (context.activation(0)?, context.activation(1)?, context.output?);
    context.same_shape(0, 1)?;
    let (min, max) = output.limits(clamp);
    let add = AddU8 {
        lhs_zero_point: lhs.zero_point,
        lhs_factor: lhs.scale / output.scale,
        rhs_zero_point: rhs.zero_point,
        rhs_factor: sign * (rhs.scale / output.scale),
        zero_point: output.zero_point,
        min,
        max,
    };
    add.check().ok()?;
    Some(Lowered::new(QAdd { add }.into(), vec![0, 1], Layout::Nhwc))
}

impl Operator for QAdd {
    const OP_TYPE: &'static str = "bitlens.QAdd";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        refuse_import()
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        None
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(DType::U8, inputs.shape(0)?.clone())])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (lhs, rhs) = (inputs.get(0)?, inputs.get(1)?);
        if lhs.shape() != rhs.shape() {
            let (expected, got) = (format!("{:?}", lhs.shape()), format!("{:?}", rhs.shape()));
            return Err(OpError::Shape { what: "second summand", expected, got });
        }
        let mut out = Value::zeros::<u8>(lhs.shape())?.into_vec::<u8>()?;
        kernels::add_u8(context.isa, lhs.as_slice()?, rhs.as_slice()?, &self.add, &mut out)?;
        Ok(vec![Value::from_vec(lhs.shape(), out)?])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QAdd {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
