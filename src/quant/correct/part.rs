//! A part of a graph as a graph of its own, so that two networks can be walked layer by layer.

use crate::exec::Executor;
use crate::ir::{GraphBuilder, NodeId, ValueId, ValueMap};
use crate::ops::{Graph, Isa, Kind, Node, Op};
use crate::quant::QuantError;
use crate::tensor::{DType, Shape, TensorType, Value};
use std::collections::BTreeSet;

/// What is needed to ask which nodes a part has.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) order: Vec<NodeId>,
    producers: Vec<Option<NodeId>>,
    /// For each value whether it is the same in every run.
    fixed: Vec<bool>,
    /// For each value the place in the order of the node that makes it; 0 for what comes from outside.
    made: Vec<usize>,
}

impl Map {
    /// With nodes in an order in which those of `layers`, by their names, follow each other as given: two
    /// graphs that have other nodes besides are walked alike.
    pub(super) fn of(graph: &Graph, layers: &[String]) -> Result<Self, QuantError> {
        let order = ordered(graph, layers)?;
        let mut fixed: Vec<bool> = graph.values().map(|(_, value)| value.constant.is_some()).collect();
        let mut made = vec![0; graph.value_count()];
        for (place, node) in order.iter().enumerate().filter_map(|(at, &id)| Some((at, graph.node(id)?))) {
            let is_fixed =
                !node.inputs.is_empty() && node.inputs.iter().flatten().all(|id| fixed[id.index()]);
            for output in &node.outputs {
                (fixed[output.index()], made[output.index()]) = (is_fixed, place);
            }
        }
        Ok(Self { producers: graph.producers(), order, fixed, made })
    }

    /// The node that makes a value.
    pub(super) fn maker<'a>(&self, graph: &'a Graph, id: ValueId) -> Option<&'a Node> {
        self.producers[id.index()].and_then(|maker| graph.node(maker))
    }

    /// What must be kept of a value so that it can be computed again cheaply: nothing of one that is the
    /// same in every run, codes of a dequantized one (with their scale and zero point, where these are found
    /// while running), otherwise itself.
    fn roots(&self, graph: &Graph, id: ValueId) -> Vec<ValueId> {
        let (mut roots, mut open) = (Vec::new(), vec![id]);
        while let Some(id) = open.pop() {
            if self.fixed[id.index()] {
                continue;
            }
            match self.maker(graph, id).filter(|node| node.op.facts().kind == Kind::Dequantize) {
                Some(node) => open.extend(node.inputs.iter().flatten()),
                None => roots.push(id),
            }
        }
        roots
    }

    /// What nodes from `place` of the order on need of what is made before it, in the order of the
    /// values' numbers.
    pub(super) fn needed_from(&self, graph: &Graph, place: usize) -> Vec<ValueId> {
        let nodes = self.order[place..].iter().filter_map(|&id| graph.node(id));
        let read = nodes.flat_map(|node| node.inputs.iter().flatten().copied());
        let is_before = |id: &ValueId| self.producers[id.index()].is_none() || self.made[id.index()] < place;
        let mut needed: Vec<ValueId> = read.filter(is_before).flat_map(|id| self.roots(graph, id)).collect();
        needed.sort_unstable();
        needed.dedup();
        needed
    }
}

/// For each layer in turn what it needs that has not come before, then itself; in the end the rest.
fn ordered(graph: &Graph, layers: &[String]) -> Result<Vec<NodeId>, QuantError> {
    let (rest, producers) = (graph.order()?, graph.producers());
    let named = |name: &String| graph.nodes().find(|(_, node)| node.name == *name).map(|(id, _)| id);
    let mut has_come = BTreeSet::new();
    let mut order = Vec::with_capacity(rest.len());
    for layer in layers.iter().filter_map(named) {
        let (mut needed, mut open) = (BTreeSet::new(), vec![layer]);
        while let Some(id) = open.pop() {
            if !has_come.contains(&id) && needed.insert(id) {
                let inputs = graph.node(id).into_iter().flat_map(|node| node.inputs.iter().flatten());
                open.extend(inputs.filter_map(|input| producers[input.index()]));
            }
        }
        order.extend(rest.iter().filter(|id| needed.contains(id)));
        has_come.append(&mut needed);
    }
    order.extend(rest.iter().filter(|id| !has_come.contains(id)));
    Ok(order)
}

/// The nodes between values that are given and values that are wanted, ready to run.
#[derive(Debug)]
pub(super) struct Part {
    executor: Executor,
    /// Which of the given values it reads, by their places among those.
    reads: Vec<usize>,
}

impl Part {
    pub(super) fn new(
        graph: &Graph,
        (map, isa): (&Map, Isa),
        given: &[ValueId],
        wanted: &[ValueId],
    ) -> Result<Self, QuantError> {
        let mut is_given = vec![false; graph.value_count()];
        for id in given {
            is_given[id.index()] = true;
        }
        let mut needed = vec![false; graph.value_count()];
        for id in wanted {
            needed[id.index()] = true;
        }
        let mut nodes = Vec::new();
        for &id in map.order.iter().rev() {
            let Some(node) = graph.node(id) else { continue };
            if node.outputs.iter().any(|id| needed[id.index()] && !is_given[id.index()]) {
                node.inputs.iter().flatten().for_each(|id| needed[id.index()] = true);
                nodes.push(node);
            }
        }
        let mut builder = GraphBuilder::<Op>::new(graph.name());
        let mut own = ValueMap::new();
        let mut reads = Vec::new();
        for (id, value) in graph.values().filter(|(id, _)| needed[id.index()]) {
            if let Some(constant) = &value.constant {
                own.insert(id, builder.constant(value.name.clone(), constant.clone()));
            } else if let Some(place) = given.iter().position(|&given| given == id) {
                let any = || TensorType::new(DType::F32, Shape::Unranked);
                own.insert(id, builder.input(value.name.clone(), value.ty.clone().unwrap_or_else(any)));
                reads.push(place);
            }
        }
        for node in nodes.into_iter().rev() {
            let mut made = node.clone();
            for id in &mut made.outputs {
                *id = *own.row(*id).get_or_insert_with(|| builder.value(graph.value(*id).name.clone(), None));
            }
            made.inputs = made.inputs.iter().map(|id| id.and_then(|id| own.get(id).copied())).collect();
            builder.node(made);
        }
        wanted.iter().filter_map(|id| own.get(*id).copied()).for_each(|id| builder.output(id));
        Ok(Self { executor: Executor::new(builder.finish()?, isa)?, reads })
    }

    /// The wanted values, in their order.
    pub(super) fn run(&self, given: &[Value]) -> Result<Vec<Value>, QuantError> {
        let inputs: Vec<Value> = self.reads.iter().filter_map(|&place| given.get(place).cloned()).collect();
        Ok(self.executor.run(&inputs, &mut crate::exec::NoProbe)?)
    }
}
