//! `ReduceMin` (ONNX opsets 1–20): smallest value over some axes.
//!
//! Of any type that has an order; of truth values, true is the larger. NaN wins, so that it does not
//! vanish. Of nothing it is what is greater than everything else. The gradient goes to the first
//! minimum in row-major order.

use super::reduce::Axes;
use super::{Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs};
use crate::ir::{AttrError, Opset};
use crate::tensor::{TensorType, Value};

/// `y = smallest value of x` over the axes of input 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceMin {
    /// What is reduced.
    pub axes: Axes,
}

impl Operator for ReduceMin {
    const OP_TYPE: &'static str = "ReduceMin";

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
        Ok(vec![self.axes.plan(input.shape(), inputs.optional(1))?.extreme(input, false)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let axes = tape.inputs.get(1).copied().flatten();
        self.axes.plan(tape.input(0)?.shape(), axes)?.extreme_gradient(tape, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, pattern, run, tensor};

    impl Sampled for ReduceMin {
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
                    .gives(vec![tensor(&[3], &[-5.0, -4.0, -5.0])]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn every_type_has_a_smallest_element_and_a_smallest_of_nothing() {
        let (op, _) = import_node("ReduceMin", Attrs::new(), 20, &[]).unwrap();
        let smallest = |x: Value| run(&op, &[x]).remove(0).reshaped(&[]).unwrap();
        assert_eq!(smallest(Value::from_vec(&[2], vec![false, true]).unwrap()), Value::scalar(false));
        assert_eq!(smallest(Value::from_vec(&[2], vec![-3_i8, -7]).unwrap()), Value::scalar(-7_i8));
        assert_eq!(smallest(integers(&[i64::MIN, 5])), Value::scalar(i64::MIN));
        let nan = smallest(tensor(&[3], &[1.0, f32::NAN, 2.0]));
        assert!(nan.as_slice::<f32>().unwrap()[0].is_nan());
        assert_eq!(smallest(tensor(&[0], &[])), Value::scalar(f32::INFINITY));
        assert_eq!(smallest(Value::zeros::<u8>(&[0]).unwrap()), Value::scalar(255_u8));
    }
}
