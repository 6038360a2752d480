//! What every graph that is handed on satisfies.

use super::{Graph, Operation, ValueId};
use std::collections::BTreeSet;
use thiserror::Error;

/// What can be wrong with a graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Nodes wait for each other in a circle.
    #[error("the graph has a cycle through node `{node}`")]
    Cycle {
        /// A node on, or behind, the cycle.
        node: String,
    },
    /// A value is made twice.
    #[error("value `{value}` is made more than once (again by node `{node}`)")]
    TwoProducers {
        /// The value.
        value: String,
        /// The second maker.
        node: String,
    },
    /// A value is read, but nothing makes it.
    #[error("{reader} reads `{value}`, which no node, input or initializer provides")]
    NoProducer {
        /// Who reads it.
        reader: String,
        /// The value.
        value: String,
    },
    /// Two values, or two nodes, have one name.
    #[error("two {what} are named `{name}`")]
    DuplicateName {
        /// "values" or "nodes".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A value's number is not of this graph.
    #[error("value #{index} does not exist: the graph has {count}")]
    UnknownValue {
        /// Number.
        index: usize,
        /// Values in the graph.
        count: usize,
    },
    /// A node's number is not of this graph.
    #[error("node #{index} does not exist or was removed")]
    UnknownNode {
        /// Number.
        index: usize,
    },
    /// There is nothing to compute.
    #[error("the graph has no output")]
    NoOutput,
}

impl<O: Operation> Graph<O> {
    /// Checks that numbers exist, names are unique, every value read has exactly one producer, there
    /// is no cycle, and there is an output.
    ///
    /// # Errors
    /// The first violation found.
    pub fn verify(&self) -> Result<(), GraphError> {
        self.verify_ids()?;
        self.verify_names()?;
        self.verify_producers()?;
        if self.outputs().is_empty() {
            return Err(GraphError::NoOutput);
        }
        self.order().map(drop)
    }

    fn verify_ids(&self) -> Result<(), GraphError> {
        let count = self.value_count();
        let in_nodes = self.nodes().flat_map(|(_, n)| n.inputs.iter().flatten().chain(&n.outputs));
        let mut all = in_nodes.chain(self.inputs()).chain(self.outputs());
        match all.find(|id| id.index() >= count) {
            Some(id) => Err(GraphError::UnknownValue { index: id.index(), count }),
            None => Ok(()),
        }
    }

    fn verify_names(&self) -> Result<(), GraphError> {
        let duplicate = |what, names: Vec<&str>| {
            let mut seen = BTreeSet::new();
            match names.into_iter().find(|&name| !seen.insert(name)) {
                Some(name) => Err(GraphError::DuplicateName { what, name: name.to_owned() }),
                None => Ok(()),
            }
        };
        duplicate("values", self.values().map(|(_, v)| v.name.as_str()).collect())?;
        duplicate("nodes", self.nodes().map(|(_, n)| n.name.as_str()).collect())
    }

    fn verify_producers(&self) -> Result<(), GraphError> {
        let mut made = vec![false; self.value_count()];
        let outside = self.inputs().iter().copied();
        let constants = self.values().filter(|(_, v)| v.constant.is_some()).map(|(id, _)| id);
        for id in outside.chain(constants) {
            made[id.index()] = true;
        }
        for (_, node) in self.nodes() {
            for &output in &node.outputs {
                if std::mem::replace(&mut made[output.index()], true) {
                    let value = self.value(output).name.clone();
                    return Err(GraphError::TwoProducers { value, node: node.name.clone() });
                }
            }
        }
        let missing = |id: ValueId, reader: String| GraphError::NoProducer {
            reader,
            value: self.value(id).name.clone(),
        };
        for (_, node) in self.nodes() {
            if let Some(&id) = node.inputs.iter().flatten().find(|id| !made[id.index()]) {
                return Err(missing(id, format!("node `{}`", node.name)));
            }
        }
        match self.outputs().iter().find(|id| !made[id.index()]) {
            Some(&id) => Err(missing(id, "the graph's output".to_owned())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GraphBuilder, GraphPatch, Node, Operation};
    use super::*;
    use crate::tensor::{DType, Shape, TensorType, Value};

    #[derive(Debug, Clone)]
    struct Toy;

    impl Operation for Toy {
        fn op_type(&self) -> &'static str {
            "Toy"
        }
    }

    fn chain(length: usize) -> Graph<Toy> {
        let mut builder = GraphBuilder::new("chain");
        let mut x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1])));
        for i in 0..length {
            x = builder.op(&format!("n{i}"), Toy, &[x]);
        }
        builder.output(x);
        builder.finish().unwrap()
    }

    #[test]
    fn a_value_that_nothing_provides_is_named_with_its_reader() {
        let mut builder = GraphBuilder::new("g");
        let ghost = builder.value("ghost", None);
        let y = builder.op("reader", Toy, &[ghost]);
        builder.output(y);
        let error = builder.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            "node `reader` reads `ghost`, which no node, input or initializer provides"
        );
    }

    #[test]
    fn a_cycle_is_refused() {
        let mut builder = GraphBuilder::new("g");
        let a = builder.value("a", None);
        let b = builder.op("n0", Toy, &[a]);
        builder.node(Node { name: "n1".into(), op: Toy, inputs: vec![Some(b)], outputs: vec![a] });
        builder.output(b);
        assert!(matches!(builder.finish(), Err(GraphError::Cycle { .. })));
    }

    #[test]
    fn two_makers_of_one_value_are_refused() {
        let mut builder = GraphBuilder::new("g");
        let c = builder.constant("c", Value::scalar(1.0_f32));
        builder.node(Node { name: "n".into(), op: Toy, inputs: vec![], outputs: vec![c] });
        builder.output(c);
        assert!(matches!(builder.finish(), Err(GraphError::TwoProducers { .. })));
    }

    #[test]
    fn a_patch_that_breaks_the_graph_leaves_the_old_one() {
        let graph = chain(3);
        let (first, _) = graph.nodes().next().unwrap();
        let mut patch = GraphPatch::new(&graph);
        patch.remove_node(first);
        assert!(matches!(graph.apply(patch), Err(GraphError::NoProducer { .. })));
        assert_eq!(graph.node_count(), 3);
        graph.verify().unwrap();
    }

    #[test]
    fn names_that_a_patch_adds_stay_unique() {
        let graph = chain(1);
        let mut patch = GraphPatch::new(&graph);
        let y = patch.add_op("n0", Toy, vec![Some(graph.outputs()[0])], None);
        patch.set_outputs(vec![y]);
        let patched = graph.apply(patch).unwrap();
        let names: Vec<_> = patched.nodes().map(|(_, n)| n.name.as_str()).collect();
        assert_eq!(names, ["n0", "n0_2"]);
    }

    #[test]
    fn compacting_drops_holes_and_dead_values() {
        let graph = chain(3);
        let last = graph.nodes().last().unwrap().0;
        let before = graph.node(last).unwrap().inputs[0].unwrap();
        let mut patch = GraphPatch::new(&graph);
        patch.replace_uses(graph.outputs()[0], before);
        patch.remove_node(last);
        let compact = graph.apply(patch).unwrap().compacted().unwrap();
        assert_eq!((compact.node_slots(), compact.value_count()), (2, 3));
        compact.verify().unwrap();
    }
}
