//! `Mod` (ONNX opsets 10–13): the remainder of a division, with multidirectional broadcasting.
//!
//! With `fmod` it has the sign of the dividend, as in C; without, that of the divisor, as in Python,
//! and numbers must be integers. An integer divided by 0 is an error.

use super::broadcast;
use super::{
    Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
    numbers::{self, Wide},
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// `y = lhs − rhs · ⌊lhs / rhs⌋`, or towards 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Mod {
    /// The quotient is rounded towards 0 instead of down.
    pub is_truncated: bool,
}

impl Operator for Mod {
    const OP_TYPE: &'static str = "Mod";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(10, "it was added in opset 10")?;
        Ok(Self { is_truncated: node.attrs.take_bool("fmod", false)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let fmod = Attr::Int(self.is_truncated.into());
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("fmod", fmod)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = broadcast::infer_numbers(inputs)?;
        self.check(ty.dtype)?;
        Ok(vec![ty])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        self.check(inputs.get(0)?.dtype())?;
        if numbers::has_zero_integer(inputs.get(1)?)? {
            let (expected, got) = ("other than 0".to_owned(), "0".to_owned());
            return Err(OpError::Range { what: "the divisor of an integer", expected, got });
        }
        if self.is_truncated {
            return Ok(vec![numbers::arithmetic!(inputs, T => T::remainder)]);
        }
        Ok(vec![numbers::arithmetic!(inputs, T => T::modulo)])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        if tape.output(0)?.dtype() != DType::F32 {
            return Ok(vec![None; tape.inputs.len()]);
        }
        let gradient = broadcast::unclamped_gradient(tape, None)?;
        // y = lhs − rhs · trunc(lhs / rhs), where the quotient is constant but for jumps.
        let by_rhs = |g| {
            let (lhs, rhs) = (tape.input(0)?.clone(), tape.input(1)?.clone());
            let quotient = broadcast::combine::<f32>(lhs, rhs, |a, b| -(a / b).trunc())?;
            broadcast::combine::<f32>(g, quotient, |g, quotient| g * quotient)
        };
        broadcast::gradients(tape, gradient, Ok, by_rhs)
    }
}

impl Mod {
    fn check(&self, dtype: DType) -> Result<(), OpError> {
        if self.is_truncated || !dtype.is_float() {
            return Ok(());
        }
        Err(OpError::DType {
            what: "the first input",
            expected: "an integer type (or `fmod` set)",
            got: dtype,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Mod {
        fn samples() -> Vec<Sample> {
            let fmod = || Attrs::new().with("fmod", Attr::Int(1));
            let (lhs, rhs) = (integers(&[-7, 7, -6, 5]), integers(&[3, -3, 3, -2]));
            vec![
                Sample::new(Attrs::new())
                    .opset(10)
                    .input(lhs.clone())
                    .constant(rhs.clone())
                    .gives(vec![integers(&[2, -2, 0, -1])]),
                Sample::new(fmod()).input(lhs).input(rhs).gives(vec![integers(&[-1, 1, 0, 1])]),
                Sample::new(fmod())
                    .input(tensor(&[2, 2], &[-4.3, 7.2, 5.0, 3.4]))
                    .input(tensor(&[2], &[2.1, -3.4]))
                    .gives_about(1e-6, vec![tensor(&[2, 2], &[-0.1, 0.4, 0.8, 0.0])]),
                Sample::new(fmod())
                    .input(tensor(&[3], &[-4.3, 7.2, 5.0]))
                    .input(tensor(&[3], &[2.05, -3.2, 2.1]))
                    .gradients(&[0, 1]),
            ]
        }
    }

    #[test]
    fn floats_need_fmod_and_integers_another_divisor_than_0() {
        let op = Mod { is_truncated: false };
        assert!(try_run(&op.clone().into(), &[tensor(&[1], &[1.0]), tensor(&[1], &[2.0])]).is_err());
        let error = try_run(&op.into(), &[integers(&[1]), integers(&[0])]).unwrap_err();
        assert_eq!(error.to_string(), "the divisor of an integer = 0, but it must be other than 0");
    }
}
