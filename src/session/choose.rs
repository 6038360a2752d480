//! The rule for ranges of activations that keeps answers nearest on pictures it has not seen.
//!
//! The pictures are four parts. Every rule gets ranges from three of them; on the fourth the network quantized
//! with these, biases uncorrected and weights rounded to the nearest codes, is compared with full precision.
//! Where a part is less than [`ENOUGH`] pictures, other parts take its place in turn (cross-validation), since
//! few pictures say little. The rule with the least mean KL divergence is taken, and of equals the first. With
//! that rule, ranges then come from all pictures, as if it had stood in the recipe.

use super::SessionError;
use super::equalized::{EqualizedNetwork, Preparation};
use super::job::{Job as _, Progress, Step};
use super::network::Network;
use super::pictures::{PictureInputs, Share};
use super::quantize::CalibrateJob;
use super::reference::{Reference, Trial};
use super::runnable::QuantizedModel;
use super::view::{RangeChoiceView, TriedRangeView};
use crate::attribution::Model;
use crate::exec::Executor;
use crate::ops::{Graph, Isa};
use crate::quant::recipe::ActivationRange;
use crate::quant::{self, QuantPlan, Recipe, Statistics};
use std::sync::Arc;

const PHASE: &str = "choosing ranges";

/// Parts of the pictures.
const PARTS: usize = 4;

/// Pictures that are enough to tell rules apart.
const ENOUGH: usize = 32;

/// Bytes of prepared pictures that are kept while rules are tried, of all folds together: some hundred of
/// 224 × 224.
const KEPT: usize = 64 << 20;

/// Pictures that are held out, and what is known without them.
#[derive(Debug, Clone)]
struct Fold {
    /// Ranges from all others.
    seen: Arc<Statistics>,
    held: Reference,
}

/// What choosing looks at whatever the bits: found once for a network and its pictures, of which none is kept.
#[derive(Debug)]
pub(super) struct HeldOut {
    preparation: Preparation,
    folds: Vec<Fold>,
}

impl HeldOut {
    fn pictures(&self) -> usize {
        self.folds.iter().map(|fold| fold.held.len()).sum()
    }
}

/// Which rule was chosen, and by what.
#[derive(Debug, Clone)]
pub(super) struct RangeChoice {
    rule: ActivationRange,
    /// The mean divergence of each, in the order in which they are offered; in nats.
    tried: Vec<(ActivationRange, f64)>,
    /// Whether there were too few pictures to hold any out.
    all_seen: bool,
    held_out: Arc<HeldOut>,
}

impl RangeChoice {
    pub(super) fn rule(&self) -> ActivationRange {
        self.rule
    }

    pub(super) fn held_out(&self) -> Arc<HeldOut> {
        Arc::clone(&self.held_out)
    }

    /// For people.
    pub(super) fn view(&self) -> RangeChoiceView {
        let tried = |&(rule, kl): &(ActivationRange, f64)| TriedRangeView { rule, kl };
        RangeChoiceView {
            rule: self.rule,
            tried: self.tried.iter().map(tried).collect(),
            pictures: self.held_out.pictures(),
            all_seen: self.all_seen,
        }
    }
}

/// Chooses the rule, a picture or a network a step. On kernels that give the same bits everywhere, since the
/// rule decides the file.
#[derive(Debug)]
pub(super) struct ChooseJob {
    network: Arc<Network>,
    /// What is quantized, where that is not the network as it is.
    pub(super) equalized: Option<Arc<EqualizedNetwork>>,
    recipe: Recipe,
    inputs: PictureInputs,
    /// None before they are known.
    folds: Vec<Fold>,
    tried: Vec<Tried>,
    stage: Stage,
}

/// A rule on a fold; rule after rule, each on all folds.
#[derive(Debug)]
struct Tried {
    plan: QuantPlan,
    /// Sum over the pictures that are held out.
    divergence: f64,
}

#[derive(Debug)]
enum Stage {
    Begin,
    Look { job: Box<CalibrateJob>, parts: Vec<Statistics> },
    Ask(Box<Model>),
    Next,
    Try(Box<Trial>, QuantPlan),
}

impl ChooseJob {
    /// For what a recipe leaves open, on pictures that were perhaps looked at before.
    pub(super) fn new(
        network: Arc<Network>,
        equalized: Option<Arc<EqualizedNetwork>>,
        recipe: &Recipe,
        inputs: &PictureInputs,
        known: Option<&Arc<HeldOut>>,
    ) -> Self {
        let prepared = preparation(equalized.as_ref());
        let known = known.filter(|known| known.preparation == prepared);
        let folds = known.map(|known| known.folds.clone()).unwrap_or_default();
        let (recipe, inputs) = (recipe.clone(), inputs.clone());
        Self { network, equalized, recipe, inputs, folds, tried: Vec::new(), stage: Stage::Begin }
    }

    fn graph(&self) -> &Graph {
        self.equalized.as_ref().map_or(self.network.graph(), |equalized| &equalized.graph)
    }

    fn rules() -> impl Iterator<Item = ActivationRange> {
        let is_rule =
            |rule: &ActivationRange| !matches!(rule, ActivationRange::HeldOut | ActivationRange::Dynamic);
        ActivationRange::ALL.iter().copied().filter(is_rule)
    }

    /// Parts into which the pictures are divided: one where there are too few.
    fn parts(&self) -> usize {
        if self.inputs.len() < PARTS { 1 } else { PARTS }
    }

    /// The parts that are held out in turn, as many as make enough pictures.
    fn held_out(&self) -> std::ops::Range<usize> {
        let (parts, pictures) = (self.parts(), self.inputs.len());
        let folds = (ENOUGH * parts).div_ceil(pictures.max(1)).clamp(1, parts);
        parts - folds..parts
    }

    /// What nobody has looked at yet.
    fn begin(&self) -> Result<Stage, SessionError> {
        if !self.folds.is_empty() {
            return Ok(Stage::Next);
        }
        Ok(Stage::Look { job: self.calibrate(0)?, parts: Vec::new() })
    }

    /// A part of the pictures.
    fn part(&self, part: usize) -> Result<PictureInputs, SessionError> {
        self.inputs.clone().share(Share { part, of: self.parts() })
    }

    fn calibrate(&self, part: usize) -> Result<Box<CalibrateJob>, SessionError> {
        let (network, equalized) = (Arc::clone(&self.network), self.equalized.clone());
        Ok(Box::new(CalibrateJob::of(network, equalized, self.part(part)?)))
    }

    /// The next piece of work; the rule, in the end.
    ///
    /// # Errors
    /// When a picture cannot be read, a node fails, or there is no picture.
    pub(super) fn step(&mut self) -> Result<Step<RangeChoice>, SessionError> {
        loop {
            let progress = match std::mem::replace(&mut self.stage, Stage::Begin) {
                Stage::Begin => {
                    self.stage = self.begin()?;
                    None
                }
                Stage::Look { job, parts } => self.look(job, parts)?,
                Stage::Ask(full) => self.ask(full)?,
                Stage::Next => match self.next()? {
                    Some((trial, plan)) => {
                        self.stage = Stage::Try(Box::new(trial), plan);
                        None
                    }
                    None => return Ok(Step::Done(self.choice())),
                },
                Stage::Try(trial, plan) => self.try_on(trial, plan)?,
            };
            if let Some(progress) = progress {
                return Ok(Step::Running(progress));
            }
        }
    }

    /// Ranges of each part of the pictures.
    fn look(
        &mut self,
        mut job: Box<CalibrateJob>,
        mut parts: Vec<Statistics>,
    ) -> Result<Option<Progress>, SessionError> {
        match job.step()? {
            Step::Running(progress) => {
                self.stage = Stage::Look { job, parts };
                return Ok(Some(Progress { phase: PHASE, ..progress }));
            }
            Step::Done(part) => parts.push(part),
        }
        self.stage = if parts.len() < self.parts() {
            Stage::Look { job: self.calibrate(parts.len())?, parts }
        } else {
            let full = Executor::new(self.network.graph().clone(), Isa::reproducible())?;
            self.folds = self.folds(&parts)?;
            Stage::Ask(Box::new(Model::new(full)?))
        };
        Ok(None)
    }

    /// What is known without each part that is held out; without any, where there are too few pictures.
    fn folds(&self, parts: &[Statistics]) -> Result<Vec<Fold>, SessionError> {
        let fold = |held: usize| {
            let mut seen = Statistics::none(self.graph());
            let others = parts.iter().enumerate().filter(|&(part, _)| parts.len() == 1 || part != held);
            others.map(|(_, part)| part).try_for_each(|part| seen.merge(part))?;
            seen.check(self.graph())?;
            let held = Reference::new(self.part(held)?, KEPT / self.held_out().len());
            Ok(Fold { seen: Arc::new(seen), held })
        };
        self.held_out().map(fold).collect()
    }

    /// What full precision says of the pictures that are held out.
    fn ask(&mut self, full: Box<Model>) -> Result<Option<Progress>, SessionError> {
        let total = self.folds.iter().map(|fold| fold.held.len()).sum();
        for fold in &mut self.folds {
            if fold.held.step(&full)? {
                let done = self.folds.iter().map(|fold| fold.held.pictures.len()).sum();
                self.stage = Stage::Ask(full);
                return Ok(Some(Progress { phase: PHASE, done, total, comparison: None }));
            }
        }
        self.stage = Stage::Next;
        Ok(None)
    }

    /// The network quantized by the next rule, or for the next fold; `None` where all were tried.
    fn next(&mut self) -> Result<Option<(Trial, QuantPlan)>, SessionError> {
        let folds = self.folds.len();
        while let Some(rule) = Self::rules().nth(self.tried.len() / folds) {
            let at = self.tried.len() % folds;
            let recipe = Recipe { activation_range: rule, ..self.recipe.clone() };
            let plan = quant::plan(self.graph(), &self.folds[at].seen, &recipe)?;
            // Rules agree where nothing is worth clipping.
            let same = self.tried.iter().skip(at).step_by(folds).find(|tried| tried.plan == plan);
            if let Some(divergence) = same.map(|tried| tried.divergence) {
                self.tried.push(Tried { plan, divergence });
                continue;
            }
            let quantized = quant::apply(self.graph(), &plan)?;
            let model = QuantizedModel::from_graph(&quantized.graph, Isa::reproducible())?;
            return Ok(Some((Trial::new(model.integer), plan)));
        }
        Ok(None)
    }

    /// What a quantized network says of the next picture that is held out.
    fn try_on(&mut self, mut trial: Box<Trial>, plan: QuantPlan) -> Result<Option<Progress>, SessionError> {
        let (networks, folds) = (self.tried.len(), self.folds.len());
        if trial.step(&mut self.folds[networks % folds].held)?.is_some() {
            // What has no probabilities is no answer.
            let divergence = Some(trial.divergence()).filter(|sum| !sum.is_nan()).unwrap_or(f64::INFINITY);
            self.tried.push(Tried { plan, divergence });
            self.stage = Stage::Next;
            return Ok(None);
        }
        self.stage = Stage::Try(trial, plan);
        // Networks are counted, not pictures, of which folds have not equally many.
        let total = Self::rules().count() * folds;
        Ok(Some(Progress { phase: PHASE, done: networks, total, comparison: None }))
    }

    /// The least divergence; the first of equals.
    fn choice(&mut self) -> RangeChoice {
        let without_inputs = |fold: Fold| Fold { held: fold.held.without_inputs(), ..fold };
        let folds: Vec<_> = std::mem::take(&mut self.folds).into_iter().map(without_inputs).collect();
        let held_out = HeldOut { preparation: preparation(self.equalized.as_ref()), folds };
        let pictures = held_out.pictures().max(1) as f64;
        let mean = |folds: &[Tried]| folds.iter().map(|tried| tried.divergence).sum::<f64>() / pictures;
        let of_rules = self.tried.chunks(held_out.folds.len());
        let tried: Vec<_> = Self::rules().zip(of_rules.map(mean)).collect();
        let least = tried.iter().copied().reduce(|best, next| if next.1 < best.1 { next } else { best });
        let rule = least.map_or(ActivationRange::Max, |(rule, _)| rule);
        RangeChoice { rule, tried, all_seen: self.parts() == 1, held_out: Arc::new(held_out) }
    }
}

fn preparation(equalized: Option<&Arc<EqualizedNetwork>>) -> Preparation {
    equalized.map_or_else(Preparation::default, |equalized| equalized.preparation)
}
