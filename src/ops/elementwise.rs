//! Operators `y = f(x)`: [`Unary`], and what others share with them: the loop and the chain rule.
//!
//! An activation is its function, its derivative and its attributes; everything else is here.
//! Functions that `std` leaves to the platform (exp, tanh, …) are taken from `libm`, so that a network
//! gives the same numbers natively and in the browser.

use super::{Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, Element, TensorType, Value};
use std::fmt;

/// A float function of one float, element by element. Its default has the attributes that a file
/// leaves out.
pub trait Unary: Clone + fmt::Debug + PartialEq + Default {
    /// The operator's name in ONNX.
    const NAME: &'static str;
    /// The opset that brought it.
    const SINCE: u32 = 1;

    /// Takes the attributes.
    fn read(&mut self, _attrs: &mut Attrs) -> Result<(), AttrError> {
        Ok(())
    }

    /// The attributes.
    fn write(&self) -> Attrs {
        Attrs::new()
    }

    /// `f(x)`.
    fn value(&self, x: f32) -> f32;

    /// `f` of doubles, where there is one: networks of doubles, and the definitions of some operators,
    /// ask for the most common functions. It has no gradient.
    fn of_doubles(&self) -> Option<fn(f64) -> f64> {
        None
    }

    /// Whether `f(a · x) = a · f(x)` for every `a > 0`.
    fn is_homogeneous(&self) -> bool {
        false
    }

    /// `f′(x)`, where `y = f(x)`. Where the function has a kink the derivative is that of one side;
    /// the operator says which.
    fn slope(&self, x: f32, y: f32) -> f32;
}

impl<T: Unary> Operator for T {
    const OP_TYPE: &'static str = T::NAME;

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(T::SINCE, "it was added later")?;
        node.attrs.take("consumed_inputs"); // opset 1: a hint on buffers
        let mut op = T::default();
        op.read(&mut node.attrs)?;
        Ok(op)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(T::NAME, self.write()).since(T::SINCE)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Elementwise)
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        self.is_homogeneous().then_some(1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.ty(0)?;
        if input.dtype == DType::F64 && self.of_doubles().is_some() {
            return Ok(vec![input.clone()]);
        }
        Ok(vec![inputs.float(0, "input")?.clone()])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let each = |elements: &mut [f32]| elements.iter_mut().for_each(|x| *x = self.value(*x));
        forward(inputs, self.of_doubles(), &each)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        gradient(tape, |x, y| self.slope(x, y))
    }
}

/// All that operators of one number have in common of a run; `each` is the operator's own loop.
fn forward(
    mut inputs: Inputs,
    of_doubles: Option<fn(f64) -> f64>,
    each: &dyn Fn(&mut [f32]),
) -> Result<Vec<Value>, OpError> {
    let x = inputs.take(0)?;
    let y = match of_doubles.filter(|_| x.dtype() == DType::F64) {
        Some(function) => map_value(x, function)?,
        None => map_elements(x, each)?,
    };
    Ok(vec![y])
}

/// `f` of every element, in place where nobody else holds them.
pub(super) fn map_value<T: Element>(value: Value, f: impl Fn(T) -> T) -> Result<Value, OpError> {
    map_elements::<T>(value, &|elements| elements.iter_mut().for_each(|x| *x = f(*x)))
}

fn map_elements<T: Element>(value: Value, each: &dyn Fn(&mut [T])) -> Result<Value, OpError> {
    let shape = value.shape().to_vec();
    let mut elements = value.into_vec::<T>()?;
    each(&mut elements);
    Ok(Value::from_vec(&shape, elements)?)
}

/// The gradient with respect to the first input, `g · derivative(x, y)`, and 0 where the derivative is
/// 0, whatever `g` is. One entry per input, the others without gradient.
pub(super) fn gradient(
    tape: &Tape<'_>,
    derivative: impl Fn(f32, f32) -> f32,
) -> Result<Vec<Option<Value>>, OpError> {
    chain(tape, &|gradient, x, y| {
        for (g, (&x, &y)) in gradient.iter_mut().zip(x.iter().zip(y)) {
            let slope = derivative(x, y);
            *g = if slope == 0.0 { 0.0 } else { *g * slope };
        }
    })
}

/// Changes the gradient of the output into that of the input, given the input and the output.
type Chain<'a> = &'a dyn Fn(&mut [f32], &[f32], &[f32]);

/// As [`gradient`], by one loop.
fn chain(tape: &Tape<'_>, each: Chain<'_>) -> Result<Vec<Option<Value>>, OpError> {
    let mut found = vec![None; tape.inputs.len().max(1)];
    let Some(gradient) = tape.wanted_gradient() else { return Ok(found) };
    let (x, y) = (tape.input(0)?, tape.output(0)?);
    if gradient.shape() != x.shape() {
        return Err(gradient_shape(x.shape(), gradient.shape()));
    }
    let mut data = gradient.clone().into_vec::<f32>()?;
    each(&mut data, x.as_slice::<f32>()?, y.as_slice::<f32>()?);
    found[0] = Some(Value::from_vec(x.shape(), data)?);
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
    use crate::ops::{Exp, Mish, Op, Tanh};
    use crate::tensor::{DType, Value};

    #[test]
    fn a_unary_operator_refuses_integers_by_name() {
        let error = try_run(&Op::from(Tanh), &[Value::scalar(1_i64)]).unwrap_err();
        assert_eq!(error.to_string(), "expected a tensor of float32, got int64");
    }

    #[test]
    fn doubles_keep_their_digits() {
        let y = run(&Op::from(Exp), &[Value::scalar(1e-12_f64)]);
        assert_eq!(y, [Value::scalar(1.0 + 1e-12_f64)]);
        assert!(try_run(&Op::from(Mish), &[Value::scalar(1.0_f64)]).is_err());
    }

    #[test]
    fn an_empty_tensor_stays_empty() {
        let y = run(&Op::from(Tanh), &[tensor(&[0, 3], &[])]);
        assert_eq!((y[0].dtype(), y[0].shape()), (DType::F32, &[0, 3][..]));
    }
}
