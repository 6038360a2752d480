//! All pictures on their way through a network, from one layer to the next.
//!
//! **Memory.** Between two layers each picture is held as what later layers still need of it, where it
//! is quantized as its codes: pictures × the widest cut through the network, a byte per element of a
//! quantized network (0.2 MB for a MobileNetV1 0.25 on 224 × 224, 0.8 MB for a ResNet-50), four of one in
//! full precision.

use super::part::{Map, Part};
use crate::ir::{NodeId, ValueId};
use crate::ops::{Graph, GraphPatch, Isa, Kind, Linear, Node};
use crate::quant::QuantError;
use crate::quant::apply::bias_code;
use crate::quant::plan::data_input;
use crate::tensor::{Element, Value};

/// How far a correction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Steps done: a picture through the nodes from one layer to the next.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// One network and the pictures in it.
#[derive(Debug)]
pub(super) struct Walk {
    graph: Graph,
    map: Map,
    isa: Isa,
    /// The layers in the order of execution: name, place in that order, node.
    layers: Vec<(String, usize, NodeId)>,
    /// The layer that pictures are on their way to.
    to: usize,
    /// Pictures that have reached it.
    arrived: usize,
    pictures: Vec<Vec<Value>>,
    /// Which values are held of a picture that has not reached the layer, and which of one that has.
    held: [Vec<ValueId>; 2],
    /// From one to the other, and what the layer reads.
    part: Option<Part>,
}

impl Walk {
    /// Through the layers of these names, in this order.
    pub(super) fn new(graph: Graph, names: &[String], isa: Isa) -> Result<Self, QuantError> {
        let map = Map::of(&graph, names)?;
        let nodes = map.order.iter().enumerate().filter_map(|(at, &id)| Some((at, id, graph.node(id)?)));
        let is_layer = |node: &Node| match node.op.facts().kind {
            Kind::Linear(linear) => names.contains(&node.name) && data_input(node, linear).is_some(),
            _ => false,
        };
        let layers = nodes.filter(|(_, _, node)| is_layer(node));
        let layers = layers.map(|(at, id, node)| (node.name.clone(), at, id)).collect();
        let held = [Vec::new(), graph.inputs().to_vec()];
        let mut walk =
            Self { graph, map, isa, layers, to: 0, arrived: 0, pictures: Vec::new(), held, part: None };
        walk.open()?;
        Ok(walk)
    }

    /// The name of the layer that pictures are on their way to; `None` behind the last.
    pub(super) fn layer(&self) -> Option<&str> {
        self.layers.get(self.to).map(|(name, ..)| name.as_str())
    }

    fn node(&self) -> Option<(&Node, Linear)> {
        let node = self.graph.node(self.layers.get(self.to)?.2)?;
        let Kind::Linear(linear) = node.op.facts().kind else { return None };
        Some((node, linear))
    }

    /// What the layer multiplies with its weights.
    fn data(&self) -> Option<ValueId> {
        self.node().and_then(|(node, linear)| data_input(node, linear))
    }

    /// Makes the way to the layer that is next.
    fn open(&mut self) -> Result<(), QuantError> {
        self.arrived = 0;
        let (Some(&(_, place, _)), Some(data)) = (self.layers.get(self.to), self.data()) else {
            return Ok(());
        };
        let before = std::mem::take(&mut self.held[1]);
        let after = self.map.needed_from(&self.graph, place);
        let made = after.iter().copied().filter(|id| !before.contains(id));
        let wanted: Vec<ValueId> = made.chain([data]).collect();
        self.part = Some(Part::new(&self.graph, (&self.map, self.isa), &before, &wanted)?);
        self.held = [before, after];
        Ok(())
    }

    /// Adds a picture, not yet on its way.
    pub(super) fn add(&mut self, inputs: &[Value]) {
        self.pictures.push(inputs.to_vec());
    }

    /// Takes one more picture to the layer; what the layer reads of it. `None` when all are there.
    pub(super) fn pass(&mut self) -> Result<Option<Value>, QuantError> {
        let (Some(part), Some(picture)) = (&self.part, self.pictures.get_mut(self.arrived)) else {
            return Ok(None);
        };
        let mut made = part.run(picture)?;
        // What the layer reads comes last, behind what is to be held.
        let data = made.pop();
        let mut made = made.into_iter();
        let [before, after] = &self.held;
        let kept = |id: &ValueId| match before.iter().position(|held| held == id) {
            Some(place) => picture.get(place).cloned(),
            None => made.next(),
        };
        *picture = after.iter().filter_map(kept).collect();
        self.arrived += 1;
        Ok(data)
    }

    /// Goes on to the next layer.
    pub(super) fn advance(&mut self) -> Result<(), QuantError> {
        self.to += 1;
        self.open()
    }

    /// Whether a layer was left behind.
    pub(super) fn has_advanced(&self) -> bool {
        self.to > 0
    }

    pub(super) fn is_done(&self) -> bool {
        self.to >= self.layers.len()
    }

    /// Whether there is no picture.
    pub(super) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    pub(super) fn all_arrived(&self) -> bool {
        self.arrived == self.pictures.len()
    }

    pub(super) fn progress(&self) -> Walked {
        let pictures = self.pictures.len();
        Walked { done: self.to * pictures + self.arrived, total: self.layers.len() * pictures }
    }

    /// The layer by itself: what it makes of what it reads.
    pub(super) fn layer_alone(&self) -> Result<Option<Part>, QuantError> {
        let (Some((node, _)), Some(data)) = (self.node(), self.data()) else { return Ok(None) };
        Part::new(&self.graph, (&self.map, self.isa), &[data], &node.outputs).map(Some)
    }

    /// Gives the layer the bias `factor·b − shift`, a number of each per channel, and its weights other
    /// scales, `factor` times what they are. Factors are for a weight that has a scale per channel and no
    /// other reader. Returns what the bias then is; `None` where the layer has none.
    pub(super) fn refit(
        &mut self,
        factors: Option<&[f64]>,
        shift: &[f64],
    ) -> Result<Option<Vec<f32>>, QuantError> {
        let Some((node, linear)) = self.node() else { return Ok(None) };
        let slot = |slot: usize| node.inputs.get(slot).copied().flatten();
        let (Some(bias), Some(weight)) = (linear.bias.and_then(slot), slot(linear.weight)) else {
            return Ok(None);
        };
        let at = |of: &[f64], channel: usize, otherwise| of.get(channel).copied().unwrap_or(otherwise);
        let fitted = |bias: f64, channel: usize| {
            (at(factors.unwrap_or_default(), channel, 1.0) * bias - at(shift, channel, 0.0)) as f32
        };
        let mut patch = GraphPatch::new(&self.graph);
        let scaled = self.scaled_weights(weight, factors)?;
        if let Some((id, scales)) = &scaled {
            patch.set_constant(*id, Value::from_vec(&[scales.len()], scales.clone())?);
        }
        let new: Vec<f32> = if let (Some(codes), Some(scale)) = (self.operand(bias, 0), self.operand(bias, 1))
        {
            let before = self.elements::<f32>(scale)?;
            let after = match (&scaled, self.input_scale()?) {
                (Some((_, weights)), Some(input)) => weights.iter().map(|weight| weight * input).collect(),
                _ => before.to_vec(),
            };
            // One number for all channels, or one for each.
            let of = |scales: &[f32], channel: usize| scales[channel.min(scales.len() - 1)];
            let real = self.elements::<i32>(codes)?.iter().enumerate();
            let new: Vec<f32> =
                real.map(|(o, &code)| fitted(f64::from(code) * f64::from(of(before, o)), o)).collect();
            let new_codes = new.iter().enumerate().map(|(o, &b)| bias_code(b, of(&after, o))).collect();
            patch.set_constant(codes, Value::from_vec::<i32>(&[new.len()], new_codes)?);
            if scaled.is_some() {
                patch.set_constant(scale, Value::from_vec(&[after.len()], after)?);
            }
            new
        } else if self.graph.constant(bias).is_none() {
            return Ok(None);
        } else {
            let real = self.elements::<f32>(bias)?.iter().enumerate();
            let new: Vec<f32> = real.map(|(at, &b)| fitted(f64::from(b), at)).collect();
            patch.set_constant(bias, Value::from_vec(&[new.len()], new.clone())?);
            new
        };
        self.graph = self.graph.clone().apply_unverified(patch)?;
        Ok(Some(new))
    }

    /// A weight's scales times the factors.
    fn scaled_weights(
        &self,
        weight: ValueId,
        factors: Option<&[f64]>,
    ) -> Result<Option<(ValueId, Vec<f32>)>, QuantError> {
        let (Some(id), Some(factors)) = (self.operand(weight, 1), factors) else { return Ok(None) };
        let scales = self.elements::<f32>(id)?.iter().zip(factors);
        Ok(Some((id, scales.map(|(&scale, &factor)| (f64::from(scale) * factor) as f32).collect())))
    }

    /// The scale of what the layer reads, where that is quantized.
    fn input_scale(&self) -> Result<Option<f32>, QuantError> {
        let Some(scale) = self.data().and_then(|data| self.operand(data, 1)) else { return Ok(None) };
        Ok(self.elements::<f32>(scale)?.first().copied())
    }

    /// A constant that the DequantizeLinear which makes a value reads: its codes (0) or its scales (1).
    fn operand(&self, value: ValueId, slot: usize) -> Option<ValueId> {
        let maker = self.map.maker(&self.graph, value)?;
        let is_dequantize = maker.op.facts().kind == Kind::Dequantize;
        let id = maker.inputs.get(slot).copied().flatten().filter(|_| is_dequantize);
        id.filter(|&id| self.graph.constant(id).is_some())
    }

    fn elements<T: Element>(&self, constant: ValueId) -> Result<&[T], QuantError> {
        Ok(self.graph.constant(constant).map_or(Ok(&[][..]), Value::as_slice::<T>)?)
    }
}
