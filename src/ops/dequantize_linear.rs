//! `DequantizeLinear` (ONNX opsets 10–25): codes to real numbers, `(q − zero_point) · scale`.
//!
//! Codes are integers of 2 to 16 bits, `int32`, or floats of 4 or 8 bits, which are float32 here. One
//! scale, one per index of an axis, or one per block ([`scales`]). What reads float codes cannot be
//! written to a file.

use super::quantize_linear::take_float32;
use super::scales::{self, Grain, Scales};
use super::{Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs};
use crate::ir::{AttrError, Attrs, Opset};
use crate::kernels;
use crate::tensor::{DType, TensorType, Value};

/// Codes to real numbers. Inputs: `q`, `scale`, `zero_point` (0 where it is absent).
#[derive(Debug, Clone, PartialEq)]
pub struct DequantizeLinear {
    /// Axis that the scales run over, when there are several.
    pub axis: i64,
    /// Elements along the axis that share a scale; 0 without blocks.
    pub block_size: usize,
    /// Whether the file has narrow floats as codes.
    pub of_floats: bool,
}

impl Operator for DequantizeLinear {
    const OP_TYPE: &'static str = "DequantizeLinear";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(10, "it was added in opset 10")?;
        let Grain { axis, block_size } = Grain::import(node)?;
        take_float32(node, "output_dtype")?;
        Ok(Self { axis, block_size, of_floats: node.format(0).is_some() })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let step = || self.grain().export(ExportStep::new(Self::OP_TYPE, Attrs::new()));
        (!self.of_floats).then(|| vec![step()])
    }

    fn file_opset(&self, inputs: &TypeInputs<'_>) -> Opset {
        scales::file_opset(inputs.optional(0))
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Dequantize)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let codes = inputs.ty(0)?;
        self.check(codes.dtype)?;
        if let Some(zero_point) = inputs.optional(2).filter(|zero_point| zero_point.dtype != codes.dtype) {
            let (what, expected) = ("zero_point", "of the type of the codes");
            return Err(OpError::DType { what, expected, got: zero_point.dtype });
        }
        Ok(vec![TensorType::new(DType::F32, codes.shape.clone())])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (codes, zero_point) = (inputs.get(0)?, inputs.optional(2));
        self.check(codes.dtype())?;
        let scales = Scales::new(codes.shape(), self.grain(), inputs.get(1)?)?;
        let mut real = vec![0.0_f32; codes.len()];
        match (codes.dtype(), scales.is_blocked()) {
            (DType::U8, false) => {
                let (data, params) = (codes.as_slice::<u8>()?, scales.parameters(zero_point, (0, 255))?);
                scales.for_each_run(|at, run| {
                    let data = &data[run.clone()];
                    Ok(kernels::dequantize_u8(context.isa, data, &params[at], &mut real[run])?)
                })?;
            }
            (DType::I8, false) => {
                let (data, params) = (codes.as_slice::<i8>()?, scales.parameters(zero_point, (-128, 127))?);
                scales.for_each_run(|at, run| {
                    let data = &data[run.clone()];
                    Ok(kernels::dequantize_i8(context.isa, data, &params[at], &mut real[run])?)
                })?;
            }
            (DType::F32, _) => {
                let data = codes.as_slice::<f32>()?;
                let zeros = scales.zero_points(zero_point, |value| Ok(value.into_vec::<f32>()?))?;
                scales.for_each_run(|at, run| {
                    for (r, &q) in real[run.clone()].iter_mut().zip(&data[run]) {
                        *r = (q - zeros[at]) * scales.scale[at];
                    }
                    Ok(())
                })?;
            }
            _ => {
                let data = scales::integers(codes.clone())?;
                let zeros = scales.zero_points(zero_point, scales::integers)?;
                scales.for_each_run(|at, run| {
                    for (r, &q) in real[run.clone()].iter_mut().zip(&data[run]) {
                        *r = (i64::from(q) - i64::from(zeros[at])) as f32 * scales.scale[at];
                    }
                    Ok(())
                })?;
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

impl DequantizeLinear {
    /// Of integer codes; several scales run over `axis`.
    pub fn along(axis: i64) -> Self {
        Self { axis, block_size: 0, of_floats: false }
    }

    /// With a scale for every `block_size` elements along an axis.
    pub fn in_blocks(axis: i64, block_size: usize) -> Self {
        Self { block_size, ..Self::along(axis) }
    }

    fn grain(&self) -> Grain {
        Grain { axis: self.axis, block_size: self.block_size }
    }

    fn check(&self, codes: DType) -> Result<(), OpError> {
        let is_code = scales::code_range(codes).is_some() || codes == DType::I32;
        if if self.of_floats { codes == DType::F32 } else { is_code } {
            return Ok(());
        }
        let expected =
            if self.of_floats { "float32" } else { "an integer type of 16 bits or fewer, or int32" };
        Err(OpError::DType { what: "codes", expected, got: codes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::ops::testing::{Sample, Sampled, tensor};
    use crate::tensor::I2;

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
            let two_bits = Value::from_vec(&[4], [-2, -1, 0, 1].map(I2::wrapping).to_vec()).unwrap();
            let two_bits =
                Sample::new(Attrs::new().with("axis", Attr::Int(0)).with("block_size", Attr::Int(3)))
                    .opset(25)
                    .constant(two_bits)
                    .constant(tensor(&[2], &[0.5, 10.0]))
                    .gives(vec![tensor(&[4], &[-1.0, -0.5, 0.0, 10.0])]);
            let sixteen_bits = Sample::new(Attrs::new())
                .opset(21)
                .input(Value::from_vec(&[2], vec![-30_000_i16, 7]).unwrap())
                .constant(Value::scalar(2.0_f32))
                .constant(Value::scalar(30_000_i16))
                .gives(vec![tensor(&[2], &[-120_000.0, -59_986.0])]);
            vec![per_tensor, per_axis, bias, two_bits, sixteen_bits]
        }
    }
}
