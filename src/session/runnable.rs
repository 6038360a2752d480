//! A graph with QuantizeLinear and DequantizeLinear nodes, ready to run both ways.

use super::SessionError;
use super::view::RunPath;
use crate::attribution::Model;
use crate::exec::Executor;
use crate::onnx::{self, ExternalFiles};
use crate::ops::{Graph, Isa, Kind};
use crate::passes::{self, Dequantized};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// A quantized network ready to run: its definition in float, and what it is lowered to.
#[derive(Debug)]
pub struct QuantizedModel {
    definition_graph: Graph,
    /// Made when it is asked for: its packed weights are the most of what such a network takes.
    definition: Mutex<Option<Arc<Model>>>,
    isa: Isa,
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
        let definition_graph = definition_graph(graph)?;
        let lowered = passes::lower_int8(graph)?;
        let integer = Model::new(Executor::new(lowered.graph, isa)?)?;
        let mut integer_nodes = BTreeSet::new();
        integer_nodes.extend(lowered.integer_nodes);
        let (definition, float_nodes) = (Mutex::default(), lowered.float_nodes);
        Ok(Self { definition_graph, definition, isa, integer, integer_nodes, float_nodes })
    }

    /// Makes a network ready whose file is quantized: what runs as full precision is its definition.
    ///
    /// # Errors
    /// As [`QuantizedModel::from_graph`].
    pub(super) fn of_network(model: &Model) -> Result<Self, SessionError> {
        let executor = &model.executor;
        let made = Self::from_graph(executor.graph(), executor.isa())?;
        let definition = Mutex::new(Some(Arc::new(model.clone())));
        Ok(Self { definition_graph: executor.graph().clone(), definition, ..made })
    }

    /// What is run in float: the definition, and what gradients are taken of.
    ///
    /// # Errors
    /// When a constant does not fit its operator.
    pub fn definition(&self) -> Result<Arc<Model>, SessionError> {
        let mut made = self.definition.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = &*made {
            return Ok(Arc::clone(model));
        }
        let model = Arc::new(Model::new(Executor::new(self.definition_graph.clone(), self.isa)?)?);
        *made = Some(Arc::clone(&model));
        Ok(model)
    }

    /// Frees what [`QuantizedModel::definition`] made; it is made again when it is asked for.
    pub(super) fn release_definition(&self) {
        self.definition.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// What it was made ready for.
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// The graph of [`QuantizedModel::definition`].
    pub fn definition_graph(&self) -> &Graph {
        &self.definition_graph
    }

    /// Whether every layer with weights runs on integers.
    pub fn runs_on_integers(&self) -> bool {
        let graph = self.integer.executor.graph();
        !graph.nodes().any(|(_, node)| matches!(node.op.facts().kind, Kind::Linear(_)))
    }

    /// What runs when the network is asked.
    pub fn path(&self) -> RunPath {
        if self.runs_on_integers() { RunPath::Int8 } else { RunPath::FakeQuant }
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
        let graph = passes::simplify(&imported.graph)?;
        drop(imported);
        Self::from_graph(&graph, isa)
    }
}

/// What defines a quantized graph, in float, with nothing left to compute but what depends on its inputs.
///
/// # Errors
/// When the graph is not valid.
pub(super) fn definition_graph(graph: &Graph) -> Result<Graph, SessionError> {
    let folded = passes::fold_constants(graph, Dequantized::FoldOthers)?;
    Ok(passes::eliminate_dead(&folded)?)
}

/// Whether a graph quantizes anything.
pub(super) fn is_quantized(graph: &Graph) -> bool {
    graph.nodes().any(|(_, node)| matches!(node.op.facts().kind, Kind::Quantize | Kind::Dequantize))
}
