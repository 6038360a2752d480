//! A network whose layers were equalized, in place of the one that was opened.

use super::SessionError;
use super::job::{Progress, Step};
use super::network::Network;
use super::pictures::PictureInputs;
use crate::attribution::Model;
use crate::exec::Executor;
use crate::metrics::{Agreement, top_1};
use crate::ops::{Graph, Isa};
use crate::quant::correct::{EqualizeReport, Relu6, equalize};
use std::sync::{Arc, OnceLock};

/// The same function as the network that was opened, with weights that are easier to quantize.
#[derive(Debug)]
pub(super) struct EqualizedNetwork {
    /// Its graph.
    pub graph: Graph,
    /// What was done.
    pub report: EqualizeReport,
    /// What became of upper limits between its layers.
    limits: Relu6,
    /// Made ready when its layers are first compared with quantized ones.
    executor: OnceLock<Arc<Executor>>,
}

impl EqualizedNetwork {
    fn new(graph: &Graph, relu6: Relu6) -> Result<Self, SessionError> {
        let made = equalize(graph, relu6)?;
        Ok(Self { graph: made.graph, report: made.report, limits: relu6, executor: OnceLock::new() })
    }

    /// Whether it is what would be made with `otherwise` for limits that answers depend on.
    pub(super) fn serves(&self, otherwise: Relu6) -> bool {
        [Relu6::AsRelu, otherwise].contains(&self.limits)
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
        let without = EqualizedNetwork::new(network.graph(), Relu6::AsRelu)?;
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
                report: self.without.report.clone(),
                limits: Relu6::AsRelu,
                executor: OnceLock::new(),
            },
            other => EqualizedNetwork::new(self.network.graph(), other)?,
        };
        Ok(Step::Done(equalized))
    }
}
