//! [`QuantPlan`]: which tensors are quantized, and how.
//!
//! An activation is quantized when an operator that can work on integers reads it: a linear
//! operator with constant weights, a sum of two activations, an average; or an operator that hands
//! values on (Reshape, MaxPool, Relu) to such a one. Whatever only float operators read, such as
//! the logits, stays float. Tensors that an operator hands on unchanged share one scale, so that it
//! works on the codes themselves.

use super::affine::weight_params;
use super::estimate::Estimator;
use super::{QuantError, QuantParams, QuantSpec, Range, Recipe, Statistics, TensorQuant};
use crate::ir::{NodeId, ValueId};
use crate::ops::{Graph, Kind, Linear, Node};
use crate::tensor::DType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most products that one 32-bit accumulator can sum: each is at most 255 · 127 in magnitude
/// (docs/numerics.md).
pub const LARGEST_REDUCTION: usize = 66_311;

/// Bound on the codes of a bias: far enough from the ends of `i32` that adding it to a sum of
/// products saturates nothing that the sum itself would not.
const LARGEST_BIAS_CODE: f32 = (1 << 30) as f32;

/// Which tensors are quantized, and how; keyed by the names of the graph's values, so that it can be
/// stored and compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct QuantPlan {
    /// Values that nodes make, and inputs of the network.
    pub activations: BTreeMap<String, TensorQuant>,
    /// Constants.
    pub weights: BTreeMap<String, TensorQuant>,
}

/// Decides what is quantized and with which parameters. A pure function of its arguments.
///
/// # Errors
/// [`QuantError::NothingToQuantize`], [`QuantError::Weight`], [`QuantError::Accumulator`],
/// [`QuantError::Recipe`].
pub fn plan(graph: &Graph, statistics: &Statistics, recipe: &Recipe) -> Result<QuantPlan, QuantError> {
    recipe.check()?;
    let activations = plan_activations(graph, statistics, QuantSpec::activations(recipe.activation_bits))?;
    let mut weights = BTreeMap::new();
    for (_, node) in graph.nodes() {
        if let Some(linear) = quantizable_linear(graph, node) {
            let (name, quant) = plan_weight(graph, node, linear, recipe, &activations)?;
            weights.entry(name).or_insert(quant);
        }
    }
    if weights.is_empty() {
        return Err(QuantError::NothingToQuantize);
    }
    Ok(QuantPlan { activations, weights })
}

/// Where a node has its constant weight, when it is a linear operator with one.
pub(super) fn quantizable_linear(graph: &Graph, node: &Node) -> Option<Linear> {
    let Kind::Linear(linear) = node.op.facts().kind else { return None };
    let weight = graph.constant((*node.inputs.get(linear.weight)?)?)?;
    let bias = linear.bias.and_then(|slot| node.inputs.get(slot).copied().flatten());
    let bias_is_constant = bias.is_none_or(|id| graph.constant(id).is_some());
    (weight.dtype() == DType::F32 && weight.rank() > linear.channel_axis && bias_is_constant)
        .then_some(linear)
}

/// The values that a linear operator multiplies with its weight.
pub(super) fn data_input(node: &Node, linear: Linear) -> Option<ValueId> {
    let slot = (0..node.inputs.len()).find(|&slot| slot != linear.weight && Some(slot) != linear.bias)?;
    node.inputs[slot]
}

fn plan_activations(
    graph: &Graph,
    statistics: &Statistics,
    spec: QuantSpec,
) -> Result<BTreeMap<String, TensorQuant>, QuantError> {
    let needed = needed_activations(graph)?;
    let mut groups = Groups::new(graph.value_count());
    for (_, node) in graph.nodes().filter(|(_, n)| n.op.facts().kind == Kind::Rearrange) {
        let ids = node.inputs.iter().flatten().chain(&node.outputs).filter(|id| needed[id.index()]);
        let ids: Vec<usize> = ids.map(|id| id.index()).collect();
        ids.windows(2).for_each(|pair| groups.join(pair[0], pair[1]));
    }
    let mut ranges: Vec<Option<Range>> = vec![None; graph.value_count()];
    for (id, _) in graph.values().filter(|(id, _)| needed[id.index()]) {
        if let Some(seen) = statistics.get(id) {
            let range = Estimator::Max.range(seen, &spec);
            let slot = &mut ranges[groups.find(id.index())];
            *slot = Some(slot.map_or(range, |other| other.union(range)));
        }
    }
    let planned = graph.values().filter(|(id, _)| needed[id.index()]).filter_map(|(id, value)| {
        let range = ranges[groups.find(id.index())]?;
        Some((value.name.clone(), TensorQuant { spec, params: QuantParams::per_tensor(range, &spec) }))
    });
    Ok(planned.collect())
}

/// For each value whether an operator that works on integers reads it.
pub(super) fn needed_activations(graph: &Graph) -> Result<Vec<bool>, QuantError> {
    let order = graph.order()?;
    let is_activation = activations(graph, &order);
    let mut needed = vec![false; graph.value_count()];
    for id in order.into_iter().rev() {
        let Some(node) = graph.node(id) else { continue };
        let passes_on = node.outputs.iter().any(|o| needed[o.index()]);
        let activations: Vec<ValueId> =
            node.inputs.iter().flatten().copied().filter(|id| is_activation[id.index()]).collect();
        let reads: Vec<ValueId> = match node.op.facts().kind {
            Kind::Linear(_) => {
                let linear = quantizable_linear(graph, node);
                linear.and_then(|l| data_input(node, l)).into_iter().collect()
            }
            Kind::Sum if activations.len() == 2 => activations,
            Kind::Average => activations,
            Kind::Rearrange | Kind::Elementwise if passes_on => activations,
            _ => Vec::new(),
        };
        for id in reads {
            needed[id.index()] = true;
        }
    }
    Ok(needed)
}

/// For each value whether it is made of floats that depend on the picture.
///
/// Some exporters compute sizes in floats. These begin with the integers of a shape, and must not be
/// rounded to codes.
fn activations(graph: &Graph, order: &[NodeId]) -> Vec<bool> {
    let dtype = |id: ValueId| graph.value(id).ty.as_ref().map(|ty| ty.dtype);
    let mut depends = vec![false; graph.value_count()];
    graph.inputs().iter().for_each(|id| depends[id.index()] = true);
    for node in order.iter().filter_map(|&id| graph.node(id)) {
        if node.inputs.iter().flatten().any(|id| depends[id.index()]) {
            let data =
                node.outputs.iter().filter(|&&id| !matches!(dtype(id), Some(DType::I64 | DType::Bool)));
            data.for_each(|id| depends[id.index()] = true);
        }
    }
    let is_float = |(id, _): (ValueId, _)| depends[id.index()] && dtype(id) == Some(DType::F32);
    graph.values().map(is_float).collect()
}

fn plan_weight(
    graph: &Graph,
    node: &Node,
    linear: Linear,
    recipe: &Recipe,
    activations: &BTreeMap<String, TensorQuant>,
) -> Result<(String, TensorQuant), QuantError> {
    let constant = |slot: usize| {
        let id = node.inputs.get(slot).copied().flatten()?;
        graph.constant(id).map(|value| (graph.value(id).name.clone(), value))
    };
    let Some((name, weight)) = constant(linear.weight) else { return Err(QuantError::NothingToQuantize) };
    let terms = weight.len() / weight.shape()[linear.channel_axis].max(1);
    if terms > LARGEST_REDUCTION {
        return Err(QuantError::Accumulator { node: node.name.clone(), terms, limit: LARGEST_REDUCTION });
    }
    let spec = QuantSpec::weights(recipe.weight_bits, linear.channel_axis);
    let mut quant = weight_params(&name, weight, &spec)?;
    let input = data_input(node, linear).and_then(|id| activations.get(&graph.value(id).name));
    if let (Some((_, bias)), Some(input)) = (linear.bias.and_then(constant), input) {
        fit_bias(&mut quant.params.scale, bias.as_slice::<f32>()?, input.params.scale[0]);
    }
    Ok((name, quant))
}

/// Raises the scale of channels whose bias, in units of `input scale · weight scale`, would not fit
/// 32 bits: next to such a bias the weights of the channel hardly matter.
fn fit_bias(scales: &mut [f32], bias: &[f32], input_scale: f32) {
    let bias_of =
        |channel: usize| if bias.len() == 1 { bias[0] } else { bias.get(channel).copied().unwrap_or(0.0) };
    for (channel, scale) in scales.iter_mut().enumerate() {
        let least = bias_of(channel).abs() / (input_scale * LARGEST_BIAS_CODE);
        if least.is_normal() {
            *scale = scale.max(least);
        }
    }
}

/// Sets of values that share a scale (union–find).
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn find(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_that_would_not_fit_raises_the_scale() {
        let mut scales = [1e-12, 1e-3];
        fit_bias(&mut scales, &[100.0, 0.5], 0.01);
        let code = 100.0 / (0.01 * scales[0]);
        assert!(code <= LARGEST_BIAS_CODE * 1.001 && code > LARGEST_BIAS_CODE * 0.999);
        assert_eq!(scales[1], 1e-3);
    }

    #[test]
    fn sizes_that_are_computed_in_floats_are_no_activations() {
        use crate::ir::GraphBuilder;
        use crate::ops::{Cast, FileType, Relu, Shape as ShapeOf, Sqrt};
        use crate::tensor::{FloatRounding, PowerRounding, Shape, TensorType};
        let mut builder = GraphBuilder::new("g");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 4])));
        let y = builder.op("relu", Relu.into(), &[x]);
        let shape = builder.op("shape", ShapeOf { start: 0, end: None }.into(), &[y]);
        let rounding = FloatRounding { saturate: true, power: PowerRounding::Up };
        let cast = Cast { to: FileType::Same(DType::F32), rounding };
        let sizes = builder.op("sizes", cast.into(), &[shape]);
        let root = builder.op("root", Sqrt.into(), &[sizes]);
        builder.output(y);
        builder.output(root);
        let graph = crate::passes::infer_types(&builder.finish().unwrap()).unwrap();
        let found = activations(&graph, &graph.order().unwrap());
        let of = |id: ValueId| found[id.index()];
        assert_eq!([x, y, shape, sizes, root].map(of), [true, true, false, false, false]);
    }

    #[test]
    fn joined_groups_have_one_root() {
        let mut groups = Groups::new(5);
        groups.join(3, 4);
        groups.join(1, 3);
        assert_eq!(groups.find(4), 1);
        assert_eq!(groups.find(0), 0);
    }
}
