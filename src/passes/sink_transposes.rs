//! Transpositions that cancel each other, carried together.

use super::{PassError, eliminate_dead, type_inputs};
use crate::ir::{NodeId, ValueId, ValueMap};
use crate::ops::{Graph, GraphPatch, Node, Op, Reordered};

/// Carries transpositions towards the results of the network, through operators that do the same
/// before them, and joins those that meet: what has channels last in the file, with a transposition on
/// either side of every convolution, has them in one order afterwards. A network in which that leaves
/// as many transpositions as there were stays as it is.
///
/// # Errors
/// [`PassError::Graph`].
pub fn sink_transposes(graph: &Graph) -> Result<Graph, PassError> {
    let before = count(graph);
    if before < 2 {
        return Ok(graph.clone());
    }
    let mut sinking = Sinking {
        graph,
        patch: GraphPatch::new(graph),
        transposed: ValueMap::new(),
        renamed: ValueMap::new(),
    };
    for id in graph.order()? {
        if let Some(node) = graph.node(id) {
            sinking.visit(id, node);
        }
    }
    let sunk = eliminate_dead(&graph.apply(sinking.patch)?)?;
    Ok(if count(&sunk) < before { sunk } else { graph.clone() })
}

fn count(graph: &Graph) -> usize {
    graph.nodes().filter(|(_, node)| node.op.permutation().is_some()).count()
}

/// The nodes of a graph, one after the other; what comes before a node is done.
struct Sinking<'a> {
    graph: &'a Graph,
    patch: GraphPatch,
    /// Values of the graph that are now transposed others, with the order of their axes.
    transposed: ValueMap<(Vec<usize>, ValueId)>,
    /// Values of the graph that are others, since two transpositions cancelled.
    renamed: ValueMap<ValueId>,
}

impl Sinking<'_> {
    fn visit(&mut self, id: NodeId, node: &Node) {
        let done = match node.op.permutation() {
            Some(order) => self.join(id, node, &order),
            None => self.carry(id, node),
        };
        let is_renamed = |input: &Option<ValueId>| input.is_some_and(|id| self.renamed.contains(id));
        if done.is_none() && node.inputs.iter().any(is_renamed) {
            let inputs = node.inputs.iter().map(|input| input.map(|id| self.now(id))).collect();
            self.patch.replace_node(id, Node { inputs, ..node.clone() });
        }
    }

    /// The value that has taken the place of one of the graph.
    fn now(&self, id: ValueId) -> ValueId {
        self.renamed.get(id).copied().unwrap_or(id)
    }

    /// A transposition of a value, which may be a transposed one itself, as one of the first value.
    fn join(&mut self, id: NodeId, node: &Node, second: &[usize]) -> Option<()> {
        let (input, output) = ((*node.inputs.first()?)?, *node.outputs.first()?);
        let Some((first, source)) = self.transposed.get(input) else {
            self.transposed.insert(output, (second.to_vec(), self.now(input)));
            return None; // it stays what it is
        };
        let source = *source;
        let order: Vec<usize> = second.iter().map(|&axis| first.get(axis).copied()).collect::<Option<_>>()?;
        if !is_identity(&order) {
            let node = Node { op: Op::permuting(&order), inputs: vec![Some(source)], ..node.clone() };
            self.patch.replace_node(id, node);
            self.transposed.insert(output, (order, source));
        } else if self.graph.outputs().contains(&output) {
            return None; // the result has its name
        } else {
            self.renamed.insert(output, source);
            self.patch.remove_node(id);
        }
        Some(())
    }

    /// An operator whose computed inputs are all transposed alike, with the transposition behind it.
    fn carry(&mut self, id: NodeId, node: &Node) -> Option<()> {
        let [output] = node.outputs[..] else { return None };
        let mut order: Option<&[usize]> = None;
        let mut inputs = node.inputs.clone();
        for input in
            inputs.iter_mut().filter(|input| input.is_some_and(|id| self.graph.constant(id).is_none()))
        {
            let (own, source) = self.transposed.get((*input)?)?;
            if *order.get_or_insert(own) != own {
                return None;
            }
            *input = Some(*source);
        }
        let Reordered { op, constants, order } =
            node.op.before_permutation(order?, &type_inputs(self.graph, node)?)?;
        for (at, value) in constants {
            let name = format!("{}_input_{at}", node.name);
            *inputs.get_mut(at)? = Some(self.patch.add_constant(name, value));
        }
        if is_identity(&order) {
            self.patch.replace_node(id, Node { op, inputs, ..node.clone() });
            return Some(());
        }
        let early = self.patch.add_value(format!("{}_before_transpose", node.name), None);
        self.patch.replace_node(id, Node { op, inputs, outputs: vec![early], ..node.clone() });
        let (name, op) = (format!("{}_transpose", node.name), Op::permuting(&order));
        self.patch.add_node(Node { name, op, inputs: vec![Some(early)], outputs: vec![output] });
        self.transposed.insert(output, (order, early));
        Some(())
    }
}

fn is_identity(order: &[usize]) -> bool {
    order.iter().enumerate().all(|(at, &axis)| at == axis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::GraphBuilder;
    use crate::ops::{Add, Neg, Relu, Softmax, Transpose};
    use crate::tensor::{DType, Shape, TensorType};

    fn to_last() -> Op {
        Op::permuting(&[0, 2, 3, 1])
    }

    fn to_first() -> Op {
        Op::permuting(&[0, 3, 1, 2])
    }

    fn builder() -> (GraphBuilder<Op>, ValueId) {
        let mut builder = GraphBuilder::new("net");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 2, 3, 4])));
        (builder, x)
    }

    fn sunk(mut builder: GraphBuilder<Op>, outputs: &[ValueId]) -> Vec<String> {
        for &output in outputs {
            builder.output(output);
        }
        let graph = super::super::infer_types(&builder.finish().unwrap()).unwrap();
        let graph = sink_transposes(&graph).unwrap();
        graph.nodes().map(|(_, node)| node.name.clone()).collect()
    }

    #[test]
    fn opposite_transpositions_meet_behind_what_stands_between() {
        let (mut builder, x) = builder();
        let a = builder.op("a", to_last(), &[x]);
        let b = builder.op("b", Relu.into(), &[a]);
        let c = builder.op("c", Add::default().into(), &[b, a]);
        let d = builder.op("d", to_first(), &[c]);
        let e = builder.op("e", Neg.into(), &[d]);
        assert_eq!(sunk(builder, &[e]), ["b", "c", "e"]);
    }

    #[test]
    fn two_in_a_row_become_one() {
        let (mut builder, x) = builder();
        let a = builder.op("a", to_last(), &[x]);
        let b = builder.op("b", to_last(), &[a]);
        assert_eq!(sunk(builder, &[b]), ["b"]);
    }

    #[test]
    fn nothing_is_gained_where_nothing_cancels() {
        let (mut builder, x) = builder();
        let a = builder.op("a", to_last(), &[x]);
        let b = builder.op("b", Relu.into(), &[a]);
        let softmax = Softmax { rows: crate::ops::Rows::Along(-1) };
        let c = builder.op("c", softmax.into(), &[b]);
        let d = builder.op("d", Transpose { permutation: None }.into(), &[c]);
        assert_eq!(sunk(builder, &[d, b]), ["a", "b", "c", "d"]);
    }
}
