//! `Cast` (ONNX opsets 6–25): to another element type, as [`convert`] does it.
//!
//! A float that is narrower than float32 is float32 here: to cast to one means to round to the
//! numbers that it has, and is written as a Cast there and one back. Gradients pass from float32 to
//! float32 only, through rounding unchanged.

use super::{
    Context, ExportStep, FileType, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, convert, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, FloatRounding, PowerRounding, TensorType, Value};

/// `x` in the element type `to`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cast {
    /// Element type of the result in a file.
    pub to: FileType,
    /// How numbers that a narrow float does not have are rounded.
    pub rounding: FloatRounding,
}

impl Operator for Cast {
    const OP_TYPE: &'static str = "Cast";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(6, "the type was a text before opset 6")?;
        let rounding = take_rounding(node)?;
        let code = node.attrs.take_int("to")?.ok_or(AttrError::Missing { name: "to".into() })?;
        match FileType::from_code(code) {
            Some(to) => Ok(Self { to, rounding }),
            None => Err(AttrError::Unsupported {
                name: "to".into(),
                value: code.to_string(),
                reason: "only real numbers, integers and truth values are",
            }),
        }
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let step = |to: FileType| {
            ExportStep::new(Self::OP_TYPE, Attrs::new()).with("to", Attr::Int(to.code())).since(to.since())
        };
        let mut first = step(self.to);
        let default = FloatRounding::default();
        if self.rounding.saturate != default.saturate {
            first = first.with("saturate", Attr::Int(0)).since(19);
        }
        if self.rounding.power != default.power {
            let name = power_name(self.rounding.power).to_owned();
            first = first.with("round_mode", Attr::String(name)).since(24);
        }
        Some(match self.to {
            FileType::Same(_) => vec![first],
            FileType::Widened(_) => vec![first, step(DType::F32.into())],
        })
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(self.to.dtype(), inputs.shape(0)?.clone())])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.take(0)?;
        Ok(vec![match self.to {
            FileType::Same(to) => convert::convert(x, to)?,
            FileType::Widened(format) => convert::round(x, format, self.rounding)?,
        }])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        gradient(tape)
    }
}

/// The gradient of a cast: that of the output, where both are floats that have one.
pub(super) fn gradient(tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
    if tape.input(0)?.dtype() != DType::F32 || tape.output(0)?.dtype() != DType::F32 {
        return Ok(vec![None; tape.inputs.len()]);
    }
    index::first_gradient(tape, |g| Ok(g.clone()))
}

/// The attributes that say how to round to a narrow float.
pub(super) fn take_rounding(node: &mut ImportNode<'_>) -> Result<FloatRounding, AttrError> {
    let saturate = node.attrs.take_bool("saturate", true)?;
    let power = match node.attrs.take_string("round_mode")?.as_deref() {
        None | Some("up") => PowerRounding::Up,
        Some("down") => PowerRounding::Down,
        Some("nearest") => PowerRounding::Nearest,
        Some(other) => {
            return Err(AttrError::Unsupported {
                name: "round_mode".into(),
                value: other.into(),
                reason: "only up, down and nearest are",
            });
        }
    };
    Ok(FloatRounding { saturate, power })
}

fn power_name(power: PowerRounding) -> &'static str {
    match power {
        PowerRounding::Up => "up",
        PowerRounding::Down => "down",
        PowerRounding::Nearest => "nearest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, import_node, integers, tensor};
    use crate::tensor::I4;

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
                Sample::new(to(1)).input(tensor(&[2], &[1.0, -2.0])).gradients(&[0]),
                Sample::new(to(10))
                    .input(tensor(&[3], &[1.0, 2049.0, 65520.0]))
                    .gives(vec![tensor(&[3], &[1.0, 2048.0, f32::INFINITY])]),
                Sample::new(to(17).with("saturate", Attr::Int(0)))
                    .input(integers(&[17, 500]))
                    .gives(vec![tensor(&[2], &[16.0, f32::NAN])]),
                Sample::new(to(24).with("round_mode", Attr::String("down".into())))
                    .input(tensor(&[2], &[3.0, 0.75]))
                    .gives(vec![tensor(&[2], &[2.0, 0.5])]),
                Sample::new(to(22))
                    .input(integers(&[9]))
                    .gives(vec![Value::scalar(I4::wrapping(-7)).reshaped(&[1]).unwrap()]),
            ]
        }
    }

    #[test]
    fn a_type_that_is_not_known_is_refused() {
        let error = import_node("Cast", to(8), 13, &[]).unwrap_err();
        assert!(error.to_string().starts_with("attribute `to` = 8 is not supported"));
    }
}
