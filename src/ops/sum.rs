//! `Sum` (ONNX opsets 8–13): the sum of all inputs, with multidirectional broadcasting. Floats only.

use super::{
    Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
    numbers::{self, Wide},
    variadic,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = Σ inputs`, of one input or more.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum;

impl Operator for Sum {
    const OP_TYPE: &'static str = "Sum";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(8, "inputs were not broadcast before opset 8")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        variadic::infer(inputs, true)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![variadic::fold(inputs, true, |lhs, rhs| numbers::combined!(lhs, rhs, T => T::plus))?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        variadic::gradients(tape, |_, g| Ok(g.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Sum {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(6);
            vec![
                Sample::new(Attrs::new())
                    .opset(8)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(tensor(&[2], &[10.0, 20.0]))
                    .gives(vec![tensor(&[2, 2], &[11.0, 22.0, 13.0, 24.0])]),
                Sample::new(Attrs::new())
                    .input(tensor(&[2], &[1.0, -2.0]))
                    .gives(vec![tensor(&[2], &[1.0, -2.0])]),
                Sample::new(Attrs::new())
                    .input(random.uniform(&[2, 3], -1.0, 1.0))
                    .input(random.uniform(&[3], -1.0, 1.0))
                    .input(random.uniform(&[2, 1], -1.0, 1.0))
                    .gradients(&[0, 1, 2]),
            ]
        }
    }
}
