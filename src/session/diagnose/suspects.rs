//! The layers that lose most when they are quantized alone, and on which side: weight or what they read.

use crate::ops::{Graph, Isa};
use crate::quant::QuantPlan;
use crate::quant::parts::LayerParts;
use crate::session::SessionError;
use crate::session::reference::{Reference, Trial};
use crate::session::sensitivity::definition;
use crate::session::view::{Effect, LayerSensitivity};
use crate::tensor::ordered;

/// Most layers that causes are looked for in.
const MOST_LAYERS: usize = 6;

/// A layer, or one side of it, is looked at if it makes this share of what all layers lose alone.
const SUSPECT_SHARE: f64 = 0.05;

/// A side is to blame if it loses at least this share of what the other loses.
const BESIDE: f64 = 0.5;

/// A divergence in nats; answers that are no numbers lose without bounds.
fn loss(effect: &Effect) -> f64 {
    if effect.kl.is_nan() { f64::INFINITY } else { effect.kl }
}

/// Layers that are looked at, the worst first.
#[derive(Debug)]
pub(super) struct Suspects {
    /// Their numbers.
    pub(super) layers: Vec<usize>,
    /// The share of the worst in what all layers lose alone.
    pub(super) worst: f64,
    /// What all layers lose alone, in nats.
    total: f64,
    /// Of each: its weight alone, what it reads alone.
    sides: Vec<Effect>,
    trial: Option<Trial>,
}

/// What quantizing one side of a layer loses, in nats; nothing where that side is not to blame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blame {
    pub(super) weight: Option<f64>,
    pub(super) input: Option<f64>,
}

impl Suspects {
    pub(super) fn new(rows: &[LayerSensitivity]) -> Self {
        let losses: Vec<f64> = rows.iter().map(|row| row.alone.as_ref().map_or(0.0, loss)).collect();
        let total: f64 = losses.iter().sum();
        let mut layers = ordered(rows.len(), &|a, b| losses[b].total_cmp(&losses[a]));
        let share = |at: usize| match (losses[at], total) {
            (lost, _) if lost.is_infinite() => 1.0,
            (_, all) if all > 0.0 => losses[at] / all,
            _ => 0.0,
        };
        let worst = layers.first().map_or(0.0, |&at| share(at));
        layers.retain(|&at| share(at) >= SUSPECT_SHARE);
        layers.truncate(MOST_LAYERS);
        Self { layers, worst, total, sides: Vec::new(), trial: None }
    }

    /// How many sides were tried.
    pub(super) fn done(&self) -> usize {
        self.sides.len()
    }

    /// How many sides there are.
    pub(super) fn sides(&self) -> usize {
        2 * self.layers.len()
    }

    /// The next picture for the next side; false when all were tried.
    ///
    /// # Errors
    /// When a side cannot be quantized alone, or a node fails.
    pub(super) fn step(
        &mut self,
        (graph, parts): (&Graph, &[LayerParts]),
        plan: &QuantPlan,
        reference: &mut Reference,
        isa: Isa,
    ) -> Result<bool, SessionError> {
        let Some(&layer) = self.layers.get(self.sides.len() / 2) else { return Ok(false) };
        if self.trial.is_none() {
            let part = plan.of_layer(graph, &parts[layer]);
            let side = if self.sides.len().is_multiple_of(2) {
                part.weights_only()
            } else {
                part.activations_only()
            };
            self.trial = definition(graph, &side, isa)?.map(Trial::new);
        }
        let effect = match &mut self.trial {
            None => Some(Effect::none(reference.pictures.len())),
            Some(trial) => trial.step(reference)?,
        };
        if let Some(effect) = effect {
            self.sides.push(effect);
            self.trial = None;
        }
        Ok(true)
    }

    /// Which side of the suspect at a position is to blame.
    pub(super) fn blame(&self, position: usize) -> Blame {
        let lost = |side: usize| self.sides.get(2 * position + side).map_or(0.0, loss);
        let blamed = |own: f64, other: f64| {
            let matters = own.is_infinite() || own >= 0.5 * SUSPECT_SHARE * self.total;
            (matters && own >= BESIDE * other).then_some(own)
        };
        let (weight, input) = (lost(0), lost(1));
        Blame { weight: blamed(weight, input), input: blamed(input, weight) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::recipe::LayerKind;
    use crate::session::view::LayerNoise;

    fn row(kl: Option<f64>) -> LayerSensitivity {
        LayerSensitivity {
            layer: "layer".to_owned(),
            kind: LayerKind::Conv,
            weights: 1,
            multiply_accumulates: 1,
            alone: kl.map(|kl| Effect { kl, ..Effect::none(1) }),
            output: LayerNoise::NONE,
            accumulated: None,
            weight_bits: Vec::new(),
            activation_bits: Vec::new(),
        }
    }

    #[test]
    fn suspects_are_those_that_lose_most() {
        let found = Suspects::new(&[row(Some(1.0)), row(None), row(Some(30.0)), row(Some(69.0))]);
        assert_eq!((found.layers, found.worst), (vec![3, 2], 0.69));
        let broken = Suspects::new(&[row(Some(1.0)), row(Some(f64::NAN))]);
        assert_eq!((broken.layers, broken.worst), (vec![1], 1.0));
        let nothing = Suspects::new(&[row(None), row(Some(0.0))]);
        assert_eq!((nothing.layers, nothing.worst), (vec![], 0.0));
    }

    #[test]
    fn a_side_is_blamed_that_loses_much_and_not_much_less_than_the_other() {
        let mut found = Suspects::new(&[row(Some(10.0))]);
        let blamed = |suspects: &mut Suspects, sides: [f64; 2]| {
            suspects.sides = sides.map(|kl| Effect { kl, ..Effect::none(1) }).to_vec();
            let Blame { weight, input } = suspects.blame(0);
            [weight.is_some(), input.is_some()]
        };
        assert_eq!(blamed(&mut found, [9.0, 1.0]), [true, false]);
        assert_eq!(blamed(&mut found, [3.0, 5.0]), [true, true]);
        assert_eq!(blamed(&mut found, [0.01, f64::NAN]), [false, true]);
        assert_eq!(blamed(&mut found, [0.01, 0.01]), [false, false]);
    }
}
