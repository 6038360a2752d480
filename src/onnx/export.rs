//! [`export()`]: graph to bytes.

use super::names::Names;
use super::proto::{
    self, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, ValueInfoProto,
};
use super::{attr, tensor, types};
use crate::ir::{GraphError, Operation, Opset, ValueId};
use crate::ops::{EXPORT_OPSET, ExportStep, FileType, Graph, Node, TypeInputs};
use crate::tensor::Value;
use prost::Message;
use prost::bytes::Bytes;
use std::collections::BTreeMap;
use thiserror::Error;

/// The IR version that came with an opset; runtimes of that age read no later one.
fn ir_version(opset: Opset) -> i64 {
    match opset.0 {
        ..=18 => 8,    // ONNX 1.13
        19 | 20 => 9,  // 1.14, 1.15
        21 | 22 => 10, // 1.16, 1.17
        23 => 11,      // 1.18
        24 => 12,      // 1.19
        25.. => 13,    // 1.20
    }
}

/// Protobuf readers refuse larger messages.
const GREATEST_SIZE: usize = 0x7fff_ffff;

/// What to write besides the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Entries for the file's metadata, such as the recipe that made the network.
    pub metadata: BTreeMap<String, String>,
}

/// Why a graph cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// An operator has no ONNX form: a lowered integer operator, one of an old opset that can be said
    /// in today's only where the shapes are known, or one on codes that are narrow floats.
    #[error(
        "Node `{node}` ({op_type}) cannot be written as ONNX. Export the network before it is lowered to \
         integers, and after its shapes are inferred. Codes that are narrow floats cannot be written."
    )]
    NoOnnxForm {
        /// Node.
        node: String,
        /// Operator.
        op_type: &'static str,
    },
    /// An input or output has no type.
    #[error("The type of `{value}` is not known: infer shapes before the export.")]
    NoType {
        /// Input or output of the graph.
        value: String,
    },
    /// A value or node has an empty name, which means "absent" in a file.
    #[error("A value of node `{node}` has no name.")]
    NoName {
        /// Node that reads or makes it.
        node: String,
    },
    /// The file would be larger than protobuf allows.
    #[error(
        "The file would have {got} bytes; an ONNX file without external data has at most {GREATEST_SIZE}."
    )]
    TooLarge {
        /// Bytes that it would have.
        got: usize,
    },
    /// The graph is not valid.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl ExportError {
    /// A name for this kind of error that stays the same when the words change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoOnnxForm { .. } => "export/no-onnx-form",
            Self::NoType { .. } => "export/no-type",
            Self::NoName { .. } => "export/no-name",
            Self::TooLarge { .. } => "export/too-large",
            Self::Graph(_) => "export/graph",
        }
    }
}

/// Writes an ONNX file of opset [`EXPORT_OPSET`](crate::ops::EXPORT_OPSET), or of the least later one
/// that has every operator and element type of the network.
///
/// Operators that had others fused into them become chains of nodes again. Constants are written in
/// their own types, each once, in the order of their numbers; the same graph and options give the
/// same bytes.
///
/// # Errors
/// [`ExportError`].
pub fn export(graph: &Graph, options: &ExportOptions) -> Result<Vec<u8>, ExportError> {
    graph.verify()?;
    let mut writer = Writer::new(graph);
    for id in graph.order()? {
        if let Some(node) = graph.node(id) {
            writer.node(node)?;
        }
    }
    let types = graph.values().filter_map(|(_, value)| {
        let declared = || Some(value.ty.as_ref()?.dtype);
        value.constant.as_ref().map(Value::dtype).or_else(declared)
    });
    let opset = types.map(|dtype| Opset(FileType::from(dtype).since())).fold(writer.opset, Opset::max);
    let graph_proto = GraphProto {
        node: writer.nodes,
        name: Some(name_of(graph)),
        initializer: initializers(graph).chain(writer.initializers).collect(),
        input: infos(graph, graph.inputs())?,
        output: infos(graph, graph.outputs())?,
        ..GraphProto::default()
    };
    let text = |text: &str| Some(text.to_owned());
    let metadata = options.metadata.iter();
    let model = ModelProto {
        ir_version: Some(ir_version(opset)),
        producer_name: text(env!("CARGO_PKG_NAME")),
        producer_version: text(env!("CARGO_PKG_VERSION")),
        graph: Some(encode_checked(&graph_proto)?),
        opset_import: vec![OperatorSetIdProto { domain: text(""), version: Some(opset.0.into()) }],
        metadata_props: metadata
            .map(|(key, value)| StringStringEntryProto { key: text(key), value: text(value) })
            .collect(),
        ..ModelProto::default()
    };
    drop(graph_proto);
    Ok(encode_checked(&model)?.into())
}

/// ONNX asks for a name.
fn name_of(graph: &Graph) -> String {
    if graph.name().is_empty() { "network".to_owned() } else { graph.name().to_owned() }
}

fn encode_checked<M: Message>(message: &M) -> Result<Bytes, ExportError> {
    let got = message.encoded_len();
    if got > GREATEST_SIZE { Err(ExportError::TooLarge { got }) } else { Ok(proto::encode(message)) }
}

/// The constants that are read, in the order of their numbers.
fn initializers(graph: &Graph) -> impl Iterator<Item = Bytes> {
    let mut read = vec![false; graph.value_count()];
    let in_nodes = graph.nodes().flat_map(|(_, node)| node.inputs.iter().flatten());
    for id in in_nodes.chain(graph.outputs()) {
        if let Some(flag) = read.get_mut(id.index()) {
            *flag = true;
        }
    }
    graph.values().zip(read).filter(|(_, read)| *read).filter_map(|((_, data), _)| {
        let value = data.constant.as_ref()?;
        Some(proto::encode(&tensor::write(Some(data.name.clone()), value)))
    })
}

fn infos(graph: &Graph, ids: &[ValueId]) -> Result<Vec<Bytes>, ExportError> {
    let infos = ids.iter().map(|&id| {
        let data = graph.value(id);
        let ty = data.ty.as_ref().ok_or_else(|| ExportError::NoType { value: data.name.clone() })?;
        let info: ValueInfoProto = types::write(&data.name, ty);
        Ok(proto::encode(&info))
    });
    infos.collect()
}

struct Writer<'a> {
    graph: &'a Graph,
    nodes: Vec<Bytes>,
    /// Constants that operators bring along (bounds of a Clip), by their encoded form, so that
    /// equal ones are written once.
    shared: BTreeMap<Bytes, String>,
    initializers: Vec<Bytes>,
    value_names: Names,
    node_names: Names,
    /// The least opset that has what was written.
    opset: Opset,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut value_names = Names::default();
        value_names.reserve(graph.values().map(|(_, value)| value.name.as_str()));
        let mut node_names = Names::default();
        node_names.reserve(graph.nodes().map(|(_, node)| node.name.as_str()));
        let (nodes, initializers) = (Vec::new(), Vec::new());
        let (shared, opset) = (BTreeMap::new(), EXPORT_OPSET);
        Self { graph, nodes, shared, initializers, value_names, node_names, opset }
    }

    /// Writes the chain of nodes that one operator stands for.
    fn node(&mut self, node: &Node) -> Result<(), ExportError> {
        let no_form = || ExportError::NoOnnxForm { node: node.name.clone(), op_type: node.op.op_type() };
        let steps = self.steps(node).filter(|steps| !steps.is_empty()).ok_or_else(no_form)?;
        self.opset = self.opset.max(node.op.file_opset(&self.types(node)));
        let outputs = node.outputs.iter().map(|&id| self.name(node, id));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        let inputs = node.inputs.iter().map(|id| id.map_or(Ok(String::new()), |id| self.name(node, id)));
        let mut inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let last = steps.len() - 1;
        for (i, step) in steps.into_iter().enumerate() {
            let name = match i {
                0 => node.name.clone(),
                _ => self.node_names.unique(&format!("{}_{}", node.name, step.op_type)),
            };
            let left = step.reads.filter(|&count| count < inputs.len()).map(|count| inputs.split_off(count));
            // Later steps continue from the first output; the others are the first step's.
            let mut made = if i == 0 { outputs.clone() } else { outputs.iter().take(1).cloned().collect() };
            if i != last
                && let Some(first) = made.first_mut()
            {
                *first = self.value_names.unique(&format!("{name}_output"));
            }
            let next = made.first().cloned().unwrap_or_default();
            self.step(step, name, inputs, made);
            inputs = std::iter::once(next).chain(left.into_iter().flatten()).collect();
        }
        Ok(())
    }

    /// The nodes of a file that say what `node` does, with the help of its inputs' types where an
    /// operator of an old opset needs them.
    fn steps(&self, node: &Node) -> Option<Vec<ExportStep>> {
        node.op.export().or_else(|| node.op.with_sizes(&self.types(node))?.export())
    }

    /// What is known of a node's inputs.
    fn types(&self, node: &Node) -> TypeInputs<'a> {
        let slot = |id: &Option<ValueId>| {
            let data = self.graph.value((*id)?);
            data.ty.as_ref().map(|ty| (ty, data.constant.as_ref()))
        };
        TypeInputs::new(node.inputs.iter().map(slot).collect())
    }

    fn step(&mut self, step: ExportStep, name: String, mut inputs: Vec<String>, outputs: Vec<String>) {
        self.opset = self.opset.max(step.opset);
        for (i, value) in step.extra_inputs.into_iter().enumerate() {
            inputs.push(value.map_or_else(String::new, |value| self.constant(&value, &name, i)));
        }
        let mut outputs = outputs;
        while outputs.len() < step.outputs {
            outputs.push(self.value_names.unique(&format!("{name}_unused")));
        }
        let used = inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |at| at + 1);
        inputs.truncate(used);
        self.nodes.push(proto::encode(&NodeProto {
            input: inputs,
            output: outputs,
            name: Some(name),
            op_type: step.op_type.to_owned(),
            attribute: attr::write_all(&step.attrs),
            ..NodeProto::default()
        }));
    }

    /// The name of a constant that an operator brings along.
    fn constant(&mut self, value: &Value, node: &str, index: usize) -> String {
        let key = proto::encode(&tensor::write(None, value));
        if let Some(name) = self.shared.get(&key) {
            return name.clone();
        }
        let name = self.value_names.unique(&format!("{node}_constant_{index}"));
        self.initializers.push(proto::encode(&tensor::write(Some(name.clone()), value)));
        self.shared.insert(key, name.clone());
        name
    }

    fn name(&self, node: &Node, id: ValueId) -> Result<String, ExportError> {
        let name = &self.graph.value(id).name;
        if name.is_empty() { Err(ExportError::NoName { node: node.name.clone() }) } else { Ok(name.clone()) }
    }
}
