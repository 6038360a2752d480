//! Relu and Clip, done by the operator that makes their input, or that reads their output.

use super::{PassError, type_inputs};
use crate::ir::NodeId;
use crate::ops::{Clamp, Graph, GraphPatch, Node};

/// Lets an operator whose only reader clamps its output do that itself, where it can. A clamp that
/// belongs to its own only reader, as the range of a QuantizeLinear of fewer bits does, becomes a
/// part of that.
///
/// # Errors
/// [`PassError::Graph`].
pub fn fuse_clamps(graph: &Graph) -> Result<Graph, PassError> {
    let mut graph = graph.clone();
    for id in graph.order()? {
        let Some(node) = graph.node(id) else { continue };
        let (Some(clamp), Some(&Some(input))) = (node.op.facts().clamp, node.inputs.first()) else {
            continue;
        };
        let (producers, consumers) = (graph.producers(), graph.consumers());
        if let Some(patch) = into_reader(&graph, (id, node), clamp, &consumers) {
            graph = graph.apply_unverified(patch)?;
            continue;
        }
        let only_reader = consumers[input.index()].len() == 1 && !graph.outputs().contains(&input);
        let Some(maker) = producers[input.index()].filter(|_| only_reader) else { continue };
        let Some(made_by) = graph.node(maker) else { continue };
        let Some(op) = made_by.op.fuse_clamp(clamp) else { continue };
        let mut patch = GraphPatch::new(&graph);
        patch.remove_node(id);
        patch.replace_node(maker, Node { op, outputs: node.outputs.clone(), ..made_by.clone() });
        graph = graph.apply_unverified(patch)?;
    }
    graph.verify()?;
    Ok(graph)
}

/// The clamp as a part of the only node that reads it.
fn into_reader(
    graph: &Graph,
    (id, node): (NodeId, &Node),
    clamp: Clamp,
    consumers: &[Vec<NodeId>],
) -> Option<GraphPatch> {
    let [output] = node.outputs[..] else { return None };
    let [reader] = consumers[output.index()][..] else { return None };
    let read_by = graph.node(reader).filter(|_| !graph.outputs().contains(&output))?;
    let places = read_by.inputs.iter().filter(|&&input| input == Some(output)).count();
    if places != 1 || read_by.inputs.first() != Some(&Some(output)) {
        return None;
    }
    let op = read_by.op.take_clamp(clamp, &type_inputs(graph, read_by)?)?;
    let mut inputs = read_by.inputs.clone();
    inputs[0] = *node.inputs.first()?;
    let mut patch = GraphPatch::new(graph);
    patch.remove_node(id);
    patch.replace_node(reader, Node { op, inputs, ..read_by.clone() });
    Some(patch)
}
