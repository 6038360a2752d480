//! Removing what does nothing.

use super::PassError;
use crate::ops::{Graph, GraphPatch};

/// Removes operators that hand their input on unchanged (Identity, Dropout). One whose output is a
/// result of the network stays, because the result has its name.
///
/// # Errors
/// [`PassError::Graph`].
pub fn remove_identities(graph: &Graph) -> Result<Graph, PassError> {
    let mut patch = GraphPatch::new(graph);
    for id in graph.order()? {
        let Some(node) = graph.node(id) else { continue };
        let (Some(&Some(input)), Some(&output)) = (node.inputs.first(), node.outputs.first()) else {
            continue;
        };
        if node.op.facts().is_identity && !node.outputs.iter().any(|o| graph.outputs().contains(o)) {
            // In order of execution: when `input` was itself replaced, its readers were, too, but
            // this patch still names it, so it is looked up again.
            patch.replace_uses(output, patch.resolve(input));
            patch.remove_node(id);
        }
    }
    Ok(graph.apply(patch)?)
}

/// Removes nodes that no result of the network needs.
///
/// # Errors
/// [`PassError::Graph`].
pub fn eliminate_dead(graph: &Graph) -> Result<Graph, PassError> {
    let mut alive = vec![false; graph.value_count()];
    for id in graph.outputs() {
        alive[id.index()] = true;
    }
    let mut patch = GraphPatch::new(graph);
    for id in graph.order()?.into_iter().rev() {
        let Some(node) = graph.node(id) else { continue };
        if node.outputs.iter().any(|o| alive[o.index()]) {
            node.inputs.iter().flatten().for_each(|i| alive[i.index()] = true);
        } else {
            patch.remove_node(id);
        }
    }
    Ok(graph.apply(patch)?)
}
