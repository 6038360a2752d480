//! What each layer costs and loses at each number of bits.

use super::budget::Size;
use super::{AllocationMethod, AllocationQuestion, Unit};
use crate::ops::Graph;
use crate::quant::allocate::{self, Allocation, Choice};
use crate::quant::parts::{self, LayerParts};
use crate::quant::recipe::{ActivationRange, Ends, FLOAT_BITS, LayerFacts, LayerRule};
use crate::quant::{self, QuantError, QuantPlan, Recipe, Statistics};
use crate::session::SessionError;
use crate::session::network::Network;
use crate::session::quantized::QuantizedNetwork;
use crate::session::view::{AllocatedLayer, BitsEffect, LayerSensitivity, SensitivityView};
use std::sync::Arc;

/// How often the budget is lowered where layers that share an activation cost more than each by itself.
const TRIES: usize = 20;

/// Bits of a layer: of its weight and of what it reads.
type Bits = (u8, u8);

/// Layers with their choices.
#[derive(Debug)]
pub(super) struct Table {
    graph: Graph,
    statistics: Arc<Statistics>,
    parts: Vec<LayerParts>,
    sizes: Vec<Size>,
    /// Of each layer the bits that can be chosen.
    bits: Vec<Vec<Bits>>,
    choices: Vec<Vec<Choice>>,
    /// The budget, in bits of weights or bit-operations.
    pub(super) limit: u64,
}

/// A recipe, and what it costs and loses.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) recipe: Recipe,
    /// As the network is quantized by it.
    pub(super) cost: u64,
    pub(super) loss: f64,
    choices: Vec<usize>,
}

impl Table {
    pub(super) fn new(
        network: &Network,
        quantized: &QuantizedNetwork,
        view: &SensitivityView,
        question: &AllocationQuestion,
    ) -> Result<Self, SessionError> {
        let graph = quantized.before(network).clone();
        let parts = parts::layers(&graph)?;
        let size = |layer: &LayerSensitivity| Size {
            weights: layer.weights as u64,
            products: layer.multiply_accumulates,
        };
        let sizes: Vec<Size> = view.layers.iter().map(size).collect();
        let limit = question.budget.limit(&sizes);
        let statistics = Arc::clone(quantized.statistics());
        let mut table =
            Self { graph, statistics, parts, sizes, bits: Vec::new(), choices: Vec::new(), limit };
        for (at, layer) in view.layers.iter().enumerate() {
            let (bits, choices) = table.choices_of(at, layer, question)?;
            table.bits.push(bits);
            table.choices.push(choices);
        }
        Ok(table)
    }

    fn choices_of(
        &self,
        at: usize,
        layer: &LayerSensitivity,
        question: &AllocationQuestion,
    ) -> Result<(Vec<Bits>, Vec<Choice>), SessionError> {
        let (part, size, unit) = (&self.parts[at], self.sizes[at], question.budget.unit);
        let is_end = at == 0 || at + 1 == self.parts.len();
        let facts = LayerFacts { name: &part.name, kind: part.kind, is_end };
        let choice = |bits: Bits, loss: f64| (bits, Choice { cost: unit.cost(size, bits.0, bits.1), loss });
        let Some(own) = question.recipe.layer(&facts) else {
            let (bits, choice) = choice((FLOAT_BITS, FLOAT_BITS), 0.0);
            return Ok((vec![bits], vec![choice]));
        };
        let least = if is_end && question.recipe.ends == Ends::Eight { 8 } else { 0 };
        let kl = |found: &BitsEffect| if found.effect.kl.is_nan() { f64::INFINITY } else { found.effect.kl };
        let weights = layer.weight_bits.iter().filter(|found| found.bits >= least);
        let mut all = Vec::new();
        for weight in weights {
            if unit == Unit::Bytes {
                all.push(choice((weight.bits, own.activation), kl(weight)));
                continue;
            }
            for activation in layer.activation_bits.iter().filter(|found| found.bits >= least) {
                // Others may read the same, and want more.
                let real = self.read_bits(at, question, activation.bits)?;
                let loss = kl(weight) + if real == activation.bits { kl(activation) } else { 0.0 };
                let (bits, found) = choice((weight.bits, activation.bits), loss);
                let cost = unit.cost(size, bits.0, real);
                all.push((bits, Choice { cost, ..found }));
            }
        }
        Ok(all.into_iter().unzip())
    }

    /// Bits of what a layer reads when it alone asks for so many.
    fn read_bits(&self, at: usize, question: &AllocationQuestion, bits: u8) -> Result<u8, SessionError> {
        let least = question.activation_bits.iter().copied().min().unwrap_or(bits);
        let rule = |(other, layer): (usize, &LayerParts)| LayerRule {
            activation_bits: Some(if other == at { bits } else { least }),
            ..LayerRule::named(&layer.name)
        };
        let mut recipe = Recipe { ends: Ends::Same, ..question.recipe.clone() };
        recipe.layers.extend(self.parts.iter().enumerate().map(rule));
        Ok(self.planned(&self.plan(recipe)?, at).1)
    }

    /// The plan that says what bits tensors get, which do not depend on the rule for ranges.
    fn plan(&self, recipe: Recipe) -> Result<QuantPlan, SessionError> {
        let recipe = Recipe { activation_range: ActivationRange::Max, ..recipe };
        Ok(quant::plan(&self.graph, &self.statistics, &recipe)?)
    }

    /// Bits of a layer in a plan.
    fn planned(&self, plan: &QuantPlan, at: usize) -> Bits {
        let part = &self.parts[at];
        let name = |id| &self.graph.value(id).name;
        let weight = plan.weights.get(name(part.weight)).map_or(FLOAT_BITS, |quant| quant.spec.bits);
        let read = part.input.and_then(|id| plan.activations.get(name(id)));
        (weight, read.map_or(FLOAT_BITS, |quant| quant.spec.bits))
    }

    /// What was chosen, and the best that is uniform, where one fits.
    pub(super) fn decide(&self, question: &AllocationQuestion) -> Result<Vec<Decision>, SessionError> {
        let way = match question.method {
            AllocationMethod::Exact => allocate::exact,
            AllocationMethod::Lagrangian => allocate::lagrangian,
            AllocationMethod::Greedy => allocate::greedy,
        };
        let mut budget = self.limit;
        let mut chosen = None;
        for _ in 0..TRIES {
            let found = way(&self.choices, budget).map_err(QuantError::from)?;
            let decision = self.decision(found, question)?;
            let over = decision.cost.saturating_sub(self.limit);
            chosen = Some(decision);
            if over == 0 {
                break;
            }
            budget = budget.saturating_sub(over);
        }
        let uniform = allocate::uniform(&self.choices, self.limit);
        let uniform = uniform.map(|found| self.decision(found, question)).transpose()?;
        Ok(chosen.into_iter().chain(uniform).collect())
    }

    fn decision(&self, found: Allocation, question: &AllocationQuestion) -> Result<Decision, SessionError> {
        let recipe = self.recipe(&found, question);
        let plan = self.plan(recipe.clone())?;
        let cost = |at: usize| {
            let (weight, activation) = self.planned(&plan, at);
            question.budget.unit.cost(self.sizes[at], weight, activation)
        };
        let cost = (0..self.parts.len()).map(cost).fold(0, u64::saturating_add);
        Ok(Decision { recipe, cost, loss: found.loss, choices: found.choices })
    }

    /// The recipe with a rule for each layer that differs from most.
    fn recipe(&self, found: &Allocation, question: &AllocationQuestion) -> Recipe {
        let bits = |at: usize| self.bits[at][found.choices[at]];
        let chosen: Vec<(usize, Bits)> = (0..self.parts.len()).map(|at| (at, bits(at))).collect();
        let quantized = chosen.iter().filter(|(_, bits)| bits.0 != FLOAT_BITS);
        let count = |weight: u8| quantized.clone().filter(|(_, bits)| bits.0 == weight).count();
        let most = question.weight_bits.iter().copied().max_by_key(|&bits| (count(bits), bits));
        let ends = if question.recipe.ends == Ends::Float { Ends::Float } else { Ends::Same };
        let mut recipe = Recipe { ends, ..question.recipe.clone() };
        recipe.weight_bits = most.unwrap_or(recipe.weight_bits);
        for &(at, (weight, activation)) in quantized {
            let weight_bits =
                (weight != recipe.weight_bits || !question.recipe.layers.is_empty()).then_some(weight);
            let activation_bits = (question.budget.unit == Unit::Bops).then_some(activation);
            if weight_bits.is_some() || activation_bits.is_some() {
                let rule = LayerRule::named(&self.parts[at].name);
                recipe.layers.push(LayerRule { weight_bits, activation_bits, ..rule });
            }
        }
        recipe
    }

    /// The layers as they were decided.
    pub(super) fn rows(&self, decision: &Decision, unit: Unit) -> Vec<AllocatedLayer> {
        let row = |(at, part): (usize, &LayerParts)| {
            let (choice, bits) = (decision.choices[at], self.bits[at][decision.choices[at]]);
            let Choice { cost, loss } = self.choices[at][choice];
            AllocatedLayer {
                layer: part.name.clone(),
                weight_bits: bits.0,
                activation_bits: bits.1,
                cost: unit.of_cost(cost),
                kl: loss,
            }
        };
        self.parts.iter().enumerate().map(row).collect()
    }
}
