//! One picture in depth.

use super::SessionError;
use super::compare::{Explained, class_name, correlate, explain, finite, first, probabilities};
use super::network::Network;
use super::pictures::PictureInput;
use super::quantized::QuantizedNetwork;
use super::view::{AnswerRow, ClassProbability, LayerSqnr, LensView, MapPair};
use crate::attribution::Run;
use crate::metrics::{distance, sqnr_db, top_k};
use crate::tensor::Value;
use std::collections::BTreeSet;

/// Share of the map's places that the overlap compares.
const OVERLAP_SHARE: f64 = 0.1;

/// How many classes each network contributes to the answers.
const TOP: usize = 5;

/// Looks at one picture with both networks: answers, both maps on one scale, and how much signal is
/// left behind each layer.
///
/// # Errors
/// When a node fails or the target class does not exist.
pub(super) fn look(
    network: &Network,
    quantized: &QuantizedNetwork,
    input: &PictureInput,
    (target, classes): (Option<usize>, &[String]),
) -> Result<LensView, SessionError> {
    let full_run = network.model.run(input.value.clone())?;
    let definition_run = quantized.model().definition.run(input.value.clone())?;
    let logits = quantized.model().integer.scores(input.value.clone())?;
    let target = target.unwrap_or_else(|| first(&full_run.logits));
    let full_map = explain(&network.model, &full_run, target)?;
    let quantized_map = explain(&quantized.model().definition, &definition_run, target)?;
    let full = Explained { logits: full_run.logits.clone(), target, map: full_map };

    let (p, q) = (probabilities(&full.logits), probabilities(&logits));
    let name = |class: usize| class_name(class, classes, input.label_offset);
    let probability =
        |class: usize, of: &[f64]| ClassProbability { class, name: name(class), probability: of[class] };
    let (full_top, quantized_top) = (first(&full.logits), first(&logits));
    let pair = full.map.as_ref().zip(quantized_map.as_ref());
    let correlation = pair.map(|(a, b)| correlate(a, b));
    Ok(LensView {
        picture: input.picture,
        target: probability(target, &p),
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
        layer_sqnr_db: layer_sqnr(network, quantized, &full_run, &definition_run),
        expected: input.expected,
    })
}

/// Both networks' first classes, by the score that full precision gives them.
fn answers(full: &[f32], quantized: &[f32]) -> Vec<usize> {
    let mut classes: BTreeSet<usize> = top_k(full, TOP).into_iter().collect();
    classes.extend(top_k(quantized, TOP));
    let mut classes: Vec<usize> = classes.into_iter().collect();
    classes.sort_by(|&a, &b| full[b].total_cmp(&full[a]).then(a.cmp(&b)));
    classes
}

/// How much of the signal is left behind each layer: quantized against full precision, all layers
/// before it quantized too. Looks at the same value in both graphs, by its name.
fn layer_sqnr(
    network: &Network,
    quantized: &QuantizedNetwork,
    full: &Run,
    definition: &Run,
) -> Vec<LayerSqnr> {
    let graph = network.graph();
    let other = quantized.model().definition.executor.graph();
    let row = |layer: &super::view::LayerView| {
        let (_, node) = graph.nodes().find(|(_, n)| n.name == layer.name)?;
        let id = *node.outputs.first()?;
        let same = other.find_value(&graph.value(id).name)?;
        let slice = |value: Option<&Value>| value.and_then(|v| v.as_slice::<f32>().ok().map(<[f32]>::to_vec));
        let (a, b) = (slice(full.recording.get(id))?, slice(definition.recording.get(same))?);
        Some(LayerSqnr { layer: layer.name.clone(), sqnr_db: finite(sqnr_db(&a, &b)) })
    };
    quantized.layers().iter().filter_map(row).collect()
}
