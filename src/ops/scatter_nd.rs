//! `ScatterND` (ONNX opsets 11–18): a copy of a tensor into which slices are put, each where a tuple
//! of indices says.

use super::runs::{Runs, tuple_runs};
use super::scatter::ScatterReduction;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, `indices`, `updates`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterND {
    /// What becomes of what stands there.
    pub reduction: ScatterReduction,
}

impl Operator for ScatterND {
    const OP_TYPE: &'static str = "ScatterND";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { reduction: ScatterReduction::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, self.reduction.export())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.reduction.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let target = inputs.take(0)?;
        let (indices, updates) = (inputs.get(1)?, inputs.get(2)?);
        let runs = runs(target.shape(), indices, updates)?;
        Ok(vec![self.reduction.scatter(target, &runs, updates)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let runs = runs(tape.input(0)?.shape(), tape.input(1)?, tape.input(2)?)?;
        self.reduction.gradients(tape, &runs)
    }
}

fn runs(shape: &[usize], indices: &Value, updates: &Value) -> Result<Runs, OpError> {
    let (runs, expected) = tuple_runs(shape, indices, 0)?;
    if updates.shape() == expected {
        return Ok(runs);
    }
    let (expected, got) = (format!("{expected:?}"), format!("{:?}", updates.shape()));
    Err(OpError::Shape { what: "the updates", expected, got })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for ScatterND {
        fn samples() -> Vec<Sample> {
            let attrs = |reduction: &str| Attrs::new().with("reduction", Attr::String(reduction.into()));
            let indices = |shape: &[usize], data: &[i64]| integers(data).reshaped(shape).unwrap();
            let mut samples = vec![
                Sample::new(Attrs::new())
                    .opset(11)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(indices(&[1, 1], &[-1]))
                    .input(tensor(&[1, 2], &[8.0, 9.0]))
                    .gives(vec![tensor(&[2, 2], &[1.0, 2.0, 8.0, 9.0])]),
                Sample::new(attrs("add"))
                    .input(integers(&[1, 2]))
                    .constant(indices(&[3, 1], &[0, 0, 1]))
                    .input(integers(&[10, 20, 30]))
                    .gives(vec![integers(&[31, 32])]),
            ];
            samples.extend(["none", "add", "mul", "max", "min"].map(|reduction| {
                let all = Random::new(8).spaced(&[2, 3, 4]).into_vec::<f32>().unwrap();
                Sample::new(attrs(reduction))
                    .input(tensor(&[2, 3, 2], &all[..12]))
                    .input(indices(&[3, 2], &[1, 2, 0, 0, 1, 2]))
                    .input(tensor(&[3, 2], &all[12..18]))
                    .gradients(&[0, 2])
            }));
            samples
        }
    }

    #[test]
    fn updates_that_do_not_fit_are_refused() {
        let (op, _) = import_node("ScatterND", Attrs::new(), 18, &[]).unwrap();
        let indices = integers(&[0]).reshaped(&[1, 1]).unwrap();
        let error = try_run(&op, &[tensor(&[2, 2], &[0.0; 4]), indices, tensor(&[1], &[0.0])]).unwrap_err();
        assert_eq!(error.to_string(), "the updates: expected [1, 2], got [1]");
    }
}
