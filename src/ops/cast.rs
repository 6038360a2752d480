//! `Cast` (ONNX opsets 6–23): to another element type.
//!
//! Floats become integers towards 0, saturating, NaN as 0; integers are cut to fewer bits; truth
//! values are 0 and 1, and everything but 0 is true. float16 and bfloat16 are float32 here, because
//! such files are widened when they are read. Gradients pass only from float32 to float32.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
    index::{self, with_element},
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Element, TensorType, Value};

/// `x` in the element type `to`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cast {
    /// Element type of the result.
    pub to: DType,
}

/// The numbers that ONNX files have for element types (`TensorProto.DataType`). A type is written
/// with the first number that stands for it.
const CODES: [(i64, DType); 9] = [
    (1, DType::F32),
    (2, DType::U8),
    (3, DType::I8),
    (6, DType::I32),
    (7, DType::I64),
    (9, DType::Bool),
    (11, DType::F64),
    (10, DType::F32), // float16
    (16, DType::F32), // bfloat16
];

impl Operator for Cast {
    const OP_TYPE: &'static str = "Cast";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(6, "the type was a text before opset 6")?;
        node.attrs.take_bool("saturate", true)?; // only means something for float8
        let code = node.attrs.take_int("to")?.ok_or(AttrError::Missing { name: "to".into() })?;
        match CODES.iter().find(|(known, _)| *known == code) {
            Some(&(_, to)) => Ok(Self { to }),
            None => Err(AttrError::Unsupported {
                name: "to".into(),
                value: code.to_string(),
                reason: "only float, 8-bit, 32-bit and 64-bit integer types and bool are",
            }),
        }
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let code = CODES.iter().find(|(_, dtype)| *dtype == self.to).map(|(code, _)| *code)?;
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("to", Attr::Int(code))])
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(self.to, inputs.shape(0)?.clone())])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.take(0)?;
        if x.dtype() == self.to {
            return Ok(vec![x]);
        }
        Ok(vec![with_element!(x.dtype(), From => with_element!(self.to, To => cast::<From, To>(&x)?))])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        if tape.input(0)?.dtype() != DType::F32 || self.to != DType::F32 {
            return Ok(vec![None]);
        }
        index::first_gradient(tape, |g| Ok(g.clone()))
    }
}

fn cast<A: Number, B: Number>(x: &Value) -> Result<Value, OpError> {
    let data = x.as_slice::<A>()?.iter().map(|&v| B::from_number(v.to_number())).collect();
    Ok(Value::from_vec(x.shape(), data)?)
}

/// A number on its way from one type to another: integers and floats both keep every bit.
#[derive(Debug, Clone, Copy)]
enum Wide {
    Integer(i64),
    Real(f64),
}

/// An element type that casts to and from the others.
trait Number: Element {
    fn to_number(self) -> Wide;
    fn from_number(number: Wide) -> Self;
}

macro_rules! number {
    ($($type:ty: $wide:ident as $held:ty),*) => { $(
        impl Number for $type {
            fn to_number(self) -> Wide {
                Wide::$wide(self as $held)
            }
            fn from_number(number: Wide) -> Self {
                match number {
                    Wide::Integer(v) => v as Self,
                    Wide::Real(v) => v as Self,
                }
            }
        }
    )* };
}

number! { f32: Real as f64, f64: Real as f64, i64: Integer as i64, i32: Integer as i64, u8: Integer as i64, i8: Integer as i64 }

impl Number for bool {
    fn to_number(self) -> Wide {
        Wide::Integer(self.into())
    }

    fn from_number(number: Wide) -> Self {
        match number {
            Wide::Integer(v) => v != 0,
            Wide::Real(v) => v != 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, import_node, integers, tensor};

    fn to(code: i64) -> Attrs {
        Attrs::new().with("to", Attr::Int(code))
    }

    impl Sampled for Cast {
        fn samples() -> Vec<Sample> {
            let x = tensor(&[4], &[-1.75, 0.0, 2.5, f32::NAN]);
            let big = integers(&[i64::MAX, -1, 300]);
            let bools = Value::from_vec(&[4], vec![true, false, true, true]).unwrap();
            vec![
                Sample::new(to(7)).opset(7).input(x.clone()).gives(vec![integers(&[-1, 0, 2, 0])]),
                Sample::new(to(9)).input(x.clone()).gives(vec![bools.clone()]),
                Sample::new(to(1)).input(bools).gives(vec![tensor(&[4], &[1.0, 0.0, 1.0, 1.0])]),
                Sample::new(to(7)).input(big.clone()).gives(vec![big.clone()]),
                Sample::new(to(2))
                    .input(big.clone())
                    .gives(vec![Value::from_vec(&[3], vec![255_u8, 255, 44]).unwrap()]),
                Sample::new(to(11)).input(big),
                Sample::new(to(10)).input(tensor(&[2], &[1.0, -2.0])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn a_type_that_is_not_known_is_refused() {
        let error = import_node("Cast", to(8), 13, &[]).unwrap_err();
        assert!(error.to_string().starts_with("attribute `to` = 8 is not supported"));
    }
}
