//! Relu and Clip, done by the operator that makes their input.

use super::PassError;
use crate::ops::{Graph, GraphPatch, Node};

/// Lets an operator whose only reader clamps its output do that itself, where it can.
///
/// # Errors
/// [`PassError::Graph`].
pub fn fuse_clamps(graph: &Graph) -> Result<Graph, PassError> {
    let mut graph = graph.clone();
    for id in graph.order()? {
        let producers = graph.producers();
        let consumers = graph.consumers();
        let Some(node) = graph.node(id) else { continue };
        let (Some(clamp), Some(&Some(input))) = (node.op.facts().clamp, node.inputs.first()) else {
            continue;
        };
        let only_reader = consumers[input.index()].len() == 1 && !graph.outputs().contains(&input);
        let Some(maker) = producers[input.index()].filter(|_| only_reader) else { continue };
        let Some(made_by) = graph.node(maker) else { continue };
        let Some(op) = made_by.op.fuse_clamp(clamp) else { continue };
        let mut patch = GraphPatch::new(&graph);
        patch.remove_node(id);
        patch.replace_node(maker, Node { op, outputs: node.outputs.clone(), ..made_by.clone() });
        graph = graph.apply(patch)?;
    }
    Ok(graph)
}
