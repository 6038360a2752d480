//! `Range` (ONNX opsets 11–27): `start, start + delta, …`, up to `limit`, which is left out.
//!
//! The three inputs are scalars of one type of numbers. Not differentiable.

use super::{
    Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, convert, index, numbers,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, Element, Shape, TensorType, Value};

/// Inputs: `start`, `limit`, `delta`.
#[derive(Debug, Clone, PartialEq)]
pub struct Range;

impl Operator for Range {
    const OP_TYPE: &'static str = "Range";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.attrs.take_int("stash_type")?; // the precision of narrow floats, which are float32 here
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let dtype = inputs.ty(0)?.dtype;
        numbers::check("the start", dtype)?;
        let constants = (inputs.constant(0), inputs.constant(1), inputs.constant(2));
        let shape = match constants {
            (Some(start), Some(limit), Some(delta)) => Shape::fixed(&[count(start, limit, delta)?]),
            _ => index::unknown(1),
        };
        Ok(vec![TensorType::new(dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (start, limit, delta) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        let dtype = start.dtype();
        let count = count(start, limit, delta)?;
        index::check_size(&[count], dtype.size_bytes().max(size_of::<i64>()))?;
        let list = match dtype {
            DType::F32 => {
                let (start, delta) = (scalar::<f32>(start)?, scalar::<f32>(delta)?);
                Value::from_vec(&[count], (0..count).map(|i| start + i as f32 * delta).collect())?
            }
            DType::F64 => {
                let (start, delta) = (scalar::<f64>(start)?, scalar::<f64>(delta)?);
                Value::from_vec(&[count], (0..count).map(|i| start + i as f64 * delta).collect())?
            }
            _ => {
                // Modulo 2⁶⁴, so unsigned ones come out right as well.
                let (start, delta) = (integer(start)? as i64, integer(delta)? as i64);
                let at = |i: usize| start.wrapping_add((i as i64).wrapping_mul(delta));
                Value::from_vec(&[count], (0..count).map(at).collect())?
            }
        };
        Ok(vec![convert::convert(list, dtype)?])
    }
}

fn scalar<T: Element>(value: &Value) -> Result<T, OpError> {
    match value.as_slice::<T>()? {
        &[only] => Ok(only),
        several => Err(index::count_error("elements of start, limit or delta", 1, several.len())),
    }
}

/// A whole number of any integer type.
fn integer(value: &Value) -> Result<i128, OpError> {
    if value.dtype() == DType::U64 {
        return Ok(scalar::<u64>(value)?.into());
    }
    Ok(scalar::<i64>(&convert::convert(value.clone(), DType::I64)?)?.into())
}

/// `max(⌈(limit − start) / delta⌉, 0)`.
fn count(start: &Value, limit: &Value, delta: &Value) -> Result<usize, OpError> {
    numbers::check("the start", start.dtype())?;
    numbers::check_same(start.dtype(), limit.dtype())?;
    numbers::check_same(start.dtype(), delta.dtype())?;
    let refused =
        |got: String| OpError::Range { what: "delta", expected: "a number other than 0".into(), got };
    if start.dtype().is_float() {
        let real = |value: &Value| scalar::<f64>(&convert::convert(value.clone(), DType::F64)?);
        let (start, limit, delta) = (real(start)?, real(limit)?, real(delta)?);
        let count = ((limit - start) / delta).ceil();
        if delta == 0.0 || count.is_nan() {
            return Err(refused(delta.to_string()));
        }
        return Ok(count.max(0.0) as usize);
    }
    let (start, limit, delta) = (integer(start)?, integer(limit)?, integer(delta)?);
    if delta == 0 {
        return Err(refused("0".into()));
    }
    let (distance, step) = ((limit - start) * delta.signum(), delta.abs());
    Ok(usize::try_from(((distance + step - 1) / step).max(0)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Range {
        fn samples() -> Vec<Sample> {
            fn of<T: Element>(bounds: [T; 3], wanted: Value) -> Sample {
                let [start, limit, delta] = bounds.map(Value::scalar);
                Sample::new(Attrs::new())
                    .opset(11)
                    .constant(start)
                    .constant(limit)
                    .constant(delta)
                    .gives(vec![wanted])
            }
            vec![
                of([3_i64, 9, 3], integers(&[3, 6])),
                of([10_i64, 4, -2], integers(&[10, 8, 6])),
                of([1_i64, 0, 1], integers(&[])),
                of([1.0_f32, 2.1, 0.5], tensor(&[3], &[1.0, 1.5, 2.0])),
                of([0_i32, 2, 1], Value::from_vec(&[2], vec![0_i32, 1]).unwrap()),
            ]
        }
    }

    #[test]
    fn endless_and_enormous_ranges_are_refused() {
        let run = |bounds: [i64; 3]| try_run(&Op::from(Range), &bounds.map(Value::scalar));
        assert!(run([0, 1, 0]).is_err());
        assert!(run([0, i64::MAX, 1]).is_err());
        assert!(run([i64::MIN, i64::MAX, 1]).is_err());
        let float = |bounds: [f32; 3]| try_run(&Op::from(Range), &bounds.map(Value::scalar));
        assert!(float([0.0, f32::INFINITY, 1.0]).is_err());
        assert!(float([0.0, f32::NAN, 1.0]).is_err());
    }
}
