//! `ReduceProd` (ONNX opsets 1–18): product over some axes.

use super::reduce::{Axes, Fold};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// The product of what is not 0: what the gradient of the one zero is made of.
const NONZERO_PRODUCT: Fold =
    Fold { step: |product, x| if x == 0.0 { product } else { product * x }, ..Fold::PRODUCT };

const ZEROS: Fold =
    Fold { start: 0.0, step: |count, x| if x == 0.0 { count + 1.0 } else { count }, ..Fold::PRODUCT };

/// `y = Π x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceProd {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceProd {
    const OP_TYPE: &'static str = "ReduceProd";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: Axes::import(node, 18)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.axes.export(Self::OP_TYPE))
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        Ok(vec![self.axes.plan(input.shape(), inputs.optional(1))?.fold(input, &Fold::PRODUCT)?])
    }

    /// The product of all other elements.
    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        if !tape.wants(0) {
            return Ok(vec![None; tape.inputs.len().max(1)]);
        }
        let input = tape.input(0)?;
        let reduction = self.axes.plan(input.shape(), tape.inputs.get(1).copied().flatten())?;
        let x = input.as_slice::<f32>()?;
        let products = reduction.fold_reals(input, &NONZERO_PRODUCT)?;
        let zeros = reduction.fold_reals(input, &ZEROS)?;
        reduction.gradient(tape, &|gradient, from, to| {
            let x = f64::from(x[from]);
            let other_zeros = zeros[to] - if x == 0.0 { 1.0 } else { 0.0 };
            let others = match (other_zeros > 0.0, x == 0.0) {
                (true, _) => 0.0,
                (false, true) => products[to],
                (false, false) => products[to] / x,
            };
            gradient * others
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for ReduceProd {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let random = || Random::new(11).avoiding(&[2, 3, 2, 2], (-1.0, 1.0), &[0.0]);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            let noop = Attrs::new().with("noop_with_empty_axes", Attr::Int(1));
            vec![
                Sample::new(keep(0))
                    .input(tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, -5.0, 0.0]))
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[3], &[4.0, -10.0, 0.0])]),
                Sample::new(keep(0))
                    .input(integers(&[3, 1 << 40]))
                    .constant(integers(&[0]))
                    .gives(vec![Value::scalar(3_i64 << 40)]),
                Sample::new(keep(0))
                    .input(tensor(&[3, 3], &[1.5, 0.0, 0.0, 0.5, 2.0, 0.0, -1.0, 3.0, 1.0]))
                    .constant(integers(&[0]))
                    .gradients(&[0]),
                Sample::new(keep(0))
                    .input(tensor(&[2, 0], &[]))
                    .constant(integers(&[1]))
                    .gives(vec![tensor(&[2], &[1.0; 2])]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(noop).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }
}
