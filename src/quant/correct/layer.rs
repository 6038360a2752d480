//! Layers as corrections see them, and new constants for them.

use crate::ir::{NameMap, NodeId, ValueId};
use crate::ops::{Graph, GraphPatch, Linear, Node, Op};
use crate::quant::QuantError;
use crate::quant::plan::{data_input, quantizable_linear};
use crate::tensor::Value;
use std::collections::BTreeMap;

/// A linear operator with constant weights, one number or none per output channel as its bias, and its
/// output's channels on axis 1.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) node: NodeId,
    pub(super) linear: Linear,
    pub(super) weight: Value,
    pub(super) channels: usize,
    /// One number per channel, where there is a bias.
    pub(super) bias: Option<Vec<f32>>,
    pub(super) input: ValueId,
    pub(super) output: ValueId,
}

impl Layer {
    /// The node as a layer, where it is one.
    pub(super) fn of(graph: &Graph, id: NodeId) -> Option<Self> {
        let node = graph.node(id)?;
        let linear = quantizable_linear(graph, node)?;
        let &[output] = node.outputs.as_slice() else { return None };
        let input = data_input(node, linear)?;
        let weight = graph.constant(node.inputs[linear.weight]?)?.clone();
        let channels = *weight.shape().get(linear.channel_axis)?;
        let dims = graph.value(output).ty.as_ref()?.shape.dims()?;
        // A product of matrices has its channels last, so only with two dimensions on axis 1.
        let is_on_axis_1 = dims.len() == weight.rank() && dims.get(1)?.fixed() == Some(channels);
        if !is_on_axis_1 || weight.rank() < 2 || linear.channel_axis > 1 {
            return None;
        }
        let bias = match linear.bias.and_then(|slot| node.inputs.get(slot).copied().flatten()) {
            None => None,
            Some(id) => Some(per_channel(graph.constant(id)?, channels)?),
        };
        Some(Self { node: id, linear, weight, channels, bias, input, output })
    }

    /// All layers of a graph in the order of execution.
    pub(super) fn all(graph: &Graph) -> Result<Vec<Self>, QuantError> {
        Ok(graph.order()?.into_iter().filter_map(|id| Self::of(graph, id)).collect())
    }

    /// All layers of a graph, by their names.
    pub(super) fn all_named(graph: &Graph) -> Result<NameMap<Self>, QuantError> {
        let name = |layer: &Self| graph.node(layer.node).map_or_else(String::new, |node| node.name.clone());
        Ok(Self::all(graph)?.into_iter().map(|layer| (name(&layer), layer)).collect())
    }

    /// Input channels that each output channel reads.
    pub(super) fn columns_per_group(&self) -> usize {
        self.weight.shape()[1 - self.linear.channel_axis]
    }

    /// The layer's groups, where its input has that many channels; `None` where that cannot be.
    pub(super) fn groups(&self, columns: usize) -> Option<usize> {
        let inner = self.columns_per_group();
        let groups = columns.checked_div(inner)?;
        let fits = groups > 0 && groups * inner == columns && self.channels.is_multiple_of(groups);
        (fits && (groups == 1 || self.linear.channel_axis == 0)).then_some(groups)
    }

    /// The input channel that an output channel reads at a column of its group.
    pub(super) fn column(&self, groups: usize, row: usize, inner: usize) -> usize {
        row / (self.channels / groups).max(1) * self.columns_per_group() + inner
    }

    /// The bias, zeros where there is none.
    pub(super) fn bias_or_zero(&self) -> Vec<f64> {
        self.bias
            .as_ref()
            .map_or_else(|| vec![0.0; self.channels], |b| b.iter().map(|&b| f64::from(b)).collect())
    }

    /// Calls `visit(output channel, column of its group, weights)` for every pair of channels, in the
    /// order in which the weights lie.
    pub(super) fn for_each_block(
        &self,
        mut visit: impl FnMut(usize, usize, &[f32]),
    ) -> Result<(), QuantError> {
        let shape = self.weight.shape();
        let taps: usize = shape[2..].iter().product();
        for (at, block) in self.weight.as_slice::<f32>()?.chunks_exact(taps.max(1)).enumerate() {
            let (first, second) = (at / shape[1], at % shape[1]);
            let (row, column) = if self.linear.channel_axis == 0 { (first, second) } else { (second, first) };
            visit(row, column, block);
        }
        Ok(())
    }
}

/// A bias as one number per channel.
fn per_channel(bias: &Value, channels: usize) -> Option<Vec<f32>> {
    let data = bias.as_slice::<f32>().ok()?;
    match data {
        &[single] => Some(vec![single; channels]),
        // One number per channel, and not one per row of a batch.
        data if data.len() == channels && bias.shape().last() == Some(&channels) => Some(data.to_vec()),
        _ => None,
    }
}

/// Changes to the nodes of a graph and to their constants, made together.
pub(super) struct Edits<'a> {
    pub(super) graph: &'a Graph,
    pub(super) patch: GraphPatch,
    nodes: BTreeMap<NodeId, Node>,
    readers: Vec<usize>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let mut readers = vec![0; graph.value_count()];
        let read = graph.nodes().flat_map(|(_, node)| node.inputs.iter().flatten());
        read.chain(graph.outputs()).for_each(|id| readers[id.index()] += 1);
        Self { graph, patch: GraphPatch::new(graph), nodes: BTreeMap::new(), readers }
    }

    /// Whether one input of one node is all that reads a value.
    pub(super) fn is_read_once(&self, id: ValueId) -> bool {
        self.readers.get(id.index()) == Some(&1)
    }

    /// A node, to be changed; `None` where there is none of that number.
    pub(super) fn node(&mut self, id: NodeId) -> Option<&mut Node> {
        if !self.nodes.contains_key(&id) {
            self.nodes.insert(id, self.graph.node(id)?.clone());
        }
        self.nodes.get_mut(&id)
    }

    /// Gives a node another constant at that place, named after the node and `what`. A constant that
    /// nobody else reads keeps its name.
    fn set_constant(&mut self, id: NodeId, (slot, what): (usize, &str), value: Value) {
        let Some(node) = self.node(id) else { return };
        let name = format!("{}_{what}", node.name);
        let own = node.inputs.get(slot).copied().flatten();
        if let Some(own) = own.filter(|&own| self.is_read_once(own)) {
            self.patch.set_constant(own, value);
            return;
        }
        let made = self.patch.add_constant(name, value);
        if let Some(node) = self.node(id) {
            node.inputs.resize(node.inputs.len().max(slot + 1), None);
            node.inputs[slot] = Some(made);
        }
    }

    /// Gives a layer another weight of the same shape.
    pub(super) fn set_weight(&mut self, layer: &Layer, weight: Value) {
        self.set_constant(layer.node, (layer.linear.weight, "weight"), weight);
    }

    /// Gives a layer another bias, one number per channel; a layer that cannot have one stays as it is.
    pub(super) fn set_bias(&mut self, layer: &Layer, bias: Vec<f32>) -> Result<(), QuantError> {
        if let Some(slot) = layer.linear.bias {
            self.set_constant(layer.node, (slot, "bias"), Value::from_vec(&[layer.channels], bias)?);
        }
        Ok(())
    }

    /// Puts an operator behind a value: whoever read that reads what the operator makes of it and of
    /// `others`.
    pub(super) fn insert_behind(&mut self, value: ValueId, (name, op): (&str, Op), others: &[ValueId]) {
        let inputs = std::iter::once(value).chain(others.iter().copied()).map(Some).collect();
        let made = self.patch.add_op(name, op, inputs, None);
        let graph = self.graph;
        for (id, _) in graph.nodes().filter(|(_, node)| node.inputs.contains(&Some(value))) {
            let inputs = self.node(id).into_iter().flat_map(|node| node.inputs.iter_mut());
            inputs.filter(|input| **input == Some(value)).for_each(|input| *input = Some(made));
        }
    }

    /// The graph with all changes, types inferred.
    pub(super) fn finish(mut self) -> Result<Graph, QuantError> {
        for (id, node) in self.nodes {
            self.patch.replace_node(id, node);
        }
        Ok(crate::passes::infer_types(&self.graph.apply(self.patch)?)?)
    }
}
