//! Parts of a plan: what some layers alone cost, or weights alone, or everything up to a layer.
//!
//! A plan says of each tensor how it is quantized, by name; leaving names out leaves those tensors in full
//! precision. So a part of a plan is a plan, and what [`apply`](super::apply) makes of it runs as any other.

use super::plan::{layer_kind, quantizable_linear};
use super::recipe::LayerKind;
use super::{QuantError, QuantPlan, TensorQuant, data_input};
use crate::ir::ValueId;
use crate::ops::Graph;
use std::collections::{BTreeMap, BTreeSet};

/// A layer that can be quantized, and the tensors of a plan that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerParts {
    /// Name of its node.
    pub name: String,
    /// What kind of layer it is.
    pub kind: LayerKind,
    /// Its weight.
    pub weight: ValueId,
    /// Axis of the weight that runs over output channels.
    pub channel_axis: usize,
    /// The activation that it reads.
    pub input: Option<ValueId>,
    /// What it makes.
    pub output: ValueId,
}

/// Layers that can be quantized, in order of execution.
///
/// # Errors
/// When the graph has a cycle.
pub fn layers(graph: &Graph) -> Result<Vec<LayerParts>, QuantError> {
    let order = graph.order()?;
    let nodes = order.into_iter().filter_map(|id| graph.node(id));
    let parts = nodes.filter_map(|node| {
        let linear = quantizable_linear(graph, node)?;
        Some(LayerParts {
            name: node.name.clone(),
            kind: layer_kind(graph, node, linear),
            weight: (*node.inputs.get(linear.weight)?)?,
            channel_axis: linear.channel_axis,
            input: data_input(node, linear),
            output: *node.outputs.first()?,
        })
    });
    Ok(parts.collect())
}

impl QuantPlan {
    /// Weights quantized, activations in full precision.
    #[must_use]
    pub fn weights_only(&self) -> Self {
        Self { activations: BTreeMap::new(), dynamic: Vec::new(), ..self.clone() }
    }

    /// Activations quantized, weights in full precision. Without those whose scales are found while the network
    /// runs: only layers with quantized weights read their codes.
    #[must_use]
    pub fn activations_only(&self) -> Self {
        Self { weights: BTreeMap::new(), dynamic: Vec::new(), ..self.clone() }
    }

    /// One layer quantized, with the activation that it reads; all others in full precision.
    #[must_use]
    pub fn of_layer(&self, graph: &Graph, layer: &LayerParts) -> Self {
        let weight = graph.value(layer.weight).name.as_str();
        let input = layer.input.map(|id| graph.value(id).name.as_str());
        self.part(&|name| name == weight, &|name| Some(name) == input)
    }

    /// The network quantized up to and with a layer: its weight and all before, and activations made before.
    ///
    /// # Errors
    /// When the graph has a cycle.
    pub fn up_to(&self, graph: &Graph, layer: &LayerParts) -> Result<Self, QuantError> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let name = |id: ValueId| graph.value(id).name.as_str();
        names.extend(graph.inputs().iter().map(|&id| name(id)));
        let order = graph.order()?;
        for node in order.into_iter().filter_map(|id| graph.node(id)) {
            names.extend(
                node.inputs.iter().flatten().filter(|id| graph.constant(**id).is_some()).map(|&id| name(id)),
            );
            if node.name == layer.name {
                break;
            }
            names.extend(node.outputs.iter().map(|&id| name(id)));
        }
        let is_part = |name: &str| names.contains(name);
        Ok(self.part(&is_part, &is_part))
    }

    fn part(&self, weights: &dyn Fn(&str) -> bool, activations: &dyn Fn(&str) -> bool) -> Self {
        let only = |all: &BTreeMap<String, TensorQuant>, is_part: &dyn Fn(&str) -> bool| {
            let mut some = BTreeMap::new();
            for (name, quant) in all.iter().filter(|(name, _)| is_part(name)) {
                some.insert(name.clone(), quant.clone());
            }
            some
        };
        Self {
            weights: only(&self.weights, weights),
            activations: only(&self.activations, activations),
            dynamic: self.dynamic.iter().filter(|name| activations(name)).cloned().collect(),
            storage: self.storage,
        }
    }
}
