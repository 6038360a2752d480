//! From what a bad layer's tensors look like to a name for what is wrong, and what may help.

use super::evidence::{ChannelWatch, Dominant, Joined, Outlier, channel_magnitudes, levels, origin};
use super::fix::{Fix, listed};
use super::suspects::Blame;
use crate::ops::Graph;
use crate::quant::parts::LayerParts;
use crate::quant::recipe::{ActivationRange, Ends, LayerKind};
use crate::quant::{Granularity, QuantPlan, Recipe, Statistics, TensorQuant};
use crate::session::view::{Cause, Evidence};

/// How often one magnitude must be as large as another to be called unlike: three bits.
const UNLIKE: f64 = 8.0;

/// Bits with few levels.
const FEW_BITS: u8 = 6;

/// What is wrong, and what may help, the gentlest first.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) cause: Cause,
    pub(super) layer: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) message: String,
    pub(super) evidence: Vec<Evidence>,
    pub(super) fixes: Vec<Fix>,
}

/// What causes are found in.
pub(super) struct Case<'a> {
    pub(super) graph: &'a Graph,
    pub(super) plan: &'a QuantPlan,
    pub(super) statistics: &'a Statistics,
    pub(super) watch: &'a ChannelWatch,
}

impl Case<'_> {
    /// What is wrong with a layer: with its weight, with what it reads, or both.
    pub(super) fn of_layer(&self, part: &LayerParts, blame: Blame) -> Vec<Named> {
        let weight = blame.weight.and_then(|lost| self.of_weight(part, lost));
        let input = blame.input.and_then(|lost| self.of_input(part, lost));
        // What loses more comes first.
        if blame.input > blame.weight {
            return input.into_iter().chain(weight).collect();
        }
        weight.into_iter().chain(input).collect()
    }

    fn quant_of<'b>(&'b self, id: crate::ir::ValueId, of: &'b Quants) -> Option<&'b TensorQuant> {
        of.get(&self.graph.value(id).name)
    }

    fn of_weight(&self, part: &LayerParts, lost: f64) -> Option<Named> {
        let quant = self.quant_of(part.weight, &self.plan.weights)?;
        let weight = self.graph.constant(part.weight)?;
        let name = &part.name;
        let dominant = Dominant::of(&channel_magnitudes(weight, part.channel_axis));
        if let Some(dominant) = dominant
            && quant.spec.granularity == Granularity::PerTensor
            && dominant.ratio() >= UNLIKE
        {
            return Some(one_scale(part, quant, dominant, lost));
        }
        if quant.spec.bits > FEW_BITS {
            return None;
        }
        let all = all_levels(quant);
        Some(Named {
            cause: Cause::FewWeightLevels,
            layer: Some(name.clone()),
            origin: None,
            message: format!(
                "The weight of {name} has {} bits, so {all} levels. Rounding to them loses {} nats by itself.",
                quant.spec.bits,
                number(lost)
            ),
            evidence: vec![evidence("levels", all), evidence("kl", lost)],
            fixes: vec![Fix::WeightRange, Fix::WeightBits(vec![name.clone()], 8)],
        })
    }

    fn of_input(&self, part: &LayerParts, lost: f64) -> Option<Named> {
        let read = part.input?;
        let quant = self.quant_of(read, &self.plan.activations)?;
        let seen = Read { name: &part.name, quant, origin: origin(self.graph, read), lost };
        let joined = || seen.unlike(&Joined::behind(self.graph, self.statistics, read)?);
        let outlier = || seen.outlier(self.statistics.get(read).and_then(Outlier::of)?);
        let channel = || seen.channel(Dominant::of(self.watch.of(read))?);
        joined().or_else(outlier).or_else(channel).or_else(|| seen.few_levels())
    }
}

/// A quantized activation that a layer reads.
struct Read<'a> {
    /// The layer.
    name: &'a str,
    quant: &'a TensorQuant,
    origin: Option<String>,
    /// What quantizing it alone loses, in nats.
    lost: f64,
}

impl Read<'_> {
    fn named(&self, cause: Cause, message: String, evidence: Vec<Evidence>, fixes: Vec<Fix>) -> Named {
        let (layer, origin) = (Some(self.name.to_owned()), self.origin.clone());
        Named { cause, layer, origin, message, evidence, fixes }
    }

    /// How many codes there are, and how many of them magnitudes up to that one have.
    fn levels(&self, magnitude: f64) -> [f64; 2] {
        let all = all_levels(self.quant);
        [all, levels(self.quant, magnitude).min(all)]
    }

    /// What helps whatever the cause is: more bits, or none taken away.
    fn wide(&self) -> [Fix; 2] {
        [Fix::ReadBits(vec![self.name.to_owned()], 16), Fix::Float(self.name.to_owned())]
    }

    fn unlike(&self, joined: &Joined) -> Option<Named> {
        let (ratio, high, low) = joined.ratio().filter(|found| found.0 >= UNLIKE)?;
        let ((large, most), (small, least)) = (&joined.inputs[high], &joined.inputs[low]);
        let [all, left] = self.levels(*least);
        let message = format!(
            "{} {} joins {large}, which reaches {}, with {small}, which reaches {}. What it joins shares one scale, \
             so {small} is left {left} of {all} levels where {} reads it.",
            joined.operator,
            joined.node,
            number(*most),
            number(*least),
            self.name
        );
        let evidence = vec![
            evidence("largest", *most),
            evidence("smallest", *least),
            evidence("ratio", ratio),
            evidence("levels", left),
            evidence("kl", self.lost),
        ];
        Some(self.named(Cause::UnlikeScales, message, evidence, self.wide().to_vec()))
    }

    fn outlier(&self, outlier: Outlier) -> Option<Named> {
        if outlier.ratio() < UNLIKE / 2.0 {
            return None;
        }
        let [all, left] = self.levels(outlier.common);
        let message = format!(
            "What {} reads reaches {}, but all but one in a thousand values stay below {}: these share {left} of \
             {all} levels.",
            self.name,
            number(outlier.largest),
            number(outlier.common)
        );
        let evidence = vec![
            evidence("largest", outlier.largest),
            evidence("common", outlier.common),
            evidence("ratio", outlier.ratio()),
            evidence("levels", left),
            evidence("kl", self.lost),
        ];
        let ranges = [ActivationRange::Percentile, ActivationRange::Mse, ActivationRange::Kl];
        let fixes = ranges.map(Fix::ActivationRange).into_iter().chain(self.wide()).collect();
        Some(self.named(Cause::ActivationOutlier, message, evidence, fixes))
    }

    fn channel(&self, dominant: Dominant) -> Option<Named> {
        if dominant.ratio() < UNLIKE {
            return None;
        }
        let [all, left] = self.levels(dominant.median);
        let message = format!(
            "Channel {} of what {} reads reaches {}, the channel in the middle {}: that one is left {left} of {all} \
             levels.",
            dominant.channel,
            self.name,
            number(dominant.largest),
            number(dominant.median)
        );
        let fixes =
            [Fix::Equalize, Fix::ActivationRange(ActivationRange::Mse)].into_iter().chain(self.wide());
        let evidence = of_channel(dominant, left, self.lost);
        Some(self.named(Cause::ActivationChannelDominates, message, evidence, fixes.collect()))
    }

    fn few_levels(&self) -> Option<Named> {
        let bits = self.quant.spec.bits;
        if bits > FEW_BITS {
            return None;
        }
        let (name, all) = (self.name, all_levels(self.quant));
        let message = format!(
            "What {name} reads has {bits} bits, so {all} levels. Rounding to them loses {} nats by \
             itself.",
            number(self.lost)
        );
        let fixes = vec![Fix::ActivationRange(ActivationRange::Mse), Fix::ReadBits(vec![name.to_owned()], 8)];
        let evidence = vec![evidence("levels", all), evidence("kl", self.lost)];
        Some(self.named(Cause::FewActivationLevels, message, evidence, fixes))
    }
}

/// How many codes a tensor has.
fn all_levels(quant: &TensorQuant) -> f64 {
    f64::from(quant.spec.qmax() - quant.spec.qmin() + 1)
}

type Quants = std::collections::BTreeMap<String, TensorQuant>;

/// One scale for channels that are too unlike.
fn one_scale(part: &LayerParts, quant: &TensorQuant, dominant: Dominant, lost: f64) -> Named {
    let all = all_levels(quant);
    let left = levels(quant, dominant.median).min(all);
    let name = &part.name;
    let is_depthwise = part.kind == LayerKind::Depthwise;
    let why = if is_depthwise {
        " It is depthwise: its channels have nothing to do with each other, so one scale suits none of them."
    } else {
        ""
    };
    Named {
        cause: if is_depthwise { Cause::DepthwiseOneScale } else { Cause::WeightChannelDominates },
        layer: Some(name.clone()),
        origin: None,
        message: format!(
            "The whole weight of {name} has one scale. Its channel {} reaches {}, the channel in the middle {}: that \
             one is left {left} of {all} levels. Rounding it so loses {} nats by itself.{why}",
            dominant.channel,
            number(dominant.largest),
            number(dominant.median),
            number(lost)
        ),
        evidence: of_channel(dominant, left, lost),
        fixes: vec![Fix::PerChannel, Fix::Equalize, Fix::Float(name.clone())],
    }
}

fn of_channel(dominant: Dominant, left: f64, lost: f64) -> Vec<Evidence> {
    vec![
        evidence("channel", dominant.channel as f64),
        evidence("largest", dominant.largest),
        evidence("median", dominant.median),
        evidence("ratio", dominant.ratio()),
        evidence("levels", left),
        evidence("kl", lost),
    ]
}

/// Layers with too few levels are one finding: what helps one helps all.
pub(super) fn joined(named: Vec<Named>) -> Vec<Named> {
    let mut result: Vec<(Named, Vec<String>)> = Vec::new();
    for mut one in named {
        let few = matches!(one.cause, Cause::FewWeightLevels | Cause::FewActivationLevels);
        let same = result.iter_mut().find(|(first, _)| few && first.cause == one.cause);
        match (same, one.layer.take()) {
            (Some((first, others)), Some(layer)) => {
                for fix in &mut first.fixes {
                    if let Fix::WeightBits(layers, _) | Fix::ReadBits(layers, _) = fix {
                        layers.push(layer.clone());
                    }
                }
                others.push(layer);
            }
            (_, layer) => result.push((Named { layer, ..one }, Vec::new())),
        }
    }
    let told = |(mut first, others): (Named, Vec<String>)| {
        if !others.is_empty() {
            let same = [" The same holds for ", &listed(&others), "."];
            first.message.extend(same);
        }
        first
    };
    result.into_iter().map(told).collect()
}

/// Where a layer stands out, and nothing that is known here is wrong with it.
pub(super) fn unexplained(layer: &str, share: f64) -> Named {
    let fixes = vec![
        Fix::ActivationRange(ActivationRange::Mse),
        Fix::WeightRange,
        Fix::CorrectBiases,
        Fix::EqualizeAndCorrect,
        Fix::ReadBits(vec![layer.to_owned()], 16),
        Fix::Float(layer.to_owned()),
    ];
    Named {
        cause: Cause::Unexplained,
        layer: Some(layer.to_owned()),
        origin: None,
        message: format!(
            "{layer} makes {} % of what all layers lose alone, but neither its weight nor what it reads looks \
             unusual.",
            number(100.0 * share)
        ),
        evidence: vec![evidence("share", share)],
        fixes,
    }
}

/// Where no layer has a cause of its own: what helps all of them.
pub(super) fn adding_up(recipe: &Recipe, layers: usize, worst: f64) -> Named {
    let mut fixes = vec![Fix::CorrectBiases, Fix::EqualizeAndCorrect];
    fixes.push(Fix::ActivationRange(ActivationRange::Mse));
    if recipe.weight_bits <= FEW_BITS {
        fixes.push(Fix::WeightRange);
        fixes.push(Fix::AllWeights(8));
    }
    if recipe.activation_bits <= FEW_BITS {
        fixes.push(Fix::AllActivations(8));
    }
    if recipe.ends == Ends::Same && recipe.weight_bits.min(recipe.activation_bits) < 8 {
        fixes.push(Fix::EndsEight);
    }
    Named {
        cause: Cause::ErrorsAddUp,
        layer: None,
        origin: None,
        message: format!(
            "No single layer is to blame: the worst of {layers} makes {} % of what all lose alone. Small errors of many \
             layers add up.",
            number(100.0 * worst)
        ),
        evidence: vec![evidence("layers", layers as f64), evidence("worstShare", worst)],
        fixes,
    }
}

pub(super) fn evidence(name: &'static str, value: f64) -> Evidence {
    Evidence { name, value }
}

/// Three digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    match () {
        () if size >= 100.0 => format!("{value:.0}"),
        () if size >= 10.0 => format!("{value:.1}"),
        () if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        () if size >= 0.001 => format!("{value:.4}"),
        () => format!("{value:.1e}"),
    }
}
