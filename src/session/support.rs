//! What a network asks for, and what runs how in it, before anything was quantized.

use super::SessionError;
use super::network::Network;
use super::runnable::QuantizedModel;
use super::view::{OperatorView, RefusedNodeView, SupportView};
use crate::ir::{NameMap, Operation as _};
use crate::onnx::{OperatorSupport, RefusedNode, Support};
use crate::ops::{Graph, Isa, Kind, Op};
use crate::quant::{self, Calibrator, Recipe};
use std::collections::BTreeSet;

impl From<&Support> for SupportView {
    fn from(support: &Support) -> Self {
        let refused = |refused: &RefusedNode| RefusedNodeView {
            node: refused.node.clone(),
            reason: refused.reason.to_string(),
        };
        let operator = |operator: &OperatorSupport| OperatorView {
            op_type: operator.op_type.clone(),
            nodes: operator.nodes,
            integer_nodes: None,
            float_nodes: Vec::new(),
            refused: operator.refused.iter().map(refused).collect(),
        };
        Self {
            nodes: support.nodes,
            computable: support.computable,
            operators: support.operators.iter().map(operator).collect(),
        }
    }
}

/// The operators of a graph; which of their nodes run on integers, where that is known.
pub(super) fn operators(graph: &Graph, integers: Option<&BTreeSet<String>>) -> Vec<OperatorView> {
    let mut operators = NameMap::new();
    for (_, node) in graph.nodes() {
        let entry = operators.get_or_insert_with(node.op.op_type(), || OperatorView {
            op_type: node.op.op_type().to_owned(),
            nodes: 0,
            integer_nodes: integers.map(|_| 0),
            float_nodes: Vec::new(),
            refused: Vec::new(),
        });
        entry.nodes += 1;
        // Where codes begin and end is neither computed on integers nor in float.
        let is_border = matches!(node.op.facts().kind, Kind::Quantize | Kind::Dequantize)
            || matches!(node.op, Op::DynamicQuantizeLinear(_));
        match (integers, &mut entry.integer_nodes) {
            (Some(names), Some(count)) if names.contains(&node.name) => *count += 1,
            (Some(_), _) if !is_border => entry.float_nodes.push(node.name.clone()),
            _ => {}
        }
    }
    operators.into_items()
}

/// The operators of a network before anything was quantized.
///
/// What runs on integers is decided as it will be: the network is quantized by the default recipe.
/// Which nodes have a form on codes does not depend on ranges, so those of one made-up input do. Where
/// that fails (a node refuses the input, there is nothing to quantize), the operators are only counted.
pub(super) fn before_quantizing(network: &Network, isa: Isa) -> Vec<OperatorView> {
    operators(network.graph(), integer_nodes(network, isa).ok().as_ref())
}

/// Names of the nodes that run on integers.
fn integer_nodes(network: &Network, isa: Isa) -> Result<BTreeSet<String>, SessionError> {
    let graph = network.graph();
    if network.is_quantized() {
        return Ok(QuantizedModel::from_graph(graph, isa)?.integer_nodes);
    }
    let mut calibrator = Calibrator::new(graph);
    network.model.executor.run(&[network.probe()?], &mut calibrator)?;
    calibrator.finish_run(0);
    let plan = quant::plan(graph, &calibrator.finish(graph)?, &Recipe::default())?;
    Ok(QuantizedModel::from_graph(&quant::apply(graph, &plan)?.graph, isa)?.integer_nodes)
}
