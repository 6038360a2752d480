//! What is done between planning and writing: weights and biases that make up for what quantizing changes.

use super::SessionError;
use super::choose::RangeChoice;
use super::equalized::EqualizedNetwork;
use super::job::{Progress, Step};
use super::pictures::PictureInputs;
use super::quantized::Decided;
use crate::ir::NameMap;
use crate::ops::{Graph, Isa};
use crate::quant::correct::{
    BiasCorrection, ChannelMoments, ChannelWatch, Correction, Fit, LayerFit, analytic, correct_weights,
};
use crate::quant::recipe::BiasChoice;
use crate::quant::round::RoundedLayer;
use crate::quant::{QuantPlan, Recipe, Statistics};
use std::sync::Arc;

/// Most pictures that layers are fitted on, which are held in full precision meanwhile.
const FITTED_ON: usize = 32;

/// Measures what layers see and make, a picture a step. On kernels that give the same bits everywhere, since
/// what is found decides the file.
#[derive(Debug)]
pub(super) struct MomentsJob {
    watch: ChannelWatch,
    moments: ChannelMoments,
    phase: &'static str,
}

impl MomentsJob {
    /// Of a graph, for a phase that people are told.
    ///
    /// # Errors
    /// When the graph cannot run.
    pub(super) fn new(graph: &Graph, phase: &'static str) -> Result<Self, SessionError> {
        let watch = ChannelWatch::new(graph, Isa::reproducible())?;
        Ok(Self { moments: watch.moments(), watch, phase })
    }

    /// Looks at one more picture; what was found, in the end.
    ///
    /// # Errors
    /// When a picture cannot be read or a node fails; without a picture.
    pub(super) fn step(&mut self, inputs: &PictureInputs) -> Result<Step<ChannelMoments>, SessionError> {
        let (done, total) = (self.moments.pictures(), inputs.len());
        if done < total {
            let sums = self.watch.look(&[inputs.get(done)?.value])?;
            self.moments.add(&sums)?;
            let phase = self.phase;
            return Ok(Step::Running(Progress { phase, done: done + 1, total, comparison: None }));
        }
        self.moments.check()?;
        Ok(Step::Done(std::mem::take(&mut self.moments)))
    }
}

/// What was planned, and for what.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// The network that is opened, where that is what is quantized.
    pub(super) network: Graph,
    /// What is quantized, where that is another one.
    pub(super) equalized: Option<Arc<EqualizedNetwork>>,
    /// Its ranges.
    pub(super) statistics: Arc<Statistics>,
    /// How.
    pub(super) plan: QuantPlan,
    /// The graph with other weights and biases, where these were changed for the plan.
    pub(super) changed: Option<Graph>,
    /// What became of each weight, where they were not simply rounded to the nearest codes.
    pub(super) rounding: Vec<RoundedLayer>,
    /// The rule for ranges, where that was found by measuring.
    pub(super) range: Option<RangeChoice>,
}

impl Planned {
    /// What the quantized network is to be like.
    pub(super) fn reference(&self) -> &Graph {
        self.equalized.as_ref().map_or(&self.network, |equalized| &equalized.graph)
    }

    /// What is to be written.
    fn graph(&self) -> &Graph {
        self.changed.as_ref().unwrap_or_else(|| self.reference())
    }

    /// Nothing else is to be done.
    pub(super) fn decided(self) -> Decided {
        let Self { equalized, statistics, plan, changed, rounding, range, .. } = self;
        Decided { statistics, equalized, plan, changed, rounding, range }
    }
}

/// The corrections of a recipe that come after the plan.
#[derive(Debug)]
pub(super) struct CorrectJob {
    planned: Planned,
    weights: bool,
    bias: BiasChoice,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Begin,
    Measure(Box<MomentsJob>),
    Walk { work: Box<dyn Correction>, taken: usize },
    Done,
}

impl CorrectJob {
    /// Those that a recipe asks for.
    pub(super) fn new(planned: Planned, recipe: &Recipe) -> Self {
        let (weights, bias) = (recipe.weight_moments, recipe.bias_correction);
        Self { planned, weights, bias, stage: Stage::Begin }
    }

    /// The next piece of work; what was decided, in the end.
    ///
    /// # Errors
    /// When a picture cannot be read, a node fails, or there is no picture.
    pub(super) fn step(&mut self, inputs: &PictureInputs) -> Result<Step<Decided>, SessionError> {
        loop {
            let progress = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Begin => {
                    self.stage = self.begin()?;
                    None
                }
                Stage::Measure(mut job) => match job.step(inputs)? {
                    Step::Running(progress) => {
                        self.stage = Stage::Measure(job);
                        Some(progress)
                    }
                    Step::Done(moments) => {
                        self.stage = self.measured(&moments)?;
                        None
                    }
                },
                Stage::Walk { work, taken } => self.walk(work, taken, inputs)?,
                Stage::Done => return Ok(Step::Done(self.planned.clone().decided())),
            };
            if let Some(progress) = progress {
                return Ok(Step::Running(progress));
            }
        }
    }

    fn begin(&self) -> Result<Stage, SessionError> {
        if self.weights || self.bias == BiasChoice::Analytic {
            let job = MomentsJob::new(self.planned.reference(), "measuring channels")?;
            return Ok(Stage::Measure(Box::new(job)));
        }
        self.correction()
    }

    /// What moments suffice for.
    fn measured(&mut self, moments: &ChannelMoments) -> Result<Stage, SessionError> {
        let planned = &mut self.planned;
        if self.weights {
            // Biases that are corrected afterwards get back what the mean of the weights adds, too.
            let inputs = if self.bias == BiasChoice::None { moments.inputs() } else { NameMap::new() };
            let made = correct_weights([planned.reference(), planned.graph()], &planned.plan, &inputs)?;
            (planned.changed, planned.plan) = (Some(made.graph), made.plan);
        }
        if self.bias == BiasChoice::Analytic {
            let graphs = [planned.reference(), planned.graph()];
            let (graph, _) = analytic::correct_biases(graphs, &planned.plan, &moments.pre_activations())?;
            planned.changed = Some(graph);
        }
        self.correction()
    }

    /// What runs pictures through both networks.
    fn correction(&self) -> Result<Stage, SessionError> {
        let planned = &self.planned;
        let graphs = [planned.reference(), planned.graph()];
        let fitted = |fit| LayerFit::new(graphs, &planned.plan, fit, Isa::reproducible());
        let work: Box<dyn Correction> = match self.bias {
            BiasChoice::None | BiasChoice::Analytic => return Ok(Stage::Done),
            BiasChoice::Empirical => {
                Box::new(BiasCorrection::against(graphs[0], graphs[1], &planned.plan, Isa::reproducible())?)
            }
            BiasChoice::Deviations => Box::new(fitted(Fit::Deviations)?),
            BiasChoice::LeastSquares => Box::new(fitted(Fit::LeastSquares)?),
        };
        Ok(Stage::Walk { work, taken: 0 })
    }

    fn walk(
        &mut self,
        mut work: Box<dyn Correction>,
        taken: usize,
        inputs: &PictureInputs,
    ) -> Result<Option<Progress>, SessionError> {
        let is_fit = matches!(self.bias, BiasChoice::Deviations | BiasChoice::LeastSquares);
        let (all, phase) = (inputs.len(), if is_fit { "fitting layers" } else { "correcting biases" });
        // Evenly from all of them.
        let total = if is_fit { all.min(FITTED_ON) } else { all };
        if taken < total {
            work.observe(&[inputs.get(taken * all / total)?.value])?;
            self.stage = Stage::Walk { work, taken: taken + 1 };
            return Ok(Some(Progress { phase, done: taken + 1, total, comparison: None }));
        }
        if let Some(at) = work.step()? {
            self.stage = Stage::Walk { work, taken };
            return Ok(Some(Progress { phase, done: at.done, total: at.total, comparison: None }));
        }
        let made = work.finish()?;
        (self.planned.changed, self.planned.plan) = (Some(made.graph), made.plan);
        Ok(None)
    }
}
