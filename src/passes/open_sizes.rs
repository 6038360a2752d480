//! Sizes that are known in a shape of which others are open.
//!
//! A network with an open batch asks for the shape of an image and picks its height: that is known,
//! though the shape as a whole is not. Here such a shape is followed in two versions, with another
//! number in place of each open size. What operators that only move or select elements make of both
//! alike does not depend on open sizes. The two numbers are smaller and larger than any size, so that
//! neither can be selected by its order and look like a size.

use super::type_inputs;
use crate::ir::{NodeId, ValueId, ValueMap};
use crate::ops::{Context, Graph, Inputs, Isa, Kind, Node, TypeInputs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// What stands for an open size in either version.
const STAND_INS: [usize; 2] = [0, 1 << 30];

/// Most elements of a list of sizes: a bound on what is computed here, far above what networks have.
const MOST_SIZES: usize = 1 << 10;

/// Both versions of a value.
type Versions = [Value; 2];

/// The values seen so far that hold known and open sizes.
#[derive(Debug, Default)]
pub(super) struct OpenSizes(ValueMap<Versions>);

impl OpenSizes {
    /// The outputs of a node, where they do not depend on open sizes; remembers those that do.
    ///
    /// Nodes come in the order of execution, and were not folded otherwise.
    pub(super) fn settled(&mut self, graph: &Graph, id: NodeId) -> Option<Vec<Value>> {
        let node = graph.node(id)?;
        let types = type_inputs(graph, node)?;
        let [low, high] = Self::of_types(graph, node).or_else(|| self.of_moved(graph, node, &types))?;
        if low == high {
            return Some(low);
        }
        for (&output, versions) in node.outputs.iter().zip(low.into_iter().zip(high)) {
            self.0.insert(output, versions.into());
        }
        None
    }

    /// What the types of the inputs decide once all sizes are there.
    fn of_types(graph: &Graph, node: &Node) -> Option<[Vec<Value>; 2]> {
        let version = |stand_in: usize| {
            let filled = |id: &Option<ValueId>| match id {
                None => Some(None),
                Some(id) => {
                    let ty = graph.value(*id).ty.as_ref()?;
                    let sizes =
                        ty.shape.dims()?.iter().map(|dim| Dim::Fixed(dim.fixed().unwrap_or(stand_in)));
                    Some(Some(TensorType::new(ty.dtype, Shape::Ranked(sizes.collect()))))
                }
            };
            let types = node.inputs.iter().map(filled).collect::<Option<Vec<_>>>()?;
            let slots = types.iter().map(|ty| ty.as_ref().map(|ty| (ty, None))).collect();
            node.op.fold(&TypeInputs::new(slots))
        };
        Some([version(STAND_INS[0])?, version(STAND_INS[1])?])
    }

    /// What a node makes of both versions that it reads, where it only moves or selects elements of them.
    fn of_moved(&self, graph: &Graph, node: &Node, types: &TypeInputs<'_>) -> Option<[Vec<Value>; 2]> {
        let reads = node.inputs.iter().flatten().any(|id| self.0.contains(*id));
        if !reads || node.op.facts().kind != Kind::Rearrange {
            return None;
        }
        // Sizes that say how many elements to make have no type with fixed sizes here, and end.
        let is_small = |ty: &TensorType| {
            let sizes = ty.shape.to_fixed()?;
            let count = sizes.iter().try_fold(1_usize, |n, &size| n.checked_mul(size))?;
            (ty.dtype == DType::I64 && count <= MOST_SIZES).then_some(())
        };
        node.op.infer(types).ok()?.iter().try_for_each(is_small)?;
        let version = |which: usize| {
            let read = |id: &Option<ValueId>| match id {
                None => Some(None),
                Some(id) => {
                    let known = self.0.get(*id).map(|versions| &versions[which]);
                    known.or_else(|| graph.constant(*id)).cloned().map(Some)
                }
            };
            let inputs = node.inputs.iter().map(read).collect::<Option<Vec<_>>>()?;
            node.op.forward(&Context::new(Isa::reproducible()), Inputs::new(inputs)).ok()
        };
        Some([version(0)?, version(1)?])
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::GraphBuilder;
    use crate::ops::{Axes, Concat, Gather, Op, ReduceMax, Shape as ShapeOf};
    use crate::passes::{Dequantized, fold_constants};
    use crate::tensor::{DType, Dim, Shape, TensorType, Value};

    /// The shape of an image `N × 3 × 5 × W` with N and W open, with its second size again behind it,
    /// and what `last` makes of the elements at `picked`; the result where it is a constant.
    fn folded(picked: &[i64], last: Option<Op>) -> Option<Vec<i64>> {
        let mut builder = GraphBuilder::new("g");
        let open = |name: &str| Dim::Symbolic(name.into());
        let dims = vec![open("N"), Dim::Fixed(3), Dim::Fixed(5), open("W")];
        let x = builder.input("x", TensorType::new(DType::F32, Shape::Ranked(dims)));
        let list = |v: &[i64]| Value::from_vec(&[v.len()], v.to_vec()).unwrap();
        let (one, picked) = (builder.constant("one", list(&[1])), builder.constant("picked", list(picked)));
        let gather = || Op::from(Gather { axis: 0 });
        let shape = builder.op("shape", ShapeOf { start: 0, end: None }.into(), &[x]);
        let again = builder.op("again", gather(), &[shape, one]);
        let joined = builder.op("joined", Concat { axis: 0 }.into(), &[shape, again]);
        let mut result = builder.op("result", gather(), &[joined, picked]);
        if let Some(op) = last {
            result = builder.op("last", op, &[result]);
        }
        builder.output(result);
        let graph = fold_constants(&builder.finish().unwrap(), Dequantized::Keep).unwrap();
        graph.constant(graph.outputs()[0]).map(|value| value.as_slice::<i64>().unwrap().to_vec())
    }

    #[test]
    fn fixed_sizes_are_picked_from_a_shape_with_open_ones() {
        assert_eq!(folded(&[2], None), Some(vec![5]));
        assert_eq!(folded(&[4, 2, 1], None), Some(vec![3, 5, 3]));
        assert_eq!(folded(&[0], None), None);
        assert_eq!(folded(&[1, 3], None), None);
    }

    #[test]
    fn a_selection_by_order_among_open_sizes_stays_open() {
        let axes = Axes { known: Some(Vec::new()), keep_dims: true, noop_with_empty_axes: false };
        let largest = || Some(Op::from(ReduceMax { axes: axes.clone() }));
        assert_eq!(folded(&[1, 2], largest()), Some(vec![5]));
        assert_eq!(folded(&[1, 3], largest()), None);
    }
}
