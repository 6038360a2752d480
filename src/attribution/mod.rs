//! Attribution maps: which places of a picture speak for a class.
//!
//! A method sees a [`Model`]: a graph ready to run, whose logits and last spatial tensor have been
//! found. It never asks whether the graph is quantized: QuantizeLinear has a straight-through
//! gradient (docs/numerics.md), so the same code gives the maps of both networks.

mod grad_cam;
mod locate;
mod places;

pub use grad_cam::GradCam;
pub use locate::{Target, find_logits};
pub use places::Places;

use crate::exec::{ExecError, Executor, NoProbe, Probe, Recording};
use crate::ir::ValueId;
use crate::tensor::Value;
use locate::{Sizes, find_targets};
use thiserror::Error;

/// A network that can be explained.
#[derive(Debug, Clone)]
pub struct Model {
    /// The graph, ready to run.
    pub executor: Executor,
    /// The scores of the classes before any Softmax: `[1, C]`, or that with axes of size 1 behind.
    pub logits: ValueId,
}

/// One picture's run through a model.
#[derive(Debug, Clone)]
pub struct Run {
    /// The values that gradients from the logits to the targets need, or more.
    pub recording: Recording,
    /// Score of each class.
    pub logits: Vec<f32>,
    /// The tensors to read a map from, the best first; none where no tensor keeps the picture's rows
    /// and columns. Where the best one's places are tokens, those of its shape follow that all of the
    /// network passes through, from the last to the first.
    pub targets: Vec<Target>,
}

impl Model {
    /// Finds the logits of a graph.
    ///
    /// # Errors
    /// [`AttributionError::NoLogits`].
    pub fn new(executor: Executor) -> Result<Self, AttributionError> {
        let graph = executor.graph();
        let logits = find_logits(graph).ok_or(AttributionError::NoLogits)?;
        Ok(Self { executor, logits })
    }

    /// The score of each class for one input. Cheaper than [`Model::run`]: values are dropped as soon
    /// as nobody reads them.
    ///
    /// # Errors
    /// [`AttributionError::Exec`] when a node fails.
    pub fn scores(&self, input: Value) -> Result<Vec<f32>, AttributionError> {
        let mut watch = Watch { id: self.logits, found: None };
        self.executor.run(&[input], &mut watch)?;
        let name = || self.executor.graph().value(self.logits).name.clone();
        let logits = watch.found.ok_or_else(|| ExecError::NotComputed { name: name() })?;
        Ok(logits.into_vec::<f32>().map_err(ExecError::from)?)
    }

    /// Runs the network on one input and keeps what explaining it needs; everything where the graph's
    /// types leave sizes open, since only the run says then what that is.
    ///
    /// # Errors
    /// [`AttributionError::Exec`] when a node fails.
    pub fn run(&self, input: Value) -> Result<Run, AttributionError> {
        self.run_watched(input, &mut NoProbe)
    }

    /// As [`Model::run`]; `probe` sees every value.
    ///
    /// # Errors
    /// [`AttributionError::Exec`] when a node fails.
    pub fn run_watched(&self, input: Value, probe: &mut dyn Probe) -> Result<Run, AttributionError> {
        let graph = self.executor.graph();
        let known = Sizes::of_types(graph, input.shape());
        let targets = known.map(|sizes| find_targets(graph, self.logits, &sizes));
        let kept = match &targets {
            Some(targets) => {
                let values: Vec<ValueId> = targets.iter().map(|target| target.value).collect();
                self.executor.needed_between(&values, self.logits)
            }
            None => vec![true; graph.value_count()],
        };
        let recording = self.executor.record_some(&[input], &kept, probe)?;
        let targets =
            targets.unwrap_or_else(|| find_targets(graph, self.logits, &Sizes::of_run(graph, &recording)));
        let name = || graph.value(self.logits).name.clone();
        let logits = recording.get(self.logits).ok_or_else(|| ExecError::NotComputed { name: name() })?;
        let logits = logits.as_slice::<f32>().map_err(ExecError::from)?.to_vec();
        Ok(Run { recording, logits, targets })
    }
}

/// Keeps one value of a run.
struct Watch {
    id: ValueId,
    found: Option<Value>,
}

impl Probe for Watch {
    fn observe(&mut self, id: ValueId, value: &Value) {
        if id == self.id {
            self.found = Some(value.clone());
        }
    }

    fn watches(&self, id: ValueId) -> bool {
        id == self.id
    }
}

/// A map over the positions of a tensor or of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values in row-major order; for Grad-CAM at least 0.
    pub map: Vec<f32>,
    /// By how much the map misses the score that it should sum to, for methods that claim it.
    pub convergence_delta: Option<f32>,
}

/// A way to attribute a class's score to places. Cost is stated in forward runs.
pub trait Method {
    /// The map that explains class `target`.
    ///
    /// # Errors
    /// [`AttributionError`].
    fn attribute(&self, model: &Model, run: &Run, target: usize) -> Result<Attribution, AttributionError>;
}

/// What can go wrong while explaining.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AttributionError {
    /// No output looks like scores of classes.
    #[error("the network's output does not look like scores of classes, so there is nothing to explain")]
    NoLogits,
    /// No tensor has places.
    #[error("no tensor of the network keeps the picture's rows and columns, so there is no map to draw")]
    NoSpatialLayer,
    /// An operator on the way from the logits to the places cannot be differentiated.
    #[error("{op_type} `{node}` has no gradient, so there is no map to draw")]
    NoGradient {
        /// The node's name.
        node: String,
        /// Its operator.
        op_type: &'static str,
    },
    /// The class does not exist.
    #[error("class {target} does not exist: the network has {classes}")]
    NoSuchClass {
        /// Class asked for.
        target: usize,
        /// Classes of the network.
        classes: usize,
    },
    /// A run, or a gradient, failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::GraphBuilder;
    use crate::ops::{Flatten, GlobalAveragePool, Isa, Op, Relu, Sigmoid};
    use crate::passes;
    use crate::tensor::{DType, Dim, Shape, TensorType};

    /// `x → a → b → pool → flat`, and the numbers of these values.
    fn model(dims: &[Dim; 4]) -> (Model, [ValueId; 5]) {
        let mut builder = GraphBuilder::<Op>::new("net");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::Ranked(dims.to_vec())));
        let a = builder.op("a", Relu.into(), &[x]);
        let b = builder.op("b", Sigmoid.into(), &[a]);
        let pool = builder.op("pool", GlobalAveragePool.into(), &[b]);
        let flat = builder.op("flat", Flatten { axis: 1 }.into(), &[pool]);
        builder.output(flat);
        let graph = passes::infer_types(&builder.finish().unwrap()).unwrap();
        (Model::new(Executor::new(graph, Isa::Portable).unwrap()).unwrap(), [x, a, b, pool, flat])
    }

    fn targets(run: &Run) -> Vec<ValueId> {
        run.targets.iter().map(|target| target.value).collect()
    }

    #[test]
    fn a_run_keeps_what_explaining_needs_and_no_more() {
        let named = |name: &str| Dim::Symbolic(name.into());
        let fixed = [1, 8, 4, 3].map(Dim::Fixed);
        for dims in [fixed, [named("n"), Dim::Fixed(8), named("h"), named("w")]] {
            let (model, [x, a, b, pool, _]) = model(&dims);
            let run = model.run(Value::zeros::<f32>(&[1, 8, 4, 3]).unwrap()).unwrap();
            assert_eq!(targets(&run), [b]);
            assert!([b, pool].iter().all(|&id| run.recording.get(id).is_some()));
            assert!([x, a].iter().all(|&id| run.recording.get(id).is_none()));
            assert!(GradCam.attribute(&model, &run, 1).is_ok());
        }
    }

    #[test]
    fn everything_is_kept_where_types_leave_sizes_open() {
        let (model, ids) = model(&[Dim::Fixed(1), Dim::Fixed(8), Dim::Unknown, Dim::Fixed(3)]);
        let run = model.run(Value::zeros::<f32>(&[1, 8, 4, 3]).unwrap()).unwrap();
        assert_eq!(targets(&run), [ids[2]]);
        assert!(ids[1..].iter().all(|&id| run.recording.get(id).is_some()));
    }

    #[test]
    fn a_network_without_places_has_nothing_to_look_at() {
        let mut builder = GraphBuilder::<Op>::new("net");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 8])));
        let y = builder.op("y", Relu.into(), &[x]);
        builder.output(y);
        let model = Model::new(Executor::new(builder.finish().unwrap(), Isa::Portable).unwrap()).unwrap();
        let run = model.run(Value::zeros::<f32>(&[1, 8]).unwrap()).unwrap();
        assert_eq!((targets(&run), run.logits.len()), (Vec::new(), 8));
        assert_eq!(GradCam.attribute(&model, &run, 0), Err(AttributionError::NoSpatialLayer));
    }
}
