//! Arithmetic on tensors of any type of numbers.
//!
//! It runs in four types: float32, float64, and the two 64-bit integers. Narrower integers are
//! widened, computed with and cut to their width again, which is what wrapping arithmetic in their
//! own type gives; so a loop exists four times, not ten. Networks compute on them only in passing
//! (sizes, masks), never in bulk.

use super::convert::convert;
use super::{Inputs, OpError, TypeInputs};
use crate::tensor::{DType, Element, TensorError, TensorType, Value};
use std::cmp::Ordering;

/// The types that arithmetic is defined on, for messages.
pub(super) const NUMBERS: &str = "a type of numbers, of 8 bits or more";

/// Whether arithmetic is defined on a type: floats, and integers of 8 bits or more.
pub(super) fn is_number(dtype: DType) -> bool {
    dtype != DType::Bool && dtype.file_bits() >= 8
}

/// The type that arithmetic on another one runs in; truth values count as integers.
pub(super) fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F32 | DType::F64 | DType::U64 => dtype,
        _ => DType::I64,
    }
}

/// Refuses types that arithmetic is not defined on.
pub(super) fn check(what: &'static str, dtype: DType) -> Result<(), OpError> {
    if is_number(dtype) { Ok(()) } else { Err(OpError::DType { what, expected: NUMBERS, got: dtype }) }
}

/// Refuses an input of another type than the first.
pub(super) fn check_same(expected: DType, got: DType) -> Result<(), OpError> {
    if expected == got { Ok(()) } else { Err(TensorError::DType { expected, got }.into()) }
}

/// The type of an input that must hold numbers.
pub(super) fn infer_unary(inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
    let ty = inputs.ty(0)?;
    check("the input", ty.dtype)?;
    Ok(vec![ty.clone()])
}

/// Two inputs that must be numbers of one type, in the type that arithmetic on them runs in, and the
/// type that they have.
pub(super) fn operands(mut inputs: Inputs) -> Result<(DType, Value, Value), OpError> {
    let (lhs, rhs) = (inputs.take(0)?, inputs.take(1)?);
    let dtype = lhs.dtype();
    check("the first input", dtype)?;
    check_same(dtype, rhs.dtype())?;
    Ok((dtype, widened(lhs)?, widened(rhs)?))
}

/// A tensor in the type that arithmetic on it runs in.
pub(super) fn widened(value: Value) -> Result<Value, OpError> {
    let to = wide(value.dtype());
    convert(value, to)
}

/// Whether an integer among these is 0.
pub(super) fn has_zero_integer(value: &Value) -> Result<bool, OpError> {
    if value.dtype().is_float() {
        return Ok(false);
    }
    let bits = convert(value.clone().into_bits(), DType::U64)?;
    Ok(bits.as_slice::<u64>()?.contains(&0))
}

/// Evaluates an expression with `$T` the Rust type that arithmetic on a type runs in.
macro_rules! with_wide {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $crate::ops::numbers::wide($dtype) {
            $crate::tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::tensor::DType::U64 => {
                type $T = u64;
                $body
            }
            _ => {
                type $T = i64;
                $body
            }
        }
    };
}
pub(super) use with_wide;

/// A function of two numbers of type `$T`, element by element of two tensors of a type that arithmetic
/// runs in, which broadcast together.
///
/// Only of float32 it becomes a loop of its own. What networks compute on other types is small (sizes,
/// masks), and a call per element keeps this to one loop for all functions.
macro_rules! combined {
    ($lhs:expr, $rhs:expr, $T:ident => $function:expr) => {{
        let (lhs, rhs): ($crate::tensor::Value, $crate::tensor::Value) = ($lhs, $rhs);
        if lhs.dtype() == $crate::tensor::DType::F32 {
            type $T = f32;
            $crate::ops::broadcast::combine::<$T>(lhs, rhs, $function)
        } else {
            $crate::ops::numbers::with_wide!(lhs.dtype(), $T => {
                let function: &dyn Fn($T, $T) -> $T = &$function;
                $crate::ops::broadcast::combine::<$T>(lhs, rhs, function)
            })
        }
    }};
}
pub(super) use combined;

/// As [`combined`], of two inputs of any type of numbers.
macro_rules! arithmetic {
    ($inputs:expr, $T:ident => $function:expr) => {{
        let (dtype, lhs, rhs) = $crate::ops::numbers::operands($inputs)?;
        let made = $crate::ops::numbers::combined!(lhs, rhs, $T => $function)?;
        $crate::ops::convert::convert(made, dtype)?
    }};
}
pub(super) use arithmetic;

/// As [`arithmetic`], for a test.
macro_rules! comparison {
    ($inputs:expr, $T:ident => $test:expr) => {{
        let (dtype, lhs, rhs) = $crate::ops::numbers::operands($inputs)?;
        $crate::ops::numbers::with_wide!(dtype, $T => {
            $crate::ops::broadcast::compare::<$T>(&lhs, &rhs, &$test)?
        })
    }};
}
pub(super) use comparison;

/// A function of a number of type `$T`, element by element of the first input; float32 as in
/// [`combined`].
macro_rules! map {
    ($inputs:expr, $T:ident => $function:expr) => {{
        let mut inputs: $crate::ops::Inputs = $inputs;
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        $crate::ops::numbers::check("the input", dtype)?;
        let x = $crate::ops::numbers::widened(x)?;
        let made = if dtype == $crate::tensor::DType::F32 {
            type $T = f32;
            $crate::ops::elementwise::map_value::<$T>(x, $function)?
        } else {
            $crate::ops::numbers::with_wide!(dtype, $T => {
                let function: &dyn Fn($T) -> $T = &$function;
                $crate::ops::elementwise::map_value::<$T>(x, function)?
            })
        };
        $crate::ops::convert::convert(made, dtype)?
    }};
}
pub(super) use map;

/// A number of one of the four types. Integers wrap around.
pub(super) trait Wide: Element + PartialOrd {
    const ZERO: Self;
    const ONE: Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// Integers are rounded towards 0, and 0 where they are divided by 0.
    fn over(self, other: Self) -> Self;
    /// With the sign of `self`; 0 for an integer divided by 0.
    fn remainder(self, other: Self) -> Self;
    /// As [`Wide::remainder`], with the sign of `other`.
    fn modulo(self, other: Self) -> Self {
        let rest = self.remainder(other);
        let differs = rest != Self::ZERO && (rest < Self::ZERO) != (other < Self::ZERO);
        if differs { rest.plus(other) } else { rest }
    }
    fn magnitude(self) -> Self;
    /// −1, 0 or 1; NaN for NaN.
    fn sign(self) -> Self {
        match self.partial_cmp(&Self::ZERO) {
            Some(Ordering::Greater) => Self::ONE,
            Some(Ordering::Less) => Self::ZERO.minus(Self::ONE),
            _ => self,
        }
    }
    fn is_not_a_number(self) -> bool;
}

macro_rules! wide_floats {
    ($($type:ty),*) => { $(
        impl Wide for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn minus(self, other: Self) -> Self {
                self - other
            }
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn over(self, other: Self) -> Self {
                self / other
            }
            fn remainder(self, other: Self) -> Self {
                self % other
            }
            fn is_not_a_number(self) -> bool {
                self.is_nan()
            }
            fn magnitude(self) -> Self {
                self.abs()
            }
        }
    )* };
}

macro_rules! wide_integers {
    ($($type:ty: $magnitude:expr),*) => { $(
        impl Wide for $type {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn over(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            fn remainder(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_rem(other) }
            }
            fn is_not_a_number(self) -> bool {
                false
            }
            fn magnitude(self) -> Self {
                $magnitude(self)
            }
        }
    )* };
}

wide_floats! { f32, f64 }
wide_integers! { i64: i64::wrapping_abs, u64: u64::from }

#[cfg(test)]
mod tests {
    use crate::ops::testing::run;
    use crate::ops::{Abs, Add, Clip, Div, Greater, Less, Mul, Op, Sub};
    use crate::tensor::{Element, Value};

    fn list<T: Element>(elements: &[T]) -> Value {
        Value::from_vec(&[elements.len()], elements.to_vec()).unwrap()
    }

    fn on<T: Element>(op: impl Into<Op>, inputs: &[&[T]]) -> Value {
        run(&op.into(), &inputs.iter().map(|input| list(input)).collect::<Vec<_>>()).remove(0)
    }

    #[test]
    fn integers_of_every_width_wrap_around_in_their_own_type() {
        assert_eq!(on(Add::default(), &[&[250_u8, 1], &[10, 1]]), list(&[4_u8, 2]));
        assert_eq!(on(Sub, &[&[-128_i8, 5], &[1, 7]]), list(&[127_i8, -2]));
        assert_eq!(on(Mul, &[&[300_i16], &[300]]), list(&[300_i16.wrapping_mul(300)]));
        assert_eq!(on(Sub, &[&[0_u64], &[1]]), list(&[u64::MAX]));
        assert_eq!(on(Add::default(), &[&[i32::MAX], &[1]]), list(&[i32::MIN]));
        assert_eq!(on(Abs, &[&[-128_i8, -3]]), list(&[-128_i8, 3]));
    }

    #[test]
    fn quotients_and_orders_know_the_sign() {
        assert_eq!(on(Div, &[&[-128_i8, -7, 7], &[-1, 2, 2]]), list(&[-128_i8, -3, 3]));
        assert_eq!(on(Div, &[&[u64::MAX], &[2]]), list(&[u64::MAX / 2]));
        assert_eq!(on(Less, &[&[1_u64 << 63], &[1]]), list(&[false]));
        assert_eq!(on(Greater, &[&[1_i64], &[i64::MIN]]), list(&[true]));
        assert_eq!(on(Clip { bounds: None }, &[&[-100_i8, 3, 100], &[-5], &[5]]).len(), 3);
    }
}
