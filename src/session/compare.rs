//! Both networks on all evaluation pictures.

use super::SessionError;
use super::job::{Job, Progress, Step};
use super::network::Network;
use super::pictures::{PictureInput, PictureInputs};
use super::runnable::QuantizedModel;
use super::view::{
    AttributionSummary, ClassProbability, Interval, MapCorrelation, PictureComparison, Summary, Top1,
};
use crate::attribution::{Attribution, AttributionError, GradCam, Method, Model, Run};
use crate::metrics::{
    Agreement, decibels, kendall_tau_b, kl_divergence, softmax, spearman, sqnr_db, top_1, top_k,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many classes an answer lists.
const TOP: usize = 5;

/// Name of the attribution method used in comparisons.
pub const METHOD: &str = "Grad-CAM";

/// What full precision said of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Score of each class.
    pub logits: Vec<f32>,
    /// Class with the highest score: what both maps explain.
    pub target: usize,
    /// The map, where the network has a tensor with places that a gradient reaches.
    pub map: Option<Attribution>,
}

impl Explained {
    /// Runs a network on a picture and explains its first answer, or `target`.
    ///
    /// # Errors
    /// When a node fails.
    pub fn of(model: &Model, input: &PictureInput, target: Option<usize>) -> Result<Self, SessionError> {
        Self::of_run(model, &model.run(input.value.clone())?, target)
    }

    /// Explains the first answer of a run, or `target`.
    ///
    /// # Errors
    /// When the class does not exist.
    pub(super) fn of_run(model: &Model, run: &Run, target: Option<usize>) -> Result<Self, SessionError> {
        let target = target.unwrap_or_else(|| first(&run.logits));
        let map = explain(model, run, target)?;
        Ok(Self { logits: run.logits.clone(), target, map })
    }
}

/// The map for a class; `None` for a network without a tensor with places that a gradient reaches.
pub(super) fn explain(model: &Model, run: &Run, target: usize) -> Result<Option<Attribution>, SessionError> {
    match GradCam.attribute(model, run, target) {
        Ok(map) => Ok(Some(map)),
        Err(AttributionError::NoSpatialLayer | AttributionError::NoGradient { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Index of the highest score; the first of equals.
pub(super) fn first(logits: &[f32]) -> usize {
    top_1(logits).unwrap_or(0)
}

/// The five most probable classes of an answer.
pub fn answer(logits: &[f32], classes: &[String], label_offset: usize) -> Vec<ClassProbability> {
    let probabilities = probabilities(logits);
    let top = top_k(logits, TOP);
    let describe = |class: usize| ClassProbability {
        class,
        name: class_name(class, classes, label_offset),
        probability: probabilities[class],
    };
    top.into_iter().map(describe).collect()
}

/// Probabilities of all classes; zeros where the logits are not numbers.
pub(super) fn probabilities(logits: &[f32]) -> Vec<f64> {
    softmax(logits).unwrap_or_else(|| vec![0.0; logits.len()])
}

/// The name of an output of the network.
pub(super) fn class_name(class: usize, classes: &[String], label_offset: usize) -> String {
    let name = class.checked_sub(label_offset).and_then(|label| classes.get(label));
    match name {
        Some(name) if !name.is_empty() => name.clone(),
        _ if class < label_offset => "background".to_owned(),
        _ => format!("class {}", class - label_offset),
    }
}

/// Decibels, where there is any noise.
pub(super) fn finite(db: Option<f64>) -> Option<f64> {
    db.filter(|db| db.is_finite())
}

/// Correlations of two maps.
pub(super) fn correlate(full: &Attribution, quantized: &Attribution) -> MapCorrelation {
    MapCorrelation {
        spearman: spearman(&full.map, &quantized.map),
        kendall_tau_b: kendall_tau_b(&full.map, &quantized.map),
    }
}

/// What comparing has learned of each picture, by its number.
#[derive(Debug, Clone, Default)]
pub struct Known {
    full: Vec<Option<Arc<Explained>>>,
    rows: Vec<Option<Arc<ComparedPicture>>>,
}

/// What the summary needs of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "web", derive(tsify::Tsify), tsify(missing_as_null))]
pub struct ComparedPicture {
    /// Sum of the squares of full precision's logits.
    pub signal: f64,
    /// Sum of the squares of the differences of the logits.
    pub noise: f64,
    /// Whether each network is right, full precision first, where a label says what is.
    pub correct: Option<(bool, bool)>,
    /// What the page shows.
    pub comparison: PictureComparison,
}

impl Known {
    /// Nothing yet, of that many pictures.
    pub fn nothing(pictures: usize) -> Self {
        Self { full: vec![None; pictures], rows: vec![None; pictures] }
    }

    /// Keeps what full precision said, and forgets the comparisons: those of another quantized
    /// network, or with other labels.
    pub fn forget_comparisons(&mut self) {
        self.rows.fill(None);
    }

    /// Number of pictures that this is about.
    pub fn pictures(&self) -> usize {
        self.full.len()
    }

    /// What full precision said of a picture.
    pub fn explained(&self, picture: usize) -> Option<&Arc<Explained>> {
        self.full.get(picture)?.as_ref()
    }

    /// Remembers what full precision said of a picture.
    pub fn explain(&mut self, picture: usize, explained: &Arc<Explained>) {
        if let Some(slot) = self.full.get_mut(picture) {
            *slot = Some(Arc::clone(explained));
        }
    }

    /// Takes in what was found elsewhere: of the same networks, pictures, labels and preparation.
    pub fn learn(&mut self, rows: Vec<ComparedPicture>) {
        for row in rows {
            self.keep(row.comparison.picture, &Arc::new(row));
        }
    }

    fn row(&self, picture: usize) -> Option<&Arc<ComparedPicture>> {
        self.rows.get(picture)?.as_ref()
    }

    fn keep(&mut self, picture: usize, row: &Arc<ComparedPicture>) {
        if let Some(slot) = self.rows.get_mut(picture) {
            *slot = Some(Arc::clone(row));
        }
    }
}

/// Compares two networks on pictures, one a step.
#[derive(Debug)]
pub struct CompareJob {
    network: Arc<Network>,
    quantized: Arc<QuantizedModel>,
    inputs: PictureInputs,
    classes: Arc<Vec<String>>,
    known: Known,
    rows: Vec<Arc<ComparedPicture>>,
}

/// What comparing came to.
#[derive(Debug)]
pub struct Compared {
    /// Over all pictures.
    pub summary: Summary,
    /// Each picture.
    pub pictures: Vec<PictureComparison>,
    /// What the summary was made of, for another engine's.
    pub rows: Vec<Arc<ComparedPicture>>,
    /// What was learned, for the next comparison.
    pub known: Known,
}

impl CompareJob {
    /// A job over those pictures.
    pub fn new(
        network: Arc<Network>,
        quantized: Arc<QuantizedModel>,
        inputs: PictureInputs,
        classes: Arc<Vec<String>>,
    ) -> Self {
        Self { network, quantized, inputs, classes, known: Known::default(), rows: Vec::new() }
    }

    /// Takes over what is known already: of this network, these pictures and this preparation.
    #[must_use]
    pub fn with_known(mut self, known: Known) -> Self {
        self.known = known;
        self
    }

    /// What was learned, also by a job that is stopped early.
    pub fn into_known(self) -> Known {
        self.known
    }

    fn full(&mut self, input: &PictureInput) -> Result<Arc<Explained>, SessionError> {
        if let Some(known) = self.known.explained(input.picture) {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(Explained::of(&self.network.model, input, None)?);
        self.known.explain(input.picture, &found);
        Ok(found)
    }

    /// The row of the picture at a position.
    fn row(&mut self, position: usize) -> Result<Arc<ComparedPicture>, SessionError> {
        if let Some(known) = self.inputs.number(position).and_then(|picture| self.known.row(picture)) {
            return Ok(Arc::clone(known));
        }
        let input = self.inputs.get(position)?;
        let row = Arc::new(self.compare(&input)?);
        self.known.keep(input.picture, &row);
        Ok(row)
    }

    fn compare(&mut self, input: &PictureInput) -> Result<ComparedPicture, SessionError> {
        let full = self.full(input)?;
        let quantized = Arc::clone(&self.quantized);
        let answer_logits = quantized.integer.scores(input.value.clone())?;
        let classes = [&full.logits, &answer_logits].map(Vec::len);
        if classes[0] != classes[1] {
            return Err(SessionError::OtherClasses { full: classes[0], quantized: classes[1] });
        }
        let map = Explained::of(&*quantized.definition()?, input, Some(full.target))?.map;
        let comparison = PictureComparison {
            picture: input.picture,
            full: answer(&full.logits, &self.classes, input.label_offset),
            quantized: answer(&answer_logits, &self.classes, input.label_offset),
            flipped: first(&answer_logits) != full.target,
            kl: kl_divergence(&full.logits, &answer_logits).unwrap_or(f64::NAN),
            sqnr_db: finite(sqnr_db(&full.logits, &answer_logits)),
            attribution: full.map.as_ref().zip(map.as_ref()).map(|(a, b)| correlate(a, b)),
        };
        Ok(ComparedPicture {
            signal: sum_of_squares(full.logits.iter().copied()),
            noise: sum_of_squares(full.logits.iter().zip(&answer_logits).map(|(a, b)| a - b)),
            correct: input.expected.map(|e| (full.target == e, first(&answer_logits) == e)),
            comparison,
        })
    }

    fn comparisons(&self) -> impl Iterator<Item = &PictureComparison> {
        self.rows.iter().map(|row| &row.comparison)
    }

    fn summary(&self) -> Summary {
        let mut agreement = Agreement::default();
        self.comparisons().for_each(|c| agreement.add(!c.flipped));
        let (low, high) = agreement.wilson_95().unwrap_or((0.0, 1.0));
        let mean =
            |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let maps: Vec<&MapCorrelation> = self.comparisons().filter_map(|c| c.attribution.as_ref()).collect();
        let correct: Vec<(bool, bool)> = self.rows.iter().filter_map(|row| row.correct).collect();
        let share = |count: usize| count as f64 / correct.len().max(1) as f64;
        let top1 = (!correct.is_empty()).then(|| Top1 {
            full: share(correct.iter().filter(|c| c.0).count()),
            quantized: share(correct.iter().filter(|c| c.1).count()),
            labelled: correct.len(),
        });
        let (signal, noise) =
            self.rows.iter().fold((0.0, 0.0), |(s, n), row| (s + row.signal, n + row.noise));
        let db = decibels(signal, noise);
        Summary {
            images: self.rows.len(),
            agreement: Interval { value: agreement.share().unwrap_or(0.0), low, high },
            kl: mean(self.comparisons().map(|c| c.kl).collect()).unwrap_or(0.0),
            sqnr_db: db.is_finite().then_some(db),
            top1,
            attribution: AttributionSummary {
                method: METHOD.to_owned(),
                spearman_mean: mean(maps.iter().filter_map(|m| m.spearman).collect()),
                kendall_tau_b_mean: mean(maps.iter().filter_map(|m| m.kendall_tau_b).collect()),
                images: maps.iter().filter(|m| m.spearman.is_some()).count(),
            },
        }
    }
}

fn sum_of_squares(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v) * f64::from(v)).sum()
}

impl Job for CompareJob {
    type Output = Compared;

    fn step(&mut self) -> Result<Step<Compared>, SessionError> {
        let total = self.inputs.len();
        let done = self.rows.len();
        if done < total {
            let row = self.row(done)?;
            let comparison = Some(row.comparison.clone());
            self.rows.push(row);
            return Ok(Step::Running(Progress { phase: "comparing", done: done + 1, total, comparison }));
        }
        Ok(Step::Done(Compared {
            summary: self.summary(),
            pictures: self.comparisons().cloned().collect(),
            rows: std::mem::take(&mut self.rows),
            known: std::mem::take(&mut self.known),
        }))
    }
}
