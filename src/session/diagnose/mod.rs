//! Which layer broke, why, and what helps: the triage of a quantized network, as a job.
//!
//! ```text
//! pictures ─▶ layers alone and accumulated ─▶ weights │ activations ─▶ causes ─▶ remedies ─▶ remedies together
//! (input)     (sensitivity)                   (trials, suspects)       (causes)  (trials)    (trials)
//! ```
//!
//! A finding is a name for what is wrong with a layer, the numbers that it rests on, and the remedy that
//! helped most when it was tried on the same pictures: the recipe is changed, the network quantized anew and
//! compared. Nothing is suggested that was not measured. A network that answers as full precision does is
//! called healthy, and nothing is looked for in its layers; nor is where pictures are prepared wrongly, since
//! what layers lose on them would not be what they lose on others. Layers are not even asked alone then.

mod causes;
mod evidence;
mod fix;
mod input;
mod report;
mod suspects;

use super::SessionError;
use super::job::{Job, Progress, Step};
use super::network::Network;
use super::pictures::PictureInputs;
use super::quantize::Found;
use super::reference::{KEPT, Reference, Trial};
use super::sensitivity::{Questions, Sensitivity, SensitivityJob, definition};
use super::tried::{RecipeTrial, TrialStep};
use super::view::{DiagnosisView, Effect};
use crate::attribution::Model;
use crate::data::Preprocess;
use crate::ops::Isa;
use crate::quant::Recipe;
use crate::quant::parts::{self, LayerParts};
use crate::tensor::ordered;
use causes::{Case, Named, adding_up, joined, unexplained};
use evidence::ChannelWatch;
use fix::Fix;
use input::{Better, InputCheck};
use std::sync::Arc;
use suspects::Suspects;

/// Share of equal answers, and divergence in nats, with which a network is healthy.
const HEALTHY: (f64, f64) = (0.9, 0.05);

/// A divergence in nats with which it is healthy whatever its answers: those that flip were hardly decided.
const HEALTHY_KL: f64 = 0.02;

/// No layer stands out if the worst makes less than this share.
const STANDS_OUT: f64 = 0.25;

/// A remedy helps if it leaves at most this share of the divergence.
const HELPS: f64 = 0.9;

/// Another one on top of those before helps if it leaves at most this share.
const HELPS_MORE: f64 = 0.95;

/// Most remedies that are tried together.
const MOST_TOGETHER: usize = 6;

/// Finds out what is wrong with a network as a recipe quantizes it.
#[derive(Debug)]
pub struct DiagnoseJob {
    network: Arc<Network>,
    recipe: Recipe,
    calibration: PictureInputs,
    found: Found,
    isa: Isa,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Pictures(Box<Pictures>),
    Layers(Box<SensitivityJob>, Box<InputCheck>),
    Work(Box<Work>),
    Over,
}

/// The pictures, before anything is quantized.
#[derive(Debug)]
struct Pictures {
    /// What follows.
    layers: SensitivityJob,
    reference: Reference,
    /// Once full precision has seen all.
    check: Option<InputCheck>,
}

/// The work once layers are measured.
#[derive(Debug)]
struct Work {
    layers: Sensitivity,
    parts: Vec<LayerParts>,
    check: InputCheck,
    /// A better way to prepare pictures, once it was looked for.
    better: Option<Better>,
    suspects: Suspects,
    /// As it runs, weights only, activations only: what is known of them.
    effects: Vec<Effect>,
    /// One of these under way.
    trial: Option<Trial>,
    watch: ChannelWatch,
    watched: usize,
    named: Option<Vec<Named>>,
    recipes: Recipes,
    together: Together,
}

/// Recipes that were tried.
#[derive(Debug, Default)]
struct Recipes {
    known: Vec<(Recipe, Effect, usize)>,
    trial: Option<(Recipe, RecipeTrial)>,
}

/// Remedies on top of each other.
#[derive(Debug, Default)]
struct Together {
    /// Those to try; not known before the single ones are.
    fixes: Option<Vec<Fix>>,
    /// How many of them were tried.
    tried: usize,
    taken: Vec<Fix>,
}

impl DiagnoseJob {
    /// A job that calibrates on `calibration` what was not found before, and compares on `evaluation`.
    ///
    /// # Errors
    /// [`SessionError::AlreadyQuantized`]; when the recipe is out of range.
    pub fn new(
        network: Arc<Network>,
        recipe: Recipe,
        (calibration, evaluation): (PictureInputs, PictureInputs),
        found: Found,
        isa: Isa,
    ) -> Result<Self, SessionError> {
        let reference = Reference::new(evaluation.clone(), KEPT);
        let questions = Questions { alone: true, ..Questions::default() };
        let (asked, pictures) = ((recipe.clone(), questions), (calibration.clone(), evaluation));
        let layers = SensitivityJob::new(Arc::clone(&network), asked, pictures, found.clone(), isa)?;
        let stage = Stage::Pictures(Box::new(Pictures { layers, reference, check: None }));
        Ok(Self { network, recipe, calibration, found, isa, stage })
    }

    /// What quantizing in so many ways has found about ranges so far.
    pub fn found(&self) -> Found {
        self.found.clone()
    }

    fn work(&mut self, layers: Sensitivity, check: InputCheck) -> Result<Work, SessionError> {
        self.found.learn(&layers.quantized);
        let parts = parts::layers(layers.quantized.before(&self.network))?;
        Ok(Work {
            better: check.better(),
            check,
            suspects: Suspects::new(&layers.view.layers),
            effects: Vec::new(),
            trial: None,
            watch: ChannelWatch::new(&parts),
            watched: 0,
            named: None,
            recipes: Recipes::default(),
            together: Together::default(),
            layers,
            parts,
        })
    }

    /// The next step of the work; nothing when there is none.
    fn next(&mut self, work: &mut Work) -> Result<Option<Progress>, SessionError> {
        let pictures = work.layers.reference.pictures.len();
        if work.effects.len() < 3 {
            self.measure_part(work)?;
            return Ok(Some(at("weights alone, activations alone", work.effects.len(), 3)));
        }
        // What layers lose on pictures that are prepared wrongly is not worth knowing.
        if work.is_healthy() || work.better.is_some() {
            return Ok(None);
        }
        let Sensitivity { quantized, plan, reference, .. } = &mut work.layers;
        let (suspects, graph) = (&mut work.suspects, quantized.before(&self.network));
        if suspects.step((graph, &work.parts), plan, reference, self.isa)? {
            return Ok(Some(at("weight or input of layers", suspects.done(), suspects.sides())));
        }
        if work.watched < pictures {
            self.watch(work)?;
            return Ok(Some(at("looking at channels", work.watched, pictures)));
        }
        if work.named.is_none() {
            work.named = Some(self.named(work));
        }
        if let Some((recipe, done, total)) = work.next_recipe(&self.recipe) {
            self.try_recipe(work, &recipe)?;
            return Ok(Some(at("trying remedies", done, total)));
        }
        Ok(None)
    }

    /// The next picture for the network as it runs, then for its parts.
    fn measure_part(&self, work: &mut Work) -> Result<(), SessionError> {
        let quantized = &work.layers.quantized;
        let (graph, plan) = (quantized.before(&self.network), &work.layers.plan);
        if work.trial.is_none() {
            let model = match work.effects.len() {
                0 => Some(Model::clone(&quantized.model().integer)),
                1 => definition(graph, &plan.weights_only(), self.isa)?,
                _ => definition(graph, &plan.activations_only(), self.isa)?,
            };
            work.trial = model.map(Trial::new);
        }
        let Some(trial) = &mut work.trial else {
            work.effects.push(Effect::none(work.layers.reference.pictures.len()));
            return Ok(());
        };
        if let Some(effect) = trial.step(&mut work.layers.reference)? {
            work.effects.push(effect);
            work.trial = None;
        }
        Ok(())
    }

    fn watch(&self, work: &mut Work) -> Result<(), SessionError> {
        let input = &work.layers.reference.input(work.watched)?;
        match work.layers.quantized.equalized() {
            None => work.watch.add(&self.network.model.executor, input)?,
            Some(equalized) => work.watch.add(&*equalized.executor(self.isa)?, input)?,
        }
        work.watched += 1;
        Ok(())
    }

    /// Names for what is wrong, the worst layer first.
    fn named(&self, work: &Work) -> Vec<Named> {
        let Work { layers, parts, suspects, watch, .. } = work;
        let graph = layers.quantized.before(&self.network);
        let (plan, statistics) = (&layers.plan, layers.quantized.statistics());
        let case = Case { graph, plan, statistics, watch };
        let of = |(position, &at): (usize, &usize)| case.of_layer(&parts[at], suspects.blame(position));
        let mut named = joined(suspects.layers.iter().enumerate().flat_map(of).collect());
        let worst = suspects.layers.first().filter(|_| suspects.worst >= STANDS_OUT);
        match worst {
            Some(&worst) if named.is_empty() => named.push(unexplained(&parts[worst].name, suspects.worst)),
            Some(_) => {}
            None => {
                let quantized = layers.view.layers.iter().filter(|row| row.alone.is_some()).count();
                named.push(adding_up(&self.recipe, quantized, suspects.worst));
            }
        }
        named
    }

    fn try_recipe(&mut self, work: &mut Work, recipe: &Recipe) -> Result<(), SessionError> {
        let (network, calibration, found, isa) = (&self.network, &self.calibration, &self.found, self.isa);
        let begin = || {
            let trial = RecipeTrial::new(network, recipe.clone(), calibration, found, isa);
            (recipe.clone(), trial)
        };
        let (recipe, trial) = work.recipes.trial.get_or_insert_with(begin);
        if let TrialStep::Done(tried) = trial.step(&mut work.layers.reference)? {
            self.found.learn(&tried.quantized);
            let size = tried.quantized.sizes().quantized;
            work.recipes.known.push((recipe.clone(), tried.effect, size));
            work.recipes.trial = None;
        }
        Ok(())
    }
}

fn at(phase: &'static str, done: usize, total: usize) -> Progress {
    Progress { phase, done, total, comparison: None }
}

impl Pictures {
    /// Full precision on the next picture, as it is prepared, then as it might be; nothing when all is known.
    fn step(&mut self, full: &Model, preprocess: &Preprocess) -> Result<Option<Progress>, SessionError> {
        let reference = &mut self.reference;
        if reference.step(full)? {
            return Ok(Some(at("looking in full precision", reference.pictures.len(), reference.len())));
        }
        let check = self.check.get_or_insert_with(|| InputCheck::new(preprocess, reference));
        let done = check.step(reference, full)?;
        Ok(done.map(|done| at("checking how pictures are prepared", done, check.total())))
    }
}

impl Work {
    /// The network as it runs.
    fn before(&self) -> Effect {
        self.effects[0]
    }

    fn is_healthy(&self) -> bool {
        let Effect { agreement, kl, .. } = self.before();
        kl <= HEALTHY_KL || (agreement >= HEALTHY.0 && kl <= HEALTHY.1)
    }

    /// The next recipe to try, how many are done and how many there are, as far as is known.
    fn next_recipe(&mut self, own: &Recipe) -> Option<(Recipe, usize, usize)> {
        let single = self.single(own);
        let total = single.len();
        let done = single.iter().filter(|recipe| self.recipes.of(recipe).is_some()).count();
        if let Some(next) = single.into_iter().find(|recipe| self.recipes.of(recipe).is_none()) {
            return Some((next, done, total + MOST_TOGETHER));
        }
        loop {
            let together = &self.together;
            let known = self.together.fixes.is_some();
            if !known {
                self.together.fixes = Some(self.worth_combining(own));
                continue;
            }
            let fix = together.fixes.as_ref()?.get(together.tried)?.clone();
            let current = together.recipe(own);
            let next = fix.applied(&current);
            if next.check().is_err() {
                self.together.tried += 1;
                continue;
            }
            let Some((after, _)) = self.recipes.of(&next) else {
                return Some((next, total + together.tried, total + MOST_TOGETHER));
            };
            let before = self.recipes.of(&current).map_or(self.before(), |(effect, _)| effect);
            let helps = after.kl <= HELPS_MORE * before.kl && after.agreement >= before.agreement;
            if helps && next != current {
                self.together.taken.push(fix);
            }
            self.together.tried += 1;
        }
    }

    /// What is tried by itself.
    fn single(&self, own: &Recipe) -> Vec<Recipe> {
        let mut recipes: Vec<Recipe> = Vec::new();
        let fixes = self.named.iter().flatten().flat_map(|named| &named.fixes);
        for recipe in fixes.map(|fix| fix.applied(own)) {
            if recipe != *own && recipe.check().is_ok() && !recipes.contains(&recipe) {
                recipes.push(recipe);
            }
        }
        recipes
    }

    /// The best fix of each finding, the most helpful first, and what helps most networks at the end.
    fn worth_combining(&self, own: &Recipe) -> Vec<Fix> {
        let mut fixes: Vec<(f64, Fix)> = Vec::new();
        for named in self.named.iter().flatten() {
            if let Some((fix, effect, _)) = self.best(named, own)
                && !fixes.iter().any(|(_, other)| *other == fix)
            {
                fixes.push((effect.kl, fix));
            }
        }
        let order = ordered(fixes.len(), &|a, b| fixes[a].0.total_cmp(&fixes[b].0));
        let mut best: Vec<Fix> =
            order.into_iter().take(MOST_TOGETHER - 1).map(|at| fixes[at].1.clone()).collect();
        let last = Fix::EqualizeAndCorrect;
        if !best.is_empty() && !best.contains(&last) {
            best.push(last);
        }
        best
    }

    /// The fix of a finding that helps: the gentlest of those that help nearly as much as the best.
    fn best(&self, named: &Named, own: &Recipe) -> Option<(Fix, Effect, usize)> {
        let before = self.before();
        let tried = named.fixes.iter().filter_map(|fix| {
            let (effect, size) = self.recipes.of(&fix.applied(own))?;
            Some((fix.clone(), effect, size))
        });
        let helps = |effect: &Effect| effect.kl <= HELPS * before.kl && effect.agreement >= before.agreement;
        let tried: Vec<_> = tried.filter(|(_, effect, _)| helps(effect)).collect();
        let won = |effect: &Effect| before.kl - effect.kl;
        let most = tried.iter().map(|(_, effect, _)| won(effect)).fold(0.0, f64::max);
        tried.into_iter().find(|(_, effect, _)| won(effect) >= 0.8 * most)
    }
}

impl Recipes {
    /// What a recipe came to.
    fn of(&self, recipe: &Recipe) -> Option<(Effect, usize)> {
        let known = self.known.iter().find(|(known, _, _)| known == recipe);
        known.map(|&(_, effect, size)| (effect, size))
    }
}

impl Together {
    /// The recipe with what was taken.
    fn recipe(&self, own: &Recipe) -> Recipe {
        self.taken.iter().fold(own.clone(), |recipe, fix| fix.applied(&recipe))
    }
}

impl Job for DiagnoseJob {
    type Output = DiagnosisView;

    fn step(&mut self) -> Result<Step<DiagnosisView>, SessionError> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Pictures(mut pictures) => {
                    let preprocess = self.calibration.preprocess();
                    if let Some(progress) = pictures.step(&self.network.model, preprocess)? {
                        self.stage = Stage::Pictures(pictures);
                        return Ok(Step::Running(progress));
                    }
                    let Pictures { mut layers, reference, check } = *pictures;
                    let Some(check) = check else { return Err(SessionError::JobOver) };
                    layers.knowing(reference, check.better().is_none());
                    self.stage = Stage::Layers(Box::new(layers), Box::new(check));
                }
                Stage::Layers(mut job, check) => match job.step()? {
                    Step::Running(progress) => {
                        self.stage = Stage::Layers(job, check);
                        return Ok(Step::Running(progress));
                    }
                    Step::Done(layers) => self.stage = Stage::Work(Box::new(self.work(layers, *check)?)),
                },
                Stage::Work(mut work) => match self.next(&mut work)? {
                    Some(progress) => {
                        self.stage = Stage::Work(work);
                        return Ok(Step::Running(progress));
                    }
                    None => {
                        return Ok(Step::Done(report::of(
                            *work,
                            &self.recipe,
                            self.calibration.preprocess(),
                        )));
                    }
                },
                Stage::Over => return Err(SessionError::JobOver),
            }
        }
    }
}
