//! `ReduceSum` (ONNX opsets 1–13): sum over some axes.
//!
//! Summed in f64, integers in 64 bits. The axes became an input with opset 13.

use super::reduce::{Axes, Fold};
use super::{Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Reordered, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{DType, TensorType, Value};

/// `y = sum of x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceSum {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceSum {
    const OP_TYPE: &'static str = "ReduceSum";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: Axes::import(node, 13)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.axes.export(Self::OP_TYPE))
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let reduction = self.axes.plan(input.shape(), inputs.optional(1))?;
        if input.dtype() == DType::F32 {
            return Ok(vec![reduction.sum(input.as_slice()?, 1.0)?]);
        }
        Ok(vec![reduction.fold(input, &Fold::SUM)?])
    }

    fn own_before_permutation(&self, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
        self.axes.before_permutation(order, inputs, |axes| Self { axes })
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let reduction = self.axes.plan(tape.input(0)?.shape(), tape.inputs.get(1).copied().flatten())?;
        reduction.spread(tape, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, pattern, tensor};

    impl Sampled for ReduceSum {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let x = || pattern(&[2, 3, 2], 7, 11);
            let random = || Random::new(11).uniform(&[2, 3, 2, 2], -1.0, 1.0);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            vec![
                Sample::new(Attrs::new())
                    .opset(13)
                    .input(x())
                    .constant(integers(&[1]))
                    .gives(vec![tensor(&[2, 1, 2], &[-6.0, 4.0, -1.0, -2.0])]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }
}
