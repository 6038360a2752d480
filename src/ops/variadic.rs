//! Operators of any number of tensors that broadcast together: Sum, Mean, Max, Min.

use super::{Inputs, OpError, TypeInputs, broadcast, convert, numbers};
use crate::tensor::{DType, TensorType, Value, broadcast_types};

/// All inputs broadcast together: numbers of one type, or floats only.
pub(super) fn infer(inputs: &TypeInputs<'_>, floats_only: bool) -> Result<Vec<TensorType>, OpError> {
    let first = inputs.ty(0)?;
    check(first.dtype, floats_only)?;
    let mut shape = first.shape.clone();
    for at in 1..inputs.len() {
        let next = inputs.ty(at)?;
        numbers::check_same(first.dtype, next.dtype)?;
        shape = broadcast_types(&shape, &next.shape)?;
    }
    Ok(vec![TensorType::new(first.dtype, shape)])
}

fn check(dtype: DType, floats_only: bool) -> Result<(), OpError> {
    if floats_only && !dtype.is_float() {
        return Err(OpError::DType { what: "the inputs", expected: "float32 or float64", got: dtype });
    }
    numbers::check("the inputs", dtype)
}

/// Folds `pair` over the inputs, from the first on, in the type that arithmetic on them runs in.
pub(super) fn fold(
    mut inputs: Inputs,
    floats_only: bool,
    pair: impl Fn(Value, Value) -> Result<Value, OpError>,
) -> Result<Value, OpError> {
    let first = inputs.take(0)?;
    let dtype = first.dtype();
    check(dtype, floats_only)?;
    let mut result = numbers::widened(first)?;
    for at in 1..inputs.len() {
        let next = inputs.take(at)?;
        numbers::check_same(dtype, next.dtype())?;
        result = pair(result, numbers::widened(next)?)?;
    }
    convert::convert(result, dtype)
}

/// The gradient of each input, by `of(position)`, for those that are wanted and are floats.
pub(super) fn gradients(
    tape: &super::Tape<'_>,
    of: impl Fn(usize, &Value) -> Result<Value, OpError>,
) -> Result<Vec<Option<Value>>, OpError> {
    let mut found = vec![None; tape.inputs.len()];
    let Some(gradient) = tape.gradient(0) else { return Ok(found) };
    for (at, slot) in found.iter_mut().enumerate() {
        if tape.wants(at) {
            *slot = Some(broadcast::reduce_to(of(at, gradient)?, tape.input(at)?.shape())?);
        }
    }
    Ok(found)
}

/// The gradient of the greatest or least input: each element belongs to the first input that has the
/// result there.
#[allow(clippy::float_cmp, reason = "the result is one of the inputs, bit for bit")]
pub(super) fn chosen_gradient(tape: &super::Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
    let output = tape.output(0)?;
    gradients(tape, |at, gradient| {
        let mut gradient = gradient.clone();
        for earlier in 0..=at {
            // What an earlier input has is not this one's.
            let is_own = earlier == at;
            let input = broadcast::expand::<f32>(tape.input(earlier)?, output.shape())?;
            let same = broadcast::compare::<f32>(&input, output, &|x, y| x == y)?;
            gradient = broadcast::apply::<f32, bool>(gradient, &same, |g, same| {
                if same != is_own {
                    *g = 0.0;
                }
            })?;
        }
        Ok(gradient)
    })
}
