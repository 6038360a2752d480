//! `ReduceLogSumExp` (ONNX opsets 1–18): logarithm of the sum of exponentials over some axes.
//!
//! The largest element is subtracted first, so nothing overflows.

use super::convert::convert;
use super::reduce::{Axes, Fold};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, numbers};
use crate::ir::AttrError;
use crate::tensor::{DType, TensorType, Value};

/// The largest number, as far as there are finite ones.
const LARGEST: Fold = Fold { start: f64::NEG_INFINITY, step: f64::max, ..Fold::SUM };

/// `y = ln(Σ exp(x))` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceLogSumExp {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceLogSumExp {
    const OP_TYPE: &'static str = "ReduceLogSumExp";

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
        numbers::check("the input", input.dtype())?;
        let reduction = self.axes.plan(input.shape(), inputs.optional(1))?;
        let mut largest = reduction.fold_reals(input, &LARGEST)?;
        // exp(∞ − ∞) is not a number; without a shift the infinities go through by themselves.
        largest.iter_mut().filter(|m| m.is_infinite()).for_each(|m| *m = 0.0);
        let wide = convert(input.clone(), DType::F64)?;
        let wide = wide.as_slice::<f64>()?;
        let mut sums = vec![0.0; largest.len()];
        reduction.for_each(|from, to| sums[to] += libm::exp(wide[from] - largest[to]));
        let results = sums.iter().zip(&largest).map(|(&sum, &shift)| libm::log(sum) + shift).collect();
        Ok(vec![convert(Value::from_vec::<f64>(&reduction.output_shape, results)?, input.dtype())?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let axes = tape.inputs.get(1).copied().flatten();
        self.axes.plan(tape.input(0)?.shape(), axes)?.chain(tape, |x, y| libm::exp(x - y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for ReduceLogSumExp {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let random = || Random::new(11).uniform(&[2, 3, 2, 2], -2.0, 2.0);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            let noop = Attrs::new().with("noop_with_empty_axes", Attr::Int(1));
            vec![
                Sample::new(keep(0))
                    .input(tensor(
                        &[2, 3],
                        &[1e4, f32::NEG_INFINITY, f32::INFINITY, 1e4, f32::NEG_INFINITY, 1.0],
                    ))
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[3], &[10_000.693, f32::NEG_INFINITY, f32::INFINITY])]),
                Sample::new(keep(0))
                    .input(tensor(&[2, 0], &[]))
                    .constant(integers(&[1]))
                    .gives(vec![tensor(&[2], &[f32::NEG_INFINITY; 2])]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(noop).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }
}
