//! What quantizing costs, layer by layer: which layer breaks a network, and what other bits would change.
//!
//! ```text
//! quantize ─▶ full precision ─▶ outputs of layers ─▶ one layer at a time, layer after layer, other bits
//! (recipe)     (a picture a step)  (a picture a step)   (a picture a step)
//! ```
//!
//! Ranges are measured once and serve every number of bits; the outputs of all layers are compared in one
//! run of each picture ([`beside`](crate::quant::beside)); answers are those of the definition in float.
//! What a layer costs alone is what rounding to nearest with the recipe's ranges costs: corrections that
//! depend on other layers, such as those of biases, are left out there, and so are the weights and scales
//! that they make.

mod noise;

pub(super) use noise::OutputNoise;

use super::SessionError;
use super::footprint::layer_products;
use super::job::{Job, Progress, Step};
use super::network::Network;
use super::pictures::PictureInputs;
use super::quantize::{Found, QuantizeJob};
use super::quantized::QuantizedNetwork;
use super::reference::{KEPT, Reference, Trial};
use super::runnable::definition_graph;
use super::view::{BitsEffect, Effect, LayerNoise, LayerSensitivity, SensitivityView};
use crate::attribution::Model;
use crate::exec::Executor;
use crate::ops::{Graph, Isa};
use crate::quant::parts::{self, LayerParts};
use crate::quant::recipe::Ends;
use crate::quant::{self, QuantPlan, Recipe, RecipeError};
use std::sync::Arc;

/// What is asked beside the recipe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Questions {
    /// Whether each layer is quantized alone, as the recipe has it.
    pub alone: bool,
    /// Whether the network is quantized up to each layer.
    pub accumulated: bool,
    /// Bits that the weight of each layer is tried with alone.
    pub weight_bits: Vec<u8>,
    /// Bits that what each layer reads is tried with alone.
    pub activation_bits: Vec<u8>,
}

/// What the work came to.
#[derive(Debug)]
pub struct Sensitivity {
    /// Layer by layer.
    pub view: SensitivityView,
    /// The network by that recipe.
    pub quantized: QuantizedNetwork,
    /// The pictures, with full precision's answers.
    pub(super) reference: Reference,
    /// How layers are rounded that are measured alone.
    pub(super) plan: QuantPlan,
}

/// Measures what quantizing costs, layer by layer.
#[derive(Debug)]
pub struct SensitivityJob {
    network: Arc<Network>,
    recipe: Recipe,
    questions: Questions,
    isa: Isa,
    asks_layers: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Quantize(Box<QuantizeJob>, Reference),
    Work(Box<Work>),
    Over,
}

/// One thing to try: a layer's number and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    Whole,
    Alone(usize),
    Accumulated(usize),
    Weight(usize, u8),
    Activation(usize, u8),
}

#[derive(Debug)]
struct Work {
    quantized: QuantizedNetwork,
    plan: QuantPlan,
    layers: Vec<LayerParts>,
    reference: Reference,
    noise: OutputNoise,
    compared: usize,
    /// Plans of the other numbers of bits: weights, then activations.
    plans: [Vec<(u8, QuantPlan)>; 2],
    variants: Vec<Variant>,
    effects: Vec<Option<Effect>>,
    trial: Option<Trial>,
}

/// Why ranges that are found while running are refused.
const DYNAMIC: &str = "`dynamic` quantizes an activation only together with a weight, so what each does cannot be told \
    apart: choose another rule, such as `max`";

impl SensitivityJob {
    /// A job that calibrates on `calibration` what was not found before, and compares on `evaluation`.
    ///
    /// # Errors
    /// [`SessionError::AlreadyQuantized`]; when bits are out of range; where ranges are found while running.
    pub fn new(
        network: Arc<Network>,
        (recipe, questions): (Recipe, Questions),
        (calibration, evaluation): (PictureInputs, PictureInputs),
        found: Found,
        isa: Isa,
    ) -> Result<Self, SessionError> {
        if network.is_quantized() {
            return Err(SessionError::AlreadyQuantized);
        }
        recipe.check().map_err(quant::QuantError::from)?;
        if recipe.is_dynamic() {
            let (key, reason) = ("activationRange".to_owned(), DYNAMIC.to_owned());
            return Err(quant::QuantError::from(RecipeError::Option { key, reason }).into());
        }
        let quantize = QuantizeJob::new(Arc::clone(&network), recipe.clone(), calibration, found, isa);
        let stage = Stage::Quantize(Box::new(quantize), Reference::new(evaluation, KEPT));
        Ok(Self { network, recipe, questions, isa, asks_layers: true, stage })
    }

    /// Takes over what full precision said of these pictures, before the first step. Where layers are not
    /// worth asking, the network is quantized and nothing more.
    pub(super) fn knowing(&mut self, reference: Reference, asks_layers: bool) {
        self.asks_layers = asks_layers;
        if let Stage::Quantize(_, pictures) = &mut self.stage {
            *pictures = reference;
        }
    }

    /// Everything there is to do once the network is quantized.
    fn work(&self, quantized: QuantizedNetwork, reference: Reference) -> Result<Work, SessionError> {
        let graph = quantized.before(&self.network);
        let layers = parts::layers(graph)?;
        let recipe = quantized.settled(&self.recipe);
        let plan = quant::plan(graph, quantized.statistics(), &recipe)?;
        let noise = OutputNoise::new(graph, &plan, quantized.layer_values(), self.isa)?;
        let at = |bits: &[u8], change: fn(&mut Recipe, u8)| {
            let plan = |&bits: &u8| {
                // The same for all layers: no rules, and ends like the others.
                let mut recipe = Recipe { ends: Ends::Same, layers: Vec::new(), ..recipe.clone() };
                change(&mut recipe, bits);
                Ok((bits, quant::plan(graph, quantized.statistics(), &recipe)?))
            };
            bits.iter().map(plan).collect::<Result<Vec<_>, SessionError>>()
        };
        let plans = [
            at(&self.questions.weight_bits, |recipe, bits| recipe.weight_bits = bits)?,
            at(&self.questions.activation_bits, |recipe, bits| recipe.activation_bits = bits)?,
        ];
        let variants = self.variants(layers.len());
        let effects = vec![None; variants.len()];
        let (compared, trial) = (0, None);
        Ok(Work { quantized, plan, layers, reference, noise, compared, plans, variants, effects, trial })
    }

    fn variants(&self, layers: usize) -> Vec<Variant> {
        let Questions { alone, accumulated, weight_bits, activation_bits } = &self.questions;
        let mut variants = vec![Variant::Whole];
        for layer in 0..layers {
            variants.extend(alone.then_some(Variant::Alone(layer)));
            variants.extend(accumulated.then_some(Variant::Accumulated(layer)));
            variants.extend(weight_bits.iter().map(|&bits| Variant::Weight(layer, bits)));
            variants.extend(activation_bits.iter().map(|&bits| Variant::Activation(layer, bits)));
        }
        variants
    }

    /// The next step of the work; nothing when there is none.
    fn next(&self, work: &mut Work) -> Result<Option<Progress>, SessionError> {
        let progress = |phase, done, total| Some(Progress { phase, done, total, comparison: None });
        let pictures = work.reference.len();
        if work.reference.step(&self.network.model)? {
            return Ok(progress("looking in full precision", work.reference.pictures.len(), pictures));
        }
        if !self.asks_layers {
            return Ok(None);
        }
        if work.compared < pictures {
            let definition = work.quantized.model().definition()?;
            work.noise.add(&work.reference.input(work.compared)?, &definition)?;
            work.compared += 1;
            return Ok(progress("comparing outputs of layers", work.compared, pictures));
        }
        let Some(at) = work.effects.iter().position(Option::is_none) else { return Ok(None) };
        if work.trial.is_none() {
            work.trial = self.model(work, work.variants[at])?.map(Trial::new);
        }
        let Some(trial) = &mut work.trial else {
            // Nothing of the layer is quantized.
            work.effects[at] = Some(Effect::none(pictures));
            return Ok(progress("quantizing layer by layer", at + 1, work.variants.len()));
        };
        if let Some(effect) = trial.step(&mut work.reference)? {
            work.effects[at] = Some(effect);
            work.trial = None;
        }
        Ok(progress("quantizing layer by layer", at, work.variants.len()))
    }

    /// The network that a variant runs; `None` where it is full precision's.
    fn model(&self, work: &Work, variant: Variant) -> Result<Option<Model>, SessionError> {
        let graph = work.quantized.before(&self.network);
        let own = &work.plan;
        let with = |plans: &[(u8, QuantPlan)], wanted: u8| {
            plans.iter().find(|(bits, _)| *bits == wanted).map(|(_, plan)| plan.clone()).unwrap_or_default()
        };
        let plan = match variant {
            Variant::Whole => return Ok(Some(Model::clone(&*work.quantized.model().definition()?))),
            Variant::Alone(layer) => own.of_layer(graph, &work.layers[layer]),
            Variant::Accumulated(layer) => own.up_to(graph, &work.layers[layer])?,
            Variant::Weight(layer, bits) => {
                with(&work.plans[0], bits).weights_only().of_layer(graph, &work.layers[layer])
            }
            Variant::Activation(layer, bits) => {
                with(&work.plans[1], bits).activations_only().of_layer(graph, &work.layers[layer])
            }
        };
        definition(graph, &plan, self.isa)
    }

    fn finish(&self, work: Work) -> Result<Sensitivity, SessionError> {
        let graph = work.quantized.before(&self.network);
        let products = layer_products(&self.network)?;
        let effect = |wanted: Variant| {
            let at = work.variants.iter().position(|&variant| variant == wanted)?;
            work.effects[at]
        };
        let row = |(number, layer): (usize, &LayerParts)| {
            let each = |bits: &[u8], variant: fn(usize, u8) -> Variant| {
                let found = bits
                    .iter()
                    .filter_map(|&bits| Some(BitsEffect { bits, effect: effect(variant(number, bits))? }));
                found.collect::<Vec<_>>()
            };
            let noise = work.noise.of(&layer.name);
            LayerSensitivity {
                layer: layer.name.clone(),
                kind: layer.kind,
                weights: graph.constant(layer.weight).map_or(0, crate::tensor::Value::len),
                multiply_accumulates: products.get(&layer.name).copied().unwrap_or(0),
                alone: effect(Variant::Alone(number)).filter(|_| noise.is_some()),
                output: noise.unwrap_or(LayerNoise::NONE),
                accumulated: effect(Variant::Accumulated(number)),
                weight_bits: each(&self.questions.weight_bits, Variant::Weight),
                activation_bits: each(&self.questions.activation_bits, Variant::Activation),
            }
        };
        let view = SensitivityView {
            recipe: self.recipe.clone(),
            calibration_pictures: work.quantized.statistics().runs(),
            whole: effect(Variant::Whole).unwrap_or(Effect::none(0)),
            layers: work.layers.iter().enumerate().filter(|_| self.asks_layers).map(row).collect(),
        };
        let Work { quantized, plan, reference, .. } = work;
        Ok(Sensitivity { view, quantized, reference, plan })
    }
}

/// A network quantized by a part of a plan, run in float; `None` where the plan has nothing.
pub(super) fn definition(graph: &Graph, plan: &QuantPlan, isa: Isa) -> Result<Option<Model>, SessionError> {
    if plan.weights.is_empty() && plan.activations.is_empty() {
        return Ok(None);
    }
    let definition = definition_graph(&quant::apply(graph, plan)?.graph)?;
    Ok(Some(Model::new(Executor::new(definition, isa)?)?))
}

impl Effect {
    /// That of changing nothing.
    pub(super) const fn none(images: usize) -> Self {
        Self { images, agreement: 1.0, kl: 0.0, distortion: 0.0, sqnr_db: None, top1: None }
    }
}

impl LayerNoise {
    /// Of a layer of which nothing is quantized.
    pub(super) const NONE: Self =
        Self { alone_db: None, weight_db: None, input_db: None, accumulated_db: None };
}

impl Job for SensitivityJob {
    type Output = Sensitivity;

    fn step(&mut self) -> Result<Step<Sensitivity>, SessionError> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Quantize(mut job, reference) => match job.step()? {
                    Step::Running(progress) => {
                        self.stage = Stage::Quantize(job, reference);
                        return Ok(Step::Running(progress));
                    }
                    Step::Done(made) => self.stage = Stage::Work(Box::new(self.work(made, reference)?)),
                },
                Stage::Work(mut work) => match self.next(&mut work)? {
                    Some(progress) => {
                        self.stage = Stage::Work(work);
                        return Ok(Step::Running(progress));
                    }
                    None => return Ok(Step::Done(self.finish(*work)?)),
                },
                Stage::Over => return Err(SessionError::JobOver),
            }
        }
    }
}
