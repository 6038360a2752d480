//! How long one picture takes, here and now.

use super::SessionError;
use super::job::{Job, Progress, Step};
use super::network::Network;
use super::runnable::QuantizedModel;
use super::view::{LatencyView, QuantizedTimes, Times};
use crate::exec::NoProbe;
use crate::metrics::summary::percentile;
use crate::tensor::Value;
use std::sync::Arc;

/// Milliseconds since some moment, growing.
pub type Clock = fn() -> f64;

/// Samples before the first that counts: caches fill, the browser's compiler settles.
const WARM_UP: usize = 2;

/// A sample lasts at least so many milliseconds: browsers round their clocks, to a tenth of a
/// millisecond or even to a whole one, which is more than a small network takes.
const SAMPLE_MS: f64 = 10.0;

/// Most runs of a sample, even if the clock stood still.
const MOST_RUNS: u32 = 1000;

/// Measures both networks in turns, so that a disturbance meets both.
#[derive(Debug)]
pub struct LatencyJob {
    network: Arc<Network>,
    quantized: Arc<QuantizedModel>,
    input: Value,
    runs: usize,
    clock: Clock,
    done: usize,
    full: Vec<f64>,
    integer: Vec<f64>,
}

impl LatencyJob {
    /// A job of that many samples of each network (at least one).
    pub fn new(
        network: Arc<Network>,
        quantized: Arc<QuantizedModel>,
        input: Value,
        runs: usize,
        clock: Clock,
    ) -> Self {
        Self {
            network,
            quantized,
            input,
            runs: runs.max(1),
            clock,
            done: 0,
            full: Vec::new(),
            integer: Vec::new(),
        }
    }

    /// Milliseconds of one run: of a single one, or the mean of as many as fill a sample.
    fn time(&self, executor: &crate::exec::Executor) -> Result<f64, SessionError> {
        let start = (self.clock)();
        let (mut elapsed, mut runs) = (0.0, 0);
        while elapsed < SAMPLE_MS && runs < MOST_RUNS {
            executor.run(std::slice::from_ref(&self.input), &mut NoProbe)?;
            elapsed = (self.clock)() - start;
            runs += 1;
        }
        Ok(elapsed / f64::from(runs))
    }
}

impl Job for LatencyJob {
    type Output = LatencyView;

    fn step(&mut self) -> Result<Step<LatencyView>, SessionError> {
        if self.done < self.runs + WARM_UP {
            let full = self.time(&self.network.model.executor)?;
            let integer = self.time(&self.quantized.integer.executor)?;
            if self.done >= WARM_UP {
                self.full.push(full);
                self.integer.push(integer);
            }
            self.done += 1;
            let total = self.runs + WARM_UP;
            let progress = Progress { phase: "measuring", done: self.done, total, comparison: None };
            return Ok(Step::Running(progress));
        }
        let quantized = times(&self.integer);
        Ok(Step::Done(LatencyView {
            full: times(&self.full),
            quantized: QuantizedTimes {
                median_ms: quantized.median_ms,
                min_ms: quantized.min_ms,
                path: self.quantized.path(),
            },
            runs: self.runs,
            isa: self.network.model.executor.isa().to_string(),
        }))
    }
}

fn times(samples: &[f64]) -> Times {
    let percentile = |p| percentile(samples, p).unwrap_or(0.0);
    Times { median_ms: percentile(50.0), min_ms: percentile(0.0) }
}
