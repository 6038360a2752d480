//! Watching runs: what calibration remembers of the values it sees.

use super::{QuantError, Range};
use crate::exec::Probe;
use crate::ir::ValueId;
use crate::ops::Graph;
use crate::tensor::Value;

/// What is remembered of one tensor over all pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Smallest element seen.
    pub min: f32,
    /// Largest element seen.
    pub max: f32,
}

/// What calibration found: a row per value of the graph, in bounded memory however many pictures.
#[derive(Debug, Clone, PartialEq)]
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

    /// What was found.
    ///
    /// # Errors
    /// [`QuantError::NoCalibration`] when nothing was watched, [`QuantError::NotFinite`] when a
    /// value was NaN or infinite.
    pub fn finish(&self, graph: &Graph) -> Result<Statistics, QuantError> {
        if self.statistics.runs == 0 {
            return Err(QuantError::NoCalibration);
        }
        for (id, value) in graph.values() {
            if let Some(seen) = self.statistics.get(id)
                && let Some(got) = [seen.min, seen.max].into_iter().find(|v| !v.is_finite())
            {
                return Err(QuantError::NotFinite { value: value.name.clone(), got });
            }
        }
        Ok(self.statistics.clone())
    }
}

impl Probe for Calibrator {
    fn observe(&mut self, id: ValueId, value: &Value) {
        let Ok(data) = value.as_slice::<f32>() else { return };
        let Some((min, max)) = min_max(data) else { return };
        let row = &mut self.statistics.rows[id.index()];
        *row = Some(match *row {
            None => Observed { min, max },
            Some(seen) => Observed { min: smaller(seen.min, min), max: larger(seen.max, max) },
        });
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
