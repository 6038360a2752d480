//! `ReduceMax` (ONNX opsets 1–20): largest value over some axes.
//!
//! Over the two spatial axes of an image it is a global max pool, on codes too. Of any type that has
//! an order; of truth values, true is the larger. NaN wins, so that it does not vanish. Of nothing it
//! is what is less than everything else. The gradient goes to the first maximum in row-major order.

use super::reduce::Axes;
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator,
    Reordered, Searched, Tape, TypeInputs, q_max_pool,
};
use crate::ir::{AttrError, Opset};
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

    fn file_opset(&self, inputs: &TypeInputs<'_>) -> Opset {
        Axes::extreme_opset(inputs)
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.axes.infer_any(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        Ok(vec![self.axes.plan(input.shape(), inputs.optional(1))?.extreme(input, true)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let searched = self.axes.are_spatial().then_some(Searched::All)?;
        q_max_pool::lower(context, searched, self.axes.keep_dims)
    }

    fn own_before_permutation(&self, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
        self.axes.before_permutation(order, inputs, |axes| Self { axes })
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let axes = tape.inputs.get(1).copied().flatten();
        self.axes.plan(tape.input(0)?.shape(), axes)?.extreme_gradient(tape, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, pattern, run, tensor};

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
    fn every_type_has_a_largest_element_and_a_largest_of_nothing() {
        let (op, _) = import_node("ReduceMax", Attrs::new(), 20, &[]).unwrap();
        let largest = |x: Value| run(&op, &[x]).remove(0).reshaped(&[]).unwrap();
        assert_eq!(largest(Value::from_vec(&[2], vec![false, true]).unwrap()), Value::scalar(true));
        assert_eq!(largest(Value::from_vec(&[2], vec![-3_i8, -7]).unwrap()), Value::scalar(-3_i8));
        assert_eq!(largest(integers(&[i64::MIN, 5])), Value::scalar(5_i64));
        let nan = largest(tensor(&[3], &[1.0, f32::NAN, 2.0]));
        assert!(nan.as_slice::<f32>().unwrap()[0].is_nan());
        assert_eq!(largest(tensor(&[0], &[])), Value::scalar(f32::NEG_INFINITY));
        assert_eq!(largest(Value::zeros::<u8>(&[0]).unwrap()), Value::scalar(0_u8));
    }
}
