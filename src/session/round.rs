//! Rounding of weights by what layers read on the pictures, between planning and correcting.

use super::SessionError;
use super::correct::Planned;
use super::job::Progress;
use super::pictures::PictureInputs;
use crate::ops::Isa;
use crate::quant::Recipe;
use crate::quant::round::WeightRounding;

/// What decides which places of a picture are looked at.
const SEED: u64 = 0;

/// Rounds what was planned, a picture or a part of a layer a step. On kernels that give the same bits
/// everywhere, since what is found decides the file.
#[derive(Debug)]
pub(super) struct RoundJob {
    planned: Planned,
    work: WeightRounding,
}

impl RoundJob {
    /// With that many pictures.
    ///
    /// # Errors
    /// When the network cannot run.
    pub(super) fn new(planned: Planned, recipe: &Recipe, pictures: usize) -> Result<Self, SessionError> {
        let (graph, pictures) = (planned.reference(), (pictures, SEED));
        let work = WeightRounding::new(graph, &planned.plan, recipe, pictures, Isa::reproducible())?;
        Ok(Self { planned, work })
    }

    /// Does the next piece of work; how far it is, or nothing where all is done.
    ///
    /// # Errors
    /// When a picture cannot be read, a node fails, or there is no picture where codes depend on them.
    pub(super) fn step(&mut self, inputs: &PictureInputs) -> Result<Option<Progress>, SessionError> {
        let at = if let Some(picture) = self.work.wants() {
            self.work.observe(&[inputs.get(picture)?.value])?;
            Some(self.work.progress())
        } else {
            self.work.step()?
        };
        let phase = "rounding weights";
        Ok(at.map(|at| Progress { phase, done: at.done, total: at.total, comparison: None }))
    }

    /// What was planned, with other weights and scales where these were chosen.
    ///
    /// # Errors
    /// When the graph is not valid.
    pub(super) fn finish(self) -> Result<Planned, SessionError> {
        let made = self.work.finish()?;
        Ok(Planned { plan: made.plan, changed: Some(made.graph), rounding: made.layers, ..self.planned })
    }
}
