//! Bits for each layer under a budget: measured layer by layer, chosen, tried.
//!
//! What a layer loses at a number of bits is measured with that layer alone quantized
//! ([`SensitivityJob`]); under a budget of bit-operations what its weight and what its input lose are
//! measured apart and added. The choice is that of [`allocate`](crate::quant::allocate). The recipe that comes
//! of it is then tried on the same pictures beside the best uniform one, because losses of layers need not
//! add up.

mod budget;
mod table;

pub use budget::{Amount, Budget, BudgetError, Unit};

use super::SessionError;
use super::job::{Job, Progress, Step};
use super::network::Network;
use super::pictures::PictureInputs;
use super::quantize::Found;
use super::quantized::QuantizedNetwork;
use super::reference::Reference;
use super::sensitivity::{Questions, Sensitivity, SensitivityJob};
use super::tried::{RecipeTrial, TrialStep};
use super::view::{Allocated, AllocationView, SensitivityView};
use crate::ops::Isa;
use crate::quant::Recipe;
use std::sync::Arc;
use table::{Decision, Table};

/// How bits are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllocationMethod {
    /// The best there is.
    #[default]
    Exact,
    /// The same price for every bit.
    Lagrangian,
    /// One change after another.
    Greedy,
}

impl AllocationMethod {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Lagrangian, Self::Greedy];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Lagrangian => "lagrangian",
            Self::Greedy => "greedy",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct AllocationQuestion {
    /// What the layers have in common.
    pub recipe: Recipe,
    /// What they may cost together.
    pub budget: Budget,
    /// How bits are chosen.
    pub method: AllocationMethod,
    /// Bits of weights to choose from, 2–8.
    pub weight_bits: Vec<u8>,
    /// Bits of activations to choose from under a budget of bit-operations: 2–8, or 16.
    pub activation_bits: Vec<u8>,
}

impl AllocationQuestion {
    /// That recipe and budget, with the bits that usually make a difference: those that files hold packed
    /// where bytes count, all even ones from 2 or 4 to 8 where operations do.
    pub fn new(recipe: Recipe, budget: Budget) -> Self {
        let (weight_bits, activation_bits) = match budget.unit {
            Unit::Bytes => (vec![2, 4, 8], Vec::new()),
            Unit::Bops => (vec![2, 4, 6, 8], vec![4, 6, 8]),
        };
        Self { recipe, budget, method: AllocationMethod::default(), weight_bits, activation_bits }
    }
}

/// Chooses bits for each layer.
#[derive(Debug)]
pub struct AllocateJob {
    network: Arc<Network>,
    calibration: PictureInputs,
    question: AllocationQuestion,
    found: Found,
    isa: Isa,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Measure(Box<SensitivityJob>),
    Try(Box<Trying>),
    Over,
}

/// Recipes being tried: what was chosen, then what is uniform.
#[derive(Debug)]
struct Trying {
    sensitivity: SensitivityView,
    reference: Reference,
    table: Table,
    decisions: Vec<Decision>,
    allocated: Vec<Allocated>,
    trial: Option<RecipeTrial>,
}

impl AllocateJob {
    /// A job that calibrates on `calibration` what was not found before, and measures on `evaluation`.
    ///
    /// # Errors
    /// [`SessionError::AlreadyQuantized`]; when bits are out of range or missing.
    pub fn new(
        network: Arc<Network>,
        question: AllocationQuestion,
        (calibration, evaluation): (PictureInputs, PictureInputs),
        found: Found,
        isa: Isa,
    ) -> Result<Self, SessionError> {
        let questions = Questions {
            weight_bits: question.weight_bits.clone(),
            activation_bits: match question.budget.unit {
                Unit::Bytes => Vec::new(),
                Unit::Bops => question.activation_bits.clone(),
            },
            ..Questions::default()
        };
        let measure = SensitivityJob::new(
            Arc::clone(&network),
            (question.recipe.clone(), questions),
            (calibration.clone(), evaluation),
            found.clone(),
            isa,
        )?;
        let stage = Stage::Measure(Box::new(measure));
        Ok(Self { network, calibration, question, found, isa, stage })
    }

    /// Decides by what was measured.
    fn decide(&mut self, measured: Sensitivity) -> Result<Trying, SessionError> {
        let Sensitivity { view, quantized, reference, .. } = measured;
        self.found.learn(&quantized);
        let table = Table::new(&self.network, &quantized, &view, &self.question)?;
        let decisions = table.decide(&self.question)?;
        Ok(Trying { sensitivity: view, reference, table, decisions, allocated: Vec::new(), trial: None })
    }

    /// Tries the next recipe on the next picture; nothing when all are tried.
    fn try_next(&self, work: &mut Trying) -> Result<Option<Progress>, SessionError> {
        let (done, total) = (work.allocated.len(), work.decisions.len());
        let Some(decision) = work.decisions.get(done) else { return Ok(None) };
        let begin = || {
            let recipe = decision.recipe.clone();
            RecipeTrial::new(&self.network, recipe, &self.calibration, &self.found, self.isa)
        };
        let step = work.trial.get_or_insert_with(begin).step(&mut work.reference)?;
        let own = Progress { phase: "trying what was chosen", done, total, comparison: None };
        if let TrialStep::Done(tried) = step {
            work.trial = None;
            work.allocated.push(Allocated {
                recipe: decision.recipe.clone(),
                cost: self.question.budget.unit.of_cost(decision.cost),
                predicted_kl: decision.loss,
                measured: tried.effect,
                size_bytes: QuantizedNetwork::sizes(&tried.quantized).quantized,
            });
        }
        Ok(Some(own))
    }

    fn finish(&self, work: Trying) -> Result<AllocationView, SessionError> {
        let Trying { sensitivity, table, decisions, allocated, .. } = work;
        let mut allocated = allocated.into_iter();
        let (Some(chosen), Some(decision)) = (allocated.next(), decisions.first()) else {
            return Err(SessionError::JobOver);
        };
        let unit = self.question.budget.unit;
        Ok(AllocationView {
            unit: unit.name(),
            budget: unit.of_cost(table.limit),
            method: self.question.method.name(),
            layers: table.rows(decision, unit),
            chosen,
            uniform: allocated.next(),
            sensitivity,
        })
    }
}

impl Job for AllocateJob {
    type Output = AllocationView;

    fn step(&mut self) -> Result<Step<AllocationView>, SessionError> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Measure(mut job) => match job.step()? {
                    Step::Running(progress) => {
                        self.stage = Stage::Measure(job);
                        return Ok(Step::Running(progress));
                    }
                    Step::Done(measured) => self.stage = Stage::Try(Box::new(self.decide(measured)?)),
                },
                Stage::Try(mut work) => match self.try_next(&mut work)? {
                    Some(progress) => {
                        self.stage = Stage::Try(work);
                        return Ok(Step::Running(progress));
                    }
                    None => return Ok(Step::Done(self.finish(*work)?)),
                },
                Stage::Over => return Err(SessionError::JobOver),
            }
        }
    }
}
