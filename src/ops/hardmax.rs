//! `Hardmax` (ONNX opsets 1–13): 1 at the first largest element of a row, 0 elsewhere. Not
//! differentiable.

use super::convert::convert;
use super::ranks::Ranks;
use super::softmax_rows::Rows;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{DType, TensorType, Value};

/// Which element of a row is the largest.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardmax {
    /// What is compared.
    pub rows: Rows,
}

impl Operator for Hardmax {
    const OP_TYPE: &'static str = "Hardmax";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { rows: Rows::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        self.rows.export(Self::OP_TYPE)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        check(inputs.ty(0)?.dtype)?;
        self.rows.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        check(x.dtype())?;
        let rows = self.rows.layout(x.shape())?;
        let ranks = Ranks::new(x, true)?;
        let mut marks = Value::zeros::<u8>(x.shape())?.into_vec::<u8>()?;
        for start in rows.starts(x.len()) {
            if let Some(largest) = ranks.highest(rows.row(start), false) {
                marks[largest] = 1;
            }
        }
        Ok(vec![convert(Value::from_vec(x.shape(), marks)?, x.dtype())?])
    }

    fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
        Some(Self { rows: self.rows.with_sizes(inputs)? })
    }
}

fn check(dtype: DType) -> Result<(), OpError> {
    if dtype.is_float() {
        return Ok(());
    }
    Err(OpError::DType { what: "the input", expected: "float32 or float64", got: dtype })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Sample, Sampled, import_node, run, tensor};

    fn x() -> Value {
        tensor(&[2, 2, 2], &[3.0, 1.0, 3.0, 2.0, -1.0, 0.0, f32::NAN, -4.0])
    }

    impl Sampled for Hardmax {
        fn samples() -> Vec<Sample> {
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            vec![
                Sample::new(Attrs::new())
                    .input(x())
                    .gives(vec![tensor(&[2, 2, 2], &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])]),
                Sample::new(axis(1))
                    .input(x())
                    .gives(vec![tensor(&[2, 2, 2], &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0])]),
            ]
        }
    }

    #[test]
    fn before_opset_13_a_row_spans_all_axes_from_one_on() {
        let (op, _) = import_node("Hardmax", Attrs::new(), 11, &[]).unwrap();
        let flat = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(run(&op, &[x()]), [tensor(&[2, 2, 2], &flat)]);
    }
}
