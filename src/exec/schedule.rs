//! The order of execution, and after which step each value is dead.

use super::weights::Weights;
use crate::ir::{GraphError, NodeId};
use crate::ops::{Graph, Node};

/// One step of a run: a node, and which of its inputs nobody reads afterwards.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) node: NodeId,
    /// For each input slot: this is the last use of the value.
    pub(super) last_use: Vec<bool>,
    /// For each output: nobody reads it, and it is no result.
    pub(super) unused: Vec<bool>,
    /// The next step alone reads what this one makes, in this slot, and adds it to another tensor; this
    /// node's operator can do that as well.
    pub(super) summed_in: Option<usize>,
}

/// Orders the nodes that the graph's outputs need, but for those that make weights.
pub(super) fn schedule(graph: &Graph, weights: &Weights) -> Result<Vec<Step>, GraphError> {
    let order = graph.order()?;
    // Walking backwards, a value is alive when a later step or the caller reads it.
    let mut alive = vec![false; graph.value_count()];
    for id in graph.outputs() {
        alive[id.index()] = true;
    }
    let mut steps = Vec::with_capacity(order.len());
    for id in order.into_iter().rev() {
        let Some(node) = graph.node(id).filter(|_| !weights.are_made_by(graph, id)) else { continue };
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
        let summed_in = steps.last().and_then(|next: &Step| summed_in(node, graph.node(next.node)?, next));
        steps.push(Step { node: id, last_use, unused, summed_in });
    }
    steps.reverse();
    Ok(steps)
}

/// The slot in which the next node adds what a node makes to another tensor, if they can run as one. What
/// the next one reads beside is there before either runs.
fn summed_in(node: &Node, next: &Node, step: &Step) -> Option<usize> {
    let ([made], [Some(lhs), Some(rhs)]) = (&node.outputs[..], &next.inputs[..]) else { return None };
    let slot = usize::from(lhs != made);
    let alone = lhs != rhs && [lhs, rhs][slot] == made && step.last_use[slot] && next.outputs.len() == 1;
    (alone && node.op.as_sum_maker()?.makes(&next.op)).then_some(slot)
}
