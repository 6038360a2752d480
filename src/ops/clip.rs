//! `Clip` (ONNX opsets 6–13): `y = min(max(x, min), max)`, element by element, also of integers.
//!
//! The bounds are inputs 1 and 2, each of one element, each optional; before opset 11 they were
//! attributes. Constant bounds are also kept in the operator, so that passes and quantizers can ask
//! for them. The derivative at the bounds and beyond is 0. Bounds have no gradient.

use super::{
    Clamp, Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, OpError, Operator, Tape,
    TypeInputs, convert, elementwise,
    numbers::{self, Wide, with_wide},
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, Element, TensorType, Value};

/// `y = min(max(x, min), max)`. Inputs: `x`, `min`, `max`.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The bounds, where both are constants or absent and the elements are floats.
    pub bounds: Option<Clamp>,
}

impl Operator for Clip {
    const OP_TYPE: &'static str = "Clip";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let mut bounds = [f32::NEG_INFINITY, f32::INFINITY];
        if node.opset.0 < 11 {
            for (slot, name) in ["min", "max"].into_iter().enumerate() {
                if let Some(bound) = node.attrs.take_float(name)? {
                    node.set_input(slot + 1, Value::scalar(bound));
                    bounds[slot] = bound;
                }
            }
            return Ok(Self { bounds: clamp(bounds) });
        }
        for (slot, bound) in bounds.iter_mut().enumerate() {
            match node.inputs.get(slot + 1) {
                None | Some(ImportInput::Absent) => {}
                Some(ImportInput::Constant(value)) => match value.as_slice::<f32>() {
                    Ok(&[value]) => *bound = value,
                    _ => return Ok(Self { bounds: None }),
                },
                Some(ImportInput::Computed) => return Ok(Self { bounds: None }),
            }
        }
        Ok(Self { bounds: clamp(bounds) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        // With computed bounds it depends on more than its first input.
        let kind = if self.bounds.is_some() { Kind::Elementwise } else { Kind::Other };
        Facts { clamp: self.bounds, ..Facts::of(kind) }
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        self.bounds.filter(|bounds| bounds.is_homogeneous()).map(|_| 1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        numbers::infer_unary(inputs)
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.take(0)?;
        if x.dtype() == DType::F32 {
            let (min, max) = (bound::<f32>(inputs.optional(1))?, bound(inputs.optional(2))?);
            let limits = Clamp { min: min.unwrap_or(f32::NEG_INFINITY), max: max.unwrap_or(f32::INFINITY) };
            return Ok(vec![elementwise::map_value(x, |v| limits.apply(v))?]);
        }
        let dtype = x.dtype();
        numbers::check("the input", dtype)?;
        let bound_of = |at: usize| {
            let Some(bound) = inputs.optional(at) else { return Ok(None) };
            numbers::check_same(dtype, bound.dtype())?;
            numbers::widened(bound.clone()).map(Some)
        };
        let (min, max) = (bound_of(1)?, bound_of(2)?);
        let x = numbers::widened(x)?;
        let clipped = with_wide!(dtype, T => clip(x, bound::<T>(min.as_ref())?, bound(max.as_ref())?)?);
        Ok(vec![convert::convert(clipped, dtype)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let optional = |index: usize| tape.inputs.get(index).copied().flatten();
        let min = bound::<f32>(optional(1))?.unwrap_or(f32::NEG_INFINITY);
        let max = bound::<f32>(optional(2))?.unwrap_or(f32::INFINITY);
        elementwise::gradient(tape, |x, _| if x > min && x < max { 1.0 } else { 0.0 })
    }
}

/// The bounds as a clamp; `None` where they say nothing about a range.
fn clamp([min, max]: [f32; 2]) -> Option<Clamp> {
    // Where min > max the result is max.
    (!min.is_nan() && !max.is_nan()).then_some(Clamp { min: min.min(max), max })
}

/// The value of a bound, where it is there.
fn bound<T: Element>(value: Option<&Value>) -> Result<Option<T>, OpError> {
    let Some(value) = value else { return Ok(None) };
    match value.as_slice::<T>()? {
        &[bound] => Ok(Some(bound)),
        several => Err(OpError::Shape {
            what: "number of elements of a bound of Clip",
            expected: "1".into(),
            got: several.len().to_string(),
        }),
    }
}

/// Of numbers of any type; where `min > max` the result is `max`. NaN stays NaN by a selection of its
/// own, as in [`Clamp::apply`].
fn clip<T: Wide>(x: Value, min: Option<T>, max: Option<T>) -> Result<Value, OpError> {
    elementwise::map_value(x, |v: T| {
        let above = min.filter(|&min| v < min).unwrap_or(v);
        let within = max.filter(|&max| above > max).unwrap_or(above);
        if v.is_not_a_number() { v } else { within }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, run, tensor};

    impl Sampled for Clip {
        fn samples() -> Vec<Sample> {
            let relu6 = Attrs::new().with("min", Attr::Float(0.0)).with("max", Attr::Float(6.0));
            let x = tensor(&[4], &[-1.0, 0.5, 7.0, f32::NAN]);
            let random = Random::new(6).avoiding(&[4, 5], (-2.0, 2.0), &[-1.0, 0.75]);
            vec![
                Sample::new(relu6)
                    .opset(7)
                    .input(x.clone())
                    .gives(vec![tensor(&[4], &[0.0, 0.5, 6.0, f32::NAN])]),
                Sample::new(Attrs::new()).opset(6).input(x.clone()).gives(vec![x.clone()]),
                Sample::new(Attrs::new())
                    .opset(11)
                    .input(x)
                    .absent()
                    .constant(Value::scalar(0.25_f32))
                    .gives(vec![tensor(&[4], &[-1.0, 0.25, 0.25, f32::NAN])]),
                Sample::new(Attrs::new())
                    .input(random.clone())
                    .constant(Value::scalar(-1.0_f32))
                    .constant(Value::scalar(0.75_f32))
                    .gradients(&[0]),
                Sample::new(Attrs::new()).input(random).input(Value::scalar(-1.0_f32)).gradients(&[0]),
                Sample::new(Attrs::new())
                    .input(integers(&[-5, 5]))
                    .constant(Value::scalar(0_i64))
                    .gives(vec![integers(&[0, 5])]),
            ]
        }
    }

    #[test]
    fn constant_bounds_are_a_fact() {
        let six = Value::scalar(6.0_f32);
        let facts =
            |inputs: &[Option<&Value>]| import_node("Clip", Attrs::new(), 18, inputs).unwrap().0.facts();
        let clamp = facts(&[Some(&six), None, Some(&six)]).clamp.unwrap();
        assert_eq!(clamp, Clamp { min: f32::NEG_INFINITY, max: 6.0 });
        let list = tensor(&[2], &[0.0; 2]);
        assert_eq!(facts(&[Some(&six), Some(&list)]).clamp, None);
    }

    #[test]
    fn the_upper_bound_wins_where_bounds_cross() {
        let bounds = [Value::scalar(3.0_f32), Value::scalar(1.0_f32)];
        let inputs = [&[tensor(&[3], &[0.0, 2.0, 4.0])], &bounds[..]].concat();
        let y = run(&Op::from(Clip { bounds: None }), &inputs);
        assert_eq!(y[0], tensor(&[3], &[1.0; 3]));
        assert_eq!(clamp([3.0, 1.0]), Some(Clamp { min: 1.0, max: 1.0 }));
    }
}
