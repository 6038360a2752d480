//! `ReduceMean` (ONNX opsets 1–18): mean over some axes.
//!
//! Summed in f64; a mean of integers is rounded towards 0. Over the two spatial axes of an image it
//! is a global average pool, and says so.

use super::reduce::{Axes, Fold};
use super::{
    Averaged, Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator,
    Reordered, Tape, TypeInputs,
};
use crate::ir::AttrError;
use crate::tensor::{DType, TensorType, Value};

/// `y = mean of x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceMean {
    /// What is reduced.
    pub axes: Axes,
}

/// Of other types than float32, which has its own loop.
const MEAN: Fold = Fold { finish: |sum, count| sum / count as f64, whole: None, ..Fold::SUM };

impl Operator for ReduceMean {
    const OP_TYPE: &'static str = "ReduceMean";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: Axes::import(node, 18)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.axes.export(Self::OP_TYPE))
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Average)
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        self.axes.are_spatial().then_some(1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let reduction = self.axes.plan(input.shape(), inputs.optional(1))?;
        if input.dtype() == DType::F32 {
            return Ok(vec![reduction.sum(input.as_slice()?, reduction.count() as f64)?]);
        }
        Ok(vec![reduction.fold(input, &MEAN)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let averaged = self.axes.are_spatial().then_some(Averaged::All)?;
        super::q_average_pool::lower(context, averaged, self.axes.keep_dims)
    }

    fn own_before_permutation(&self, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
        self.axes.before_permutation(order, inputs, |axes| Self { axes })
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let reduction = self.axes.plan(tape.input(0)?.shape(), tape.inputs.get(1).copied().flatten())?;
        reduction.spread(tape, reduction.count() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, pattern, tensor};

    impl Sampled for ReduceMean {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let x = || pattern(&[2, 3, 2], 7, 11);
            let random = || Random::new(11).uniform(&[2, 3, 2, 2], -1.0, 1.0);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            vec![
                Sample::new(keep(0))
                    .input(x())
                    .constant(integers(&[0, -1]))
                    .gives(vec![tensor(&[3], &[0.25, 0.5, -2.0])]),
                Sample::new(Attrs::new()).input(x()).gives(vec![tensor(&[1, 1, 1], &[-5.0 / 12.0])]),
                Sample::new(Attrs::new().with("noop_with_empty_axes", Attr::Int(1)))
                    .input(x())
                    .gives(vec![x()]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(keep(0)).input(random()).constant(integers(&[-1, 2])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }

    fn read(axes: &[i64], opset: u32) -> ReduceMean {
        let (attrs, input) = if opset < 18 {
            (Attrs::new().with("axes", Attr::Ints(axes.to_vec())), None)
        } else {
            (Attrs::new(), Some(integers(axes)))
        };
        let read = crate::ops::testing::import_node("ReduceMean", attrs, opset, &[None, input.as_ref()]);
        match read.unwrap().0 {
            crate::ops::Op::ReduceMean(op) => op,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_mean_over_both_spatial_axes_is_a_global_pool() {
        for opset in [11, 18] {
            assert!(read(&[2, 3], opset).axes.are_spatial());
            assert!(read(&[-1, -2], opset).axes.are_spatial());
            assert!(!read(&[1, 2], opset).axes.are_spatial());
            assert!(!read(&[3], opset).axes.are_spatial());
        }
    }

    #[test]
    fn an_axis_that_does_not_exist_is_an_error() {
        let error = crate::ops::testing::try_run(&read(&[3], 11).into(), &[pattern(&[2, 3, 2], 7, 11)]);
        assert_eq!(error.unwrap_err().to_string(), "axes = 3, but it must be between -3 and 3 - 1");
    }
}
