//! `BitShift` (ONNX opset 11): the bits of `x`, moved by `n` places, with multidirectional
//! broadcasting. Unsigned integers only; bits that leave the type are lost. Not differentiable.

use super::{
    Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, broadcast, convert, numbers,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

const TYPES: &str = "an unsigned integer type of 8 bits or more";

/// Inputs: `x`, `n`.
#[derive(Debug, Clone, PartialEq)]
pub struct BitShift {
    /// Towards the low bits: halves instead of doubles.
    pub is_right: bool,
}

impl Operator for BitShift {
    const OP_TYPE: &'static str = "BitShift";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(11, "it was added in opset 11")?;
        let missing = AttrError::Missing { name: "direction".into() };
        match node.attrs.take_string("direction")?.ok_or(missing)?.as_str() {
            "LEFT" => Ok(Self { is_right: false }),
            "RIGHT" => Ok(Self { is_right: true }),
            other => Err(AttrError::Unsupported {
                name: "direction".into(),
                value: other.into(),
                reason: "only LEFT and RIGHT are",
            }),
        }
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let direction = if self.is_right { "RIGHT" } else { "LEFT" };
        let step = ExportStep::new(Self::OP_TYPE, Attrs::new());
        Some(vec![step.with("direction", Attr::String(direction.into()))])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![broadcast::infer(inputs, TYPES, is_unsigned)?])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (x, n) = (inputs.take(0)?, inputs.take(1)?);
        let dtype = x.dtype();
        numbers::check_same(dtype, n.dtype())?;
        if !is_unsigned(dtype) {
            return Err(OpError::DType { what: "the first input", expected: TYPES, got: dtype });
        }
        let [x, n] = [x, n].map(|value| convert::convert(value, DType::U64));
        let shift = |x: u64, n: u64| {
            let places = u32::try_from(n).unwrap_or(u32::MAX);
            let moved = if self.is_right { x.checked_shr(places) } else { x.checked_shl(places) };
            moved.unwrap_or(0)
        };
        let moved = broadcast::combine::<u64>(x?, n?, shift)?;
        Ok(vec![convert::convert(moved, dtype)?])
    }
}

fn is_unsigned(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, import_node};

    impl Sampled for BitShift {
        fn samples() -> Vec<Sample> {
            let bytes = |data: &[u8]| Value::from_vec(&[data.len()], data.to_vec()).unwrap();
            let towards = |direction: &str| Attrs::new().with("direction", Attr::String(direction.into()));
            vec![
                Sample::new(towards("LEFT"))
                    .opset(11)
                    .input(bytes(&[1, 200, 3]))
                    .constant(bytes(&[1, 1, 8]))
                    .gives(vec![bytes(&[2, 144, 0])]),
                Sample::new(towards("RIGHT"))
                    .input(bytes(&[1, 200, 255]))
                    .input(bytes(&[3]))
                    .gives(vec![bytes(&[0, 25, 31])]),
                Sample::new(towards("RIGHT"))
                    .input(Value::scalar(u64::MAX))
                    .input(Value::from_vec(&[2], vec![63_u64, 64]).unwrap())
                    .gives(vec![Value::from_vec(&[2], vec![1_u64, 0]).unwrap()]),
            ]
        }
    }

    #[test]
    fn a_direction_is_needed_and_known() {
        let import = |attrs| import_node("BitShift", attrs, 11, &[]).unwrap_err().to_string();
        assert_eq!(import(Attrs::new()), "attribute `direction` is missing");
        assert!(import(Attrs::new().with("direction", Attr::String("UP".into()))).contains("LEFT and RIGHT"));
    }
}
