//! `Hardmax` (ONNX opsets 1–13): 1 at the first largest element of each row, 0 elsewhere. Not
//! differentiable.

use super::softmax_rows::Rows;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = 1` at the first largest element of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardmax {
    /// What is looked at together.
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
        self.rows.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let layout = self.rows.layout(input.shape())?;
        let x = input.as_slice::<f32>()?;
        let mut chosen = vec![0.0_f32; x.len()];
        for start in layout.starts(x.len()) {
            let larger = |best: usize, at: usize| if x[at] > x[best] { at } else { best };
            if let Some(largest) = layout.row(start).reduce(larger) {
                chosen[largest] = 1.0;
            }
        }
        Ok(vec![Value::from_vec(input.shape(), chosen)?])
    }

    fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
        Some(Self { rows: self.rows.with_sizes(inputs)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Sample, Sampled, run, tensor};

    impl Sampled for Hardmax {
        fn samples() -> Vec<Sample> {
            let x = || tensor(&[2, 3], &[1.0, 3.0, 3.0, 2.0, -1.0, 0.0]);
            let axis = Attrs::new().with("axis", Attr::Int(0));
            vec![
                Sample::new(Attrs::new())
                    .input(x())
                    .gives(vec![tensor(&[2, 3], &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0])]),
                Sample::new(axis).input(x()).gives(vec![tensor(&[2, 3], &[0.0, 1.0, 1.0, 1.0, 0.0, 0.0])]),
            ]
        }
    }

    #[test]
    fn before_opset_13_a_row_runs_to_the_end() {
        let rows = Rows::From(1);
        let x = tensor(&[1, 2, 2], &[1.0, 2.0, 4.0, 3.0]);
        assert_eq!(run(&Hardmax { rows }.into(), &[x]), [tensor(&[1, 2, 2], &[0.0, 0.0, 1.0, 0.0])]);
    }
}
