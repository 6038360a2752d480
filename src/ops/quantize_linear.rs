//! `QuantizeLinear` (ONNX opsets 10–23): real numbers to `uint8` or `int8` codes,
//! `saturate(round_half_even(x / scale) + zero_point)`.
//!
//! One scale, or one per index of an axis. Blocked quantization and types other than 8-bit integers
//! are refused.

use super::{
    Clamp, Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, OpError, Operator, Tape,
    TypeInputs,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::kernels::{self, AffineParams};
use crate::tensor::{DType, TensorType, Value};

/// Real numbers to codes. Inputs: `x`, `scale`, `zero_point` (its type is that of the codes).
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizeLinear {
    /// Axis that the scales run over, when there are several.
    pub axis: i64,
    /// Range that `x` is limited to first: codes of fewer bits than the type has.
    pub clamp: Option<Clamp>,
}

impl Operator for QuantizeLinear {
    const OP_TYPE: &'static str = "QuantizeLinear";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(10, "it was added in opset 10")?;
        let axis = node.attrs.take_int("axis")?.unwrap_or(1);
        refuse_blocks(node)?;
        node.attrs.take_bool("saturate", true)?; // only means something for float8
        for name in ["output_dtype", "precision"] {
            if let Some(value) = node.attrs.take_int(name)?.filter(|&v| v != 0) {
                let reason = "the type is taken from the zero point";
                return Err(AttrError::Unsupported { name: name.into(), value: value.to_string(), reason });
            }
        }
        if matches!(node.inputs.get(2), None | Some(ImportInput::Absent)) {
            node.set_input(2, Value::scalar(0_u8));
        }
        Ok(Self { axis, clamp: None })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let clamp = self.clamp.map(|clamp| clamp.export().reading(1));
        let mut steps: Vec<ExportStep> = clamp.into_iter().collect();
        steps.push(ExportStep::new(Self::OP_TYPE, Attrs::new()).with("axis", Attr::Int(self.axis)));
        Some(steps)
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Quantize)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let x = inputs.float(0, "x")?;
        let dtype = inputs.ty(2)?.dtype;
        Ok(vec![TensorType::new(check_code_type(dtype)?, x.shape.clone())])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let channels = Channels::new(x.shape(), self.axis, inputs.get(1)?, inputs.optional(2))?;
        let data = self.clamped(x.as_slice::<f32>()?);
        let value = match inputs.get(2)?.dtype() {
            DType::U8 => {
                let mut codes = vec![0_u8; data.len()];
                for (params, run) in channels.runs(0, 255)? {
                    kernels::quantize_u8(context.isa, &data[run.clone()], &params, &mut codes[run])?;
                }
                Value::from_vec(x.shape(), codes)?
            }
            dtype => {
                check_code_type(dtype)?;
                let mut codes = vec![0_i8; data.len()];
                for (params, run) in channels.runs(-128, 127)? {
                    kernels::quantize_i8(context.isa, &data[run.clone()], &params, &mut codes[run])?;
                }
                Value::from_vec(x.shape(), codes)?
            }
        };
        Ok(vec![value])
    }

    /// Straight-through (docs/numerics.md): 1 where the rounded code is not saturated, 0 beyond. The
    /// gradient with respect to codes is understood per real unit, so scales do not enter.
    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0).filter(|_| tape.wants(0)) else { return Ok(gradients) };
        let x = tape.input(0)?;
        let zero_point = tape.input(2)?;
        let (min, max) = if zero_point.dtype() == DType::U8 { (0, 255) } else { (-128, 127) };
        let channels = Channels::new(x.shape(), self.axis, tape.input(1)?, Some(zero_point))?;
        let data = x.as_slice::<f32>()?;
        let mut gradient = gradient.clone().into_vec::<f32>()?;
        let clamp = self.clamp.unwrap_or(Clamp { min: f32::NEG_INFINITY, max: f32::INFINITY });
        for (params, run) in channels.runs(min, max)? {
            let (scale, zero) = (params.scale(), params.zero_point() as f32);
            for (g, &v) in gradient[run.clone()].iter_mut().zip(&data[run]) {
                // Half a step beyond the last code still rounds to it.
                let limited = clamp.apply(v);
                let code = (v / scale).round_ties_even() + zero;
                let inside = (v - limited).abs() <= 0.5 * scale && code >= min as f32 && code <= max as f32;
                if !inside {
                    *g = 0.0;
                }
            }
        }
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

impl QuantizeLinear {
    fn clamped<'a>(&self, data: &'a [f32]) -> std::borrow::Cow<'a, [f32]> {
        match self.clamp {
            None => data.into(),
            Some(c) => data.iter().map(|&v| c.apply(v)).collect::<Vec<_>>().into(),
        }
    }
}

/// Refuses `block_size` other than 0.
pub(super) fn refuse_blocks(node: &mut ImportNode<'_>) -> Result<(), AttrError> {
    match node.attrs.take_int("block_size")?.filter(|&size| size != 0) {
        None => Ok(()),
        Some(size) => Err(AttrError::Unsupported {
            name: "block_size".into(),
            value: size.to_string(),
            reason: "blocked quantization is not supported yet",
        }),
    }
}

fn check_code_type(dtype: DType) -> Result<DType, OpError> {
    match dtype {
        DType::U8 | DType::I8 => Ok(dtype),
        got => Err(OpError::DType { what: "zero_point", expected: "uint8 or int8", got }),
    }
}

/// The runs of elements that share one scale.
pub(super) struct Channels {
    scale: Vec<f32>,
    zero_point: Vec<i32>,
    outer: usize,
    inner: usize,
}

impl Channels {
    /// Checks scales and zero points against the shape that they apply to.
    pub(super) fn new(
        shape: &[usize],
        axis: i64,
        scale: &Value,
        zero_point: Option<&Value>,
    ) -> Result<Self, OpError> {
        let scale = scale.as_slice::<f32>()?.to_vec();
        let zero_point = match zero_point {
            None => vec![0; scale.len()],
            Some(value) => integers(value)?,
        };
        let count = scale.len();
        if zero_point.len() != count {
            return Err(mismatch("zero points per scale", count, zero_point.len()));
        }
        if count == 1 {
            return Ok(Self { scale, zero_point, outer: 1, inner: shape.iter().product() });
        }
        let rank = shape.len() as i64;
        let at = if axis < 0 { axis + rank } else { axis };
        let position = usize::try_from(at).ok().filter(|&a| a < shape.len());
        let Some(axis) = position else {
            let expected = format!("{} to {}", -rank, rank - 1);
            return Err(OpError::Range { what: "axis", expected, got: axis.to_string() });
        };
        if shape[axis] != count {
            return Err(mismatch("scales along the axis", shape[axis], count));
        }
        let outer = shape[..axis].iter().product();
        Ok(Self { scale, zero_point, outer, inner: shape[axis + 1..].iter().product() })
    }

    /// Parameters and elements of each run, with codes limited to `qmin..=qmax`.
    pub(super) fn runs(
        &self,
        qmin: i32,
        qmax: i32,
    ) -> Result<Vec<(AffineParams, std::ops::Range<usize>)>, OpError> {
        let count = self.scale.len();
        let mut runs = Vec::with_capacity(self.outer * count);
        for at in 0..self.outer * count {
            let params = AffineParams::new(self.scale[at % count], self.zero_point[at % count], qmin, qmax)?;
            runs.push((params, at * self.inner..(at + 1) * self.inner));
        }
        Ok(runs)
    }
}

fn integers(value: &Value) -> Result<Vec<i32>, OpError> {
    Ok(match value.dtype() {
        DType::U8 => value.as_slice::<u8>()?.iter().map(|&v| v.into()).collect(),
        DType::I8 => value.as_slice::<i8>()?.iter().map(|&v| v.into()).collect(),
        _ => value.as_slice::<i32>()?.to_vec(),
    })
}

fn mismatch(what: &'static str, expected: usize, got: usize) -> OpError {
    OpError::Shape { what, expected: expected.to_string(), got: got.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, tensor};

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
            vec![per_tensor, per_axis, no_zero_point]
        }
    }

    #[test]
    fn the_gradient_passes_where_the_code_is_not_saturated() {
        let op = QuantizeLinear { axis: 1, clamp: Some(Clamp { min: 0.0, max: 3.0 }) };
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
        let op = QuantizeLinear { axis: 1, clamp: None };
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
        let op = QuantizeLinear { axis: 1, clamp: None };
        let inputs = vec![tensor(&[2, 3], &[0.0; 6]), tensor(&[2], &[1.0; 2]), codes(&[2], &[0; 2])];
        let error = crate::ops::testing::try_run(&op.into(), &inputs).unwrap_err();
        assert_eq!(error.to_string(), "scales along the axis: expected 3, got 2");
    }
}
