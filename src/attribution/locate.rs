//! Where the logits are, and where the last tensor with positions is.

use crate::exec::Recording;
use crate::ir::ValueId;
use crate::ops::{Graph, Kind};
use crate::tensor::Value;

/// The scores of the classes: what the last Softmax reads; the first output where there is none.
///
/// Going back from the first output, operators that only move values (Reshape, Flatten) or change
/// their representation (DequantizeLinear) are stepped over.
pub fn find_logits(graph: &Graph) -> Option<ValueId> {
    let producers = graph.producers();
    let output = *graph.outputs().first()?;
    let mut at = output;
    loop {
        let Some(node) = producers[at.index()].and_then(|id| graph.node(id)) else { return Some(output) };
        let facts = node.op.facts();
        let data = (*node.inputs.first()?)?;
        if facts.is_softmax {
            return Some(data);
        }
        // A shape that the network computes is not data (old exporters write Reshape that way).
        let is_data = |id: &&ValueId| {
            let value = graph.value(**id);
            value.constant.is_none()
                && value.ty.as_ref().is_none_or(|ty| ty.dtype.is_float() || ty.dtype.size_bytes() == 1)
        };
        let one_input = node.inputs.iter().flatten().filter(is_data).count() == 1;
        match facts.kind {
            Kind::Rearrange | Kind::Quantize | Kind::Dequantize if one_input => at = data,
            _ if facts.is_identity => at = data,
            _ => return Some(output),
        }
    }
}

/// The last tensor with positions before the logits (docs/numerics.md): the input of the last operator
/// that turns `h × w > 1` positions into none.
///
/// Looks at the sizes of a run, so that networks with open sizes need no special care.
pub fn find_target(graph: &Graph, logits: ValueId, recording: &Recording) -> Option<ValueId> {
    let mut needed = vec![false; graph.value_count()];
    needed[logits.index()] = true;
    for id in graph.order().ok()?.into_iter().rev() {
        let Some(node) = graph.node(id) else { continue };
        if !node.outputs.iter().any(|o| needed[o.index()]) {
            continue;
        }
        node.inputs.iter().flatten().for_each(|i| needed[i.index()] = true);
        let spatial = |id: &ValueId| {
            let is_constant = graph.constant(*id).is_some();
            !is_constant && recording.get(*id).is_some_and(has_positions)
        };
        let found = node.inputs.iter().flatten().find(|id| spatial(id));
        if let Some(&found) = found
            && !node.outputs.iter().any(spatial)
        {
            return Some(found);
        }
    }
    None
}

/// Whether a tensor is `[N, C, H, W]` with more than one position.
fn has_positions(value: &Value) -> bool {
    matches!(value.shape(), [_, _, h, w] if h * w > 1) && value.as_slice::<f32>().is_ok()
}
