//! What operators `y = f(x)` share: types, the loop, and the chain rule.
//!
//! An activation is its `f` and its derivative; everything else is here. Functions that `std` leaves
//! to the platform (exp, tanh, …) are taken from `libm`, so that a network gives the same numbers
//! natively and in the browser.

use super::{Inputs, OpError, Tape, TypeInputs};
use crate::tensor::{Element, TensorType, Value};

/// The input's type, which must be float.
pub(super) fn infer(inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
    Ok(vec![inputs.float(0, "input")?.clone()])
}

/// `f` of every element of the first input, in place where nobody else holds it.
pub(super) fn map(mut inputs: Inputs, f: impl Fn(f32) -> f32) -> Result<Vec<Value>, OpError> {
    Ok(vec![map_value(inputs.take(0)?, f)?])
}

/// `f` of every element, in place where nobody else holds them.
pub(super) fn map_value<T: Element>(value: Value, f: impl Fn(T) -> T) -> Result<Value, OpError> {
    let mut array = value.into_array::<T>()?;
    array.mapv_inplace(f);
    Ok(Value::from_array(array))
}

/// The gradient with respect to the input, where the derivative is a function of the input.
pub(super) fn gradient_by_input(
    tape: &Tape<'_>,
    derivative: impl Fn(f32) -> f32,
) -> Result<Vec<Option<Value>>, OpError> {
    chain(tape, tape.input(0)?, derivative)
}

/// The gradient with respect to the input, where the derivative is a function of the output.
pub(super) fn gradient_by_output(
    tape: &Tape<'_>,
    derivative: impl Fn(f32) -> f32,
) -> Result<Vec<Option<Value>>, OpError> {
    chain(tape, tape.output(0)?, derivative)
}

/// `g · derivative(at)`, and 0 where the derivative is 0, whatever `g` is. One entry per input, all
/// but the first without gradient.
fn chain(
    tape: &Tape<'_>,
    at: &Value,
    derivative: impl Fn(f32) -> f32,
) -> Result<Vec<Option<Value>>, OpError> {
    let mut found = vec![None; tape.inputs.len().max(1)];
    let Some(gradient) = tape.wanted_gradient() else { return Ok(found) };
    if gradient.shape() != at.shape() {
        return Err(gradient_shape(at.shape(), gradient.shape()));
    }
    let mut gradient = gradient.clone().into_array::<f32>()?;
    gradient.zip_mut_with(&at.view::<f32>()?, |g, &v| {
        let slope = derivative(v);
        *g = if slope == 0.0 { 0.0 } else { *g * slope };
    });
    found[0] = Some(Value::from_array(gradient));
    Ok(found)
}

/// A gradient has another shape than what it belongs to.
pub(super) fn gradient_shape(expected: &[usize], got: &[usize]) -> OpError {
    let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
    OpError::Shape { what: "shape of the gradient", expected, got }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{run, tensor, try_run};
    use crate::ops::{Op, Tanh};
    use crate::tensor::{DType, Value};

    #[test]
    fn a_unary_operator_refuses_integers_by_name() {
        let error = try_run(&Op::from(Tanh), &[Value::scalar(1_i64)]).unwrap_err();
        assert_eq!(error.to_string(), "expected a tensor of float32, got int64");
    }

    #[test]
    fn an_empty_tensor_stays_empty() {
        let y = run(&Op::from(Tanh), &[tensor(&[0, 3], &[])]);
        assert_eq!((y[0].dtype(), y[0].shape()), (DType::F32, &[0, 3][..]));
    }
}
