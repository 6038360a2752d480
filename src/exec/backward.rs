//! The backward walk: reverse-mode differentiation of a recorded run.

use super::run::node_error;
use super::{ExecError, Executor, Recording};
use crate::ir::ValueId;
use crate::ops::{Context, Tape};
use crate::tensor::Value;

/// Gradients of a scalar `s` with respect to the values `wanted`, given `seed = ∂s/∂from`.
///
/// Only the nodes between the wanted values and `from` are walked. `None` stands for a value that
/// `from` does not depend on. Costs at most about two forward runs of those nodes.
///
/// # Errors
/// [`ExecError::Node`] when a node on the way has no gradient, [`ExecError::NotComputed`] when the
/// recording lacks a value.
pub fn gradients(
    executor: &Executor,
    recording: &Recording,
    (from, seed): (ValueId, Value),
    wanted: &[ValueId],
) -> Result<Vec<Option<Value>>, ExecError> {
    let graph = executor.graph();
    let mut depends = vec![false; graph.value_count()];
    for id in wanted {
        depends[id.index()] = true;
    }
    for (node, _) in executor.steps() {
        if node.inputs.iter().flatten().any(|id| depends[id.index()]) {
            node.outputs.iter().for_each(|id| depends[id.index()] = true);
        }
    }
    let mut table: Vec<Option<Value>> = vec![None; graph.value_count()];
    table[from.index()] = Some(seed);
    for (node, prepared) in executor.steps().rev() {
        let reached = node.outputs.iter().any(|id| table[id.index()].is_some());
        if !reached || !node.outputs.iter().any(|id| depends[id.index()]) {
            continue;
        }
        let needs: Vec<bool> =
            node.inputs.iter().map(|id| id.is_some_and(|id| depends[id.index()])).collect();
        if !needs.iter().any(|&n| n) {
            continue;
        }
        let recorded = |id: &Option<ValueId>| match id.map(|id| (id, recording.get(id))) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(Some(value.clone())),
            Some((id, None)) => executor.weight(id),
        };
        let inputs: Vec<Option<Value>> = node.inputs.iter().map(recorded).collect::<Result<_, _>>()?;
        let inputs: Vec<Option<&Value>> = inputs.iter().map(Option::as_ref).collect();
        let missing = |id: ValueId| ExecError::NotComputed { name: graph.value(id).name.clone() };
        let outputs: Vec<_> = node
            .outputs
            .iter()
            .map(|&id| recording.get(id).ok_or_else(|| missing(id)))
            .collect::<Result<_, _>>()?;
        let output_gradients: Vec<_> = node.outputs.iter().map(|id| table[id.index()].as_ref()).collect();
        let tape = Tape { inputs: &inputs, outputs: &outputs, gradients: &output_gradients, wanted: &needs };
        let context = Context { isa: executor.isa(), prepared };
        let found = node.op.backward(&context, &tape);
        let found = found.map_err(|e| node_error(node, inputs.iter().copied(), e))?;
        for ((id, gradient), &needed) in node.inputs.iter().zip(found).zip(&needs) {
            if let (Some(id), Some(gradient), true) = (id, gradient, needed) {
                accumulate(&mut table[id.index()], gradient)?;
            }
        }
    }
    Ok(wanted.iter().map(|id| table[id.index()].take()).collect())
}

/// Adds a gradient to what has been found so far.
fn accumulate(slot: &mut Option<Value>, gradient: Value) -> Result<(), ExecError> {
    *slot = Some(match slot.take() {
        None => gradient,
        Some(sum) => {
            let mut sum = sum.into_array::<f32>()?;
            sum += &gradient.view::<f32>()?;
            Value::from_array(sum)
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::GraphBuilder;
    use crate::ops::Isa;
    use crate::ops::Relu;
    use crate::tensor::{DType, Shape, TensorType};

    #[test]
    fn gradients_stop_where_relu_is_off() {
        let mut builder = GraphBuilder::new("g");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[3])));
        let y = builder.op("relu", Relu.into(), &[x]);
        builder.output(y);
        let executor = Executor::new(builder.finish().unwrap(), Isa::Portable).unwrap();
        let input = Value::from_vec(&[3], vec![-1.0_f32, 2.0, 3.0]).unwrap();
        let recording = executor.record(&[input]).unwrap();
        let seed = Value::from_vec(&[3], vec![5.0_f32, 6.0, 7.0]).unwrap();
        let found = gradients(&executor, &recording, (y, seed), &[x]).unwrap();
        assert_eq!(found[0].as_ref().unwrap().as_slice::<f32>().unwrap(), &[0.0, 6.0, 7.0]);
    }
}
