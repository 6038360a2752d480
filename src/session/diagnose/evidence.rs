//! What a layer's tensors look like: where their range comes from, and how much of it is used.

use crate::exec::{Executor, Probe};
use crate::ir::{NodeId, ValueId, ValueMap};
use crate::ops::{Graph, Kind, Node};
use crate::quant::observe::Observed;
use crate::quant::parts::LayerParts;
use crate::quant::{QuantParams, Statistics, TensorQuant};
use crate::session::SessionError;
use crate::tensor::{Value, ordered};

/// Share of the values that may be rare: one in a thousand.
const RARE: f64 = 1e-3;

/// Largest magnitudes of the channels of what layers read.
#[derive(Debug)]
pub(super) struct ChannelWatch {
    found: ValueMap<Vec<f32>>,
}

impl ChannelWatch {
    /// Of the inputs of those layers.
    pub(super) fn new(layers: &[LayerParts]) -> Self {
        let found = layers.iter().filter_map(|layer| Some((layer.input?, Vec::new()))).collect();
        Self { found }
    }

    /// Looks at one more picture.
    ///
    /// # Errors
    /// When a node fails.
    pub(super) fn add(&mut self, executor: &Executor, input: &Value) -> Result<(), SessionError> {
        executor.run(std::slice::from_ref(input), self)?;
        Ok(())
    }

    /// Of a tensor with channels on axis 1: their largest magnitudes.
    pub(super) fn of(&self, id: ValueId) -> &[f32] {
        self.found.get(id).map_or(&[], Vec::as_slice)
    }
}

impl Probe for ChannelWatch {
    fn observe(&mut self, id: ValueId, value: &Value) {
        let Some(most) = self.found.row(id) else { return };
        let (Some(&channels), Ok(data)) = (value.shape().get(1), value.as_slice::<f32>()) else { return };
        let run = value.shape()[2..].iter().product::<usize>().max(1);
        most.resize(channels, 0.0);
        for (at, plane) in data.chunks(run).enumerate() {
            let slot = &mut most[at % channels.max(1)];
            *slot = plane.iter().fold(*slot, |most, v| most.max(v.abs()));
        }
    }

    fn watches(&self, id: ValueId) -> bool {
        self.found.contains(id)
    }
}

/// One channel beside the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dominant {
    pub(super) channel: usize,
    pub(super) largest: f64,
    /// The channel in the middle.
    pub(super) median: f64,
}

impl Dominant {
    /// Of the magnitudes of channels; those that are nothing throughout do not count.
    pub(super) fn of(magnitudes: &[f32]) -> Option<Self> {
        let alive: Vec<(f32, usize)> =
            magnitudes.iter().copied().zip(0..).filter(|&(v, _)| v > 0.0).collect();
        if alive.len() < 3 {
            return None;
        }
        let order = ordered(alive.len(), &|a, b| alive[a].0.total_cmp(&alive[b].0).then(b.cmp(&a)));
        let (largest, channel) = alive[order[order.len() - 1]];
        let (median, _) = alive[order[(order.len() - 1) / 2]];
        Some(Self { channel, largest: f64::from(largest), median: f64::from(median) })
    }

    pub(super) fn ratio(&self) -> f64 {
        self.largest / self.median
    }
}

/// Largest magnitudes of a weight's output channels.
pub(super) fn channel_magnitudes(weight: &Value, axis: usize) -> Vec<f32> {
    let Ok(data) = weight.as_slice::<f32>() else { return Vec::new() };
    let channels = weight.shape().get(axis).copied().unwrap_or(1);
    let run: usize = weight.shape()[(axis + 1).min(weight.rank())..].iter().product();
    let mut most = vec![0.0_f32; channels];
    for (at, v) in data.iter().enumerate() {
        let slot = &mut most[at / run.max(1) % channels.max(1)];
        *slot = slot.max(v.abs());
    }
    most
}

/// A range that rare values make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outlier {
    /// The largest magnitude.
    pub(super) largest: f64,
    /// What all but one in a thousand values stay below.
    pub(super) common: f64,
}

impl Outlier {
    /// Of what calibration saw of a tensor.
    pub(super) fn of(seen: &Observed) -> Option<Self> {
        let histogram = seen.histogram()?;
        let range = seen.range();
        let largest = f64::from(range.hi.max(-range.lo));
        let total = histogram.total() as f64;
        let mut above = 0.0;
        let sides = [histogram.positive(), histogram.negative()];
        let bins = sides.iter().map(|side| side.len()).max()?;
        for bin in (0..bins).rev() {
            above += sides.iter().filter_map(|side| side.get(bin)).sum::<u64>() as f64;
            if above > RARE * total {
                return Some(Self { largest, common: ((bin + 1) as f64 * histogram.width()).min(largest) });
            }
        }
        None
    }

    pub(super) fn ratio(&self) -> f64 {
        self.largest / self.common
    }
}

/// How many codes of a tensor's one scale cover magnitudes up to `magnitude`, both signs where there are any.
pub(super) fn levels(quant: &TensorQuant, magnitude: f64) -> f64 {
    let QuantParams { scale, .. } = &quant.params;
    let step = scale.iter().copied().fold(0.0_f32, f32::max);
    let both =
        if quant.spec.signed || quant.params.zero_point.iter().any(|&zero| zero > 0) { 2.0 } else { 1.0 };
    (magnitude / f64::from(step)).round_ties_even() * both + 1.0
}

/// Tensors that an operator only moves, so that they share a scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Joined {
    /// The operator, as ONNX calls it, and the name of its node.
    pub(super) operator: String,
    pub(super) node: String,
    /// Largest magnitudes of its inputs, with their names.
    pub(super) inputs: Vec<(String, f64)>,
}

impl Joined {
    /// What joins tensors into the one that a layer reads, through operators that keep or move values.
    pub(super) fn behind(graph: &Graph, statistics: &Statistics, read: ValueId) -> Option<Self> {
        let mut at = read;
        let makers = graph.producers();
        loop {
            let node = maker(graph, &makers, at)?;
            let seen = |id: ValueId| {
                let range = statistics.get(id).filter(|_| graph.constant(id).is_none())?.range();
                Some((graph.value(id).name.clone(), f64::from(range.hi.max(-range.lo))))
            };
            let inputs: Vec<_> = node.inputs.iter().flatten().filter_map(|&id| seen(id)).collect();
            match node.op.facts().kind {
                Kind::Rearrange if inputs.len() > 1 => {
                    let operator = crate::ir::Operation::op_type(&node.op).to_owned();
                    return Some(Self { operator, node: node.name.clone(), inputs });
                }
                Kind::Rearrange | Kind::Elementwise => at = (*node.inputs.first()?)?,
                _ => return None,
            }
        }
    }

    /// The largest magnitude over the smallest that is not zero, with their places.
    pub(super) fn ratio(&self) -> Option<(f64, usize, usize)> {
        let alive = || self.inputs.iter().enumerate().filter(|(_, (_, magnitude))| *magnitude > 0.0);
        let order = |a: &(usize, &(String, f64)), b: &(usize, &(String, f64))| a.1.1.total_cmp(&b.1.1);
        let ((low, least), (high, most)) = (alive().min_by(order)?, alive().max_by(order)?);
        Some((most.1 / least.1, high, low))
    }
}

fn maker<'a>(graph: &'a Graph, makers: &[Option<NodeId>], id: ValueId) -> Option<&'a Node> {
    graph.node((*makers.get(id.index())?)?)
}

/// The layer that makes a tensor, through operators that keep or move values.
pub(super) fn origin(graph: &Graph, read: ValueId) -> Option<String> {
    let makers = graph.producers();
    let mut at = read;
    loop {
        let node = maker(graph, &makers, at)?;
        match node.op.facts().kind {
            Kind::Linear(_) => return Some(node.name.clone()),
            Kind::Rearrange | Kind::Elementwise => at = (*node.inputs.first()?)?,
            _ => return None,
        }
    }
}
