//! `BitCast` (ONNX opset 26): the same bits as elements of another type of the same width. Not
//! differentiable.
//!
//! Types narrower than a byte, and floats that are widened when they are read, have other bits here
//! than in a file, so they are refused.

use super::{Context, ExportStep, FileType, ImportNode, Inputs, OpError, Operator, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, TensorError, TensorType, Value};

/// The bits of `x` as elements of type `to`.
#[derive(Debug, Clone, PartialEq)]
pub struct BitCast {
    /// Element type of the result.
    pub to: DType,
}

impl Operator for BitCast {
    const OP_TYPE: &'static str = "BitCast";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(26, "it was added in opset 26")?;
        let code = node.attrs.take_int("to")?.ok_or(AttrError::Missing { name: "to".into() })?;
        let to = FileType::from_code(code).filter(|_| node.format(0).is_none());
        match to {
            Some(FileType::Same(to)) if to.file_bits() >= 8 => Ok(Self { to }),
            _ => Err(AttrError::Unsupported {
                name: "to".into(),
                value: code.to_string(),
                reason: "narrow floats and integers of less than a byte have other bits here than in a file",
            }),
        }
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let to = Attr::Int(FileType::from(self.to).code());
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("to", to).since(26)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        self.check(ty.dtype)?;
        Ok(vec![TensorType::new(self.to, ty.shape.clone())])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.take(0)?;
        self.check(x.dtype())?;
        Ok(vec![x.reinterpreted(self.to)?])
    }
}

impl BitCast {
    fn check(&self, from: DType) -> Result<(), OpError> {
        if from.file_bits() == self.to.file_bits() {
            return Ok(());
        }
        Err(TensorError::DType { expected: self.to, got: from }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, import_node, tensor, try_run};

    impl Sampled for BitCast {
        fn samples() -> Vec<Sample> {
            let to = |code| Sample::new(Attrs::new().with("to", Attr::Int(code))).opset(26);
            let bits = Value::from_vec(&[2], vec![0x3f80_0000_i32, i32::MIN]).unwrap();
            let flags = Value::from_vec(&[2], vec![true, false]).unwrap();
            vec![
                to(6).input(tensor(&[2], &[1.0, -0.0])).gives(vec![bits.clone()]),
                to(1).input(bits).gives(vec![tensor(&[2], &[1.0, -0.0])]),
                to(2).input(flags).gives(vec![Value::from_vec(&[2], vec![1_u8, 0]).unwrap()]),
            ]
        }
    }

    #[test]
    fn another_width_is_refused() {
        let error = try_run(&BitCast { to: DType::I32 }.into(), &[Value::scalar(1_i64)]).unwrap_err();
        assert_eq!(error.to_string(), "expected a tensor of int32, got int64");
        let error = import_node("BitCast", Attrs::new().with("to", Attr::Int(10)), 26, &[]).unwrap_err();
        assert!(error.to_string().contains("other bits here"));
    }
}
