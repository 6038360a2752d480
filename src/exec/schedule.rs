//! The order of execution, and after which step each value is dead.

use crate::ir::{GraphError, NodeId};
use crate::ops::Graph;

/// One step of a run: a node, and which of its inputs nobody reads afterwards.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) node: NodeId,
    /// For each input slot: this is the last use of the value.
    pub(super) last_use: Vec<bool>,
    /// For each output: nobody reads it, and it is no result.
    pub(super) unused: Vec<bool>,
}

/// Orders the nodes that the graph's outputs need.
pub(super) fn schedule(graph: &Graph) -> Result<Vec<Step>, GraphError> {
    let order = graph.order()?;
    // Walking backwards, a value is alive when a later step or the caller reads it.
    let mut alive = vec![false; graph.value_count()];
    for id in graph.outputs() {
        alive[id.index()] = true;
    }
    let mut steps = Vec::with_capacity(order.len());
    for id in order.into_iter().rev() {
        let Some(node) = graph.node(id) else { continue };
        let unused: Vec<bool> = node.outputs.iter().map(|v| !alive[v.index()]).collect();
        if unused.iter().all(|&u| u) {
            continue;
        }
        let mut last_use = vec![false; node.inputs.len()];
        // From the back, so that of two slots with one value the later one counts as the last use.
        for (slot, input) in node.inputs.iter().enumerate().rev() {
            if let Some(input) = input {
                last_use[slot] = !std::mem::replace(&mut alive[input.index()], true);
            }
        }
        steps.push(Step { node: id, last_use, unused });
    }
    steps.reverse();
    Ok(steps)
}
