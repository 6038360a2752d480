//! Pictures with full precision's answers, and what other networks make of them.
//!
//! Whoever tries many ways to quantize a network asks them all about the same pictures. Full precision runs
//! once, and pictures are prepared once, as far as they may be kept: `4 · elements` bytes each, up to a bound.
//! What is beyond it is prepared again whenever it is asked for.

use super::SessionError;
use super::pictures::PictureInputs;
use super::view::Effect;
use crate::attribution::Model;
use crate::metrics::{Agreement, decibels, kl_divergence, top_1};
use crate::tensor::Value;

/// Bytes of prepared pictures that are kept: some four hundred of 224 × 224.
pub(super) const KEPT: usize = 256 << 20;

/// A picture, and what full precision says of it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// As the network sees it, where it is kept.
    input: Option<Value>,
    pub(super) logits: Vec<f32>,
    /// The output that is right, where a label says it.
    pub(super) expected: Option<usize>,
}

/// Pictures that full precision has seen.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    inputs: PictureInputs,
    pub(super) pictures: Vec<Known>,
    /// Bytes that may be kept yet, and in all.
    left: usize,
    limit: usize,
}

impl Reference {
    /// Nothing seen yet of those pictures, of which so many bytes may be kept.
    pub(super) fn new(inputs: PictureInputs, limit: usize) -> Self {
        Self { inputs, pictures: Vec::new(), left: limit, limit }
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
        self.pictures.push(Known { input: None, logits, expected: picture.expected });
        self.keep(self.pictures.len() - 1, &picture.value);
        Ok(true)
    }

    /// A picture that full precision has seen, as the network sees it.
    ///
    /// # Errors
    /// When it was not kept and cannot be read any more.
    pub(super) fn input(&mut self, at: usize) -> Result<Value, SessionError> {
        if let Some(kept) = &self.pictures[at].input {
            return Ok(kept.clone());
        }
        let input = self.inputs.get(at)?.value;
        self.keep(at, &input);
        Ok(input)
    }

    fn keep(&mut self, at: usize, input: &Value) {
        if let Some(left) = self.left.checked_sub(input.size_bytes()) {
            self.left = left;
            self.pictures[at].input = Some(input.clone());
        }
    }

    /// Keeps the answers and no picture.
    pub(super) fn without_inputs(mut self) -> Self {
        self.pictures.iter_mut().for_each(|picture| picture.input = None);
        self.left = self.limit;
        self
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
    /// When a picture cannot be read, a node fails, or the network has other classes.
    pub(super) fn step(&mut self, reference: &mut Reference, other: &Model) -> Result<(), SessionError> {
        let logits = other.scores(reference.input(self.done())?)?;
        let picture = &reference.pictures[self.done()];
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
    pub(super) fn step(&mut self, reference: &mut Reference) -> Result<Option<Effect>, SessionError> {
        if self.measured.done() == reference.pictures.len() {
            return Ok(Some(self.measured.effect()));
        }
        self.measured.step(reference, &self.model)?;
        Ok(None)
    }

    /// The sum of the divergences so far, in nats; no number where an answer has no probabilities.
    pub(super) fn divergence(&self) -> f64 {
        self.measured.kl
    }
}

#[cfg(test)]
mod tests {
    use super::super::pictures::{PictureSet, Role};
    use super::*;
    use crate::data::{Picture, Preprocess};

    fn picture(logits: &[f32], expected: Option<usize>) -> Known {
        Known { input: None, logits: logits.to_vec(), expected }
    }

    #[test]
    fn what_may_not_be_kept_is_prepared_again() {
        let mut set = PictureSet::default();
        for level in [10, 20, 30] {
            set.push(Picture::from_rgb("p", 1, 1, vec![level; 3]).unwrap(), None, Role::Any);
        }
        let inputs = set.inputs_of(&Preprocess::default(), Role::Any).unwrap();
        let numbers = |value: &Value| value.as_slice::<f32>().unwrap().to_vec();
        let expected = [0, 1, 2].map(|at| numbers(&inputs.get(at).unwrap().value));
        let kept = |reference: &Reference| [0, 1, 2].map(|at| reference.pictures[at].input.is_some());
        let two = 2 * size_of_val(&expected[0][..]);
        let mut reference = Reference::new(inputs, two);
        reference.pictures = vec![picture(&[1.0], None); 3];
        for at in [0, 1, 2, 2, 1, 0] {
            assert_eq!(numbers(&reference.input(at).unwrap()), expected[at]);
        }
        assert_eq!(kept(&reference), [true, true, false]);
        let mut reference = reference.without_inputs();
        assert_eq!(kept(&reference), [false; 3]);
        assert_eq!(numbers(&reference.input(2).unwrap()), expected[2]);
        assert_eq!(kept(&reference), [false, false, true]);
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
