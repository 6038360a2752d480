//! [`Graph`]: an arena of nodes and values.

use super::{GraphError, GraphPatch};
use crate::tensor::{TensorType, Value};
use std::fmt;

/// The number of a value in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub(super) u32);

/// The number of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl ValueId {
    /// Position in tables that have one row per value.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeId {
    /// Position in tables that have one row per node.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a graph needs to know of its operations.
pub trait Operation: Clone + fmt::Debug {
    /// The operator's name, as ONNX has it.
    fn op_type(&self) -> &'static str;
}

/// One operation on values.
#[derive(Debug, Clone)]
pub struct Node<O> {
    /// The name in the file, unique in the graph.
    pub name: String,
    /// What it does.
    pub op: O,
    /// What it reads; `None` for an optional input that is absent.
    pub inputs: Vec<Option<ValueId>>,
    /// What it makes.
    pub outputs: Vec<ValueId>,
}

/// What is known of a value before a run.
#[derive(Debug, Clone)]
pub struct ValueData {
    /// The name in the file, unique in the graph.
    pub name: String,
    /// Element type and shape, once inferred or declared.
    pub ty: Option<TensorType>,
    /// The tensor, for a constant (an ONNX initializer).
    pub constant: Option<Value>,
}

/// A network: nodes in single-assignment form.
///
/// Numbers of nodes and values never change: a removed node leaves a hole, an unused value stays
/// until [`Graph::compacted`]. Tables keyed by [`ValueId`] thus survive patches.
#[derive(Debug, Clone)]
pub struct Graph<O> {
    pub(super) name: String,
    pub(super) nodes: Vec<Option<Node<O>>>,
    pub(super) values: Vec<ValueData>,
    pub(super) inputs: Vec<ValueId>,
    pub(super) outputs: Vec<ValueId>,
}

impl<O: Operation> Graph<O> {
    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a caller provides.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// What a caller gets.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// A value.
    ///
    /// # Panics
    /// When `id` is of another graph with more values.
    pub fn value(&self, id: ValueId) -> &ValueData {
        &self.values[id.index()]
    }

    /// How many values there are, dead ones included.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// All values, dead ones included.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &ValueData)> {
        self.values.iter().enumerate().map(|(i, v)| (ValueId(i as u32), v))
    }

    /// The tensor of a constant.
    pub fn constant(&self, id: ValueId) -> Option<&Value> {
        self.value(id).constant.as_ref()
    }

    /// A node, unless it was removed.
    pub fn node(&self, id: NodeId) -> Option<&Node<O>> {
        self.nodes.get(id.index())?.as_ref()
    }

    /// All nodes in the order of their numbers, which need not be an order of execution.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node<O>)> {
        self.nodes.iter().enumerate().filter_map(|(i, n)| Some((NodeId(i as u32), n.as_ref()?)))
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.iter().flatten().count()
    }

    /// One more than the largest node number: the size of a table keyed by [`NodeId`].
    pub fn node_slots(&self) -> usize {
        self.nodes.len()
    }

    /// The value of that name.
    pub fn find_value(&self, name: &str) -> Option<ValueId> {
        self.values().find(|(_, v)| v.name == name).map(|(id, _)| id)
    }

    /// For each value the node that makes it; constants and inputs have none.
    pub fn producers(&self) -> Vec<Option<NodeId>> {
        let mut table = vec![None; self.values.len()];
        for (id, node) in self.nodes() {
            for output in &node.outputs {
                table[output.index()] = Some(id);
            }
        }
        table
    }

    /// For each value the nodes that read it, each once, in the order of their numbers.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut table = vec![Vec::new(); self.values.len()];
        for (id, node) in self.nodes() {
            for input in node.inputs.iter().flatten() {
                let readers: &mut Vec<NodeId> = &mut table[input.index()];
                if readers.last() != Some(&id) {
                    readers.push(id);
                }
            }
        }
        table
    }

    /// An order in which every node comes after the makers of what it reads; among nodes that are
    /// free to run, the lower number first.
    ///
    /// # Errors
    /// [`GraphError::Cycle`] when there is none.
    pub fn order(&self) -> Result<Vec<NodeId>, GraphError> {
        use std::cmp::Reverse;
        let producers = self.producers();
        let consumers = self.consumers();
        // The node that another was last counted for, so that each counts once.
        let mut last = vec![usize::MAX; self.nodes.len()];
        let mut waiting = vec![0_usize; self.nodes.len()];
        for (id, node) in self.nodes() {
            let makers = node.inputs.iter().flatten().filter_map(|v| producers[v.index()]);
            waiting[id.index()] = makers
                .filter(|maker| std::mem::replace(&mut last[maker.index()], id.index()) != id.index())
                .count();
        }
        last.fill(usize::MAX);
        let mut free: std::collections::BinaryHeap<Reverse<NodeId>> =
            self.nodes().filter(|(id, _)| waiting[id.index()] == 0).map(|(id, _)| Reverse(id)).collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse(id)) = free.pop() {
            order.push(id);
            let outputs = self.node(id).map(|n| n.outputs.as_slice()).unwrap_or_default();
            let readers = outputs.iter().flat_map(|v| consumers[v.index()].iter().copied());
            for reader in readers {
                if std::mem::replace(&mut last[reader.index()], id.index()) == id.index() {
                    continue;
                }
                waiting[reader.index()] -= 1;
                if waiting[reader.index()] == 0 {
                    free.push(Reverse(reader));
                }
            }
        }
        if order.len() == self.node_count() {
            return Ok(order);
        }
        let stuck = self.nodes().find(|(id, _)| waiting[id.index()] > 0);
        Err(GraphError::Cycle { node: stuck.map(|(_, n)| n.name.clone()).unwrap_or_default() })
    }

    /// The graph with a patch applied; this one stays as it was.
    ///
    /// # Errors
    /// What [`Graph::verify`] finds wrong with the result.
    pub fn apply(&self, patch: GraphPatch<O>) -> Result<Self, GraphError> {
        let patched = patch.apply_to(self.clone())?;
        patched.verify()?;
        Ok(patched)
    }

    /// As [`Graph::apply`], without a copy and without the check: for a pass that makes many small
    /// patches, each sound by construction, and verifies their sum.
    ///
    /// # Errors
    /// When the patch names a node or a value that does not exist.
    pub(crate) fn apply_unverified(self, patch: GraphPatch<O>) -> Result<Self, GraphError> {
        patch.apply_to(self)
    }

    /// States the type of a value. Types are annotations: this changes no result.
    pub(crate) fn set_type(&mut self, id: ValueId, ty: TensorType) {
        self.values[id.index()].ty = Some(ty);
    }

    /// The same graph without holes and dead values, numbered in an order of execution.
    ///
    /// # Errors
    /// [`GraphError::Cycle`].
    pub fn compacted(&self) -> Result<Self, GraphError> {
        let order = self.order()?;
        let mut used = vec![false; self.values.len()];
        let io = self.inputs.iter().chain(&self.outputs);
        let nodes = order.iter().filter_map(|&id| self.node(id));
        let in_nodes = nodes.clone().flat_map(|n| n.inputs.iter().flatten().chain(&n.outputs));
        for id in io.chain(in_nodes) {
            used[id.index()] = true;
        }
        let mut renumbered = vec![ValueId(0); self.values.len()];
        let mut values = Vec::new();
        for (id, value) in self.values().filter(|(id, _)| used[id.index()]) {
            renumbered[id.index()] = ValueId(values.len() as u32);
            values.push(value.clone());
        }
        let rename = |ids: &[ValueId]| ids.iter().map(|id| renumbered[id.index()]).collect::<Vec<_>>();
        let nodes = nodes.map(|node| {
            Some(Node {
                inputs: node.inputs.iter().map(|id| id.map(|id| renumbered[id.index()])).collect(),
                outputs: rename(&node.outputs),
                ..node.clone()
            })
        });
        Ok(Self {
            name: self.name.clone(),
            nodes: nodes.collect(),
            values,
            inputs: rename(&self.inputs),
            outputs: rename(&self.outputs),
        })
    }
}

/// Makes a graph from nothing: for importers and tests.
#[derive(Debug)]
pub struct GraphBuilder<O>(Graph<O>);

impl<O: Operation> GraphBuilder<O> {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self(Graph { name, nodes: Vec::new(), values: Vec::new(), inputs: Vec::new(), outputs: Vec::new() })
    }

    /// Adds a value that a node will make.
    pub fn value(&mut self, name: impl Into<String>, ty: Option<TensorType>) -> ValueId {
        self.push(ValueData { name: name.into(), ty, constant: None })
    }

    /// Adds a value that the caller provides.
    pub fn input(&mut self, name: impl Into<String>, ty: TensorType) -> ValueId {
        let id = self.value(name, Some(ty));
        self.0.inputs.push(id);
        id
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: impl Into<String>, value: Value) -> ValueId {
        self.push(ValueData { name: name.into(), ty: Some(constant_type(&value)), constant: Some(value) })
    }

    /// Adds a node.
    pub fn node(&mut self, node: Node<O>) -> NodeId {
        let id = NodeId(self.0.nodes.len() as u32);
        self.0.nodes.push(Some(node));
        id
    }

    /// Adds a node of one output, which is named after it, and returns that output.
    pub fn op(&mut self, name: &str, op: O, inputs: &[ValueId]) -> ValueId {
        let output = self.value(format!("{name}_output"), None);
        let inputs = inputs.iter().copied().map(Some).collect();
        self.node(Node { name: name.to_owned(), op, inputs, outputs: vec![output] });
        output
    }

    /// Marks a value as a result.
    pub fn output(&mut self, id: ValueId) {
        self.0.outputs.push(id);
    }

    /// What is known of a value so far.
    pub fn peek(&self, id: ValueId) -> &ValueData {
        self.0.value(id)
    }

    /// The graph, checked.
    ///
    /// # Errors
    /// What [`Graph::verify`] finds wrong.
    pub fn finish(self) -> Result<Graph<O>, GraphError> {
        self.0.verify()?;
        Ok(self.0)
    }

    fn push(&mut self, data: ValueData) -> ValueId {
        let id = ValueId(self.0.values.len() as u32);
        self.0.values.push(data);
        id
    }
}

/// The type of a constant.
pub(super) fn constant_type(value: &Value) -> TensorType {
    TensorType::new(value.dtype(), crate::tensor::Shape::fixed(value.shape()))
}
