//! A network whose layers were prepared for quantizing, in place of the one that was opened.

use super::SessionError;
use super::job::{Progress, Step};
use super::network::Network;
use super::pictures::PictureInputs;
use crate::attribution::Model;
use crate::exec::Executor;
use crate::metrics::{Agreement, top_1};
use crate::ops::{Graph, Isa};
use crate::quant::Recipe;
use crate::quant::correct::{ChannelMoments, EqualizeReport, Relu6, absorb, equalize};
use std::sync::{Arc, OnceLock};

/// What is done to a network before ranges are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Preparation {
    /// Layers are equalized.
    pub equalize: bool,
    /// What becomes of upper limits between equalized layers, where answers depend on them.
    pub limits: Relu6,
    /// High biases move into the next layer.
    pub absorb: bool,
}

impl Preparation {
    /// What a recipe asks for.
    pub(super) fn of(recipe: &Recipe) -> Self {
        let needed = Relu6::where_needed(recipe.weight_granularity);
        let limits = if recipe.equalize { needed } else { Relu6::default() };
        Self { equalize: recipe.equalize, limits, absorb: recipe.absorb }
    }
}

/// Almost the same function as the network that was opened, with weights or activations that are easier to
/// quantize.
#[derive(Debug)]
pub(super) struct EqualizedNetwork {
    /// Its graph.
    pub graph: Graph,
    /// What was done.
    pub preparation: Preparation,
    /// What equalizing did.
    pub report: EqualizeReport,
    /// Made ready when its layers are first compared with quantized ones.
    executor: OnceLock<Arc<Executor>>,
}

impl EqualizedNetwork {
    /// With one choice for limits, where another might have been needed.
    fn new(graph: &Graph, relu6: Relu6, limits: Relu6) -> Result<Self, SessionError> {
        let made = equalize(graph, relu6)?;
        let preparation = Preparation { equalize: true, limits, absorb: false };
        Ok(Self { graph: made.graph, preparation, report: made.report, executor: OnceLock::new() })
    }

    /// The network as it is.
    pub(super) fn unchanged(graph: &Graph) -> Self {
        let (preparation, report) = (Preparation::default(), EqualizeReport::default());
        Self { graph: graph.clone(), preparation, report, executor: OnceLock::new() }
    }

    /// With what channels always have in the biases of the layers that follow.
    ///
    /// # Errors
    /// When the graph is not valid.
    pub(super) fn absorbed(self, moments: &ChannelMoments) -> Result<Self, SessionError> {
        let graph = absorb(&self.graph, &moments.pre_activations())?.graph;
        let preparation = Preparation { absorb: true, ..self.preparation };
        Ok(Self { graph, preparation, report: self.report, executor: OnceLock::new() })
    }

    /// Ready to run.
    ///
    /// # Errors
    /// When a constant does not fit its operator.
    pub(super) fn executor(&self, isa: Isa) -> Result<Arc<Executor>, SessionError> {
        if let Some(made) = self.executor.get() {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(Executor::new(self.graph.clone(), isa)?);
        Ok(Arc::clone(self.executor.get_or_init(|| made)))
    }
}

/// Whether the upper limits of Relu6 can go: they stand between layers that could be equalized otherwise, and
/// often change no answer.
#[derive(Debug)]
pub(super) struct LimitCheck {
    network: Arc<Network>,
    without: EqualizedNetwork,
    /// With and without limits, on kernels that give the same bits everywhere, since the answers decide the
    /// file. `None` where there are no limits to leave out.
    models: Option<[Model; 2]>,
    /// What becomes of them where they cannot go.
    otherwise: Relu6,
    agreement: Agreement,
    done: usize,
}

impl LimitCheck {
    pub(super) fn new(network: &Arc<Network>, otherwise: Relu6) -> Result<Self, SessionError> {
        let without = EqualizedNetwork::new(network.graph(), Relu6::AsRelu, otherwise)?;
        let ready = |graph: &Graph| -> Result<Model, SessionError> {
            Ok(Model::new(Executor::new(graph.clone(), Isa::reproducible())?)?)
        };
        let models = match without.report.limits {
            0 => None,
            _ => Some([ready(network.graph())?, ready(&without.graph)?]),
        };
        let (network, agreement) = (Arc::clone(network), Agreement::default());
        Ok(Self { network, without, models, otherwise, agreement, done: 0 })
    }

    /// Compares the answers on one more picture; the equalized network in the end.
    ///
    /// # Errors
    /// When a picture cannot be read or a node fails.
    pub(super) fn step(&mut self, inputs: &PictureInputs) -> Result<Step<EqualizedNetwork>, SessionError> {
        if let Some([with, without]) = self.models.as_ref().filter(|_| self.done < inputs.len()) {
            let picture = inputs.get(self.done)?.value;
            let (with, without) = (with.scores(picture.clone())?, without.scores(picture)?);
            self.agreement.add(top_1(&with) == top_1(&without));
            self.done += 1;
            let phase = "equalizing layers";
            return Ok(Step::Running(Progress {
                phase,
                done: self.done,
                total: inputs.len(),
                comparison: None,
            }));
        }
        let limits = match self.models.take() {
            Some(_) => Relu6::unless_answers_change(self.agreement, self.otherwise),
            None => Relu6::AsRelu,
        };
        let equalized = match limits {
            Relu6::AsRelu => EqualizedNetwork {
                graph: self.without.graph.clone(),
                preparation: self.without.preparation,
                report: self.without.report.clone(),
                executor: OnceLock::new(),
            },
            other => EqualizedNetwork::new(self.network.graph(), other, self.otherwise)?,
        };
        Ok(Step::Done(equalized))
    }
}
