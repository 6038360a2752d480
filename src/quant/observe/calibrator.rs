//! The probe that collects statistics.

use super::{Extremes, Histogram, Observed, Statistics, Tally};
use crate::exec::Probe;
use crate::ir::ValueId;
use crate::ops::Graph;
use crate::quant::{QuantError, plan};
use crate::tensor::Value;

/// Watches runs of one graph.
#[derive(Debug, Clone)]
pub struct Calibrator {
    statistics: Statistics,
    /// For each value whether a plan can ask for it.
    counted: Vec<bool>,
    /// What the run that is watched has shown.
    run: Vec<Option<Extremes>>,
    tally: Tally,
}

impl Calibrator {
    /// A calibrator for runs of that graph, which has seen nothing.
    pub fn new(graph: &Graph) -> Self {
        // A graph without an order cannot be run, so nothing of it will be seen.
        let counted = plan::may_be_quantized(graph).unwrap_or_default();
        let run = vec![None; graph.value_count()];
        Self { statistics: Statistics::none(graph), counted, run, tally: Tally::new() }
    }

    /// Ends a run, which was of the picture of that number.
    pub fn finish_run(&mut self, picture: usize) {
        let Statistics { pictures, rows } = &mut self.statistics;
        let at = pictures.partition_point(|&other| other <= picture);
        pictures.insert(at, picture);
        for (row, seen) in rows.iter_mut().zip(&mut self.run) {
            if let Some(row) = row {
                row.runs.insert(at, seen.take().unwrap_or(Extremes::NONE));
            }
        }
    }

    /// What was found in the runs that have ended.
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
        let Ok(values) = value.as_slice::<f32>() else { return };
        let at = id.index();
        let counted = self.counted.get(at) == Some(&true);
        let row = &mut self.statistics.rows[at];
        let histogram = match row {
            Some(row) => row.histogram.as_mut(),
            None if values.is_empty() => return,
            None => {
                let runs = vec![Extremes::NONE; self.statistics.pictures.len()];
                let histogram = counted.then(Histogram::default);
                row.insert(Observed { runs, histogram }).histogram.as_mut()
            }
        };
        let Some(seen) = self.tally.take(values, histogram) else { return };
        let run = &mut self.run[at];
        *run = Some(run.map_or(seen, |before| before.and(seen)));
    }
}
