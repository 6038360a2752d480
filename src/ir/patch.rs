//! [`GraphPatch`]: a list of changes, made together or not at all.

use super::graph::constant_type;
use super::{Graph, GraphError, Node, NodeId, Operation, ValueData, ValueId};
use crate::tensor::{TensorType, Value};
use std::fmt;

#[derive(Debug, Clone)]
enum Edit<O> {
    AddValue(ValueData),
    AddNode(Node<O>),
    RemoveNode(NodeId),
    ReplaceNode(NodeId, Node<O>),
    ReplaceUses { old: ValueId, new: ValueId },
    SetType(ValueId, TensorType),
    SetConstant(ValueId, Value),
    SetOutputs(Vec<ValueId>),
}

/// A change to a graph: a list of edits that [`Graph::apply`] makes in order, then checks.
#[derive(Debug, Clone)]
pub struct GraphPatch<O> {
    edits: Vec<Edit<O>>,
    next_value: u32,
}

impl<O: Operation> GraphPatch<O> {
    /// A patch for that graph, without edits.
    pub fn new(graph: &Graph<O>) -> Self {
        Self { edits: Vec::new(), next_value: graph.values.len() as u32 }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Adds a value for a new node to make. A name already taken gets a number behind it.
    pub fn add_value(&mut self, name: impl Into<String>, ty: Option<TensorType>) -> ValueId {
        self.push_value(ValueData { name: name.into(), ty, constant: None })
    }

    /// Adds a constant. A name already taken gets a number behind it.
    pub fn add_constant(&mut self, name: impl Into<String>, value: Value) -> ValueId {
        let ty = Some(constant_type(&value));
        self.push_value(ValueData { name: name.into(), ty, constant: Some(value) })
    }

    /// Adds a node. A name already taken gets a number behind it.
    pub fn add_node(&mut self, node: Node<O>) {
        self.edits.push(Edit::AddNode(node));
    }

    /// Adds a node of one output of the same name as the node, and returns that output.
    pub fn add_op(
        &mut self,
        name: &str,
        op: O,
        inputs: Vec<Option<ValueId>>,
        ty: Option<TensorType>,
    ) -> ValueId {
        let output = self.add_value(name, ty);
        self.add_node(Node { name: name.to_owned(), op, inputs, outputs: vec![output] });
        output
    }

    /// Removes a node; its outputs must have no reader left when all edits are made.
    pub fn remove_node(&mut self, id: NodeId) {
        self.edits.push(Edit::RemoveNode(id));
    }

    /// Puts another node in a node's place.
    pub fn replace_node(&mut self, id: NodeId, node: Node<O>) {
        self.edits.push(Edit::ReplaceNode(id, node));
    }

    /// Lets every reader of `old`, the graph's outputs included, read `new`. Nodes that this patch
    /// adds later are not touched.
    pub fn replace_uses(&mut self, old: ValueId, new: ValueId) {
        self.edits.push(Edit::ReplaceUses { old, new });
    }

    /// States the type of a value.
    pub fn set_type(&mut self, id: ValueId, ty: TensorType) {
        self.edits.push(Edit::SetType(id, ty));
    }

    /// Makes a value a constant; whatever made it must be removed by the same patch.
    pub fn set_constant(&mut self, id: ValueId, value: Value) {
        self.edits.push(Edit::SetConstant(id, value));
    }

    /// What readers of `id` read once the edits so far are made.
    pub fn resolve(&self, id: ValueId) -> ValueId {
        self.edits.iter().fold(id, |current, edit| match edit {
            Edit::ReplaceUses { old, new } if *old == current => *new,
            _ => current,
        })
    }

    /// Makes other values the results.
    pub fn set_outputs(&mut self, outputs: Vec<ValueId>) {
        self.edits.push(Edit::SetOutputs(outputs));
    }

    fn push_value(&mut self, data: ValueData) -> ValueId {
        let id = ValueId(self.next_value);
        self.next_value += 1;
        self.edits.push(Edit::AddValue(data));
        id
    }

    pub(super) fn apply_to(self, mut graph: Graph<O>) -> Result<Graph<O>, GraphError> {
        // Most patches add nothing, and the names of a large graph are many.
        let mut names = None;
        for edit in self.edits {
            match edit {
                Edit::AddValue(mut data) => {
                    data.name = names.get_or_insert_with(|| Names::of(&graph)).values.unique(&data.name);
                    graph.values.push(data);
                }
                Edit::AddNode(mut node) => {
                    node.name = names.get_or_insert_with(|| Names::of(&graph)).nodes.unique(&node.name);
                    graph.nodes.push(Some(node));
                }
                Edit::RemoveNode(id) => *slot(&mut graph, id)? = None,
                Edit::ReplaceNode(id, node) => *slot(&mut graph, id)? = Some(node),
                Edit::ReplaceUses { old, new } => replace_uses(&mut graph, old, new),
                Edit::SetType(id, ty) => value_slot(&mut graph, id)?.ty = Some(ty),
                Edit::SetConstant(id, value) => {
                    let slot = value_slot(&mut graph, id)?;
                    slot.ty = Some(constant_type(&value));
                    slot.constant = Some(value);
                }
                Edit::SetOutputs(outputs) => graph.outputs = outputs,
            }
        }
        Ok(graph)
    }
}

fn slot<O>(graph: &mut Graph<O>, id: NodeId) -> Result<&mut Option<Node<O>>, GraphError> {
    let slot = graph.nodes.get_mut(id.index());
    slot.filter(|s| s.is_some()).ok_or(GraphError::UnknownNode { index: id.index() })
}

fn value_slot<O>(graph: &mut Graph<O>, id: ValueId) -> Result<&mut ValueData, GraphError> {
    let count = graph.values.len();
    graph.values.get_mut(id.index()).ok_or(GraphError::UnknownValue { index: id.index(), count })
}

fn replace_uses<O>(graph: &mut Graph<O>, old: ValueId, new: ValueId) {
    let in_nodes = graph.nodes.iter_mut().flatten().flat_map(|n| n.inputs.iter_mut().flatten());
    for id in in_nodes.chain(graph.outputs.iter_mut()) {
        if *id == old {
            *id = new;
        }
    }
}

/// Keeps added names unique.
struct Names {
    values: NameSet,
    nodes: NameSet,
}

struct NameSet(std::collections::BTreeSet<String>);

impl Names {
    fn of<O: Operation>(graph: &Graph<O>) -> Self {
        Self {
            values: NameSet::of(graph.values.iter().map(|v| &v.name)),
            nodes: NameSet::of(graph.nodes.iter().flatten().map(|n| &n.name)),
        }
    }
}

impl NameSet {
    fn of<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let mut set = Self(std::collections::BTreeSet::new());
        set.0.extend(names.cloned());
        set
    }

    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut number = 1;
        while !self.0.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        candidate
    }
}

impl<O: Operation> fmt::Display for GraphPatch<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for edit in &self.edits {
            match edit {
                Edit::AddValue(v) if v.constant.is_some() => writeln!(f, "+ constant {}", v.name)?,
                Edit::AddValue(v) => writeln!(f, "+ value {}", v.name)?,
                Edit::AddNode(n) => writeln!(f, "+ node {} ({})", n.name, n.op.op_type())?,
                Edit::RemoveNode(id) => writeln!(f, "- node #{}", id.index())?,
                Edit::ReplaceNode(id, n) => {
                    writeln!(f, "~ node #{} = {} ({})", id.index(), n.name, n.op.op_type())?;
                }
                Edit::ReplaceUses { old, new } => writeln!(f, "~ uses of #{} read #{}", old.0, new.0)?,
                Edit::SetType(id, ty) => writeln!(f, "~ value #{}: {ty}", id.0)?,
                Edit::SetConstant(id, _) => writeln!(f, "~ value #{}: a constant", id.0)?,
                Edit::SetOutputs(ids) => {
                    writeln!(f, "~ outputs {:?}", ids.iter().map(|i| i.0).collect::<Vec<_>>())?;
                }
            }
        }
        Ok(())
    }
}
