//! BatchNormalization, and sums and products with a constant per channel, folded into the weights
//! before them.
//!
//! With `z[o] = Σ w[o]·x + b[o]` followed by `y[o] = g[o]·z[o] + h[o]`:
//!
//! ```text
//! w'[o] = g[o]·w[o]        b'[o] = g[o]·b[o] + h[o]
//! ```
//!
//! (docs/numerics.md; Jacob et al. 2018, arXiv 1712.05877, §3.2.) A BatchNormalization *before* a
//! convolution stays: with padding it cannot be folded, since the padding is not normalized.

use super::{PassError, type_inputs};
use crate::ir::NodeId;
use crate::ops::{ChannelAffine, Graph, GraphPatch, Kind, Linear, Node, Op};
use crate::tensor::Value;

/// Folds per-channel affine operators into the linear operator that makes their input, where that
/// has no other reader and constant weights.
///
/// # Errors
/// [`PassError::Graph`].
pub fn fold_affine(graph: &Graph) -> Result<Graph, PassError> {
    let mut graph = graph.clone();
    for id in graph.order()? {
        if let Some(patch) = fold_one(&graph, id) {
            graph = graph.apply_unverified(patch)?;
        }
    }
    graph.verify()?;
    Ok(graph)
}

fn fold_one(graph: &Graph, id: NodeId) -> Option<GraphPatch> {
    let node = graph.node(id)?;
    let affine = node.op.channel_affine(&type_inputs(graph, node)?)?;
    let between = (*node.inputs.get(affine.input)?)?;
    let only_reader = graph.consumers()[between.index()] == [id] && !graph.outputs().contains(&between);
    let maker = graph.producers()[between.index()].filter(|_| only_reader)?;
    let made_by = graph.node(maker)?;
    if made_by.op.facts().clamp_fused {
        return None; // the affine comes after the clamp, so it does not reach the weights
    }
    let (op, linear) = with_bias(graph, made_by)?;
    let folded = fold_into(graph, made_by, linear, &affine)?;

    let mut patch = GraphPatch::new(graph);
    let mut inputs = made_by.inputs.clone();
    let bias_slot = linear.bias?;
    inputs.resize(inputs.len().max(bias_slot + 1), None);
    inputs[linear.weight] =
        Some(patch.add_constant(format!("{}_weight_folded", made_by.name), folded.weight));
    inputs[bias_slot] = Some(patch.add_constant(format!("{}_bias_folded", made_by.name), folded.bias));
    patch.remove_node(id);
    let name = made_by.name.clone();
    patch.replace_node(maker, Node { name, op, inputs, outputs: node.outputs.clone() });
    Some(patch)
}

/// The linear operator in a form that has a bias input.
fn with_bias(graph: &Graph, node: &Node) -> Option<(Op, Linear)> {
    let linear = |op: &Op| match op.facts().kind {
        Kind::Linear(linear) => Some(linear),
        _ => None,
    };
    let own = linear(&node.op)?;
    if own.bias.is_some() {
        return Some((node.op.clone(), own));
    }
    let op = node.op.with_bias_input(&type_inputs(graph, node)?)?;
    let linear = linear(&op).filter(|l| l.bias.is_some())?;
    Some((op, linear))
}

struct Folded {
    weight: Value,
    bias: Value,
}

fn fold_into(graph: &Graph, node: &Node, linear: Linear, affine: &ChannelAffine) -> Option<Folded> {
    let constant =
        |slot: usize| node.inputs.get(slot).copied().flatten().map(|id| graph.constant(id).cloned());
    let weight = constant(linear.weight)??;
    let channels = *weight.shape().get(linear.channel_axis)?;
    let broadcast = |v: &[f32]| match v {
        [single] => Some(vec![*single; channels]),
        v if v.len() == channels => Some(v.to_vec()),
        _ => None,
    };
    let (scale, shift) = (broadcast(&affine.scale)?, broadcast(&affine.shift)?);
    let bias = match constant(linear.bias?) {
        None => vec![0.0; channels],
        Some(None) => return None, // a bias that the network computes
        Some(Some(bias)) => broadcast(bias.as_slice::<f32>().ok()?)?,
    };
    let mut weight = weight.into_array::<f32>().ok()?;
    for (mut slice, g) in weight.axis_iter_mut(ndarray::Axis(linear.channel_axis)).zip(&scale) {
        slice.mapv_inplace(|w| w * g);
    }
    let bias = bias.iter().zip(&scale).zip(&shift).map(|((b, g), h)| g * b + h).collect();
    Some(Folded { weight: Value::from_array(weight), bias: Value::from_vec(&[channels], bias).ok()? })
}
