//! `QuantizeLinear` (ONNX opsets 10–25): real numbers to codes,
//! `saturate(round_half_even(x / scale) + zero_point)`.
//!
//! Codes are integers of 2 to 16 bits, or floats of 4 or 8, which are float32 here and rounded to the
//! numbers of their format. One scale, one per index of an axis, or one per block ([`scales`]). What
//! makes float codes cannot be written to a file.

use super::scales::{self, Grain, Scales};
use super::{
    Clamp, Context, ExportStep, Facts, FileType, ImportInput, ImportNode, Inputs, Kind, OpError, Operator,
    Tape, TypeInputs, convert,
};
use crate::ir::{AttrError, Attrs, Opset};
use crate::kernels::{self, reference};
use crate::tensor::{DType, FloatFormat, FloatRounding, TensorType, Value};

/// What codes are, for messages.
const CODES: &str = "an integer type of 16 bits or fewer";

/// Real numbers to codes. Inputs: `x`, `scale`, `zero_point` (its type is that of the codes).
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizeLinear {
    /// Axis that the scales run over, when there are several.
    pub axis: i64,
    /// Elements along the axis that share a scale; 0 without blocks.
    pub block_size: usize,
    /// Range that `x` is limited to first: codes of fewer bits than the type has.
    pub clamp: Option<Clamp>,
    /// The format of codes that are floats, and how they are rounded to it.
    pub format: Option<(FloatFormat, FloatRounding)>,
}

impl Operator for QuantizeLinear {
    const OP_TYPE: &'static str = "QuantizeLinear";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(10, "it was added in opset 10")?;
        let Grain { axis, block_size } = Grain::import(node)?;
        let saturate = node.attrs.take_bool("saturate", true)?;
        take_float32(node, "precision")?;
        let code_type = node.attrs.take_int("output_dtype")?.filter(|&code| code != 0);
        let mut format = node.format(2);
        if matches!(node.inputs.get(2), None | Some(ImportInput::Absent)) {
            let to = code_type.map_or(Some(FileType::Same(DType::U8)), FileType::from_code);
            let zero = to.and_then(|to| Value::zeros_of(to.dtype(), &[]).ok());
            let (Some(to), Some(zero)) = (to, zero) else {
                return Err(AttrError::Unsupported {
                    name: "output_dtype".into(),
                    value: code_type.unwrap_or_default().to_string(),
                    reason: "codes are integers of 16 bits or fewer, or narrow floats",
                });
            };
            format = to.format();
            node.set_input(2, zero);
        }
        let rounding = FloatRounding { saturate, ..FloatRounding::default() };
        Ok(Self { axis, block_size, clamp: None, format: format.map(|format| (format, rounding)) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        if self.format.is_some() {
            return None;
        }
        let clamp = self.clamp.map(|clamp| clamp.export().reading(1));
        let mut steps: Vec<ExportStep> = clamp.into_iter().collect();
        steps.push(self.grain().export(ExportStep::new(Self::OP_TYPE, Attrs::new())));
        Some(steps)
    }

    fn file_opset(&self, inputs: &TypeInputs<'_>) -> Opset {
        scales::file_opset(inputs.optional(2))
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Quantize)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let x = inputs.float(0, "x")?;
        let dtype = inputs.ty(2)?.dtype;
        if self.format.is_none() {
            code_range(dtype)?;
        }
        Ok(vec![TensorType::new(dtype, x.shape.clone())])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (x, zero_point) = (inputs.get(0)?, inputs.get(2)?);
        let scales = Scales::new(x.shape(), self.grain(), inputs.get(1)?)?;
        let data = self.clamped(x.as_slice::<f32>()?);
        if let Some((format, rounding)) = self.format {
            return Ok(vec![to_floats(x.shape(), &data, (&scales, zero_point), (format, rounding))?]);
        }
        let dtype = zero_point.dtype();
        let params = scales.parameters(Some(zero_point), code_range(dtype)?)?;
        Ok(vec![match dtype {
            DType::U8 if !scales.is_blocked() => {
                let mut codes = vec![0_u8; data.len()];
                scales.for_each_run(|at, run| {
                    let data = &data[run.clone()];
                    Ok(kernels::quantize_u8(context.isa, data, &params[at], &mut codes[run])?)
                })?;
                Value::from_vec(x.shape(), codes)?
            }
            DType::I8 if !scales.is_blocked() => {
                let mut codes = vec![0_i8; data.len()];
                scales.for_each_run(|at, run| {
                    let data = &data[run.clone()];
                    Ok(kernels::quantize_i8(context.isa, data, &params[at], &mut codes[run])?)
                })?;
                Value::from_vec(x.shape(), codes)?
            }
            _ => {
                let mut codes = vec![0_i32; data.len()];
                scales.for_each_run(|at, run| {
                    for (code, &x) in codes[run.clone()].iter_mut().zip(&data[run]) {
                        *code = reference::quantize(x, &params[at]);
                    }
                    Ok(())
                })?;
                convert::convert(Value::from_vec(x.shape(), codes)?, dtype)?
            }
        }])
    }

    /// Straight-through (docs/numerics.md): 1 where the rounded code is not saturated, 0 beyond. The
    /// gradient with respect to codes is understood per real unit, so scales do not enter. Float codes
    /// hand it on unchanged.
    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0).filter(|_| tape.wants(0)) else { return Ok(gradients) };
        if self.format.is_some() {
            gradients[0] = Some(gradient.clone());
            return Ok(gradients);
        }
        let (x, zero_point) = (tape.input(0)?, tape.input(2)?);
        let (min, max) = code_range(zero_point.dtype())?;
        let scales = Scales::new(x.shape(), self.grain(), tape.input(1)?)?;
        let params = scales.parameters(Some(zero_point), (min, max))?;
        let data = x.as_slice::<f32>()?;
        let mut gradient = gradient.clone().into_vec::<f32>()?;
        let clamp = self.clamp.unwrap_or(Clamp { min: f32::NEG_INFINITY, max: f32::INFINITY });
        scales.for_each_run(|at, run| {
            let (scale, zero) = (params[at].scale(), params[at].zero_point() as f32);
            for (g, &v) in gradient[run.clone()].iter_mut().zip(&data[run]) {
                // Half a step beyond the last code still rounds to it.
                let limited = clamp.apply(v);
                let code = (v / scale).round_ties_even() + zero;
                let inside = (v - limited).abs() <= 0.5 * scale && code >= min as f32 && code <= max as f32;
                if !inside {
                    *g = 0.0;
                }
            }
            Ok(())
        })?;
        gradients[0] = Some(Value::from_vec(x.shape(), gradient)?);
        Ok(gradients)
    }

    fn take_clamp(&self, clamp: Clamp, inputs: &TypeInputs<'_>) -> Option<Self> {
        let [scale] = inputs.constant(1)?.as_slice::<f32>().ok()? else { return None };
        let [zero_point] = inputs.constant(2)?.as_slice::<u8>().ok()? else { return None };
        let real = |code: i32| (code - i32::from(*zero_point)) as f32 * scale;
        let is_range = |bits: u32| clamp == Clamp { min: real(0), max: real((1 << bits) - 1) };
        let is_free = self.clamp.is_none() && (1..8).any(is_range);
        is_free.then(|| Self { clamp: Some(clamp), ..self.clone() })
    }
}

impl Default for QuantizeLinear {
    /// Integer codes; several scales run over axis 1.
    fn default() -> Self {
        Self { axis: 1, block_size: 0, clamp: None, format: None }
    }
}

impl QuantizeLinear {
    fn grain(&self) -> Grain {
        Grain { axis: self.axis, block_size: self.block_size }
    }

    fn clamped<'a>(&self, data: &'a [f32]) -> std::borrow::Cow<'a, [f32]> {
        match self.clamp {
            None => data.into(),
            Some(c) => data.iter().map(|&v| c.apply(v)).collect::<Vec<_>>().into(),
        }
    }
}

/// Takes an attribute that names the type to compute in, which is float32 here.
pub(super) fn take_float32(node: &mut ImportNode<'_>, name: &str) -> Result<(), AttrError> {
    match node.attrs.take_int(name)?.filter(|&code| code != 0).map(FileType::from_code) {
        None => Ok(()),
        Some(Some(ty)) if ty.dtype() == DType::F32 => Ok(()),
        Some(ty) => Err(AttrError::Unsupported {
            name: name.into(),
            value: ty.map_or("unknown".to_owned(), |ty| ty.dtype().to_string()),
            reason: "it is computed in float32",
        }),
    }
}

/// `x / scale + zero_point` rounded to a float format.
fn to_floats(
    shape: &[usize],
    data: &[f32],
    (scales, zero_point): (&Scales, &Value),
    (format, rounding): (FloatFormat, FloatRounding),
) -> Result<Value, OpError> {
    let zeros = scales.zero_points(Some(zero_point), |value| Ok(value.into_vec::<f32>()?))?;
    let mut codes = vec![0.0_f32; data.len()];
    scales.for_each_run(|at, run| {
        for (code, &x) in codes[run.clone()].iter_mut().zip(&data[run]) {
            *code = format.round((x / scales.scale[at] + zeros[at]).into(), rounding);
        }
        Ok(())
    })?;
    Ok(Value::from_vec(shape, codes)?)
}

fn code_range(dtype: DType) -> Result<(i32, i32), OpError> {
    let refused = OpError::DType { what: "zero_point", expected: CODES, got: dtype };
    scales::code_range(dtype).ok_or(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::ops::testing::{Sample, Sampled, tensor};
    use crate::tensor::I4;

    fn codes(shape: &[usize], data: &[u8]) -> Value {
        Value::from_vec(shape, data.to_vec()).unwrap()
    }

    impl Sampled for QuantizeLinear {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[6], &[0.25, 0.75, -9.0, 200.0, f32::NAN, f32::INFINITY]);
            let per_tensor = Sample::new(Attrs::new())
                .input(x)
                .constant(Value::scalar(0.5_f32))
                .constant(Value::scalar(10_u8))
                // Half steps go to the even code; 0.25 / 0.5 and 0.75 / 0.5 are such.
                .gives(vec![codes(&[6], &[10, 12, 0, 255, 10, 255])]);
            let weights = Value::from_vec(&[2, 2], vec![-128_i8, 127, 1, -1]).unwrap();
            let per_axis = Sample::new(Attrs::new().with("axis", Attr::Int(0)))
                .input(tensor(&[2, 2], &[-300.0, 300.0, 1.0, -1.0]))
                .constant(tensor(&[2], &[2.0, 1.0]))
                .constant(Value::from_vec(&[2], vec![0_i8, 0]).unwrap())
                .gives(vec![weights]);
            let no_zero_point = Sample::new(Attrs::new())
                .opset(13)
                .input(tensor(&[2], &[-1.0, 3.0]))
                .constant(Value::scalar(1.0_f32))
                .gives(vec![codes(&[2], &[0, 3])]);
            let nibbles = |data: &[i64]| {
                Value::from_vec(&[data.len()], data.iter().map(|&v| I4::wrapping(v)).collect()).unwrap()
            };
            let four_bits = Sample::new(Attrs::new())
                .opset(21)
                .input(tensor(&[3], &[-90.0, 2.5, 3.5]))
                .constant(Value::scalar(1.0_f32))
                .constant(nibbles(&[1]))
                .gives(vec![nibbles(&[-8, 3, 5])]);
            let wide = Attrs::new().with("output_dtype", Attr::Int(4));
            let sixteen_bits = Sample::new(wide)
                .opset(21)
                .input(tensor(&[3], &[-1.0, 40_000.0, 1e6]))
                .constant(Value::scalar(1.0_f32))
                .gives(vec![Value::from_vec(&[3], vec![0_u16, 40_000, 65_535]).unwrap()]);
            let blocks = Attrs::new().with("axis", Attr::Int(0)).with("block_size", Attr::Int(2));
            let blocks = Sample::new(blocks)
                .opset(21)
                .input(tensor(&[3, 2], &[2.0, 2.0, 4.0, 4.0, 6.0, 6.0]))
                .constant(tensor(&[2, 2], &[1.0, 2.0, 3.0, 6.0]))
                .constant(codes(&[2, 2], &[0, 1, 2, 3]))
                .gives(vec![codes(&[3, 2], &[2, 2, 4, 3, 4, 4])]);
            vec![per_tensor, per_axis, no_zero_point, four_bits, sixteen_bits, blocks]
        }
    }

    #[test]
    fn the_gradient_passes_where_the_code_is_not_saturated() {
        let op = QuantizeLinear { clamp: Some(Clamp { min: 0.0, max: 3.0 }), ..QuantizeLinear::default() };
        let x = tensor(&[5], &[-2.0, -0.25, 1.2, 3.25, 9.0]);
        let (scale, zero) = (Value::scalar(1.0_f32), Value::scalar(0_u8));
        let gradient = tensor(&[5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
        let output = op
            .forward(
                &Context::new(crate::ops::Isa::Portable),
                Inputs::new(vec![Some(x.clone()), Some(scale.clone()), Some(zero.clone())]),
            )
            .unwrap();
        assert_eq!(output[0].as_slice::<u8>().unwrap(), &[0, 0, 1, 3, 3]);
        let tape = Tape {
            inputs: &[Some(&x), Some(&scale), Some(&zero)],
            outputs: &[&output[0]],
            gradients: &[Some(&gradient)],
            wanted: &[true, false, false],
        };
        let found = op.backward(&Context::new(crate::ops::Isa::Portable), &tape).unwrap();
        assert_eq!(found[0].as_ref().unwrap().as_slice::<f32>().unwrap(), &[0.0, 2.0, 3.0, 4.0, 0.0]);
    }

    #[test]
    fn only_the_range_of_fewer_bits_is_taken_in() {
        let op = QuantizeLinear::default();
        let ty = TensorType::new(DType::F32, crate::tensor::Shape::fixed(&[2]));
        let (scale, zero) = (Value::scalar(0.1_f32), Value::scalar(3_u8));
        let slots = vec![Some((&ty, None)), Some((&ty, Some(&scale))), Some((&ty, Some(&zero)))];
        let inputs = TypeInputs::new(slots);
        let four_bits = Clamp { min: -3.0 * 0.1_f32, max: 12.0 * 0.1_f32 };
        let limited = op.take_clamp(four_bits, &inputs).unwrap();
        assert_eq!(limited.clamp, Some(four_bits));
        assert_eq!(limited.take_clamp(four_bits, &inputs), None);
        for other in [Clamp::RELU, Clamp { max: 1.25, ..four_bits }, Clamp { min: 0.0, ..four_bits }] {
            assert_eq!(op.take_clamp(other, &inputs), None);
        }
        let steps: Vec<_> = limited.export().unwrap().iter().map(|s| (s.op_type, s.reads)).collect();
        assert_eq!(steps, [("Clip", Some(1)), ("QuantizeLinear", None)]);
    }

    #[test]
    fn scales_that_do_not_fit_the_axis_are_refused() {
        let op = QuantizeLinear::default();
        let inputs = vec![tensor(&[2, 3], &[0.0; 6]), tensor(&[2], &[1.0; 2]), codes(&[2], &[0; 2])];
        let error = crate::ops::testing::try_run(&op.into(), &inputs).unwrap_err();
        assert_eq!(error.to_string(), "scales along the axis: expected 3, got 2");
    }

    #[test]
    fn codes_may_be_narrow_floats() {
        let format = Some((FloatFormat::Float8E4M3Fn, FloatRounding::default()));
        let op = QuantizeLinear { format, ..QuantizeLinear::default() };
        let inputs = [tensor(&[3], &[34.0, -2.0, 1e4]), Value::scalar(2.0_f32), Value::scalar(0.0_f32)];
        let found = crate::ops::testing::run(&op.clone().into(), &inputs);
        assert_eq!(found, [tensor(&[3], &[16.0, -1.0, 448.0])]);
        assert_eq!(op.export(), None);
    }
}
