//! What every node takes, here and now, in both networks.
//!
//! The clock is read whenever a value was made. Browsers round it, to a tenth of a millisecond or worse, but
//! what one node is given too much the next one is given too little: so times are means over many runs, of
//! which the slower half, met by something else on the machine, does not count.

use super::SessionError;
use super::job::{Job, Progress, Step};
use super::latency::Clock;
use super::network::Network;
use super::runnable::QuantizedModel;
use super::view::{NodeTime, NodeTimes, ProfileView};
use crate::exec::{Executor, Probe};
use crate::ir::{NameMap, Operation as _, ValueId, ValueMap};
use crate::ops::Node;
use crate::tensor::{Shape, Value, ordered};
use std::sync::Arc;

/// Runs before the first that counts.
const WARM_UP: usize = 1;

/// Both networks run in turns until this much time has gone by, or until so many runs.
const ENOUGH_MS: f64 = 1500.0;
const LEAST_RUNS: usize = 8;
const MOST_RUNS: usize = 400;

/// Measures every node of both networks, in turns.
#[derive(Debug)]
pub struct ProfileJob {
    network: Arc<Network>,
    quantized: Arc<QuantizedModel>,
    input: Value,
    clock: Clock,
    begin: Option<f64>,
    warm: usize,
    full: Vec<Run>,
    integer: Vec<Run>,
    shapes: [ValueMap<String>; 2],
}

/// One run: milliseconds before each value was there, in the order in which they were made.
#[derive(Debug)]
struct Run {
    spent: Vec<(ValueId, f64)>,
    total: f64,
}

/// Reads the clock whenever a value was made.
struct Stopwatch<'a> {
    clock: Clock,
    last: f64,
    spent: Vec<(ValueId, f64)>,
    shapes: &'a mut ValueMap<String>,
}

impl Probe for Stopwatch<'_> {
    fn observe(&mut self, id: ValueId, value: &Value) {
        let spent = (self.clock)() - self.last;
        self.spent.push((id, spent));
        self.shapes.row(id).get_or_insert_with(|| Shape::fixed(value.shape()).to_string());
        self.last = (self.clock)();
    }

    /// What runs as one is measured as one.
    fn watches(&self, _: ValueId) -> bool {
        false
    }
}

impl ProfileJob {
    /// A job that measures on this input.
    pub fn new(network: Arc<Network>, quantized: Arc<QuantizedModel>, input: Value, clock: Clock) -> Self {
        Self {
            network,
            quantized,
            input,
            clock,
            begin: None,
            warm: 0,
            full: Vec::new(),
            integer: Vec::new(),
            shapes: Default::default(),
        }
    }

    fn run(&mut self, which: usize) -> Result<Run, SessionError> {
        let executor =
            if which == 0 { &self.network.model.executor } else { &self.quantized.integer.executor };
        let start = (self.clock)();
        let shapes = &mut self.shapes[which];
        let mut watch = Stopwatch { clock: self.clock, last: start, spent: Vec::new(), shapes };
        executor.run(std::slice::from_ref(&self.input), &mut watch)?;
        let spent = watch.spent;
        Ok(Run { total: spent.iter().map(|(_, ms)| ms).sum(), spent })
    }
}

impl Job for ProfileJob {
    type Output = ProfileView;

    fn step(&mut self) -> Result<Step<ProfileView>, SessionError> {
        let begin = *self.begin.get_or_insert_with(self.clock);
        let elapsed = (self.clock)() - begin;
        let runs = self.full.len();
        if runs >= MOST_RUNS || (runs >= LEAST_RUNS && elapsed >= ENOUGH_MS) {
            return Ok(Step::Done(self.view()));
        }
        let (full, integer) = (self.run(0)?, self.run(1)?);
        if self.warm < WARM_UP {
            self.warm += 1;
        } else {
            self.full.push(full);
            self.integer.push(integer);
        }
        let by_time = (elapsed / ENOUGH_MS * 100.0).min(100.0) as usize;
        let done = by_time.min(self.full.len() * 100 / LEAST_RUNS);
        Ok(Step::Running(Progress { phase: "measuring", done, total: 100, comparison: None }))
    }
}

impl ProfileJob {
    fn view(&self) -> ProfileView {
        let (full, integer) = (Means::of(&self.full), Means::of(&self.integer));
        ProfileView {
            nodes: side_by_side(
                rows(&self.network.model.executor, &full, &self.shapes[0]),
                rows(&self.quantized.integer.executor, &integer, &self.shapes[1]),
            ),
            full_ms: full.total,
            quantized_ms: integer.total,
            path: self.quantized.path(),
            runs: full.runs,
            isa: self.network.model.executor.isa().to_string(),
        }
    }
}

/// Means over the faster half of some runs.
struct Means {
    runs: usize,
    total: f64,
    spent: ValueMap<f64>,
}

impl Means {
    fn of(runs: &[Run]) -> Self {
        let order = ordered(runs.len(), &|a, b| runs[a].total.total_cmp(&runs[b].total));
        let sorted: Vec<&Run> = order.into_iter().take(runs.len().div_ceil(2)).map(|at| &runs[at]).collect();
        let share = 1.0 / sorted.len().max(1) as f64;
        let mut spent = ValueMap::new();
        for (id, ms) in sorted.iter().flat_map(|run| &run.spent) {
            *spent.row(*id).get_or_insert(0.0) += ms * share;
        }
        Self { runs: sorted.len(), total: sorted.iter().map(|run| run.total * share).sum(), spent }
    }
}

/// A node of one network.
struct Row {
    name: String,
    shape: String,
    time: NodeTime,
}

/// The nodes of a network, those that ran as one in one row: what the first of them made was never seen.
fn rows(executor: &Executor, means: &Means, shapes: &ValueMap<String>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut begun: Option<Row> = None;
    for (node, kernel) in executor.kernels() {
        let row = Row::new(node, kernel, means, shapes);
        let row = match begun.take() {
            Some(first) => first.and(row),
            None => row,
        };
        if node.outputs.iter().any(|id| shapes.contains(*id)) {
            rows.push(row);
        } else {
            begun = Some(row);
        }
    }
    rows.extend(begun);
    rows
}

impl Row {
    /// This node and the next one, which ran on its kernel.
    fn and(self, next: Self) -> Self {
        let both = |first: &str, second: &str| format!("{first} + {second}");
        let time = NodeTime {
            ms: self.time.ms + next.time.ms,
            op: both(&self.time.op, &next.time.op),
            kernel: self.time.kernel.or(next.time.kernel),
        };
        Self { name: both(&self.name, &next.name), shape: next.shape, time }
    }

    fn new(node: &Node, kernel: Option<&str>, means: &Means, shapes: &ValueMap<String>) -> Self {
        let ms = node.outputs.iter().filter_map(|id| means.spent.get(*id)).sum();
        let shape = node.outputs.first().and_then(|id| shapes.get(*id)).cloned().unwrap_or_default();
        let time = NodeTime { ms, op: node.op.op_type().to_owned(), kernel: kernel.map(str::to_owned) };
        Self { name: node.name.clone(), shape, time }
    }
}

/// Nodes of the same name in one row, those that run as one in both networks among them; those that only the quantized network has behind the one that runs
/// before them.
fn side_by_side(full: Vec<Row>, quantized: Vec<Row>) -> Vec<NodeTimes> {
    let places: NameMap<usize> = full.iter().enumerate().map(|(place, row)| (&row.name, place)).collect();
    let mut rows: Vec<NodeTimes> = full
        .into_iter()
        .map(|Row { name, shape, time }| NodeTimes { name, shape, full: Some(time), quantized: None })
        .collect();
    // Each with the number of rows before it.
    let mut alone: Vec<(usize, NodeTimes)> = Vec::new();
    let mut before = 0;
    for Row { name, shape, time } in quantized {
        if let Some(&place) = places.get(&name) {
            rows[place].quantized = Some(time);
            before = before.max(place + 1);
        } else {
            alone.push((before, NodeTimes { name, shape, full: None, quantized: Some(time) }));
        }
    }
    for (before, row) in alone.into_iter().rev() {
        rows.insert(before, row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, ms: f64) -> Row {
        let time = NodeTime { ms, op: "Relu".to_owned(), kernel: None };
        Row { name: name.to_owned(), shape: "1".to_owned(), time }
    }

    #[test]
    fn a_node_of_one_network_stands_where_it_runs() {
        let quantized = vec![row("to codes", 1.0), row("a", 2.0), row("c", 3.0), row("to reals", 4.0)];
        let rows = side_by_side(vec![row("a", 5.0), row("b", 6.0), row("c", 7.0)], quantized);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["to codes", "a", "b", "c", "to reals"]);
        let times =
            |row: &NodeTimes| [&row.full, &row.quantized].map(|time| time.as_ref().map(|time| time.ms));
        let times: Vec<_> = rows.iter().map(times).collect();
        let both = [None, Some(5.0), Some(6.0), Some(7.0), None].into_iter();
        let both = both.zip([Some(1.0), Some(2.0), None, Some(3.0), Some(4.0)]);
        assert_eq!(times, both.map(|(full, quantized)| [full, quantized]).collect::<Vec<_>>());
    }

    #[test]
    fn nodes_that_run_as_one_have_one_row() {
        let full = vec![row("conv", 5.0).and(row("add", 1.0)), row("pool", 2.0)];
        let quantized = vec![row("conv", 2.0).and(row("add", 0.0)), row("pool", 3.0)];
        let rows = side_by_side(full, quantized);
        let first = &rows[0];
        assert_eq!((rows.len(), first.name.as_str()), (2, "conv + add"));
        let time = |time: &Option<NodeTime>| time.as_ref().map(|time| (time.ms, time.op.clone()));
        assert_eq!(time(&first.full), Some((6.0, "Relu + Relu".to_owned())));
        assert_eq!(time(&first.quantized), Some((2.0, "Relu + Relu".to_owned())));
    }

    #[test]
    fn the_slower_half_of_the_runs_does_not_count() {
        let id = crate::ir::GraphBuilder::<crate::ops::Op>::new("g")
            .input("x", crate::tensor::TensorType::new(crate::tensor::DType::F32, Shape::fixed(&[1])));
        let run = |ms: f64| Run { spent: vec![(id, ms)], total: ms };
        let means = Means::of(&[run(9.0), run(1.0), run(30.0), run(3.0)]);
        assert_eq!((means.runs, means.total, means.spent.get(id)), (2, 2.0, Some(&2.0)));
    }
}
