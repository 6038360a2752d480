//! Rows of the layer table: what became of each layer with weights, in order of execution.
//!
//! Of a network that is quantized here, the plan knows. Of a file that was quantized before, its own
//! QuantizeLinear and DequantizeLinear nodes say it: bits are as many as the codes need, so a weight
//! of −7 … 7 has 4 bits although each code fills a byte. What was lost cannot be said there: the
//! weights in full precision are not in the file.

use super::compare::finite;
use super::view::{ByteSizes, LayerPath, LayerView};
use crate::ir::{NameMap, NodeId, Operation as _, ValueId};
use crate::metrics::sqnr_db;
use crate::ops::{Graph, Kind, Linear, Node, Op};
use crate::quant::{self, FLOAT_BITS, QuantPlan};
use crate::tensor::{DType, Shape, Value};
use std::collections::BTreeSet;

/// Nodes with weights, in order of execution.
fn linear_nodes(graph: &Graph) -> impl Iterator<Item = (&Node, Linear)> {
    let order = graph.order().unwrap_or_default();
    order.into_iter().filter_map(|id| graph.node(id)).filter_map(|node| match node.op.facts().kind {
        Kind::Linear(linear) => Some((node, linear)),
        _ => None,
    })
}

/// A layer's output in both networks.
#[derive(Debug, Clone)]
pub(super) struct LayerValues {
    /// Name of the layer's node.
    pub(super) name: String,
    /// Its output in full precision.
    pub(super) full: ValueId,
    /// The same in the definition of the quantized network, before it is quantized.
    pub(super) definition: ValueId,
}

/// The outputs of those layers, by the names that quantizing leaves them.
pub(super) fn values(rows: &[LayerView], full: &Graph, definition: &Graph) -> Vec<LayerValues> {
    let outputs = full.nodes().filter_map(|(_, node)| Some((node.name.as_str(), *node.outputs.first()?)));
    let by_name: NameMap<ValueId> = outputs.collect();
    let both = |row: &LayerView| {
        let full_id = *by_name.get(&row.name)?;
        let definition = definition.find_value(&full.value(full_id).name)?;
        Some(LayerValues { name: row.name.clone(), full: full_id, definition })
    };
    rows.iter().filter_map(both).collect()
}

/// Rows of a network that was quantized here from `before` into `graph`: as the graph states them, with the bits
/// that were asked for and what the weights lost.
pub(super) fn planned(
    before: &Graph,
    plan: &QuantPlan,
    graph: &Graph,
    integer_nodes: &BTreeSet<String>,
) -> Vec<LayerView> {
    let layers: NameMap<(&Node, Linear)> =
        linear_nodes(before).map(|(node, linear)| (node.name.as_str(), (node, linear))).collect();
    let file = Stated::new(graph);
    let codes: NameMap<&Value> = linear_nodes(graph)
        .filter_map(|(node, linear)| Some((node.name.as_str(), file.stored(node, linear.weight)?.0)))
        .collect();
    let mut rows = stated(graph, integer_nodes);
    for row in &mut rows {
        let Some(&(node, linear)) = layers.get(&row.name) else { continue };
        let weight = node.inputs.get(linear.weight).copied().flatten().map(|id| before.value(id));
        let quant = weight.and_then(|value| plan.weights.get(&value.name));
        if let Some((weight, quant)) = weight.and_then(|value| value.constant.as_ref()).zip(quant) {
            let read = quant::data_input(node, linear).map(|id| before.value(id).name.as_str());
            row.weight_bits = quant.spec.bits;
            // Those of a scale that is found while running, or none, are as the graph states.
            if let Some(read) = read.and_then(|name| plan.activations.get(name)) {
                row.activation_bits = read.spec.bits;
            }
            row.weight_sqnr_db = codes.get(&row.name).and_then(|codes| weight_sqnr_db(weight, codes, quant));
        }
    }
    rows
}

/// Signal-to-quantization-noise ratio of a weight; `None` when nothing was lost.
fn weight_sqnr_db(weight: &Value, codes: &Value, quant: &quant::TensorQuant) -> Option<f64> {
    let real = quant::affine::dequantized(codes, quant).ok()?;
    finite(sqnr_db(weight.as_slice::<f32>().ok()?, &real))
}

/// Rows of a graph that is quantized by nodes of its own.
pub(super) fn stated(graph: &Graph, integer_nodes: &BTreeSet<String>) -> Vec<LayerView> {
    let file = Stated::new(graph);
    let mut rows: Vec<LayerView> =
        linear_nodes(graph).filter_map(|(node, linear)| file.layer(node, linear)).collect();
    for row in rows.iter_mut().filter(|row| integer_nodes.contains(&row.name)) {
        row.path = LayerPath::Int8;
    }
    rows
}

struct Stated<'a> {
    graph: &'a Graph,
    producers: Vec<Option<NodeId>>,
    consumers: Vec<Vec<NodeId>>,
}

impl<'a> Stated<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, producers: graph.producers(), consumers: graph.consumers() }
    }

    fn layer(&self, node: &Node, linear: Linear) -> Option<LayerView> {
        let (weight, weight_bytes) = self.stored(node, linear.weight)?;
        let bias = linear.bias.and_then(|slot| self.stored(node, slot));
        let (bias_len, bias_bytes) = bias.map_or((0, 0), |(value, bytes)| (value.len(), bytes));
        let read = (0..node.inputs.len()).find(|&slot| slot != linear.weight)?;
        Some(LayerView {
            name: node.name.clone(),
            op: node.op.op_type().to_owned(),
            weight_shape: Shape::fixed(weight.shape()).to_string(),
            weights: weight.len(),
            weight_bits: weight_bits(weight).unwrap_or(FLOAT_BITS),
            activation_bits: self.read_bits(node, read).unwrap_or(FLOAT_BITS),
            size_bytes: ByteSizes {
                full: 4 * (weight.len() + bias_len),
                quantized: weight_bytes + bias_bytes,
            },
            path: LayerPath::Float,
            output_range: self.written_codes(node).map(Codes::range),
            weight_sqnr_db: None,
        })
    }

    fn producer(&self, node: &Node, slot: usize) -> Option<&'a Node> {
        let id = node.inputs.get(slot).copied().flatten()?;
        self.graph.node(self.producers[id.index()]?)
    }

    fn constant(&self, node: &Node, slot: usize) -> Option<&'a Value> {
        self.graph.constant(node.inputs.get(slot).copied().flatten()?)
    }

    /// A constant input as it stands in the file (codes, or real numbers), and its bytes there with
    /// scales and zero points.
    fn stored(&self, node: &Node, slot: usize) -> Option<(&'a Value, usize)> {
        if let Some(value) = self.constant(node, slot) {
            return Some((value, value.size_bytes()));
        }
        let source = self.producer(node, slot).filter(|n| n.op.facts().kind == Kind::Dequantize)?;
        let beside = [1, 2].into_iter().filter_map(|slot| self.constant(source, slot));
        let codes = self.constant(source, 0)?;
        Some((codes, codes.size_bytes() + beside.map(Value::size_bytes).sum::<usize>()))
    }

    /// Bits of the codes of an activation that a node reads.
    fn read_bits(&self, node: &Node, slot: usize) -> Option<u8> {
        let real = self.producer(node, slot).filter(|n| n.op.facts().kind == Kind::Dequantize)?;
        let made_by = self.producer(real, 0);
        if made_by.is_some_and(|n| matches!(n.op, Op::DynamicQuantizeLinear(_))) {
            return Some(8);
        }
        // Where the codes are an input of the network, or moved about, their type is all that is known.
        let made_by = made_by.filter(|n| n.op.facts().kind == Kind::Quantize);
        self.codes(made_by.unwrap_or(real)).map(Codes::bits)
    }

    /// The codes that a node's output becomes, where it is quantized at once.
    fn written_codes(&self, node: &Node) -> Option<Codes> {
        let readers = &self.consumers[node.outputs.first()?.index()];
        let mut readers = readers.iter().filter_map(|&id| self.graph.node(id));
        self.codes(readers.find(|n| n.op.facts().kind == Kind::Quantize)?)
    }

    /// What a QuantizeLinear or DequantizeLinear with one scale says of its codes.
    fn codes(&self, node: &Node) -> Option<Codes> {
        let [scale] = self.constant(node, 1)?.as_slice::<f32>().ok()? else { return None };
        let zeros = self.constant(node, 2)?;
        let (zero, min, max) = match zeros.dtype() {
            DType::U8 => (i32::from(*zeros.as_slice::<u8>().ok()?.first()?), 0, 255),
            DType::I8 => (i32::from(*zeros.as_slice::<i8>().ok()?.first()?), -128, 127),
            _ => return None,
        };
        let codes = Codes { scale: *scale, zero, min, max };
        let clamp = match &node.op {
            Op::QuantizeLinear(op) => op.clamp,
            _ => None,
        };
        Some(clamp.map_or(codes, |c| Codes { min: codes.of(c.min), max: codes.of(c.max), ..codes }))
    }
}

/// Codes of an activation: `real = (code − zero) · scale`, from `min` to `max`.
#[derive(Debug, Clone, Copy)]
struct Codes {
    scale: f32,
    zero: i32,
    min: i32,
    max: i32,
}

impl Codes {
    fn of(self, real: f32) -> i32 {
        let code = (real / self.scale).round_ties_even() + self.zero as f32;
        code.clamp(self.min as f32, self.max as f32) as i32
    }

    fn bits(self) -> u8 {
        bits_for(self.max - self.min)
    }

    fn range(self) -> [f32; 2] {
        [self.min, self.max].map(|code| (code - self.zero) as f32 * self.scale)
    }
}

/// Bits that the codes of a weight need; `None` for real numbers.
fn weight_bits(codes: &Value) -> Option<u8> {
    let ends = |codes: &mut dyn Iterator<Item = i32>| {
        codes.fold((i32::MAX, i32::MIN), |(low, high), code| (low.min(code), high.max(code)))
    };
    let (low, high) = match codes.dtype() {
        DType::I8 => ends(&mut codes.as_slice::<i8>().ok()?.iter().map(|&q| i32::from(q))),
        DType::U8 => ends(&mut codes.as_slice::<u8>().ok()?.iter().map(|&q| i32::from(q))),
        _ => return None,
    };
    Some(bits_for(high.saturating_sub(low).max(0)))
}

/// Bits that count from 0 to `last`, at least one.
fn bits_for(last: i32) -> u8 {
    (i32::BITS - last.leading_zeros()).max(1) as u8
}
