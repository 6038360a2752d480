//! `Trilu` (ONNX opset 14): the upper or the lower triangle of each matrix, zeros elsewhere.

use super::runs::{NOTHING, Runs, add_back, pick};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, `k` (optional: the diagonal that bounds the triangle, counted upwards from the main
/// one).
#[derive(Debug, Clone, PartialEq)]
pub struct Trilu {
    /// What lies on and above the diagonal is kept, not what lies on and below it.
    pub upper: bool,
}

impl Operator for Trilu {
    const OP_TYPE: &'static str = "Trilu";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { upper: node.attrs.take_bool("upper", true)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("upper", Attr::Int(self.upper.into()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![inputs.ty(0)?.clone()])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        Ok(vec![pick(x, &self.runs(x.shape(), inputs.optional(1))?, x.shape())?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let k = tape.inputs.get(1).copied().flatten();
        index::first_gradient(tape, |g| {
            let shape = tape.input(0)?.shape();
            add_back(g, &self.runs(shape, k)?, shape)
        })
    }
}

impl Trilu {
    fn runs(&self, shape: &[usize], k: Option<&Value>) -> Result<Runs, OpError> {
        let &[.., rows, columns] = shape else {
            let got = format!("{} dimensions", shape.len());
            return Err(OpError::Shape { what: "input", expected: "at least two dimensions".into(), got });
        };
        let k = k.map(|k| index::only_integer(k, "k")).transpose()?.unwrap_or(0);
        let count = shape.iter().fold(1_usize, |n, &d| n.saturating_mul(d));
        let kept = |at: usize| {
            let (row, column) = (at / columns % rows, at % columns);
            let diagonal = column as i64 - row as i64;
            if self.upper { diagonal >= k } else { diagonal <= k }
        };
        Ok(Runs::single((0..count).map(|at| if kept(at) { at } else { NOTHING }).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Trilu {
        fn samples() -> Vec<Sample> {
            let lower = || Attrs::new().with("upper", Attr::Int(0));
            let x = || tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let random = || Random::new(4).uniform(&[2, 3, 3], -1.0, 1.0);
            let flags = Value::from_vec(&[2, 2], vec![true; 4]).unwrap();
            let below = Value::from_vec(&[2, 2], vec![true, false, true, true]).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(14)
                    .input(x())
                    .gives(vec![tensor(&[2, 3], &[1.0, 2.0, 3.0, 0.0, 5.0, 6.0])]),
                Sample::new(lower())
                    .input(x())
                    .constant(Value::scalar(-1_i64))
                    .gives(vec![tensor(&[2, 3], &[0.0, 0.0, 0.0, 4.0, 0.0, 0.0])]),
                Sample::new(lower()).input(flags).gives(vec![below]),
                Sample::new(Attrs::new()).input(random()).constant(integers(&[1])).gradients(&[0]),
                Sample::new(lower()).input(random()).input(Value::scalar(-1_i64)).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn a_list_has_no_triangle() {
        let error = try_run(&Op::from(Trilu { upper: true }), &[tensor(&[1], &[0.0])]).unwrap_err();
        assert_eq!(error.to_string(), "input: expected at least two dimensions, got 1 dimensions");
    }
}
