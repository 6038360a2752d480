//! Pictures with full precision's answers, and what other networks make of them.
//!
//! Whoever tries many ways to quantize a network asks them all about the same pictures. These are prepared
//! once, and full precision runs once; both stay in memory as long as the work goes on: `4 · elements` bytes
//! a picture.

use super::SessionError;
use super::pictures::PictureInputs;
use super::view::Effect;
use crate::attribution::Model;
use crate::metrics::{Agreement, decibels, kl_divergence, top_1};
use crate::tensor::Value;

/// A picture, and what full precision says of it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) input: Value,
    pub(super) logits: Vec<f32>,
    /// The output that is right, where a label says it.
    pub(super) expected: Option<usize>,
}

/// Pictures that full precision has seen.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    inputs: PictureInputs,
    pub(super) pictures: Vec<Known>,
}

impl Reference {
    /// Nothing seen yet of those pictures.
    pub(super) fn new(inputs: PictureInputs) -> Self {
        Self { inputs, pictures: Vec::new() }
    }

    /// How many pictures there are in all.
    pub(super) fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Looks at one more picture; false when all were seen.
    ///
    /// # Errors
    /// When it cannot be read or a node fails.
    pub(super) fn step(&mut self, full: &Model) -> Result<bool, SessionError> {
        if self.pictures.len() == self.inputs.len() {
            return Ok(false);
        }
        let picture = self.inputs.get(self.pictures.len())?;
        let logits = full.scores(picture.value.clone())?;
        self.pictures.push(Known { input: picture.value, logits, expected: picture.expected });
        Ok(true)
    }
}

/// What a network makes of the pictures, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    agreement: Agreement,
    right: Agreement,
    kl: f64,
    signal: f64,
    noise: f64,
    logits: usize,
}

impl Measured {
    /// How many pictures were looked at.
    pub(super) fn done(&self) -> usize {
        self.agreement.total as usize
    }

    /// Looks at the next picture.
    ///
    /// # Errors
    /// When a node fails or the network has other classes.
    pub(super) fn step(&mut self, reference: &Reference, other: &Model) -> Result<(), SessionError> {
        let picture = &reference.pictures[self.done()];
        let logits = other.scores(picture.input.clone())?;
        let (full, quantized) = (picture.logits.len(), logits.len());
        if full != quantized {
            return Err(SessionError::OtherClasses { full, quantized });
        }
        self.add(picture, &logits);
        Ok(())
    }

    /// Takes in what was answered to a picture.
    pub(super) fn add(&mut self, picture: &Known, logits: &[f32]) {
        let full = &picture.logits;
        self.agreement.add(top_1(full) == top_1(logits));
        if let Some(expected) = picture.expected {
            self.right.add(top_1(logits) == Some(expected));
        }
        self.kl += kl_divergence(full, logits).unwrap_or(f64::NAN);
        for (&y, &other) in full.iter().zip(logits) {
            let (y, error) = (f64::from(y), f64::from(y) - f64::from(other));
            self.signal += y * y;
            self.noise += error * error;
        }
        self.logits += full.len();
    }

    /// What that comes to.
    pub(super) fn effect(&self) -> Effect {
        let images = self.done();
        let db = decibels(self.signal, self.noise);
        Effect {
            images,
            agreement: self.agreement.share().unwrap_or(0.0),
            kl: self.kl / images.max(1) as f64,
            distortion: self.noise / self.logits.max(1) as f64,
            sqnr_db: db.is_finite().then_some(db),
            top1: self.right.share(),
        }
    }
}

/// A network asked about all pictures, one a step.
#[derive(Debug)]
pub(super) struct Trial {
    model: Model,
    measured: Measured,
}

impl Trial {
    pub(super) fn new(model: Model) -> Self {
        Self { model, measured: Measured::default() }
    }

    /// The next picture; what all come to when there is none left.
    ///
    /// # Errors
    /// As [`Measured::step`].
    pub(super) fn step(&mut self, reference: &Reference) -> Result<Option<Effect>, SessionError> {
        if self.measured.done() == reference.pictures.len() {
            return Ok(Some(self.measured.effect()));
        }
        self.measured.step(reference, &self.model)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(logits: &[f32], expected: Option<usize>) -> Known {
        let input = Value::zeros::<f32>(&[1]).unwrap();
        Known { input, logits: logits.to_vec(), expected }
    }

    #[test]
    fn effects_are_of_all_pictures_together() {
        let mut measured = Measured::default();
        measured.add(&picture(&[3.0, 0.0], Some(0)), &[3.0, 0.0]);
        measured.add(&picture(&[0.0, 1.0], None), &[2.0, 1.0]);
        let effect = measured.effect();
        assert_eq!((effect.images, effect.agreement, effect.top1), (2, 0.5, Some(1.0)));
        // 4 of 10: two logits of four differ by 2 and 0, signal 9 + 1.
        assert_eq!(effect.distortion, 1.0);
        assert!((effect.sqnr_db.unwrap() - 10.0 * 2.5_f64.log10()).abs() < 1e-12);
        let kl = kl_divergence(&[0.0, 1.0], &[2.0, 1.0]).unwrap();
        assert!((effect.kl - kl / 2.0).abs() < 1e-15);
    }

    #[test]
    fn answers_that_are_no_numbers_are_not_counted_as_good() {
        let mut measured = Measured::default();
        measured.add(&picture(&[1.0, 0.0], None), &[f32::NAN, 0.0]);
        let effect = measured.effect();
        assert!(effect.kl.is_nan() && effect.agreement == 0.0 && effect.top1.is_none());
    }
}
