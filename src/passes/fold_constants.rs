//! Computing once what every run would compute alike.

use super::infer_types::merge;
use super::open_sizes::OpenSizes;
use super::{PassError, type_inputs};
use crate::ir::{NodeId, ValueId, ValueMap};
use crate::ops::Isa;
use crate::ops::{Context, Graph, GraphPatch, Inputs, Kind, Node};
use crate::tensor::Value;

/// Whether DequantizeLinear of a constant is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dequantized {
    /// Kept: the integers are what a quantized network is about.
    Keep,
    /// Folded to floats, but for weights of linear operators, which are kept as codes: for running the
    /// quantized network's float definition. `exec` makes numbers of such weights when it packs them.
    FoldOthers,
}

/// The largest constant that folding may make, in bytes: a guard against files whose few bytes
/// expand to gigabytes. Folded weights of real networks are far below it.
const LARGEST_FOLDED_BYTES: usize = 1 << 30;

/// Replaces nodes whose inputs are all constants, or whose result types alone decide, by constants; of a
/// shape with open sizes also what is picked from the fixed ones.
///
/// # Errors
/// [`PassError::Node`] when such a node fails.
pub fn fold_constants(graph: &Graph, dequantized: Dequantized) -> Result<Graph, PassError> {
    let mut graph = graph.clone();
    let kept = match dequantized {
        Dequantized::Keep => None,
        Dequantized::FoldOthers => Some(weights(&graph)),
    };
    let mut open_sizes = OpenSizes::default();
    for id in graph.order()? {
        let is_kept = |node: &Node| {
            let is_weight = |id: &ValueId| kept.as_ref().is_none_or(|kept| kept.get(*id) == Some(&true));
            node.op.facts().kind == Kind::Dequantize && node.outputs.iter().all(is_weight)
        };
        let folded = if graph.node(id).is_some_and(is_kept) { None } else { fold(&graph, id)? };
        let folded = folded.or_else(|| open_sizes.settled(&graph, id));
        if let Some(values) = folded {
            let mut patch = GraphPatch::new(&graph);
            let outputs = graph.node(id).map(|n| n.outputs.clone()).unwrap_or_default();
            patch.remove_node(id);
            for (output, value) in outputs.into_iter().zip(values) {
                patch.set_constant(output, value);
            }
            // Verified once at the end: each step only turns a made value into a constant.
            graph = graph.apply_unverified(patch)?;
        } else {
            infer_one(&mut graph, id)?;
        }
    }
    graph.verify()?;
    Ok(graph)
}

/// The outputs of a node, when they are known before any run.
fn fold(graph: &Graph, id: NodeId) -> Result<Option<Vec<Value>>, PassError> {
    let Some(node) = graph.node(id) else { return Ok(None) };
    if let Some(types) = type_inputs(graph, node)
        && let Some(values) = node.op.fold(&types)
    {
        return Ok(Some(values));
    }
    let inputs = node.inputs.iter().map(|input| match input {
        None => Some(None),
        Some(id) => graph.constant(*id).cloned().map(Some),
    });
    let Some(inputs) = inputs.collect::<Option<Vec<_>>>() else { return Ok(None) };
    evaluate(node, inputs).map_err(|e| PassError::at(node, e))
}

/// Values that are read, and whether only as the weight of linear operators.
fn weights(graph: &Graph) -> ValueMap<bool> {
    let mut weights = ValueMap::new();
    graph.outputs().iter().for_each(|&id| weights.insert(id, false));
    for (_, node) in graph.nodes() {
        let weight = if let Kind::Linear(linear) = node.op.facts().kind { Some(linear.weight) } else { None };
        for (slot, id) in node.inputs.iter().enumerate().filter_map(|(slot, id)| Some((slot, (*id)?))) {
            *weights.row(id).get_or_insert(true) &= weight == Some(slot);
        }
    }
    weights
}

fn evaluate(node: &Node, inputs: Vec<Option<Value>>) -> Result<Option<Vec<Value>>, crate::ops::OpError> {
    let values = node.op.forward(&Context::new(Isa::reproducible()), Inputs::new(inputs))?;
    let bytes: usize = values.iter().map(Value::size_bytes).sum();
    Ok((bytes <= LARGEST_FOLDED_BYTES).then_some(values))
}

/// Types of a node's outputs, so that what reads them can be folded from types.
fn infer_one(graph: &mut Graph, id: NodeId) -> Result<(), PassError> {
    let Some(node) = graph.node(id) else { return Ok(()) };
    let Some(types) = type_inputs(graph, node) else { return Ok(()) };
    let types = node.op.infer(&types).map_err(|e| PassError::at(node, e))?;
    // What a file declares of inner values may be of another time than its inputs: it only completes.
    for (output, ty) in node.outputs.clone().into_iter().zip(types) {
        let ty = merge(ty, graph.value(output).ty.as_ref());
        graph.set_type(output, ty);
    }
    Ok(())
}
