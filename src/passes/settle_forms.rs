//! Operators of old opsets, brought to a form that a file can contain.
//!
//! Import brings every node to the form of the export opset, save for those where that takes sizes,
//! which only inference knows: [`with_sizes`](crate::ops::Operator::with_sizes) says which.

use super::{PassError, type_inputs};
use crate::ops::{Graph, GraphPatch, Node};

/// Replaces operators whose form follows from the types of their inputs. Needs inferred types; what
/// is computed stays the same.
///
/// # Errors
/// [`PassError::Graph`].
pub fn settle_forms(graph: &Graph) -> Result<Graph, PassError> {
    let mut patch = GraphPatch::new(graph);
    for (id, node) in graph.nodes() {
        let settled = type_inputs(graph, node).and_then(|inputs| node.op.with_sizes(&inputs));
        if let Some(op) = settled {
            patch.replace_node(id, Node { op, ..node.clone() });
        }
    }
    Ok(graph.apply(patch)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::GraphBuilder;
    use crate::ops::{Rows, Softmax};
    use crate::tensor::{DType, Dim, Shape, TensorType};

    #[test]
    fn a_softmax_of_an_old_opset_can_be_written_once_its_input_has_a_type() {
        let mut builder = GraphBuilder::new("g");
        let dims = vec![Dim::Symbolic("batch".into()), Dim::Fixed(10), Dim::Fixed(1), Dim::Fixed(1)];
        let x = builder.input("x", TensorType::new(DType::F32, Shape::Ranked(dims)));
        let y = builder.op("softmax", Softmax { rows: Rows::From(1) }.into(), &[x]);
        builder.output(y);
        let graph = builder.finish().unwrap();
        let exports = |graph: &Graph| graph.nodes().all(|(_, node)| node.op.export().is_some());
        assert!(!exports(&graph));
        assert!(exports(&settle_forms(&graph).unwrap()));
    }
}
