//! `ArgMin` (ONNX opsets 1–13): position of the smallest element along an axis.
//!
//! NaN counts as the smallest. Not differentiable.

use super::arg::ArgSearch;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// The index of the smallest element of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgMin {
    /// Where it is looked for.
    pub search: ArgSearch,
}

impl Operator for ArgMin {
    const OP_TYPE: &'static str = "ArgMin";

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
        self.search.forward(&inputs, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for ArgMin {
        fn samples() -> Vec<Sample> {
            let x = || tensor(&[2, 3], &[1.0, 2.0, 1.0, -3.0, f32::NAN, 7.0]);
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis)).with("keepdims", Attr::Int(0));
            let bytes = Value::from_vec(&[3], vec![200_u8, 3, 3]).unwrap();
            vec![
                Sample::new(axis(-1)).input(x()).gives(vec![integers(&[0, 1])]),
                Sample::new(axis(1).with("select_last_index", Attr::Int(1)))
                    .input(x())
                    .gives(vec![integers(&[2, 1])]),
                Sample::new(axis(0)).opset(7).input(x()).gives(vec![integers(&[1, 1, 0])]),
                Sample::new(axis(0)).input(bytes).gives(vec![Value::scalar(1_i64)]),
            ]
        }
    }
}
