//! [`QuantPlan`]: which tensors are quantized, and how.
//!
//! An activation is quantized when an operator that can work on integers reads it: a linear
//! operator with constant weights, a sum of two activations, an average; or an operator that hands
//! values on (Reshape, MaxPool, Relu) to such a one. Whatever only float operators read, such as
//! the logits, stays float. Tensors that an operator hands on unchanged share one scale, so that it
//! works on the codes themselves. Where scales are found while the network runs, only what layers with
//! weights read is quantized, for them alone.

use super::affine::weight_params;
use super::estimate::{self, Estimator, GUIDELINE, lowest_mse};
use super::observe::Observed;
use super::params::power_of_two_above;
use super::recipe::{
    ActivationGrid, ActivationRange, FLOAT_BITS, LayerBits, LayerFacts, LayerKind, Storage,
    WeightGranularity, WeightGrid, WeightRange,
};
use super::{Granularity, QuantError, QuantParams, QuantSpec, Range, Recipe, Statistics, TensorQuant};
use crate::ir::{NodeId, ValueId};
use crate::ops::{Graph, Kind, Linear, Node};
use crate::tensor::{DType, Dim, Value};
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
    /// How codes of weights are kept.
    pub storage: Storage,
    /// Values whose scale and zero point are found while the network runs, in alphabetical order: layers
    /// read their codes, all others the values themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dynamic: Vec<String>,
}

impl QuantPlan {
    /// Whether the scale of a value is found while the network runs.
    pub fn is_dynamic(&self, name: &str) -> bool {
        self.dynamic.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }
}

/// Decides what is quantized and with which parameters. A pure function of its arguments.
///
/// # Errors
/// [`QuantError::NothingToQuantize`], [`QuantError::Weight`], [`QuantError::Accumulator`],
/// [`QuantError::Recipe`].
pub fn plan(graph: &Graph, statistics: &Statistics, recipe: &Recipe) -> Result<QuantPlan, QuantError> {
    recipe.check()?;
    let layers = decided_layers(graph, recipe)?;
    if layers.is_empty() {
        return Err(QuantError::NothingToQuantize);
    }
    let (activations, dynamic) = if recipe.is_dynamic() {
        (BTreeMap::new(), dynamic_activations(graph, &layers))
    } else {
        (plan_activations(graph, statistics, recipe, &layers)?, Vec::new())
    };
    let mut weights = BTreeMap::new();
    for layer in layers.iter().filter(|layer| layer.bits.is_some()) {
        let (name, quant) = plan_weight(graph, layer, recipe, &activations)?;
        weights.entry(name).or_insert(quant);
    }
    Ok(QuantPlan { activations, weights, storage: recipe.storage, dynamic })
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
pub fn data_input(node: &Node, linear: Linear) -> Option<ValueId> {
    node.inputs[data_slot(node, linear)?]
}

/// The input that they are.
pub(super) fn data_slot(node: &Node, linear: Linear) -> Option<usize> {
    (0..node.inputs.len()).find(|&slot| slot != linear.weight && Some(slot) != linear.bias)
}

/// A layer, and the bits that it gets.
struct Layer<'a> {
    id: NodeId,
    node: &'a Node,
    linear: Linear,
    /// `None` where it stays in full precision.
    bits: Option<LayerBits>,
}

/// Layers that can be quantized, in order of execution, with what the recipe decides for each.
fn decided_layers<'a>(graph: &'a Graph, recipe: &Recipe) -> Result<Vec<Layer<'a>>, QuantError> {
    let order = graph.order()?;
    let found = order.into_iter().filter_map(|id| {
        let node = graph.node(id)?;
        Some((id, node, quantizable_linear(graph, node)?))
    });
    let found: Vec<_> = found.collect();
    let last = found.len().saturating_sub(1);
    let decide = |(index, (id, node, linear)): (usize, (NodeId, &'a Node, Linear))| {
        let kind = layer_kind(graph, node, linear);
        let facts = LayerFacts { name: &node.name, kind, is_end: index == 0 || index == last };
        Layer { id, node, linear, bits: recipe.layer(&facts) }
    };
    Ok(found.into_iter().enumerate().map(decide).collect())
}

/// The kind of a layer with constant weights, by the shape of its weight.
pub(super) fn layer_kind(graph: &Graph, node: &Node, linear: Linear) -> LayerKind {
    let weight = node.inputs[linear.weight].and_then(|id| graph.constant(id));
    let shape = weight.map_or(&[][..], Value::shape);
    let read =
        data_input(node, linear).and_then(|id| graph.value(id).ty.as_ref()?.shape.dims()?.get(1).cloned());
    let inputs = match read {
        Some(Dim::Fixed(inputs)) => inputs,
        _ => 1,
    };
    match shape {
        [] | [_] | [_, _] => LayerKind::Dense,
        [_, 1, ..] if inputs > 1 => LayerKind::Depthwise,
        [_, _, window @ ..] if window.iter().all(|&size| size == 1) => LayerKind::Pointwise,
        _ => LayerKind::Conv,
    }
}

/// What quantized layers read, in alphabetical order.
fn dynamic_activations(graph: &Graph, layers: &[Layer<'_>]) -> Vec<String> {
    let read = |layer: &Layer<'_>| {
        layer.bits.filter(|bits| bits.activation < FLOAT_BITS)?;
        let id = data_input(layer.node, layer.linear)?;
        graph.constant(id).is_none().then(|| graph.value(id).name.clone())
    };
    let mut names: Vec<String> = layers.iter().filter_map(read).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn plan_activations(
    graph: &Graph,
    statistics: &Statistics,
    recipe: &Recipe,
    layers: &[Layer<'_>],
) -> Result<BTreeMap<String, TensorQuant>, QuantError> {
    let needed = needed_activations(graph, recipe, layers)?;
    let mut groups = Groups::new(graph.value_count());
    for (_, node) in graph.nodes() {
        let shared: Vec<ValueId> = match node.op.facts().kind {
            Kind::Rearrange => node.inputs.iter().flatten().chain(&node.outputs).copied().collect(),
            Kind::Sum if recipe.share_sum_scales => node.inputs.iter().flatten().copied().collect(),
            _ => Vec::new(),
        };
        let ids: Vec<usize> = shared.iter().map(|id| id.index()).filter(|&at| needed[at] > 0).collect();
        ids.windows(2).for_each(|pair| groups.join(pair[0], pair[1]));
    }
    let planned: Vec<_> = graph.values().filter(|(id, _)| needed[id.index()] > 0).collect();
    // What values with one scale are asked for depends on all of them; then each has a range, and they
    // get the one that contains all.
    let mut shared: Vec<Option<(Range, u8)>> = vec![None; graph.value_count()];
    for &(id, _) in &planned {
        if let Some(seen) = statistics.get(id) {
            let (range, bits) = (seen.range(), needed[id.index()]);
            let slot = &mut shared[groups.find(id.index())];
            *slot = Some(slot.map_or((range, bits), |(other, most)| (other.union(range), most.max(bits))));
        }
    }
    let spec_of = |id: ValueId| {
        let (range, bits) = shared[groups.find(id.index())]?;
        Some(activation_spec(recipe.activation_grid, bits, range))
    };
    let mut ranges: Vec<Option<Range>> = vec![None; graph.value_count()];
    for &(id, _) in &planned {
        if let (Some(seen), Some(spec)) = (statistics.get(id), spec_of(id)) {
            let range = activation_range(recipe.activation_range, seen, &spec)?;
            let slot = &mut ranges[groups.find(id.index())];
            *slot = Some(slot.map_or(range, |other| other.union(range)));
        }
    }
    let quant = |id: ValueId| {
        let (range, spec) = (ranges[groups.find(id.index())]?, spec_of(id)?);
        Some(TensorQuant { spec, params: QuantParams::per_tensor(range, &spec) })
    };
    Ok(planned.into_iter().filter_map(|(id, value)| Some((value.name.clone(), quant(id)?))).collect())
}

/// The range that a recipe gives to a tensor.
///
/// # Errors
/// [`QuantError::RuleNotChosen`].
fn activation_range(choice: ActivationRange, seen: &Observed, spec: &QuantSpec) -> Result<Range, QuantError> {
    let estimator = match choice {
        // Dynamic ones are found by no estimator.
        ActivationRange::Max | ActivationRange::Dynamic => Estimator::Max,
        ActivationRange::Ema => Estimator::Ema { decay: 0.1 },
        ActivationRange::Percentile => Estimator::Percentile { percent: 99.99 },
        ActivationRange::Mse => Estimator::Mse { power: 2.0 },
        ActivationRange::Kl => Estimator::Kl { tolerance: 1.0 },
        ActivationRange::KlTolerant => Estimator::Kl { tolerance: 1.3 },
        ActivationRange::Aciq => Estimator::Aciq,
        ActivationRange::Best => return Ok(lowest_mse(seen, spec, GUIDELINE).1),
        ActivationRange::HeldOut => return Err(QuantError::RuleNotChosen),
    };
    Ok(estimator.range(seen, spec))
}

/// What a grid asks of a tensor with that range.
fn activation_spec(grid: ActivationGrid, bits: u8, range: Range) -> QuantSpec {
    let is_negative = range.lo < 0.0;
    match grid {
        ActivationGrid::Asymmetric => QuantSpec::activations(bits),
        ActivationGrid::Symmetric => QuantSpec::symmetric_activations(bits, true),
        ActivationGrid::SymmetricUnsigned => QuantSpec::symmetric_activations(bits, is_negative),
        ActivationGrid::PowerOfTwo => {
            QuantSpec { power_of_two: true, ..QuantSpec::symmetric_activations(bits, is_negative) }
        }
    }
}

/// Values that some recipe may ask ranges of.
pub(super) fn may_be_quantized(graph: &Graph) -> Result<Vec<bool>, QuantError> {
    let recipe = Recipe::default();
    let layers = decided_layers(graph, &recipe)?;
    Ok(needed_activations(graph, &recipe, &layers)?.into_iter().map(|bits| bits > 0).collect())
}

/// The bits of each value that an operator which can work on integers reads; 0 for all others. Where
/// readers want different numbers of bits, the most.
fn needed_activations(graph: &Graph, recipe: &Recipe, layers: &[Layer<'_>]) -> Result<Vec<u8>, QuantError> {
    let order = graph.order()?;
    let is_activation = activations(graph, &order);
    let of_node: BTreeMap<NodeId, &Layer<'_>> = layers.iter().map(|layer| (layer.id, layer)).collect();
    let quantized = |bits: u8| if bits < FLOAT_BITS { bits } else { 0 };
    let mut needed = vec![0; graph.value_count()];
    for id in order.into_iter().rev() {
        let Some(node) = graph.node(id) else { continue };
        let passed_on = node.outputs.iter().map(|o| needed[o.index()]).max().unwrap_or(0);
        let activations: Vec<ValueId> =
            node.inputs.iter().flatten().copied().filter(|id| is_activation[id.index()]).collect();
        let (reads, bits): (Vec<ValueId>, u8) = match node.op.facts().kind {
            Kind::Linear(_) => match of_node.get(&id) {
                Some(Layer { linear, bits: Some(bits), .. }) => {
                    (data_input(node, *linear).into_iter().collect(), quantized(bits.activation))
                }
                _ => (Vec::new(), 0),
            },
            Kind::Sum if activations.len() == 2 => (activations, quantized(recipe.activation_bits)),
            Kind::Average => (activations, quantized(recipe.activation_bits)),
            Kind::Rearrange | Kind::Elementwise => (activations, passed_on),
            _ => (Vec::new(), 0),
        };
        for id in reads {
            needed[id.index()] = bits.max(needed[id.index()]);
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
    layer: &Layer<'_>,
    recipe: &Recipe,
    activations: &BTreeMap<String, TensorQuant>,
) -> Result<(String, TensorQuant), QuantError> {
    let Layer { node, linear, bits, .. } = *layer;
    let constant = |slot: usize| {
        let id = node.inputs.get(slot).copied().flatten()?;
        graph.constant(id).map(|value| (graph.value(id).name.clone(), value))
    };
    let Some(((name, weight), bits)) = constant(linear.weight).zip(bits) else {
        return Err(QuantError::NothingToQuantize);
    };
    let terms = weight.len() / weight.shape()[linear.channel_axis].max(1);
    if terms > LARGEST_REDUCTION {
        return Err(QuantError::Accumulator { node: node.name.clone(), terms, limit: LARGEST_REDUCTION });
    }
    let spec = weight_spec(recipe, bits.weight, weight.shape(), linear.channel_axis);
    let mut quant = weight_params(&name, weight, &spec)?;
    if recipe.weight_range == WeightRange::Mse {
        let mse = Estimator::Mse { power: 2.0 };
        let ranges = estimate::weights::ranges(&weight.view::<f32>()?, &spec, mse);
        quant.params = QuantParams::of_ranges(&ranges, &spec);
    }
    fit_to_bias(graph, (node, linear), activations, &mut quant);
    Ok((name, quant))
}

/// Raises scales of a layer's weight where its bias would not fit 32 bits.
pub(super) fn fit_to_bias(
    graph: &Graph,
    (node, linear): (&Node, Linear),
    activations: &BTreeMap<String, TensorQuant>,
    quant: &mut TensorQuant,
) {
    let bias = linear.bias.and_then(|slot| node.inputs.get(slot).copied().flatten());
    let bias = bias.and_then(|id| graph.constant(id)?.as_slice::<f32>().ok());
    let input = data_input(node, linear).and_then(|id| activations.get(&graph.value(id).name));
    if let (Some(bias), Some(input)) = (bias, input) {
        fit_bias(quant, bias, input.params.scale[0]);
    }
}

/// What a recipe asks of a weight. Groups are along the input channels; where there is but one, as in
/// depthwise convolutions, they would be of one weight each, so the channel has one scale instead.
fn weight_spec(recipe: &Recipe, bits: u8, shape: &[usize], channel_axis: usize) -> QuantSpec {
    let input_axis = if channel_axis == 0 { 1 } else { channel_axis - 1 };
    let inputs = shape.get(input_axis).copied().unwrap_or(1);
    let granularity = match (recipe.weight_granularity.group(), recipe.weight_granularity) {
        (Some(size), _) if inputs > 1 => Granularity::PerGroup { axis: input_axis, size },
        (None, WeightGranularity::Tensor) => Granularity::PerTensor,
        _ => Granularity::PerChannel { axis: channel_axis },
    };
    let plain = QuantSpec { granularity, ..QuantSpec::weights(bits, channel_axis) };
    match recipe.weight_grid {
        WeightGrid::Symmetric => QuantSpec { narrow: !recipe.weight_full_range, ..plain },
        WeightGrid::PowerOfTwo => {
            QuantSpec { narrow: !recipe.weight_full_range, power_of_two: true, ..plain }
        }
        WeightGrid::Asymmetric => QuantSpec { symmetric: false, narrow: false, ..plain },
    }
}

/// Raises scales where a bias, in units of `input scale · weight scale`, would not fit 32 bits: next to
/// such a bias the weights of the channel hardly matter. With scales of groups the bias stays float.
fn fit_bias(quant: &mut TensorQuant, bias: &[f32], input_scale: f32) {
    let largest = |bias: &[f32]| bias.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
    if quant.spec.granularity.is_per_group() {
        return;
    }
    let is_one = bias.len() == 1 || quant.params.scale.len() == 1;
    for (channel, scale) in quant.params.scale.iter_mut().enumerate() {
        let bias = if is_one { largest(bias) } else { bias.get(channel).map_or(0.0, |v| v.abs()) };
        let least = bias / (input_scale * LARGEST_BIAS_CODE);
        if least.is_normal() && least > *scale {
            *scale = if quant.spec.power_of_two { power_of_two_above(least) } else { least };
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
        let of = |granularity, scale: &[f32]| {
            let spec = QuantSpec { granularity, ..QuantSpec::weights(8, 0) };
            let params = QuantParams { scale: scale.to_vec(), zero_point: vec![0; scale.len()] };
            let mut quant = TensorQuant { spec, params };
            fit_bias(&mut quant, &[0.5, 100.0], 0.01);
            quant.params.scale
        };
        let fits = |scale: f32| {
            let code = 100.0 / (0.01 * scale);
            code <= LARGEST_BIAS_CODE * 1.001 && code > LARGEST_BIAS_CODE * 0.999
        };
        let channels = of(Granularity::PerChannel { axis: 0 }, &[1e-3, 1e-12]);
        assert!(channels[0] == 1e-3 && fits(channels[1]));
        assert!(fits(of(Granularity::PerTensor, &[1e-12])[0]));
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
