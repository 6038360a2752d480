//! `bitlens.QAdd`: the sum or difference of two tensors of `uint8` codes; what
//! [`Add`](super::Add) and [`Sub`](super::Sub) become between DequantizeLinear and QuantizeLinear,
//! where two activations have one shape, or where one summand is a quantized constant that broadcasts
//! to the other. No file can contain it.

use super::{
    Clamp, Codes, Context, ExportStep, ImportNode, Inputs, Layout, LowerContext, LowerInput, Lowered,
    OpError, Operator, TypeInputs, broadcast, lower::unsigned, refuse_import,
};
use crate::ir::AttrError;
use crate::kernels::{self, AddU8};
use crate::tensor::{DType, Dim, TensorType, Value, broadcast_shapes, broadcast_types};

/// A sum on codes. The output has the shape and layout of the activations; a constant may have a shape
/// that broadcasts to it.
#[derive(Debug, Clone, PartialEq)]
pub struct QAdd {
    /// Zero points and factors.
    pub add: AddU8,
}

/// A tensor of codes that is added.
struct Summand {
    codes: Codes,
    /// Its codes where they are a constant.
    constant: Option<Value>,
}

/// Lowers `lhs + sign · rhs`. Not where the scales lie so far apart that the kernel refuses their
/// quotients: that sum stays in float.
pub(super) fn lower(context: &LowerContext<'_>, sign: f32, clamp: Option<Clamp>) -> Option<Lowered> {
    let (lhs, rhs, output) = (summand(context, 0)?, summand(context, 1)?, context.output?);
    let (min, max) = output.limits(clamp);
    let add = AddU8 {
        lhs_zero_point: lhs.codes.zero_point,
        lhs_factor: lhs.codes.scale / output.scale,
        rhs_zero_point: rhs.codes.zero_point,
        rhs_factor: sign * (rhs.codes.scale / output.scale),
        zero_point: output.zero_point,
        min,
        max,
    };
    add.check().ok()?;
    let lowered = Lowered::new(QAdd { add }.into(), vec![0, 1], Layout::Nhwc);
    let (slot, constant, activation) = match (lhs.constant, rhs.constant) {
        (None, None) => return context.same_shape(0, 1).map(|()| lowered),
        (None, Some(constant)) => (1, constant, 0),
        (Some(constant), None) => (0, constant, 1),
        (Some(_), Some(_)) => return None,
    };
    // A constant lies as in the file.
    fits(context, &constant, activation)
        .then(|| lowered.in_layout(Layout::Nchw).with_constant(slot, constant))
}

/// A summand of 8-bit codes with one scale.
fn summand(context: &LowerContext<'_>, slot: usize) -> Option<Summand> {
    match context.inputs.get(slot)? {
        LowerInput::Activation { codes, .. } => Some(Summand { codes: *codes, constant: None }),
        LowerInput::Quantized { codes, zero_point, scale: [scale], .. } => {
            let zero =
                zero_point.map_or_else(|| Value::zeros_of(codes.dtype(), &[]).ok(), |z| Some(z.clone()));
            let &[zero_point] = unsigned(&zero?)?.as_slice::<u8>().ok()? else { return None };
            let known = Codes { scale: *scale, zero_point, min: 0, max: 255 };
            Some(Summand { codes: known, constant: Some(unsigned(codes)?) })
        }
        _ => None,
    }
}

/// Whether a constant broadcasts to an activation, which then has the shape of the sum.
fn fits(context: &LowerContext<'_>, constant: &Value, activation: usize) -> bool {
    let Some(LowerInput::Activation { ty: Some(ty), .. }) = context.inputs.get(activation) else {
        return false;
    };
    let Some(dims) = ty.shape.dims() else { return false };
    let mut pairs = dims.iter().rev().zip(constant.shape().iter().rev());
    constant.rank() <= dims.len() && pairs.all(|(dim, &size)| size == 1 || *dim == Dim::Fixed(size))
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
        Ok(vec![TensorType::new(DType::U8, broadcast_types(inputs.shape(0)?, inputs.shape(1)?)?)])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (lhs, rhs) = (inputs.get(0)?, inputs.get(1)?);
        let shape = broadcast_shapes(lhs.shape(), rhs.shape())?;
        let repeated = |value: &Value| {
            if value.shape() == shape { Ok(value.clone()) } else { broadcast::repeat(value, &shape) }
        };
        let (lhs, rhs) = (repeated(lhs)?, repeated(rhs)?);
        let mut out = Value::zeros::<u8>(&shape)?.into_vec::<u8>()?;
        kernels::add_u8(context.isa, lhs.as_slice()?, rhs.as_slice()?, &self.add, &mut out)?;
        Ok(vec![Value::from_vec(&shape, out)?])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QAdd {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
