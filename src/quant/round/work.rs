//! Rounding of all weights of a network, in steps.
//!
//! The network runs on the pictures in full precision, and of what its layers read only second moments are
//! kept ([`samples`](super::samples)). Then weight after weight is rounded. The result is the graph with
//! weights that lie on their grids, for [`apply`](crate::quant::apply) with the plan that comes with it: the
//! nearest codes of these weights are the codes that were chosen.
//!
//! A weight that several layers read is rounded once, by what they all read.

use super::layer::{AloneWork, LayerWork, Outcome, Task};
use super::samples::{self, MEMORY, MOST_COLUMNS, Moments, Sampling};
use super::{Rounded, RoundedLayer};
use crate::exec::{Executor, Probe};
use crate::ir::{NodeId, ValueId};
use crate::ops::{Graph, GraphPatch, Isa, Linear};
use crate::quant::correct::Walked;
use crate::quant::plan::{data_input, fit_to_bias, quantizable_linear};
use crate::quant::recipe::{RoundingChoice, WeightRange};
use crate::quant::{QuantError, QuantPlan, Recipe, TensorQuant};
use crate::tensor::Value;

/// Most terms of a sum that are rounded together. `H` of so many takes 42 MB in f64 and its factor as much,
/// and some seconds to make in a browser; both grow with the square and the cube.
pub const MOST_TERMS: usize = 2304;

/// A weight that a plan quantizes, and who reads it.
#[derive(Debug, Clone)]
struct Target {
    weight: ValueId,
    linear: Linear,
    readers: Vec<NodeId>,
    /// Terms of each sum, and groups, as far as shapes tell.
    terms: usize,
    groups: usize,
    /// Why it keeps its nearest codes, where it does.
    refusal: Option<String>,
}

/// A graph whose weights lie on their grids, with the plan of these.
#[derive(Debug, Clone)]
pub struct RoundedGraph {
    /// The graph.
    pub graph: Graph,
    /// The plan, with other scales where these were chosen anew.
    pub plan: QuantPlan,
    /// What became of each weight, in the order of execution.
    pub layers: Vec<RoundedLayer>,
}

/// Rounding of all weights that a plan quantizes.
#[derive(Debug)]
pub struct WeightRounding {
    graph: Graph,
    plan: QuantPlan,
    task: Task,
    pictures: usize,
    seed: u64,
    isa: Isa,
    /// Whether pictures are looked at.
    looks_at_inputs: bool,
    /// As long as there is something to look at.
    executor: Option<Executor>,
    targets: Vec<Target>,
    /// Where the weights that are looked at together begin, and the end of all.
    looks: Vec<usize>,
    look: usize,
    /// Pictures seen in this look.
    seen: usize,
    moments: Vec<Option<Moments>>,
    /// The weight that is next.
    at: usize,
    layer: Option<Work>,
    made: Vec<(ValueId, Value)>,
    layers: Vec<RoundedLayer>,
}

#[derive(Debug)]
enum Work {
    WithInputs(Box<LayerWork>),
    Alone(AloneWork),
}

impl WeightRounding {
    /// Rounds as a recipe asks for, with that many pictures to come. Take [`Isa::reproducible`] for files
    /// that are the same everywhere.
    ///
    /// # Errors
    /// [`QuantError::Graph`], [`QuantError::Run`] when the graph cannot be run.
    pub fn new(
        graph: &Graph,
        plan: &QuantPlan,
        recipe: &Recipe,
        (pictures, seed): (usize, u64),
        isa: Isa,
    ) -> Result<Self, QuantError> {
        let by_output = recipe.weight_range == WeightRange::Output;
        let task = Task { rounding: recipe.rounding, by_output };
        let targets = targets(graph, plan, task)?;
        let is_looked_at = targets.iter().any(|target| task.looks() && target.refusal.is_none());
        let executor = is_looked_at.then(|| Executor::new(graph.clone(), isa)).transpose()?;
        let looks = if is_looked_at { looks(&targets) } else { vec![0, targets.len()] };
        let moments = vec![None; targets.len()];
        Ok(Self {
            graph: graph.clone(),
            plan: plan.clone(),
            task,
            pictures,
            seed,
            isa,
            looks_at_inputs: is_looked_at,
            executor,
            targets,
            looks,
            look: 0,
            seen: 0,
            moments,
            at: 0,
            layer: None,
            made: Vec::new(),
            layers: Vec::new(),
        })
    }

    /// The picture that is to come next, by its place among all; `None` where it is time for a step.
    pub fn wants(&self) -> Option<usize> {
        let is_open = self.executor.is_some() && self.look + 1 < self.looks.len();
        (is_open && self.seen < self.pictures).then_some(self.seen)
    }

    /// How far the work is: pictures seen and weights rounded.
    pub fn progress(&self) -> Walked {
        let pictures = if self.looks_at_inputs { self.pictures } else { 0 };
        let looks = self.looks.len() - 1;
        let seen = self.look.min(looks) * pictures + if self.look < looks { self.seen } else { 0 };
        Walked { done: seen + self.at, total: looks * pictures + self.targets.len() }
    }

    /// Looks at the picture that was wanted.
    ///
    /// # Errors
    /// [`QuantError::Run`] when the picture does not fit the network.
    pub fn observe(&mut self, inputs: &[Value]) -> Result<(), QuantError> {
        let (Some(picture), Some(executor)) = (self.wants(), &self.executor) else { return Ok(()) };
        let wanted = self.looks[self.look]..self.looks[self.look + 1];
        let mut eye = Eye {
            graph: &self.graph,
            targets: &mut self.targets,
            wanted,
            moments: &mut self.moments,
            sampling: Sampling { seed: self.seed, layer: 0, columns: MOST_COLUMNS, pictures: self.pictures },
            picture,
            isa: self.isa,
            failure: None,
        };
        executor.run(inputs, &mut eye)?;
        let failure = eye.failure;
        self.seen += 1;
        if self.seen == self.pictures && self.look + 2 == self.looks.len() {
            self.executor = None; // its packed weights make place for the moments of a layer
        }
        failure.map_or(Ok(()), Err)
    }

    /// Does a piece of the rounding; `None` once every weight is rounded.
    ///
    /// # Errors
    /// [`QuantError::NoCalibration`] without a picture, [`QuantError::NotFinite`] where a layer reads NaN or
    /// infinity.
    pub fn step(&mut self) -> Result<Option<Walked>, QuantError> {
        if self.at == self.targets.len() {
            return Ok(None);
        }
        if self.pictures == 0 && self.looks_at_inputs {
            return Err(QuantError::NoCalibration);
        }
        let outcome = match self.layer.take() {
            None => self.begin()?,
            Some(work) => self.go_on(work)?,
        };
        if let Some(outcome) = outcome {
            self.keep(outcome)?;
        }
        Ok(Some(self.progress()))
    }

    /// Opens the weight that is next; what came of it where that is settled already.
    fn begin(&mut self) -> Result<Option<Outcome>, QuantError> {
        let target = &self.targets[self.at];
        let value = self.graph.value(target.weight);
        let (Some(weight), Some(planned)) = (&value.constant, self.plan.weights.get(&value.name)) else {
            return Ok(Some(Outcome::kept("it is no constant of the plan")));
        };
        if let Some(refusal) = &target.refusal {
            return Ok(Some(Outcome::kept(refusal)));
        }
        if !self.task.looks() {
            self.layer = Some(Work::Alone(AloneWork::new(weight, planned)?));
            return Ok(None);
        }
        let Some(moments) = self.moments[self.at].take() else {
            return Ok(Some(Outcome::kept("nothing was seen of what it reads")));
        };
        let not_finite = |got: f64| QuantError::NotFinite { value: value.name.clone(), got: got as f32 };
        let curvatures = moments.curvatures().map_err(not_finite)?;
        if curvatures.iter().all(Option::is_none) {
            return Ok(Some(Outcome::kept("all that it reads was zero")));
        }
        let axis = target.linear.channel_axis;
        let work = LayerWork::new((self.task, self.isa), (weight, axis), planned, curvatures)?;
        let Some(work) = work else {
            return Ok(Some(Outcome::kept("its inputs do not fit its weight")));
        };
        self.layer = Some(Work::WithInputs(Box::new(work)));
        Ok(None)
    }

    fn go_on(&mut self, work: Work) -> Result<Option<Outcome>, QuantError> {
        let (graph, plan, target) = (&self.graph, &self.plan, &self.targets[self.at]);
        let fit = |quant: &mut TensorQuant| {
            for node in target.readers.iter().filter_map(|&id| graph.node(id)) {
                fit_to_bias(graph, (node, target.linear), &plan.activations, quant);
            }
        };
        match work {
            Work::WithInputs(mut work) => {
                if work.step(&fit)? {
                    return Ok(Some(work.finish()));
                }
                self.layer = Some(Work::WithInputs(work));
            }
            Work::Alone(mut work) => {
                if work.step() {
                    return Ok(Some(work.finish(&fit)));
                }
                self.layer = Some(Work::Alone(work));
            }
        }
        Ok(None)
    }

    /// Takes in what came of the weight that was next.
    fn keep(&mut self, outcome: Outcome) -> Result<(), QuantError> {
        let target = &self.targets[self.at];
        let value = self.graph.value(target.weight);
        if let (Some(planned), Some(quant)) = (self.plan.weights.get_mut(&value.name), outcome.quant) {
            *planned = quant;
        }
        if let (Some(data), Some(weight)) = (outcome.weight, &value.constant) {
            self.made.push((target.weight, Value::from_vec(weight.shape(), data)?));
        }
        let node = target.readers.first().and_then(|&id| self.graph.node(id));
        let layer = node.map_or_else(String::new, |node| node.name.clone());
        self.layers.push(RoundedLayer { layer, rounded: outcome.rounded });
        self.at += 1;
        if self.at == self.looks[self.look + 1] {
            (self.look, self.seen) = (self.look + 1, 0);
        }
        Ok(())
    }

    /// The graph with all weights that were rounded so far.
    ///
    /// # Errors
    /// [`QuantError::Graph`].
    pub fn finish(self) -> Result<RoundedGraph, QuantError> {
        let mut patch = GraphPatch::new(&self.graph);
        for (id, value) in self.made {
            patch.set_constant(id, value);
        }
        Ok(RoundedGraph { graph: self.graph.apply(patch)?, plan: self.plan, layers: self.layers })
    }
}

impl Task {
    /// Whether inputs of layers are looked at.
    fn looks(self) -> bool {
        let by_inputs = [RoundingChoice::Gptq, RoundingChoice::Comq, RoundingChoice::AdaRound];
        self.by_output || by_inputs.contains(&self.rounding)
    }
}

impl Outcome {
    fn kept(why: &str) -> Self {
        let note = Some(why.to_owned());
        let rounded = Rounded { rounding: RoundingChoice::Nearest, nearest: None, accepted: None, note };
        Self { quant: None, weight: None, rounded }
    }
}

/// The weights that a plan quantizes, in the order in which they are first read.
fn targets(graph: &Graph, plan: &QuantPlan, task: Task) -> Result<Vec<Target>, QuantError> {
    let mut targets: Vec<Target> = Vec::new();
    for id in graph.order()? {
        let Some(node) = graph.node(id) else { continue };
        let Some(linear) = quantizable_linear(graph, node) else { continue };
        let Some(weight) = node.inputs.get(linear.weight).copied().flatten() else { continue };
        if !plan.weights.contains_key(&graph.value(weight).name) {
            continue;
        }
        if let Some(known) = targets.iter_mut().find(|target| target.weight == weight) {
            known.readers.push(id);
            if known.linear != linear {
                known.refusal = Some("layers of several kinds read its weight".to_owned());
            }
            continue;
        }
        let shape = graph.constant(weight).map_or(&[][..], Value::shape);
        let outputs = shape.get(linear.channel_axis).copied().unwrap_or(1);
        let terms = shape.iter().product::<usize>() / outputs.max(1);
        let inner = shape.get(1).copied().filter(|_| linear.channel_axis == 0 && shape.len() > 2);
        let read = data_input(node, linear)
            .and_then(|id| graph.value(id).ty.as_ref()?.shape.dims()?.get(1)?.fixed());
        let groups = inner.zip(read).and_then(|(inner, read)| read.checked_div(inner)).unwrap_or(1).max(1);
        let refusal = if !task.looks() {
            None
        } else if linear.channel_axis != 0 && shape.len() != 2 {
            Some("what a transposed convolution multiplies is not looked at".to_owned())
        } else if terms > MOST_TERMS {
            Some(format!("it sums {terms} products, and at most {MOST_TERMS} are rounded together"))
        } else if curvature_bytes(terms, groups) > MEMORY {
            Some(format!("its {groups} groups need more than {} MiB", MEMORY >> 20))
        } else {
            None
        };
        targets.push(Target { weight, linear, readers: vec![id], terms, groups, refusal });
    }
    Ok(targets)
}

/// The bytes of `H` of all groups, more than its sums take.
fn curvature_bytes(terms: usize, groups: usize) -> usize {
    terms.saturating_mul(terms).saturating_mul(groups).saturating_mul(size_of::<f64>())
}

/// Where the weights begin that are looked at together, and the end of all.
fn looks(targets: &[Target]) -> Vec<usize> {
    let (mut looks, mut held) = (vec![0], 0);
    for (at, target) in targets.iter().enumerate() {
        let bytes = if target.refusal.is_none() { samples::bytes(target.terms, target.groups) } else { 0 };
        if held + bytes > MEMORY {
            looks.push(at);
            held = 0;
        }
        held += bytes;
    }
    looks.push(targets.len());
    looks
}

/// Takes samples of what layers read.
struct Eye<'a> {
    graph: &'a Graph,
    targets: &'a mut [Target],
    wanted: std::ops::Range<usize>,
    moments: &'a mut [Option<Moments>],
    sampling: Sampling,
    picture: usize,
    isa: Isa,
    failure: Option<QuantError>,
}

impl Eye<'_> {
    /// The wanted weights that a value is multiplied with, and by which node.
    fn readers(&self, id: ValueId) -> Vec<(usize, NodeId)> {
        let mut found = Vec::new();
        for at in self.wanted.clone().filter(|&at| self.targets[at].refusal.is_none()) {
            let target = &self.targets[at];
            let reads = |node: &&NodeId| {
                self.graph.node(**node).and_then(|node| data_input(node, target.linear)) == Some(id)
            };
            found.extend(target.readers.iter().filter(reads).map(|&node| (at, node)));
        }
        found
    }

    fn look(&mut self, (at, node): (usize, NodeId), value: &Value) -> Result<(), QuantError> {
        let target = &mut self.targets[at];
        let shape = self.graph.constant(target.weight).map_or(&[][..], Value::shape);
        let columns = self.graph.node(node).and_then(|node| node.op.columns(value, shape));
        let Some(columns) = columns.filter(|columns| columns.terms() == target.terms) else {
            target.refusal = Some("what it multiplies with its weight is not known".to_owned());
            return Ok(());
        };
        let share = MOST_COLUMNS / target.readers.len();
        let sampling = Sampling { layer: node.index(), columns: share, ..self.sampling };
        let places = sampling.places(self.picture, columns.places());
        let moments = self.moments[at].get_or_insert_with(|| Moments::new(target.terms, columns.groups()));
        if !moments.add(self.isa, &columns, &places)? {
            target.refusal = Some("layers of several kinds read its weight".to_owned());
        }
        Ok(())
    }
}

impl Probe for Eye<'_> {
    fn observe(&mut self, id: ValueId, value: &Value) {
        for reader in self.readers(id) {
            if let Err(failure) = self.look(reader, value) {
                self.failure.get_or_insert(failure);
            }
        }
    }

    fn watches(&self, id: ValueId) -> bool {
        !self.readers(id).is_empty()
    }
}
