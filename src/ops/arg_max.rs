//! `ArgMax` (ONNX opsets 1–13): position of the largest element along an axis.
//!
//! NaN counts as the largest. Not differentiable.

use super::arg::ArgSearch;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// The index of the largest element of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgMax {
    /// Where it is looked for.
    pub search: ArgSearch,
}

impl Operator for ArgMax {
    const OP_TYPE: &'static str = "ArgMax";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { search: ArgSearch::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(self.search.export(Self::OP_TYPE))
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.search.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        self.search.forward(&inputs, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for ArgMax {
        fn samples() -> Vec<Sample> {
            let x = || tensor(&[2, 3], &[2.0, 1.0, 2.0, -3.0, f32::NAN, 7.0]);
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            vec![
                Sample::new(axis(-1)).input(x()).gives(vec![integers(&[0, 1]).reshaped(&[2, 1]).unwrap()]),
                Sample::new(axis(1).with("select_last_index", Attr::Int(1)).with("keepdims", Attr::Int(0)))
                    .input(x())
                    .gives(vec![integers(&[2, 1])]),
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(x())
                    .gives(vec![integers(&[0, 1, 1]).reshaped(&[1, 3]).unwrap()]),
                Sample::new(axis(0)).input(integers(&[i64::MIN, i64::MAX, 0])).gives(vec![integers(&[1])]),
                Sample::new(axis(0).with("keepdims", Attr::Int(0)))
                    .input(Value::zeros::<f32>(&[2, 0]).unwrap())
                    .gives(vec![integers(&[])]),
            ]
        }
    }

    #[test]
    fn the_largest_of_nothing_has_no_position() {
        let (op, _) = import_node("ArgMax", Attrs::new(), 13, &[]).unwrap();
        let error = try_run(&op, &[tensor(&[0, 2], &[])]).unwrap_err();
        assert_eq!(error.to_string(), "input: expected at least one element to find, got [0, 2]");
    }
}
