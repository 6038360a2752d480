//! Watching runs: what calibration remembers of the values it sees.

use super::{QuantError, Range};
use crate::exec::Probe;
use crate::ir::ValueId;
use crate::ops::Graph;
use crate::tensor::Value;
use serde::{Deserialize, Serialize};

/// What is remembered of one tensor over all pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Smallest element seen.
    pub min: f32,
    /// Largest element seen.
    pub max: f32,
}

impl Observed {
    fn and(self, other: Self) -> Self {
        Self { min: smaller(self.min, other.min), max: larger(self.max, other.max) }
    }
}

/// What calibration found: a row per value of the graph, in bounded memory however many pictures.
///
/// What was found on parts of the pictures can be put together: the order does not matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    rows: Vec<Option<Observed>>,
    runs: usize,
}

impl Statistics {
    /// Nothing seen: for a network that brings its own ranges.
    pub fn none(graph: &Graph) -> Self {
        Self { rows: vec![None; graph.value_count()], runs: 0 }
    }

    /// What was seen of a value; `None` when it never was a float tensor.
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
        for (row, other) in self.rows.iter_mut().zip(&other.rows) {
            *row = row.map_or(*other, |seen| Some(other.map_or(seen, |other| seen.and(other))));
        }
        self.runs += other.runs;
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
        if self.runs == 0 {
            return Err(QuantError::NoCalibration);
        }
        for (id, value) in graph.values() {
            if let Some(seen) = self.get(id)
                && let Some(got) = [seen.min, seen.max].into_iter().find(|v| !v.is_finite())
            {
                return Err(QuantError::NotFinite { value: value.name.clone(), got });
            }
        }
        Ok(())
    }

    /// How many runs were watched.
    pub fn runs(&self) -> usize {
        self.runs
    }
}

/// Watches runs of one graph.
#[derive(Debug, Clone)]
pub struct Calibrator {
    statistics: Statistics,
}

impl Calibrator {
    /// A calibrator for runs of that graph, which has seen nothing.
    pub fn new(graph: &Graph) -> Self {
        Self { statistics: Statistics::none(graph) }
    }

    /// Counts one run as complete.
    pub fn finish_run(&mut self) {
        self.statistics.runs += 1;
    }

    /// What was found so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// What was found.
    ///
    /// # Errors
    /// As [`Statistics::check`].
    pub fn finish(&self, graph: &Graph) -> Result<Statistics, QuantError> {
        self.statistics.check(graph)?;
        Ok(self.statistics.clone())
    }
}

impl Probe for Calibrator {
    fn observe(&mut self, id: ValueId, value: &Value) {
        let Ok(data) = value.as_slice::<f32>() else { return };
        let Some((min, max)) = min_max(data) else { return };
        let row = &mut self.statistics.rows[id.index()];
        let observed = Observed { min, max };
        *row = Some(row.map_or(observed, |seen| seen.and(observed)));
    }
}

/// Extremes of a slice. NaN is kept: a network that makes NaN has no range, and must be told so.
fn min_max(data: &[f32]) -> Option<(f32, f32)> {
    let (&first, rest) = data.split_first()?;
    let mut nan = first.is_nan();
    let (mut min, mut max) = (first, first);
    for &v in rest {
        nan |= v.is_nan();
        min = if v < min { v } else { min };
        max = if v > max { v } else { max };
    }
    Some(if nan { (f32::NAN, f32::NAN) } else { (min, max) })
}

fn smaller(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { a.min(b) }
}

fn larger(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { a.max(b) }
}

impl Observed {
    /// The range from extreme to extreme.
    pub fn range(&self) -> Range {
        Range::containing_zero(self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_anywhere_is_not_hidden() {
        let (min, max) = min_max(&[1.0, f32::NAN, -2.0]).unwrap();
        assert!(min.is_nan() && max.is_nan());
        assert_eq!(min_max(&[1.0, 3.0, -2.0]), Some((-2.0, 3.0)));
        assert_eq!(min_max(&[]), None);
    }
}
