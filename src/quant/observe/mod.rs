//! Watching runs: what calibration remembers of the values it sees.
//!
//! One pass over the pictures serves every range estimator, so that another one needs no new pass. Of each
//! float tensor it keeps the extremes of every run, in the order of the pictures (8 bytes each); of each
//! one that a plan can ask for also a [`Histogram`] of its magnitudes (at most 32 KiB, however many
//! pictures). Moments are derived from the histogram, within a bound ([`Moments`]). Constants and tensors
//! of other types cost nothing.
//!
//! Pictures can be divided between calibrators. What these find, put together by [`Statistics::merge`] in
//! whatever order, is bit for bit what one of them finds: extremes are kept with the number of their
//! picture and sorted by it, and the counts of a histogram depend on the values alone. Sums of floats,
//! which depend on their order, are kept nowhere.

mod calibrator;
mod histogram;
mod moments;
mod tally;
#[cfg(test)]
pub(super) mod testing;
mod wire;

pub use calibrator::Calibrator;
pub use histogram::{BINS, Histogram};
pub use moments::{Bin, Moments};

use super::{QuantError, Range};
use crate::ir::ValueId;
use crate::ops::Graph;
use serde::{Deserialize, Serialize};
use tally::Tally;

/// Smallest and largest element of a tensor in one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
}

impl Extremes {
    /// Of a run in which the tensor had no elements, or was not made.
    const NONE: Self = Self { min: f32::INFINITY, max: f32::NEG_INFINITY };

    fn are_some(self) -> bool {
        self != Self::NONE
    }

    fn and(self, other: Self) -> Self {
        Self { min: smaller(self.min, other.min), max: larger(self.max, other.max) }
    }
}

/// What is remembered of one tensor over all pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Of each picture, [`Extremes::NONE`] where there were no elements.
    runs: Vec<Extremes>,
    histogram: Option<Histogram>,
}

impl Observed {
    /// What calibration would remember of these values seen in one run: for ranges of constants.
    pub fn of(values: &[f32]) -> Self {
        let mut histogram = Histogram::default();
        let extremes = Tally::new().take(values, Some(&mut histogram));
        Self { runs: extremes.into_iter().collect(), histogram: Some(histogram) }
    }

    /// Extremes of each run that had elements, in the order of the pictures.
    pub fn runs(&self) -> impl Iterator<Item = Extremes> + '_ {
        self.runs.iter().copied().filter(|run| run.are_some())
    }

    /// Smallest and largest element over all runs; `None` when there was none. Both are NaN when one of
    /// the elements was.
    pub fn extremes(&self) -> Option<Extremes> {
        self.runs().reduce(Extremes::and)
    }

    /// How often each magnitude occurred; `None` for a tensor that no plan asks for.
    pub fn histogram(&self) -> Option<&Histogram> {
        self.histogram.as_ref()
    }

    /// The range from extreme to extreme.
    pub fn range(&self) -> Range {
        let Extremes { min, max } = self.extremes().unwrap_or(Extremes { min: 0.0, max: 0.0 });
        Range::containing_zero(min, max)
    }
}

/// What calibration found: a row per value of the graph, in memory bounded as the
/// [module](self) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "wire::Unchecked")]
pub struct Statistics {
    /// Numbers of the pictures, ascending.
    pictures: Vec<usize>,
    rows: Vec<Option<Observed>>,
}

impl Statistics {
    /// Nothing seen: for a network that brings its own ranges.
    pub fn none(graph: &Graph) -> Self {
        Self { pictures: Vec::new(), rows: vec![None; graph.value_count()] }
    }

    /// What was seen of a value; `None` when it never was a float tensor with elements.
    pub fn get(&self, id: ValueId) -> Option<&Observed> {
        self.rows.get(id.index())?.as_ref()
    }

    /// Takes in what was found on other pictures.
    ///
    /// # Errors
    /// [`QuantError::OtherNetwork`] when that was seen in another graph.
    pub fn merge(&mut self, other: &Self) -> Result<(), QuantError> {
        if self.rows.len() != other.rows.len() {
            return Err(QuantError::OtherNetwork { expected: self.rows.len(), got: other.rows.len() });
        }
        let own = self.pictures.len();
        let pictures: Vec<usize> = self.pictures.iter().chain(&other.pictures).copied().collect();
        // Where in the order of the pictures each comes from.
        let mut order: Vec<usize> = (0..pictures.len()).collect();
        order.sort_by_key(|&at| pictures[at]);
        let run = |row: &Option<Observed>, at: usize| row.as_ref().map_or(Extremes::NONE, |row| row.runs[at]);
        for (row, other) in self.rows.iter_mut().zip(&other.rows) {
            if row.is_none() && other.is_none() {
                continue;
            }
            let pick = |&at: &usize| if at < own { run(row, at) } else { run(other, at - own) };
            let runs = order.iter().map(pick).collect();
            let mut histogram = row.take().and_then(|row| row.histogram);
            if let Some(counted) = other.as_ref().and_then(|row| row.histogram.as_ref()) {
                histogram.get_or_insert_default().merge(counted);
            }
            *row = Some(Observed { runs, histogram });
        }
        self.pictures = order.into_iter().map(|at| pictures[at]).collect();
        Ok(())
    }

    /// Refuses what no range can be made of.
    ///
    /// # Errors
    /// [`QuantError::NoCalibration`] when nothing was watched, [`QuantError::NotFinite`] when a
    /// value was NaN or infinite, [`QuantError::OtherNetwork`] when it was seen in another graph.
    pub fn check(&self, graph: &Graph) -> Result<(), QuantError> {
        if self.rows.len() != graph.value_count() {
            return Err(QuantError::OtherNetwork { expected: graph.value_count(), got: self.rows.len() });
        }
        if self.pictures.is_empty() {
            return Err(QuantError::NoCalibration);
        }
        for (id, value) in graph.values() {
            if let Some(Extremes { min, max }) = self.get(id).and_then(Observed::extremes)
                && let Some(got) = [min, max].into_iter().find(|v| !v.is_finite())
            {
                return Err(QuantError::NotFinite { value: value.name.clone(), got });
            }
        }
        Ok(())
    }

    /// How many runs were watched.
    pub fn runs(&self) -> usize {
        self.pictures.len()
    }

    /// The numbers of the pictures that were watched, ascending.
    pub fn pictures(&self) -> &[usize] {
        &self.pictures
    }
}

fn smaller(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { a.min(b) }
}

fn larger(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { a.max(b) }
}

#[cfg(test)]
mod tests;
