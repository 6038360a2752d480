//! `DequantizeLinear` (ONNX opsets 10–23): `uint8`, `int8` or `int32` codes to real numbers,
//! `(q − zero_point) · scale`.
//!
//! One scale, or one per index of an axis. Blocked quantization is refused.

use super::quantize_linear::{Channels, refuse_blocks};
use super::{Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::kernels;
use crate::tensor::{DType, TensorType, Value};

/// Codes to real numbers. Inputs: `q`, `scale`, `zero_point` (0 where it is absent).
#[derive(Debug, Clone, PartialEq)]
pub struct DequantizeLinear {
    /// Axis that the scales run over, when there are several.
    pub axis: i64,
}

impl Operator for DequantizeLinear {
    const OP_TYPE: &'static str = "DequantizeLinear";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(10, "it was added in opset 10")?;
        let axis = node.attrs.take_int("axis")?.unwrap_or(1);
        refuse_blocks(node)?;
        Ok(Self { axis })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("axis", Attr::Int(self.axis))])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Dequantize)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let codes = inputs.ty(0)?;
        match codes.dtype {
            DType::U8 | DType::I8 | DType::I32 => Ok(vec![TensorType::new(DType::F32, codes.shape.clone())]),
            got => Err(OpError::DType { what: "codes", expected: "uint8, int8 or int32", got }),
        }
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let codes = inputs.get(0)?;
        let channels = Channels::new(codes.shape(), self.axis, inputs.get(1)?, inputs.optional(2))?;
        let mut real = vec![0.0_f32; codes.len()];
        match codes.dtype() {
            DType::U8 => {
                let data = codes.as_slice::<u8>()?;
                for (params, run) in channels.runs(0, 255)? {
                    kernels::dequantize_u8(context.isa, &data[run.clone()], &params, &mut real[run])?;
                }
            }
            DType::I8 => {
                let data = codes.as_slice::<i8>()?;
                for (params, run) in channels.runs(-128, 127)? {
                    kernels::dequantize_i8(context.isa, &data[run.clone()], &params, &mut real[run])?;
                }
            }
            _ => {
                let data = codes.as_slice::<i32>()?;
                for (params, run) in channels.runs(0, 0)? {
                    for (r, &q) in real[run.clone()].iter_mut().zip(&data[run]) {
                        *r = q as f32 * params.scale();
                    }
                }
            }
        }
        Ok(vec![Value::from_vec(codes.shape(), real)?])
    }

    /// The gradient with respect to codes is understood per real unit, so it passes unchanged.
    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        if tape.wants(0) {
            gradients[0] = tape.gradient(0).cloned();
        }
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, tensor};

    impl Sampled for DequantizeLinear {
        fn samples() -> Vec<Sample> {
            let per_tensor = Sample::new(Attrs::new())
                .input(Value::from_vec(&[3], vec![0_u8, 10, 255]).unwrap())
                .constant(Value::scalar(0.5_f32))
                .constant(Value::scalar(10_u8))
                .gives(vec![tensor(&[3], &[-5.0, 0.0, 122.5])]);
            let per_axis = Sample::new(Attrs::new().with("axis", Attr::Int(0)))
                .constant(Value::from_vec(&[2, 2], vec![-127_i8, 1, 2, 3]).unwrap())
                .constant(tensor(&[2], &[2.0, 0.25]))
                .constant(Value::from_vec(&[2], vec![0_i8, 1]).unwrap())
                .gives(vec![tensor(&[2, 2], &[-254.0, 2.0, 0.25, 0.5])]);
            let bias = Sample::new(Attrs::new().with("axis", Attr::Int(0)))
                .opset(13)
                .constant(Value::from_vec(&[2], vec![1_000_000_i32, -3]).unwrap())
                .constant(tensor(&[2], &[0.5, 2.0]))
                .gives(vec![tensor(&[2], &[500_000.0, -6.0])]);
            vec![per_tensor, per_axis, bias]
        }
    }
}
