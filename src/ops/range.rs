//! `Range` (ONNX opset 11): `start, start + delta, …`, up to `limit`, which is left out.
//!
//! The three inputs are scalars of one type: float32, int64 or int32. Not differentiable.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, broadcast, index};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, Element, Shape, TensorError, TensorType, Value};

/// Inputs: `start`, `limit`, `delta`.
#[derive(Debug, Clone, PartialEq)]
pub struct Range;

impl Operator for Range {
    const OP_TYPE: &'static str = "Range";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let dtype = inputs.ty(0)?.dtype;
        let constants = (inputs.constant(0), inputs.constant(1), inputs.constant(2));
        let shape = match constants {
            (Some(start), Some(limit), Some(delta)) => Shape::fixed(&[count(start, limit, delta)?]),
            _ => index::unknown(1),
        };
        if broadcast::is_number(dtype) {
            return Ok(vec![TensorType::new(dtype, shape)]);
        }
        Err(OpError::DType { what: "the start", expected: broadcast::NUMBERS, got: dtype })
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (start, limit, delta) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        let count = count(start, limit, delta)?;
        index::check_size(&[count], start.dtype().size_bytes())?;
        Ok(vec![match start.dtype() {
            DType::F32 => {
                let (start, delta) = (scalar::<f32>(start)?, scalar::<f32>(delta)?);
                list((0..count).map(|i| start + i as f32 * delta))?
            }
            DType::I32 => {
                let (start, delta) = (scalar::<i32>(start)?, scalar::<i32>(delta)?);
                list((0..count).map(|i| start.wrapping_add((i as i32).wrapping_mul(delta))))?
            }
            _ => {
                let (start, delta) = (scalar::<i64>(start)?, scalar::<i64>(delta)?);
                list((0..count).map(|i| start.wrapping_add((i as i64).wrapping_mul(delta))))?
            }
        }])
    }
}

fn list<T: Element>(elements: impl Iterator<Item = T>) -> Result<Value, TensorError> {
    let data: Vec<T> = elements.collect();
    Value::from_vec(&[data.len()], data)
}

fn scalar<T: Element>(value: &Value) -> Result<T, OpError> {
    match value.as_slice::<T>()? {
        &[only] => Ok(only),
        several => Err(index::count_error("elements of start, limit or delta", 1, several.len())),
    }
}

/// `max(⌈(limit − start) / delta⌉, 0)`.
fn count(start: &Value, limit: &Value, delta: &Value) -> Result<usize, OpError> {
    let refused =
        |got: String| OpError::Range { what: "delta", expected: "a number other than 0".into(), got };
    match start.dtype() {
        DType::F32 => {
            let (start, limit, delta) = (scalar::<f32>(start)?, scalar::<f32>(limit)?, scalar::<f32>(delta)?);
            let count = ((f64::from(limit) - f64::from(start)) / f64::from(delta)).ceil();
            if delta == 0.0 || count.is_nan() {
                return Err(refused(delta.to_string()));
            }
            Ok(count.max(0.0) as usize)
        }
        DType::I64 | DType::I32 => {
            let whole = |value: &Value| -> Result<i128, OpError> {
                if value.dtype() == DType::I64 {
                    return Ok(scalar::<i64>(value)?.into());
                }
                Ok(scalar::<i32>(value)?.into())
            };
            let (start, limit, delta) = (whole(start)?, whole(limit)?, whole(delta)?);
            if delta == 0 {
                return Err(refused("0".into()));
            }
            let distance = (limit - start) * delta.signum();
            let step = delta.abs();
            Ok(usize::try_from(((distance + step - 1) / step).max(0)).unwrap_or(usize::MAX))
        }
        got => Err(OpError::DType { what: "the start", expected: broadcast::NUMBERS, got }),
    }
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
