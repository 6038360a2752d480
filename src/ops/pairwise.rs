//! Operators of two tensors that broadcast together, without attributes and without a gradient:
//! comparisons, logic, bits.

use super::Inputs;
use super::OpError;
use crate::tensor::{DType, Value};
use std::fmt;

/// A function of two elements. [`operator!`] makes an operator of it.
pub(super) trait Pairwise: Clone + fmt::Debug + PartialEq {
    /// The operator's name in ONNX.
    const NAME: &'static str;
    /// The opset that brought it, or that brought today's broadcasting.
    const SINCE: u32;

    /// The type of the result for inputs of a type.
    ///
    /// # Errors
    /// [`OpError::DType`] for types that the operator does not take.
    fn result(inputs: DType) -> Result<DType, OpError>;

    /// The result.
    fn compute(inputs: Inputs) -> Result<Value, OpError>;
}

/// The result of a comparison of numbers.
pub(super) fn of_numbers(inputs: DType) -> Result<DType, OpError> {
    super::numbers::check("the first input", inputs)?;
    Ok(DType::Bool)
}

/// The result of logic, which takes truth values only.
pub(super) fn of_truth_values(inputs: DType) -> Result<DType, OpError> {
    if inputs == DType::Bool {
        return Ok(inputs);
    }
    Err(OpError::DType { what: "the first input", expected: "bool", got: inputs })
}

/// The result of an operator on bits, which takes integers only.
pub(super) fn of_integers(inputs: DType) -> Result<DType, OpError> {
    if super::numbers::is_number(inputs) && !inputs.is_float() {
        return Ok(inputs);
    }
    Err(OpError::DType {
        what: "the first input",
        expected: "an integer type of 8 bits or more",
        got: inputs,
    })
}

/// A function of bits of type `$B`, element by element of two inputs of one integer type.
macro_rules! on_bits {
    ($inputs:expr, $B:ident => $function:expr) => {{
        let mut inputs: $crate::ops::Inputs = $inputs;
        let (lhs, rhs) = (inputs.take(0)?, inputs.take(1)?);
        let dtype = lhs.dtype();
        $crate::ops::numbers::check_same(dtype, rhs.dtype())?;
        $crate::ops::pairwise::of_integers(dtype)?;
        let (lhs, rhs) = (lhs.into_bits(), rhs.into_bits());
        $crate::ops::index::with_bits!(dtype, $B => {
            let function: &dyn Fn($B, $B) -> $B = &$function;
            $crate::ops::broadcast::combine::<$B>(lhs, rhs, function)?
        })
    }};
}
pub(super) use on_bits;

/// Makes an operator of a [`Pairwise`].
macro_rules! operator {
    ($name:ident) => {
        impl $crate::ops::Operator for $name {
            const OP_TYPE: &'static str = <$name as $crate::ops::pairwise::Pairwise>::NAME;

            fn import(node: &mut $crate::ops::ImportNode<'_>) -> Result<Self, $crate::ir::AttrError> {
                let since = <$name as $crate::ops::pairwise::Pairwise>::SINCE;
                node.require_opset(since, "it was added, or got today's broadcasting, later")?;
                Ok(Self)
            }

            fn export(&self) -> Option<Vec<$crate::ops::ExportStep>> {
                let step = $crate::ops::ExportStep::new(Self::OP_TYPE, $crate::ir::Attrs::new());
                Some(vec![step.since(<$name as $crate::ops::pairwise::Pairwise>::SINCE)])
            }

            fn infer(
                &self,
                inputs: &$crate::ops::TypeInputs<'_>,
            ) -> Result<Vec<$crate::tensor::TensorType>, $crate::ops::OpError> {
                let (lhs, rhs) = (inputs.ty(0)?, inputs.ty(1)?);
                let dtype = <$name as $crate::ops::pairwise::Pairwise>::result(lhs.dtype)?;
                $crate::ops::numbers::check_same(lhs.dtype, rhs.dtype)?;
                let shape = $crate::tensor::broadcast_types(&lhs.shape, &rhs.shape)?;
                Ok(vec![$crate::tensor::TensorType::new(dtype, shape)])
            }

            fn forward(
                &self,
                _: &$crate::ops::Context<'_>,
                inputs: $crate::ops::Inputs,
            ) -> Result<Vec<$crate::tensor::Value>, $crate::ops::OpError> {
                Ok(vec![<$name as $crate::ops::pairwise::Pairwise>::compute(inputs)?])
            }
        }
    };
}
pub(super) use operator;
