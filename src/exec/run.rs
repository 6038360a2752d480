//! The forward walk.

use super::ExecError;
use super::schedule::{Step, schedule};
use super::weights::Weights;
use crate::ir::{NameMap, ValueId};
use crate::ops::Isa;
use crate::ops::{Context, Graph, Inputs, NextSum, Node, OpError, Prepared, Summed};
use crate::tensor::{Dim, Shape, TensorType, Value};
use std::fmt;

/// Sees the values of a run as they are made.
pub trait Probe {
    /// A value was made, or came from the caller. Constants are not shown.
    fn observe(&mut self, id: ValueId, value: &Value);

    /// Whether a value has to be shown. One that only a sum reads need not be made where nobody looks at
    /// it: a convolution then adds to its output before storing it ([`crate::ops::MakesSum`]).
    fn watches(&self, _id: ValueId) -> bool {
        true
    }
}

/// Looks at nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    fn observe(&mut self, _: ValueId, _: &Value) {}

    fn watches(&self, _: ValueId) -> bool {
        false
    }
}

/// Values of one run: what a backward walk needs.
#[derive(Debug, Clone)]
pub struct Recording(Vec<Option<Value>>);

impl Recording {
    /// The value, when it was kept or is a constant.
    pub fn get(&self, id: ValueId) -> Option<&Value> {
        self.0.get(id.index())?.as_ref()
    }
}

impl Probe for Recording {
    fn observe(&mut self, id: ValueId, value: &Value) {
        self.0[id.index()] = Some(value.clone());
    }
}

/// Keeps some values, and shows all.
struct Selection<'a> {
    recording: Recording,
    kept: &'a [bool],
    probe: &'a mut dyn Probe,
}

impl Probe for Selection<'_> {
    fn observe(&mut self, id: ValueId, value: &Value) {
        self.probe.observe(id, value);
        if self.kept.get(id.index()) == Some(&true) {
            self.recording.observe(id, value);
        }
    }

    fn watches(&self, id: ValueId) -> bool {
        self.kept.get(id.index()) == Some(&true) || self.probe.watches(id)
    }
}

/// A graph ready to run.
#[derive(Debug, Clone)]
pub struct Executor {
    graph: Graph,
    steps: Vec<(Step, Option<Prepared>)>,
    pub(super) weights: Weights,
    isa: Isa,
}

impl Executor {
    /// Orders the graph and lets its operators prepare their constants.
    ///
    /// # Errors
    /// [`ExecError::Graph`], or [`ExecError::Node`] when a constant does not fit its operator.
    pub fn new(graph: Graph, isa: Isa) -> Result<Self, ExecError> {
        let mut steps = Vec::new();
        let mut weights = Weights::of(&graph);
        for step in schedule(&graph, &weights)? {
            let Some(node) = graph.node(step.node) else { continue };
            let make = |id: &Option<ValueId>| id.map_or(Ok(None), |id| weights.make(&graph, id));
            let made: Vec<Option<Value>> = node.inputs.iter().map(make).collect::<Result<_, _>>()?;
            let constants = node.inputs.iter().zip(&made);
            let constants: Vec<Option<&Value>> =
                constants.map(|(id, made)| id.and_then(|id| graph.constant(id)).or(made.as_ref())).collect();
            let prepared = node.op.prepare(isa, &constants);
            let prepared = prepared.map_err(|e| node_error(node, constants.iter().copied(), e))?;
            weights.keep(&node.inputs, made, prepared.as_ref());
            steps.push((step, prepared));
        }
        for &id in graph.outputs() {
            weights.keep_result(&graph, id)?;
        }
        Ok(Self { graph, steps, weights, isa })
    }

    /// The graph that is run.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The instruction set that is used.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Runs the graph on `inputs`, in the order of [`crate::ir::Graph::inputs`]; the results come in
    /// the order of its outputs.
    ///
    /// # Errors
    /// [`ExecError::InputCount`], [`ExecError::InputType`], [`ExecError::Node`].
    pub fn run(&self, inputs: &[Value], probe: &mut dyn Probe) -> Result<Vec<Value>, ExecError> {
        self.check_inputs(inputs)?;
        let mut table: Vec<Option<Value>> = vec![None; self.graph.value_count()];
        for (id, value) in self.graph.inputs().iter().zip(inputs) {
            probe.observe(*id, value);
            table[id.index()] = Some(value.clone());
        }
        let mut steps = self.steps.iter();
        while let Some((step, prepared)) = steps.next() {
            if self.run_with_sum((step, prepared.as_ref()), steps.as_slice().first(), &mut table, probe)? {
                steps.next();
            }
        }
        let result = |&id: &ValueId| {
            let value = table[id.index()].clone().or_else(|| self.constant(id).cloned());
            value.ok_or_else(|| ExecError::NotComputed { name: self.graph.value(id).name.clone() })
        };
        self.graph.outputs().iter().map(result).collect()
    }

    /// Runs the graph and keeps the values for which `kept` says so, by their numbers, and all that are
    /// the same in every run; `probe` sees every value.
    ///
    /// # Errors
    /// As [`Executor::run`].
    pub fn record_some(
        &self,
        inputs: &[Value],
        kept: &[bool],
        probe: &mut dyn Probe,
    ) -> Result<Recording, ExecError> {
        let mut some = Selection { recording: self.constants(), kept, probe };
        self.run(inputs, &mut some)?;
        Ok(some.recording)
    }

    /// The values that gradients from `to` to each of `from` need: what lies between them, and what the
    /// operators there read beside.
    pub fn needed_between(&self, from: &[ValueId], to: ValueId) -> Vec<bool> {
        let count = self.graph.value_count();
        let (mut depends, mut leads, mut needed) =
            (vec![false; count], vec![false; count], vec![false; count]);
        (leads[to.index()], needed[to.index()]) = (true, true);
        for id in from {
            (depends[id.index()], needed[id.index()]) = (true, true);
        }
        for (node, _) in self.steps() {
            if node.inputs.iter().flatten().any(|id| depends[id.index()]) {
                node.outputs.iter().for_each(|id| depends[id.index()] = true);
            }
        }
        for (node, _) in self.steps().rev() {
            if !node.outputs.iter().any(|id| leads[id.index()]) {
                continue;
            }
            node.inputs.iter().flatten().for_each(|id| leads[id.index()] = true);
            if node.inputs.iter().flatten().any(|id| depends[id.index()]) {
                node.inputs.iter().flatten().chain(&node.outputs).for_each(|id| needed[id.index()] = true);
            }
        }
        needed
    }

    /// Runs the graph and keeps every value.
    ///
    /// # Errors
    /// As [`Executor::run`].
    pub fn record(&self, inputs: &[Value]) -> Result<Recording, ExecError> {
        let mut recording = self.constants();
        self.run(inputs, &mut recording)?;
        Ok(recording)
    }

    /// Whether a value is the same in every run.
    pub fn is_fixed(&self, id: ValueId) -> bool {
        self.graph.constant(id).is_some() || self.weights.has(id)
    }

    /// A recording of what is the same in every run and in memory.
    fn constants(&self) -> Recording {
        Recording(self.graph.values().map(|(id, _)| self.constant(id).cloned()).collect())
    }

    /// A value that is the same in every run and in memory.
    fn constant(&self, id: ValueId) -> Option<&Value> {
        self.graph.constant(id).or_else(|| self.weights.get(id))
    }

    /// A weight that is not in memory because its readers hold it in another form; `None` for any
    /// other value.
    ///
    /// # Errors
    /// [`ExecError::Node`].
    pub(super) fn weight(&self, id: ValueId) -> Result<Option<Value>, ExecError> {
        self.weights.make(&self.graph, id)
    }

    /// The nodes in the order in which they run, with what they prepared.
    pub(super) fn steps(&self) -> impl DoubleEndedIterator<Item = (&Node, Option<&Prepared>)> {
        self.steps.iter().filter_map(|(step, p)| Some((self.graph.node(step.node)?, p.as_ref())))
    }

    /// The nodes in the order in which they run, with the kernel of those that have a choice.
    pub fn kernels(&self) -> impl Iterator<Item = (&Node, Option<&'static str>)> {
        self.steps().map(|(node, prepared)| (node, prepared.and_then(Prepared::kernel)))
    }

    /// Runs a step, and the next one with it where that is its sum and the value between is not watched;
    /// says whether it did.
    fn run_with_sum(
        &self,
        (step, prepared): (&Step, Option<&Prepared>),
        next: Option<&(Step, Option<Prepared>)>,
        table: &mut [Option<Value>],
        probe: &mut dyn Probe,
    ) -> Result<bool, ExecError> {
        let Some(node) = self.graph.node(step.node) else { return Ok(false) };
        let inputs = self.fetch(node, step, table);
        let types = Description::of(inputs.iter().map(Option::as_ref));
        let (context, inputs) = (Context { isa: self.isa, prepared }, Inputs::new(inputs));
        let failed = |source| with_node(node, &types, source);
        let pair = next.zip(step.summed_in).filter(|_| !node.outputs.iter().any(|&id| probe.watches(id)));
        let sum = pair.and_then(|((next, _), slot)| {
            let node = self.graph.node(next.node)?;
            Some((node, next, slot, self.fetch(node, next, table).swap_remove(1 - slot)?))
        });
        let outputs = match sum.zip(node.op.as_sum_maker()) {
            None => node.op.forward(&context, inputs).map_err(failed)?,
            Some(((sum, next, slot, other), maker)) => {
                let op = NextSum { op: &sum.op, slot, other };
                match maker.forward_sum(&context, inputs, op).map_err(failed)? {
                    Summed::Sum(value) => {
                        store(sum, next, vec![value], table, probe);
                        return Ok(true);
                    }
                    Summed::Apart(output, other) => {
                        if let Some(id) = sum.inputs[1 - slot] {
                            table[id.index()] = Some(other);
                        }
                        vec![output]
                    }
                }
            }
        };
        store(node, step, outputs, table, probe);
        Ok(false)
    }

    /// What a step reads; what nobody reads after it leaves the table.
    fn fetch(&self, node: &Node, step: &Step, table: &mut [Option<Value>]) -> Vec<Option<Value>> {
        let fetch = |(input, &last): (&Option<ValueId>, &bool)| {
            let id = (*input)?;
            let slot = &mut table[id.index()];
            let held = if last { slot.take() } else { slot.clone() };
            held.or_else(|| self.constant(id).cloned())
        };
        node.inputs.iter().zip(&step.last_use).map(fetch).collect()
    }

    fn check_inputs(&self, inputs: &[Value]) -> Result<(), ExecError> {
        let expected = self.graph.inputs().len();
        if inputs.len() != expected {
            return Err(ExecError::InputCount { expected, got: inputs.len() });
        }
        let mut names = NameMap::new();
        for (&id, value) in self.graph.inputs().iter().zip(inputs) {
            let data = self.graph.value(id);
            if let Some(ty) = &data.ty
                && !fits(ty, value, &mut names)
            {
                return Err(ExecError::InputType {
                    name: data.name.clone(),
                    expected: ty.to_string(),
                    got: format!("{} {}", value.dtype(), Shape::fixed(value.shape())),
                });
            }
        }
        Ok(())
    }
}

/// Shows what a step made, and keeps what is read later.
fn store(node: &Node, step: &Step, outputs: Vec<Value>, table: &mut [Option<Value>], probe: &mut dyn Probe) {
    for ((id, value), &unused) in node.outputs.iter().zip(outputs).zip(&step.unused) {
        probe.observe(*id, &value);
        if !unused {
            table[id.index()] = Some(value);
        }
    }
}

/// Whether a tensor has a declared type; a symbolic size must be the same wherever it stands.
fn fits(ty: &TensorType, value: &Value, names: &mut NameMap<usize>) -> bool {
    let Shape::Ranked(dims) = &ty.shape else { return ty.dtype == value.dtype() };
    let mut fit = |(dim, &size): (&Dim, &usize)| match dim {
        Dim::Fixed(n) => *n == size,
        Dim::Symbolic(name) => *names.get_or_insert_with(name, || size) == size,
        Dim::Unknown => true,
    };
    ty.dtype == value.dtype() && dims.len() == value.rank() && dims.iter().zip(value.shape()).all(&mut fit)
}

/// Type and shape of each input, kept until it is known whether they must be written out.
struct Description(Vec<Option<TensorType>>);

impl Description {
    fn of<'a>(values: impl Iterator<Item = Option<&'a Value>>) -> Self {
        let ty = |v: &Value| TensorType::new(v.dtype(), Shape::fixed(v.shape()));
        Self(values.map(|v| v.map(ty)).collect())
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |ty: &Option<TensorType>| ty.as_ref().map_or("-".to_owned(), TensorType::to_string);
        f.write_str(&self.0.iter().map(text).collect::<Vec<_>>().join(", "))
    }
}

fn with_node(node: &Node, inputs: &Description, source: OpError) -> ExecError {
    let op_type = crate::ir::Operation::op_type(&node.op);
    ExecError::Node { node: node.name.clone(), op_type, inputs: inputs.to_string(), source: Box::new(source) }
}

pub(super) fn node_error<'a>(
    node: &Node,
    inputs: impl Iterator<Item = Option<&'a Value>>,
    source: OpError,
) -> ExecError {
    with_node(node, &Description::of(inputs), source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::GraphBuilder;
    use crate::kernels::{AddU8, Requantize};
    use crate::ops::{Add, Clamp, Conv, IntegerEpilogue, Op, QAdd, QConv, Relu, Window};
    use crate::tensor::DType;

    fn relu_chain() -> Graph {
        let mut builder = GraphBuilder::new("chain");
        let batch = Dim::Symbolic("batch".into());
        let shape = Shape::Ranked(vec![batch, Dim::Fixed(2)]);
        let x = builder.input("x", TensorType::new(DType::F32, shape));
        let a = builder.op("a", Relu.into(), &[x]);
        let b = builder.op("b", Relu.into(), &[a]);
        builder.output(b);
        builder.finish().unwrap()
    }

    #[test]
    fn a_caller_keeps_its_input() {
        let executor = Executor::new(relu_chain(), Isa::Portable).unwrap();
        let x = Value::from_vec(&[1, 2], vec![-1.0_f32, 3.0]).unwrap();
        let y = executor.run(std::slice::from_ref(&x), &mut NoProbe).unwrap();
        assert_eq!(y[0].as_slice::<f32>().unwrap(), &[0.0, 3.0]);
        assert_eq!(x.as_slice::<f32>().unwrap(), &[-1.0, 3.0]);
    }

    #[test]
    fn a_wrong_input_shape_is_named() {
        let executor = Executor::new(relu_chain(), Isa::Portable).unwrap();
        let x = Value::zeros::<f32>(&[1, 3]).unwrap();
        let error = executor.run(&[x], &mut NoProbe).unwrap_err();
        assert_eq!(error.to_string(), "input `x` should be float32 batch×2, but the data is float32 1×3");
    }

    #[test]
    fn a_recording_has_every_value() {
        let executor = Executor::new(relu_chain(), Isa::Portable).unwrap();
        let x = Value::from_vec(&[1, 2], vec![-1.0_f32, 3.0]).unwrap();
        let recording = executor.record(&[x]).unwrap();
        for (id, _) in executor.graph().values() {
            assert!(recording.get(id).is_some());
        }
    }

    /// Looks at what it is shown, but wants nothing shown.
    #[derive(Default)]
    struct Glance(Vec<ValueId>);

    impl Probe for Glance {
        fn observe(&mut self, id: ValueId, _: &Value) {
            self.0.push(id);
        }

        fn watches(&self, _: ValueId) -> bool {
            false
        }
    }

    /// A pointwise convolution of two channels, on codes or on real numbers.
    fn convolution(builder: &mut GraphBuilder<Op>, x: ValueId, on_codes: bool) -> ValueId {
        let window = Window { kernel: vec![1, 1], ..Window::default() };
        let conv = Conv { window, groups: 1, clamp: None };
        let shape = [2, 2, 1, 1];
        if !on_codes {
            let weight = Value::from_vec(&shape, vec![0.5_f32, -1.25, 3.0, 0.75]).unwrap();
            let weight = builder.constant("w", weight);
            return builder.op("conv", conv.into(), &[x, weight]);
        }
        let multiplier = vec![0.01, 0.02];
        let codes = Requantize {
            bias: vec![30, -4],
            multiplier,
            zero_point: 100,
            min: 0,
            max: 255,
            limits: Vec::new(),
        };
        let epilogue = IntegerEpilogue::Codes(codes);
        let weight = Value::from_vec(&shape, vec![40_i8, -100, 7, 127]).unwrap();
        let conv = QConv { conv, weight, input_zero_point: Some(9), epilogue };
        builder.op("conv", conv.into(), &[x])
    }

    fn sum(on_codes: bool) -> Op {
        if !on_codes {
            return Add { clamp: Some(Clamp::RELU) }.into();
        }
        let (lhs_zero_point, lhs_factor, rhs_zero_point, rhs_factor) = (100, 0.7, 3, 1.3);
        let add =
            AddU8 { lhs_zero_point, lhs_factor, rhs_zero_point, rhs_factor, zero_point: 5, min: 5, max: 250 };
        QAdd { add }.into()
    }

    /// Another summand than the convolution's output, of this shape.
    #[derive(Clone, Copy, PartialEq)]
    enum Other {
        Computed,
        Input,
        Broadcast,
        Constant,
        Unfit,
        Twice,
    }

    struct Network {
        executor: Executor,
        /// Output of the convolution.
        conv: ValueId,
        inputs: Vec<Value>,
    }

    /// `slot` is the convolution's, `also` may have more results.
    fn residual(
        (on_codes, slot, other): (bool, usize, Other),
        also: impl FnOnce(&mut GraphBuilder<Op>, [ValueId; 3]),
    ) -> Network {
        let shape = if on_codes { [1, 5, 3, 2] } else { [1, 2, 5, 3] };
        let (one, unfit) = ([1, 1, 1, 1], [1, 4, 4, 4]);
        let dtype = if on_codes { DType::U8 } else { DType::F32 };
        let value = |shape: &[usize], step: usize| {
            let numbers = (0..shape.iter().product::<usize>()).map(|i| (i * step + 11) % 256);
            if on_codes {
                Value::from_vec(shape, numbers.map(|n| n as u8).collect()).unwrap()
            } else {
                Value::from_vec(shape, numbers.map(|n| n as f32 / 16.0 - 8.0).collect()).unwrap()
            }
        };
        let mut builder = GraphBuilder::new("residual");
        let input = |builder: &mut GraphBuilder<Op>, name: &str, shape: &[usize]| {
            builder.input(name, TensorType::new(dtype, Shape::fixed(shape)))
        };
        let x = input(&mut builder, "x", &shape);
        let shape_of_other = match other {
            Other::Broadcast => one,
            Other::Unfit => unfit,
            _ => shape,
        };
        let y = input(&mut builder, "y", &shape_of_other);
        let summand = match other {
            Other::Computed | Other::Broadcast | Other::Unfit => builder.op("other", sum(on_codes), &[y, y]),
            Other::Constant => builder.constant("other", value(&shape, 5)),
            Other::Input | Other::Twice => y,
        };
        let conv = convolution(&mut builder, x, on_codes);
        let mut summands = [if other == Other::Twice { conv } else { summand }; 2];
        summands[slot] = conv;
        let z = builder.op("sum", sum(on_codes), &summands);
        builder.output(z);
        also(&mut builder, [conv, summand, z]);
        let executor = Executor::new(builder.finish().unwrap(), Isa::best()).unwrap();
        Network { executor, conv, inputs: vec![value(&shape, 37), value(&shape_of_other, 73)] }
    }

    /// Whether the convolution's output was left out, after comparing results with a run that is watched.
    fn is_one_step(network: &Network) -> bool {
        let Network { executor, conv, inputs } = network;
        let mut glance = Glance::default();
        let found = executor.run(inputs, &mut glance).unwrap();
        let recording = executor.record(inputs).unwrap();
        assert!(recording.get(*conv).is_some());
        for (id, value) in executor.graph().outputs().iter().zip(&found) {
            assert_eq!(Some(value), recording.get(*id));
        }
        !glance.0.contains(conv)
    }

    #[test]
    fn a_sum_behind_a_convolution_is_one_step_with_it_where_nobody_looks() {
        for (on_codes, slot) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
            for other in [Other::Computed, Other::Input, Other::Constant] {
                let network = residual((on_codes, slot, other), |_, _| ());
                assert!(is_one_step(&network), "{on_codes} {slot}");
                // Nor where somebody looks at something else.
                let kept: Vec<bool> =
                    network.executor.graph().values().map(|(id, _)| id != network.conv).collect();
                let recording = network.executor.record_some(&network.inputs, &kept, &mut NoProbe).unwrap();
                assert!(recording.get(network.conv).is_none());
            }
        }
    }

    #[test]
    fn what_others_read_is_made_and_left_as_it_was() {
        for on_codes in [false, true] {
            let reads_conv =
                residual((on_codes, 0, Other::Computed), |builder, [conv, ..]| builder.output(conv));
            assert!(!is_one_step(&reads_conv));
            assert!(!is_one_step(&residual((on_codes, 1, Other::Twice), |_, _| ())));
            // A summand that is read again is not written into.
            let also = |builder: &mut GraphBuilder<Op>, [_, other, _]: [ValueId; 3]| builder.output(other);
            let network = residual((on_codes, 0, Other::Computed), also);
            assert!(is_one_step(&network));
            let given = residual((on_codes, 0, Other::Input), |_, _| ());
            let before = given.inputs.clone();
            assert!(is_one_step(&given) && given.inputs == before);
        }
    }

    #[test]
    fn a_sum_of_other_shapes_is_left_to_itself() {
        for (on_codes, slot) in [(false, 0), (true, 1)] {
            assert!(!is_one_step(&residual((on_codes, slot, Other::Broadcast), |_, _| ())));
            let unfit = residual((on_codes, slot, Other::Unfit), |_, _| ());
            let error = unfit.executor.run(&unfit.inputs, &mut NoProbe).unwrap_err();
            assert!(error.to_string().contains("`sum`"), "{error}");
        }
    }
}
