//! A recipe tried on pictures that full precision has seen.

use super::SessionError;
use super::job::{Job as _, Step};
use super::network::Network;
use super::pictures::PictureInputs;
use super::quantize::{Found, QuantizeJob};
use super::quantized::QuantizedNetwork;
use super::reference::{Reference, Trial};
use super::view::Effect;
use crate::attribution::Model;
use crate::ops::Isa;
use crate::quant::Recipe;
use std::sync::Arc;

/// Quantizes by a recipe and asks the network that runs about all pictures.
#[derive(Debug)]
pub(super) struct RecipeTrial {
    quantize: Option<Box<QuantizeJob>>,
    made: Option<(QuantizedNetwork, Trial)>,
}

/// What a recipe came to.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) quantized: QuantizedNetwork,
    pub(super) effect: Effect,
}

/// What one step of a trial came to.
pub(super) enum TrialStep {
    Running,
    Done(Box<Tried>),
}

impl RecipeTrial {
    pub(super) fn new(
        network: &Arc<Network>,
        recipe: Recipe,
        calibration: &PictureInputs,
        found: &Found,
        isa: Isa,
    ) -> Self {
        let job = QuantizeJob::new(Arc::clone(network), recipe, calibration.clone(), found.clone(), isa);
        Self { quantize: Some(Box::new(job)), made: None }
    }

    /// The next picture, or the next piece of quantizing.
    ///
    /// # Errors
    /// When the network cannot be quantized so, or a node fails.
    pub(super) fn step(&mut self, reference: &mut Reference) -> Result<TrialStep, SessionError> {
        if let Some(mut job) = self.quantize.take() {
            match job.step()? {
                Step::Running(_) => {
                    self.quantize = Some(job);
                    return Ok(TrialStep::Running);
                }
                Step::Done(quantized) => {
                    let trial = Trial::new(Model::clone(&quantized.model().integer));
                    self.made = Some((quantized, trial));
                }
            }
        }
        let Some((quantized, mut trial)) = self.made.take() else { return Err(SessionError::JobOver) };
        if let Some(effect) = trial.step(reference)? {
            return Ok(TrialStep::Done(Box::new(Tried { quantized, effect })));
        }
        self.made = Some((quantized, trial));
        Ok(TrialStep::Running)
    }
}
