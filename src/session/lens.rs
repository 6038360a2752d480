//! One picture in depth.

use super::SessionError;
use super::compare::{Explained, class_name, correlate, explain, finite, first, probabilities};
use super::layers::LayerValues;
use super::network::Network;
use super::pictures::PictureInput;
use super::quantized::QuantizedNetwork;
use super::view::{AnswerRow, ClassProbability, LayerSqnr, LensView, MapPair};
use crate::exec::Probe;
use crate::ir::{ValueId, ValueMap};
use crate::metrics::{distance, sqnr_db, top_k};
use crate::ops::{Graph, Kind, Node};
use crate::tensor::{Value, sort_positions};
use std::sync::Arc;

/// Share of the map's places that the overlap compares.
const OVERLAP_SHARE: f64 = 0.1;

/// How many classes each network contributes to the answers.
const TOP: usize = 5;

/// What full precision makes of one picture: it stays the same while the other network changes.
#[derive(Debug)]
pub(super) struct FullLook {
    /// The picture, decoded and prepared.
    input: PictureInput,
    /// The class that was asked for.
    target: Option<usize>,
    pub(super) explained: Arc<Explained>,
    /// Outputs of the layers with weights.
    layers: ValueMap<Value>,
}

impl FullLook {
    /// Runs full precision on a picture. Where its answer is explained already, only the layers are
    /// kept of that run.
    ///
    /// # Errors
    /// When a node fails or the target class does not exist.
    pub(super) fn new(
        network: &Network,
        input: PictureInput,
        target: Option<usize>,
        known: Option<&Arc<Explained>>,
    ) -> Result<Self, SessionError> {
        let mut layers = Layers { wanted: layer_outputs(network.graph()), found: ValueMap::new() };
        let known = known.filter(|known| target.is_none_or(|target| target == known.target));
        let explained = if let Some(known) = known {
            network.model.executor.run(std::slice::from_ref(&input.value), &mut layers)?;
            Arc::clone(known)
        } else {
            let run = network.model.run_watched(input.value.clone(), &mut layers)?;
            Arc::new(Explained::of_run(&network.model, &run, target)?)
        };
        Ok(Self { input, target, explained, layers: layers.found })
    }

    /// Whether it answers the same question.
    pub(super) fn is_of(&self, picture: usize, target: Option<usize>) -> bool {
        (self.input.picture, self.target) == (picture, target)
    }
}

fn layer_outputs(graph: &Graph) -> ValueMap<()> {
    let linear = |node: &&Node| matches!(node.op.facts().kind, Kind::Linear(_));
    let nodes = graph.nodes().map(|(_, node)| node).filter(linear);
    nodes.filter_map(|node| Some((*node.outputs.first()?, ()))).collect()
}

/// Keeps some values of a run.
struct Layers {
    wanted: ValueMap<()>,
    found: ValueMap<Value>,
}

impl Probe for Layers {
    fn observe(&mut self, id: ValueId, value: &Value) {
        if self.wanted.contains(id) {
            self.found.insert(id, value.clone());
        }
    }
}

/// Looks at one picture with both networks: answers, both maps on one scale, and how much signal is
/// left behind each layer.
///
/// # Errors
/// When a node fails.
pub(super) fn look(
    quantized: &QuantizedNetwork,
    full: &FullLook,
    classes: &[String],
) -> Result<LensView, SessionError> {
    let input = &full.input;
    let definition = quantized.model().definition()?;
    // Channels of equalized layers have other sizes than the network's own.
    let equalized = match quantized.equalized() {
        Some(equalized) => {
            let executor = equalized.executor(quantized.model().isa())?;
            let mut layers = Layers { wanted: layer_outputs(executor.graph()), found: ValueMap::new() };
            executor.run(std::slice::from_ref(&input.value), &mut layers)?;
            Some(layers.found)
        }
        None => None,
    };
    let full_layers = equalized.as_ref().unwrap_or(&full.layers);
    let mut layers =
        LayerComparison { layers: quantized.layer_values(), full: full_layers, found: ValueMap::new() };
    let definition_run = definition.run_watched(input.value.clone(), &mut layers)?;
    let layer_sqnr_db = layers.rows();
    let logits = quantized.model().integer.scores(input.value.clone())?;
    let full = &full.explained;
    let quantized_map = explain(&definition, &definition_run, full.target)?;

    let (p, q) = (probabilities(&full.logits), probabilities(&logits));
    let name = |class: usize| class_name(class, classes, input.label_offset);
    let probability =
        |class: usize, of: &[f64]| ClassProbability { class, name: name(class), probability: of[class] };
    let (full_top, quantized_top) = (first(&full.logits), first(&logits));
    let pair = full.map.as_ref().zip(quantized_map.as_ref());
    let correlation = pair.map(|(a, b)| correlate(a, b));
    Ok(LensView {
        picture: input.picture,
        target: probability(full.target, &p),
        answers: answers(&full.logits, &logits)
            .into_iter()
            .map(|class| AnswerRow { class, name: name(class), full: p[class], quantized: q[class] })
            .collect(),
        full_top: probability(full_top, &p),
        quantized_top: probability(quantized_top, &q),
        flipped: full_top != quantized_top,
        spearman: correlation.as_ref().and_then(|c| c.spearman),
        kendall_tau_b: correlation.as_ref().and_then(|c| c.kendall_tau_b),
        top10_overlap: pair.and_then(|(a, b)| distance::top_intersection(&a.map, &b.map, OVERLAP_SHARE)),
        map: pair.map(|(a, b)| MapPair::new(a, b)),
        layer_sqnr_db,
        expected: input.expected,
    })
}

/// Both networks' first classes, by the score that full precision gives them.
fn answers(full: &[f32], quantized: &[f32]) -> Vec<usize> {
    let mut classes = top_k(full, TOP);
    for class in top_k(quantized, TOP) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    sort_positions(&mut classes, &|a, b| full[b].total_cmp(&full[a]).then(a.cmp(&b)));
    classes
}

/// Compares the outputs of layers with full precision's as they are made: how much of the signal is
/// left behind each layer, all layers before it quantized too.
struct LayerComparison<'a> {
    layers: &'a [LayerValues],
    /// Outputs of full precision.
    full: &'a ValueMap<Value>,
    /// What came of each output that was seen.
    found: ValueMap<Option<f64>>,
}

impl LayerComparison<'_> {
    fn rows(&self) -> Vec<LayerSqnr> {
        let row = |layer: &LayerValues| {
            let sqnr_db = *self.found.get(layer.definition)?;
            Some(LayerSqnr { layer: layer.name.clone(), sqnr_db })
        };
        self.layers.iter().filter_map(row).collect()
    }
}

impl Probe for LayerComparison<'_> {
    fn observe(&mut self, id: ValueId, value: &Value) {
        let compared = self.layers.iter().find(|layer| layer.definition == id).and_then(|layer| {
            let full = self.full.get(layer.full)?.as_slice::<f32>().ok()?;
            Some(finite(sqnr_db(full, value.as_slice::<f32>().ok()?)))
        });
        if let Some(sqnr_db) = compared {
            self.found.insert(id, sqnr_db);
        }
    }
}
