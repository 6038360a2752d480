//! Graph to graph: what is done to a network between reading and running it.
//!
//! Each pass takes a graph that satisfies `verify()`, returns one that does, and leaves the outputs
//! of the network unchanged (up to rounding where weights are folded). Passes ask operators for
//! facts, never for names, so that a new operator needs no change here. [`simplify`] is the pipeline
//! that every network goes through.

mod dynamic;
mod fold_affine;
mod fold_constants;
mod fuse_clamps;
mod infer_types;
mod lower_int8;
mod open_sizes;
mod prune;
mod settle_codes;
mod settle_forms;
mod sink_transposes;

pub use dynamic::{read_dynamic, write_dynamic};
pub use fold_affine::fold_affine;
pub use fold_constants::{Dequantized, fold_constants};
pub use fuse_clamps::fuse_clamps;
pub use infer_types::infer_types;
pub use lower_int8::{LoweredGraph, lower_int8};
pub use prune::{eliminate_dead, remove_identities};
pub use settle_codes::{move_real_numbers, unsigned_codes};
pub use settle_forms::settle_forms;
pub use sink_transposes::sink_transposes;

use crate::ir::{GraphError, Operation as _, ValueId};
use crate::ops::{Graph, Node, OpError, TypeInputs};
use crate::tensor::{TensorType, Value};
use thiserror::Error;

/// What can go wrong in a pass.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PassError {
    /// A node's inputs do not fit it.
    #[error("{op_type} `{node}`: {source}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        op_type: &'static str,
        /// What it said.
        source: Box<OpError>,
    },
    /// A pass made an invalid graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl PassError {
    fn at(node: &Node, source: OpError) -> Self {
        Self::Node { node: node.name.clone(), op_type: node.op.op_type(), source: Box::new(source) }
    }
}

/// Makes a network ready to run and to quantize: types inferred, constants folded, dead nodes gone,
/// transpositions that cancel each other removed, BatchNormalization and channel-wise constants folded
/// into weights, Relu and Clip fused into the operator before them, operators between quantized
/// ones on real numbers, and those on codes that are made while running as well.
///
/// # Errors
/// [`PassError::Node`] when the network is inconsistent, with the node to blame.
pub fn simplify(graph: &Graph) -> Result<Graph, PassError> {
    let graph = remove_identities(graph)?;
    let graph = fold_constants(&graph, Dequantized::Keep)?;
    // What nobody needs would count as a reader, and keep a value from being folded or fused.
    let graph = eliminate_dead(&graph)?;
    let graph = eliminate_dead(&read_dynamic(&graph)?)?;
    let graph = sink_transposes(&infer_types(&graph)?)?;
    let graph = fold_affine(&infer_types(&graph)?)?;
    let graph = fuse_clamps(&graph)?;
    let graph = move_real_numbers(&eliminate_dead(&graph)?)?;
    settle_forms(&infer_types(&graph.compacted()?)?)
}

/// What a node's operator sees of its inputs; `None` while the type of one is unknown.
pub(crate) fn type_inputs<'a>(graph: &'a Graph, node: &Node) -> Option<TypeInputs<'a>> {
    let slot = |id: &Option<ValueId>| match id {
        None => Some(None),
        Some(id) => {
            let value = graph.value(*id);
            value.ty.as_ref().map(|ty| Some((ty, value.constant.as_ref())))
        }
    };
    node.inputs
        .iter()
        .map(slot)
        .collect::<Option<Vec<Option<(&TensorType, Option<&Value>)>>>>()
        .map(TypeInputs::new)
}
