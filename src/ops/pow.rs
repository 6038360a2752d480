//! `Pow` (ONNX opsets 7–15): `y = base ^ exponent`, with multidirectional broadcasting.
//!
//! The result has the type of the base; base and exponent may be of different types of numbers. The
//! gradient with respect to the exponent needs a base that is not negative.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, broadcast, convert,
    numbers,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value, broadcast_types};

/// `y = base ^ exponent`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pow;

impl Operator for Pow {
    const OP_TYPE: &'static str = "Pow";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts { is_axis_free: true, ..Facts::default() }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let base = inputs.ty(0)?;
        numbers::check("the base", base.dtype)?;
        numbers::check("the exponent", inputs.ty(1)?.dtype)?;
        Ok(vec![TensorType::new(base.dtype, broadcast_types(&base.shape, inputs.shape(1)?)?)])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (base, exponent) = (inputs.take(0)?, inputs.take(1)?);
        let dtype = base.dtype();
        numbers::check("the base", dtype)?;
        numbers::check("the exponent", exponent.dtype())?;
        if dtype == DType::F32 {
            let exponent = convert::convert(exponent, DType::F32)?;
            return Ok(vec![broadcast::combine::<f32>(base, exponent, power)?]);
        }
        let of_integers = !dtype.is_float() && !exponent.dtype().is_float();
        let power = if of_integers {
            // Modulo 2⁶⁴, so unsigned ones come out right as well.
            let [base, exponent] = [base, exponent].map(|value| convert::convert(value, DType::I64));
            broadcast::combine::<i64>(base?, exponent?, integer_power)?
        } else {
            let [base, exponent] = [base, exponent].map(|value| convert::convert(value, DType::F64));
            broadcast::combine::<f64>(base?, exponent?, libm::pow)?
        };
        Ok(vec![convert::convert(power, dtype)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let base = tape.input(0)?;
        let exponent = convert::convert(tape.input(1)?.clone(), DType::F32)?;
        let is_float = tape.input(1)?.dtype() == DType::F32;
        let gradient = tape.gradient(0).filter(|_| tape.wants(0) || tape.wants(1) && is_float).cloned();
        let slope = |a: f32, b: f32| if b == 0.0 { 0.0 } else { b * power(a, b - 1.0) };
        let by_base = |g| {
            let slope = broadcast::combine::<f32>(base.clone(), exponent.clone(), slope)?;
            broadcast::apply::<f32, f32>(g, &slope, |g, slope| *g *= slope)
        };
        // ∂y/∂exponent = y · ln(base), which tends to 0 with the base.
        let growth = |a: f32, b: f32| if a == 0.0 { 0.0 } else { power(a, b) * libm::logf(a) };
        let by_exponent = |g| {
            let growth = broadcast::combine::<f32>(base.clone(), exponent.clone(), growth)?;
            broadcast::apply::<f32, f32>(g, &growth, |g, growth| *g *= growth)
        };
        let mut found = broadcast::gradients(tape, gradient, by_base, by_exponent)?;
        if !is_float {
            found[1] = None;
        }
        Ok(found)
    }
}

/// `base ^ exponent`; squares, which networks are full of, are one product.
#[allow(clippy::float_cmp, reason = "only an exponent of exactly 2 is a square")]
fn power(base: f32, exponent: f32) -> f32 {
    if exponent == 2.0 { base * base } else { libm::powf(base, exponent) }
}

/// `base ^ exponent`, wrapping; towards 0 where the exponent is negative, and 0 for powers of 0.
fn integer_power(base: i64, exponent: i64) -> i64 {
    match u64::try_from(exponent) {
        Ok(mut exponent) => {
            let (mut result, mut square) = (1_i64, base);
            while exponent > 0 {
                if exponent % 2 == 1 {
                    result = result.wrapping_mul(square);
                }
                square = square.wrapping_mul(square);
                exponent /= 2;
            }
            result
        }
        Err(_) => match base {
            1 => 1,
            -1 => 1 - 2 * (exponent.rem_euclid(2)),
            _ => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for Pow {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(5);
            let mut float = |shape: &[usize]| random.uniform(shape, 0.5, 2.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[4], &[-3.0, 0.0, 2.0, 4.0]))
                    .constant(Value::scalar(2.0_f32))
                    .gives(vec![tensor(&[4], &[9.0, 0.0, 4.0, 16.0])]),
                Sample::new(Attrs::new())
                    .input(tensor(&[3], &[-2.0, 2.0, 2.0]))
                    .input(integers(&[3, -1, 0]))
                    .gives(vec![tensor(&[3], &[-8.0, 0.5, 1.0])])
                    .gradients(&[0]),
                Sample::new(Attrs::new())
                    .input(integers(&[3, -2, 2, -1, 7]))
                    .input(integers(&[4, 3, 65, -3, -1]))
                    .gives(vec![integers(&[81, -8, 0, -1, 0])]),
                Sample::new(Attrs::new())
                    .input(integers(&[2, 9]))
                    .input(tensor(&[2], &[0.5, 0.5]))
                    .gives(vec![integers(&[1, 3])]),
                Sample::new(Attrs::new()).input(float(&[2, 3, 4])).input(float(&[3, 1])).gradients(&[0, 1]),
            ]
        }
    }
}
