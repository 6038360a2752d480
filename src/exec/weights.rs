//! Weights that a file holds as codes and the float kernels read as numbers.
//!
//! Such a weight is a DequantizeLinear of constants. It is made once, when its reader packs it, and
//! dropped again if every reader has packed it: neither does a run compute it anew, nor is it in memory
//! beside its packed form. Where it is needed after all (a gradient flows through its reader) it is made
//! again.

use super::ExecError;
use super::run::node_error;
use crate::ir::{NodeId, ValueId, ValueMap};
use crate::ops::{Context, Graph, Inputs, Isa, Kind, Prepared};
use crate::tensor::Value;

/// The weights that are dequantized from constants.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    /// The nodes that make them.
    makers: ValueMap<NodeId>,
    /// Those that some reader needs in every run.
    kept: ValueMap<Value>,
}

impl Weights {
    /// Finds them.
    pub(super) fn of(graph: &Graph) -> Self {
        let is_known = |id: &Option<ValueId>| id.is_none_or(|id| graph.constant(id).is_some());
        let dequantized = graph
            .nodes()
            .filter(|(_, node)| node.op.facts().kind == Kind::Dequantize && node.inputs.iter().all(is_known));
        let makers = dequantized.filter_map(|(id, node)| Some((*node.outputs.first()?, id)));
        Self { makers: makers.collect(), kept: ValueMap::new() }
    }

    /// Whether a node makes one, so that no run needs to.
    pub(super) fn are_made_by(&self, graph: &Graph, node: NodeId) -> bool {
        let outputs = graph.node(node).map(|node| &node.outputs);
        outputs.is_some_and(|outputs| outputs.iter().any(|id| self.makers.get(*id) == Some(&node)))
    }

    /// Computes one; `None` for any other value.
    ///
    /// # Errors
    /// [`ExecError::Node`].
    pub(super) fn make(&self, graph: &Graph, id: ValueId) -> Result<Option<Value>, ExecError> {
        if let Some(kept) = self.kept.get(id) {
            return Ok(Some(kept.clone()));
        }
        let Some(node) = self.makers.get(id).and_then(|&maker| graph.node(maker)) else { return Ok(None) };
        let inputs: Vec<Option<Value>> =
            node.inputs.iter().map(|id| graph.constant((*id)?).cloned()).collect();
        let outputs = node.op.forward(&Context::new(Isa::reproducible()), Inputs::new(inputs.clone()));
        let outputs = outputs.map_err(|e| node_error(node, inputs.iter().map(Option::as_ref), e))?;
        Ok(outputs.into_iter().next())
    }

    /// Keeps those of a node's weights that it does not hold itself, for its runs.
    pub(super) fn keep(&mut self, ids: &[Option<ValueId>], made: Vec<Option<Value>>, by: Option<&Prepared>) {
        let holds = by.is_some_and(Prepared::holds_weight);
        for (slot, (id, value)) in ids.iter().zip(made).enumerate() {
            if let (Some(id), Some(value)) = (id, value)
                && !(holds && slot == 1)
            {
                self.kept.insert(*id, value);
            }
        }
    }

    /// Whether a value is one.
    pub(super) fn has(&self, id: ValueId) -> bool {
        self.makers.contains(id)
    }

    /// One that is kept.
    pub(super) fn get(&self, id: ValueId) -> Option<&Value> {
        self.kept.get(id)
    }

    /// Keeps one that is a result of the network.
    ///
    /// # Errors
    /// [`ExecError::Node`].
    pub(super) fn keep_result(&mut self, graph: &Graph, id: ValueId) -> Result<(), ExecError> {
        if let Some(value) = self.make(graph, id)? {
            self.kept.insert(id, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Executor, NoProbe, gradients};
    use crate::ir::GraphBuilder;
    use crate::ops::{DequantizeLinear, MatMul, Op, Relu};
    use crate::tensor::{DType, Shape, TensorType};

    /// `y = x · w` with `w` as codes, and what else reads `w`.
    fn product(also: impl FnOnce(&mut GraphBuilder<Op>, ValueId)) -> (Graph, [ValueId; 3]) {
        let mut builder = GraphBuilder::new("g");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 2])));
        let codes = builder.constant("codes", Value::from_vec(&[2, 2], vec![1_i8, -2, 3, 4]).unwrap());
        let scale = builder.constant("scale", Value::scalar(0.5_f32));
        let dequantize = DequantizeLinear { axis: 0, block_size: 0, of_floats: false };
        let w = builder.op("w", dequantize.into(), &[codes, scale]);
        let y = builder.op("y", MatMul::default().into(), &[x, w]);
        builder.output(y);
        also(&mut builder, w);
        (builder.finish().unwrap(), [x, w, y])
    }

    fn input() -> Value {
        Value::from_vec(&[1, 2], vec![1.0_f32, 10.0]).unwrap()
    }

    fn floats(value: &Value) -> &[f32] {
        value.as_slice().unwrap()
    }

    #[test]
    fn a_packed_weight_is_not_in_memory_beside_it_and_gradients_flow_through_it() {
        let (graph, [x, w, y]) = product(|_, _| ());
        let executor = Executor::new(graph, Isa::Portable).unwrap();
        assert!(executor.weights.kept.count() == 0);
        assert_eq!(executor.steps().count(), 1);
        let recording = executor.record(&[input()]).unwrap();
        assert_eq!(floats(recording.get(y).unwrap()), [15.5, 19.0]);
        assert!(recording.get(w).is_none() && executor.is_fixed(w) && !executor.is_fixed(y));
        let seed = Value::from_vec(&[1, 2], vec![1.0_f32, 0.0]).unwrap();
        let found = gradients(&executor, &recording, (y, seed), &[x]).unwrap();
        assert_eq!(floats(found[0].as_ref().unwrap()), [0.5, 1.5]);
    }

    #[test]
    fn a_weight_that_others_need_is_made_once_for_all_runs() {
        for is_result in [true, false] {
            let (graph, _) = product(|builder, w| {
                let also = if is_result { w } else { builder.op("r", Relu.into(), &[w]) };
                builder.output(also);
            });
            let executor = Executor::new(graph, Isa::Portable).unwrap();
            assert_eq!(
                (executor.weights.kept.count(), executor.steps().count()),
                (1, 1 + usize::from(!is_result))
            );
            for _ in 0..2 {
                let results = executor.run(&[input()], &mut NoProbe).unwrap();
                assert_eq!(floats(&results[0]), [15.5, 19.0]);
                assert_eq!(floats(&results[1]), [0.5, if is_result { -1.0 } else { 0.0 }, 1.5, 2.0]);
            }
        }
    }
}
