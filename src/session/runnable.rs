//! A graph with QuantizeLinear and DequantizeLinear nodes, ready to run both ways.

use super::SessionError;
use crate::attribution::Model;
use crate::exec::Executor;
use crate::onnx::{self, ExternalFiles};
use crate::ops::{Graph, Isa, Kind};
use crate::passes::{self, Dequantized};
use std::collections::BTreeSet;

/// A quantized network ready to run: its definition in float, and what it is lowered to.
#[derive(Debug)]
pub struct QuantizedModel {
    /// Run in float: the definition, and what gradients are taken of.
    pub definition: Model,
    /// On integers: what gives the answers.
    pub integer: Model,
    /// Names of the nodes that run on integers.
    pub integer_nodes: BTreeSet<String>,
    /// Names of the nodes that run in float in the integer network.
    pub float_nodes: Vec<String>,
}

impl QuantizedModel {
    /// Makes a quantized graph ready to run.
    ///
    /// # Errors
    /// When a constant does not fit its operator.
    pub fn from_graph(graph: &Graph, isa: Isa) -> Result<Self, SessionError> {
        let graph = &passes::unsigned_codes(graph)?;
        let folded = passes::fold_constants(graph, Dequantized::Fold)?;
        let definition = Model::new(Executor::new(passes::eliminate_dead(&folded)?, isa)?)?;
        let lowered = passes::lower_int8(graph)?;
        let integer = Model::new(Executor::new(lowered.graph, isa)?)?;
        let integer_nodes = lowered.integer_nodes.into_iter().collect();
        Ok(Self { definition, integer, integer_nodes, float_nodes: lowered.float_nodes })
    }

    /// Whether every layer with weights runs on integers.
    pub fn runs_on_integers(&self) -> bool {
        let graph = self.integer.executor.graph();
        !graph.nodes().any(|(_, node)| matches!(node.op.facts().kind, Kind::Linear(_)))
    }

    /// Opens a file with QuantizeLinear and DequantizeLinear nodes.
    ///
    /// # Errors
    /// Names the node or what is wrong with the file.
    pub fn open(bytes: Vec<u8>, isa: Isa) -> Result<Self, SessionError> {
        Self::open_with(bytes, ExternalFiles::new(), isa)
    }

    /// As [`QuantizedModel::open`], for a file whose weights are in others beside it, which are
    /// dropped once they are read.
    ///
    /// # Errors
    /// As [`QuantizedModel::open`]; names all files that are missing.
    pub fn open_with(bytes: Vec<u8>, external: ExternalFiles, isa: Isa) -> Result<Self, SessionError> {
        let imported = onnx::import_with(bytes, &external)?;
        drop(external);
        Self::from_graph(&passes::simplify(&imported.graph)?, isa)
    }
}

/// Whether a graph quantizes anything.
pub(super) fn is_quantized(graph: &Graph) -> bool {
    graph.nodes().any(|(_, node)| matches!(node.op.facts().kind, Kind::Quantize | Kind::Dequantize))
}
