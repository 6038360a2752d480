//! `ReduceMax` (ONNX opsets 1–18): largest value over some axes.
//!
//! Over the two spatial axes of an image it is a global max pool, on codes too. NaN wins, so that it
//! does not vanish. The gradient goes to the first maximum in row-major order.

use super::pooling::check_gradient;
use super::reduce::Axes;
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Searched,
    Tape, TypeInputs, q_max_pool,
};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = largest value of x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceMax {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceMax {
    const OP_TYPE: &'static str = "ReduceMax";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axes: Axes::import(node, 18)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.axes.export(Self::OP_TYPE))
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let reduction = self.axes.plan(input.shape(), inputs.optional(1))?;
        let x = input.as_slice::<f32>()?;
        let out = reduction.first_maxima(x)?.into_iter().map(|at| x[at]).collect();
        Ok(vec![Value::from_vec(&reduction.output_shape, out)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let searched = self.axes.are_spatial().then_some(Searched::All)?;
        q_max_pool::lower(context, searched, self.axes.keep_dims)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.wanted_gradient() else { return Ok(gradients) };
        let input = tape.input(0)?;
        let reduction = self.axes.plan(input.shape(), tape.inputs.get(1).copied().flatten())?;
        let gradient = check_gradient(gradient, &reduction.output_shape)?;
        let mut out = vec![0.0_f32; input.len()];
        for (at, gradient) in reduction.first_maxima(input.as_slice()?)?.into_iter().zip(gradient) {
            out[at] = *gradient;
        }
        gradients[0] = Some(Value::from_vec(input.shape(), out)?);
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, pattern, tensor};

    impl Sampled for ReduceMax {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let x = || pattern(&[2, 3, 2], 7, 11);
            let random = || Random::new(11).spaced(&[2, 3, 2, 2]);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            vec![
                Sample::new(keep(0))
                    .input(x())
                    .constant(integers(&[2, 0]))
                    .gives(vec![tensor(&[3], &[4.0, 5.0, 1.0])]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(keep(1)).input(random()).constant(integers(&[2, 3])).gradients(&[0]),
                Sample::new(keep(0)).input(random()).constant(integers(&[-1, 2])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn the_largest_of_nothing_is_an_error() {
        let (op, _) = crate::ops::testing::import_node("ReduceMax", Attrs::new(), 18, &[]).unwrap();
        assert!(crate::ops::testing::try_run(&op, &[tensor(&[2, 0], &[])]).is_err());
    }
}
