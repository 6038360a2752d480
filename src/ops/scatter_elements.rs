//! `ScatterElements` (ONNX opsets 11–18; `Scatter` in opsets 9 and 10): a copy of a tensor into which
//! updates are put, each where an index along one axis says; along the others it lies where the
//! update does.

use super::runs::{Runs, element_runs};
use super::scatter::ScatterReduction;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError};
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, `indices`, `updates`, the last two of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterElements {
    /// Axis that is indexed.
    pub axis: i64,
    /// What becomes of what stands there.
    pub reduction: ScatterReduction,
}

impl Operator for ScatterElements {
    const OP_TYPE: &'static str = "ScatterElements";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let axis = node.attrs.take_int("axis")?.unwrap_or(0);
        Ok(Self { axis, reduction: ScatterReduction::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = self.reduction.export().with("axis", Attr::Int(self.axis));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.reduction.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let target = inputs.take(0)?;
        let (indices, updates) = (inputs.get(1)?, inputs.get(2)?);
        let runs = self.runs(target.shape(), indices, updates)?;
        Ok(vec![self.reduction.scatter(target, &runs, updates)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let runs = self.runs(tape.input(0)?.shape(), tape.input(1)?, tape.input(2)?)?;
        self.reduction.gradients(tape, &runs)
    }
}

impl ScatterElements {
    fn runs(&self, shape: &[usize], indices: &Value, updates: &Value) -> Result<Runs, OpError> {
        if indices.shape() != updates.shape() {
            let (expected, got) = (format!("{:?}", indices.shape()), format!("{:?}", updates.shape()));
            return Err(OpError::Shape { what: "the updates", expected, got });
        }
        element_runs(shape, index::axis(self.axis, shape.len())?, indices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, run, tensor, try_run};

    impl Sampled for ScatterElements {
        fn samples() -> Vec<Sample> {
            let attrs = |axis, reduction: &str| {
                let axis = Attrs::new().with("axis", Attr::Int(axis));
                axis.with("reduction", Attr::String(reduction.into()))
            };
            let row = || tensor(&[1, 4], &[1.0, 2.0, 3.0, 4.0]);
            let twice = || integers(&[1, -3]).reshaped(&[1, 2]).unwrap();
            let of = |reduction, wanted: f32| {
                Sample::new(attrs(1, reduction))
                    .input(row())
                    .constant(twice())
                    .input(tensor(&[1, 2], &[5.0, -3.0]))
                    .gives(vec![tensor(&[1, 4], &[1.0, wanted, 3.0, 4.0])])
            };
            let mut samples = vec![
                Sample::new(Attrs::new())
                    .opset(11)
                    .input(integers(&[1, 2, 3]))
                    .constant(integers(&[2]))
                    .constant(integers(&[9]))
                    .gives(vec![integers(&[1, 2, 9])]),
                of("none", -3.0),
                of("add", 4.0),
                of("mul", -30.0),
                of("max", 5.0),
                of("min", -3.0),
            ];
            samples.extend(["none", "add", "mul", "max", "min"].map(|reduction| {
                let all = Random::new(8).spaced(&[2, 3, 4]).into_vec::<f32>().unwrap();
                Sample::new(attrs(-2, reduction))
                    .input(tensor(&[2, 3, 2], &all[..12]))
                    .input(integers(&[0, 0, 2, 0, 1, -1, 1, 1]).reshaped(&[2, 2, 2]).unwrap())
                    .input(tensor(&[2, 2, 2], &all[12..20]))
                    .gradients(&[0, 2])
            }));
            samples
        }
    }

    #[test]
    fn small_integers_are_combined_in_their_own_type() {
        let attrs = Attrs::new().with("reduction", Attr::String("add".into()));
        let (op, _) = import_node("ScatterElements", attrs, 18, &[]).unwrap();
        let bytes = |data: &[u8]| Value::from_vec(&[data.len()], data.to_vec()).unwrap();
        let found = run(&op, &[bytes(&[250, 1]), integers(&[0, 0]), bytes(&[10, 3])]);
        assert_eq!(found, [bytes(&[7, 1])]);
        let flags = Value::from_vec(&[1], vec![true]).unwrap();
        assert!(try_run(&op, &[flags.clone(), integers(&[0]), flags]).is_err());
    }

    #[test]
    fn updates_of_another_shape_or_type_are_refused() {
        let (op, _) = import_node("ScatterElements", Attrs::new(), 18, &[]).unwrap();
        let x = || tensor(&[2], &[0.0; 2]);
        let error = try_run(&op, &[x(), integers(&[0, 1]), tensor(&[1], &[1.0])]).unwrap_err();
        assert_eq!(error.to_string(), "the updates: expected [2], got [1]");
        assert!(try_run(&op, &[x(), integers(&[0]), integers(&[1])]).is_err());
    }
}
