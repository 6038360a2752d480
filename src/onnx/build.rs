//! The network of a file as a graph.
//!
//! Two passes over the nodes: the first names them, finds the operators that are missing and makes
//! a value for every output, so that nodes may stand in any order; the second lets the operators
//! read their attributes. What is left to the graph's own `verify` is the search for cycles.

use super::functions::Functions;
use super::import::{ModelInfo, decode};
use super::names::Names;
use super::nodes::{self, CONSTANT, FileNode, NodeNames};
use super::proto::{GraphProto, SparseTensorProto, TensorProto, ValueInfoProto};
use super::types::{self, Declared};
use super::{ExternalFiles, ImportError, Support, Unsupported, attr, tensor};
use crate::ir::{Attr, Attrs, GraphBuilder, GraphError, NameMap, Operation, ValueId};
use crate::ops::{self, Expansion, FileType, Graph, ImportInput, ImportNode, Node, Op, Source};
use crate::tensor::{DType, FloatFormat, TensorType, Value};
use prost::bytes::Bytes;
use std::collections::BTreeSet;

/// The operator that casts to the type of another tensor, and the one that casts to a type.
const CAST_LIKE: &str = "CastLike";
const CAST: &str = "Cast";

/// How many nodes, initializers or declarations a network may have: a hundred times what the
/// largest image networks have, and few enough that a hostile file cannot fill the memory with them.
pub(super) const GREATEST_COUNT: usize = 1 << 17;

/// Makes the graph, and completes `info` with what its tensors show.
///
/// # Errors
/// Everything from the network's own message inwards. Nodes that cannot be read are all found before
/// they are refused: [`ImportError::Unsupported`].
pub(super) fn build(
    graph: &GraphProto,
    functions: &Functions,
    files: &ExternalFiles,
    info: &mut ModelInfo,
) -> Result<Graph, ImportError> {
    refuse_too_many(graph)?;
    let (nodes, node_names) = nodes::read(&graph.node, functions, info.opset)?;
    let missing = nodes::refuse_unsupported(&nodes).err();
    match assemble(graph, (&nodes, node_names), files, info) {
        Ok(Assembled::Whole(graph)) => Ok(*graph),
        Ok(Assembled::Refused(refused)) => {
            let first = missing.or_else(|| refused.first().map(|(_, reason)| reason.clone()));
            let reason = first.unwrap_or(ImportError::NoGraph);
            Err(ImportError::Unsupported(Box::new(Unsupported {
                reason,
                support: Support::new(&nodes, refused),
            })))
        }
        Err(error) => Err(missing.unwrap_or(error)),
    }
}

/// What became of a network whose parts are all there.
enum Assembled {
    Whole(Box<Graph>),
    /// Positions of the nodes that cannot be read, and why; at least one.
    Refused(Vec<(usize, ImportError)>),
}

fn assemble(
    graph: &GraphProto,
    (nodes, node_names): (&[FileNode], NodeNames),
    files: &ExternalFiles,
    info: &mut ModelInfo,
) -> Result<Assembled, ImportError> {
    refuse_sparse(&graph.sparse_initializer)?;
    let outputs = read_infos(&graph.output, "output")?;
    if outputs.is_empty() {
        return Err(ImportError::NoOutput);
    }
    let mut build = Build::new(graph, (nodes, files), &outputs, info);
    build.node_names = node_names;
    build.declare_types(&graph.value_info, &outputs)?;
    build.add_initializers(&graph.initializer)?;
    build.add_inputs(&graph.input)?;
    let output_counts = build.add_outputs_of_nodes()?;
    let mut refused = Vec::new();
    for (index, (node, output_count)) in nodes.iter().zip(output_counts).enumerate() {
        if node.op_type == CONSTANT {
            continue;
        }
        match build.add_node(node, output_count) {
            Ok(()) => {}
            Err(error) if error.refuses_a_node() => refused.push((index, error)),
            Err(error) => return Err(error),
        }
    }
    if refused.is_empty() {
        Ok(Assembled::Whole(Box::new(build.finish(&outputs)?)))
    } else {
        Ok(Assembled::Refused(refused))
    }
}

fn refuse_too_many(graph: &GraphProto) -> Result<(), ImportError> {
    let lists = [
        ("nodes", &graph.node),
        ("initializers", &graph.initializer),
        ("inputs", &graph.input),
        ("outputs", &graph.output),
        ("declared values", &graph.value_info),
    ];
    match lists.iter().find(|(_, list)| list.len() > GREATEST_COUNT) {
        None => Ok(()),
        Some((what, list)) => Err(ImportError::TooMany { what, got: list.len(), expected: GREATEST_COUNT }),
    }
}

fn refuse_sparse(messages: &[Bytes]) -> Result<(), ImportError> {
    let Some(bytes) = messages.first() else { return Ok(()) };
    let sparse: SparseTensorProto = decode(bytes, || "a sparse initializer".to_owned())?;
    let name = sparse.values.and_then(|values| values.name);
    Err(ImportError::SparseInitializer { value: name.unwrap_or_default() })
}

/// Names and declarations; a value without a name is refused.
fn read_infos(messages: &[Bytes], what: &str) -> Result<Vec<(String, Declared)>, ImportError> {
    let mut infos = Vec::new();
    for (i, bytes) in messages.iter().enumerate() {
        let info: ValueInfoProto = decode(bytes, || format!("{what} {i}"))?;
        let declared = types::read(&info);
        let name = info.name.filter(|name| !name.is_empty());
        let incomplete = || ImportError::Incomplete { what: format!("{what} {i}"), part: "name" };
        infos.push((name.ok_or_else(incomplete)?, declared));
    }
    Ok(infos)
}

/// What makes a value.
#[derive(Clone, Copy)]
enum Maker {
    Initializer,
    Input,
    /// Position of the node in the file.
    Node(usize),
}

/// What a node is read as.
enum Read {
    /// An operator, and the constants that it wants as inputs.
    One(Box<Op>, Vec<(usize, Value)>),
    /// Several operators.
    Several(Expansion),
}

struct Build<'a> {
    nodes: &'a [FileNode],
    files: &'a ExternalFiles,
    info: &'a mut ModelInfo,
    builder: GraphBuilder<Op>,
    /// Names that a node reads or that are outputs of the graph.
    read: BTreeSet<&'a str>,
    /// Names of all initializers, those that nobody reads included.
    initializers: BTreeSet<String>,
    /// Every name of the file, for names that are made.
    names: Names,
    /// Every name of a node.
    node_names: NodeNames,
    types: NameMap<TensorType>,
    /// What the file calls the elements of values that are float32 here.
    formats: NameMap<FloatFormat>,
    values: NameMap<(ValueId, Maker)>,
}

impl<'a> Build<'a> {
    fn new(
        graph: &GraphProto,
        (nodes, files): (&'a [FileNode], &'a ExternalFiles),
        outputs: &'a [(String, Declared)],
        info: &'a mut ModelInfo,
    ) -> Self {
        let in_nodes = nodes.iter().flat_map(|node| &node.proto.input);
        let mut read = BTreeSet::new();
        read.extend(in_nodes.chain(outputs.iter().map(|(name, _)| name)).map(String::as_str));
        let mut names = Names::default();
        names.reserve(read.iter().copied());
        names.reserve(nodes.iter().flat_map(|node| node.proto.output.iter().map(String::as_str)));
        Self {
            nodes,
            files,
            info,
            builder: GraphBuilder::new(graph.name.clone().unwrap_or_default()),
            read,
            initializers: BTreeSet::new(),
            names,
            node_names: NodeNames::default(),
            types: NameMap::new(),
            formats: NameMap::new(),
            values: NameMap::new(),
        }
    }

    /// Notes the declared types; those that no tensor here can have are left to inference.
    fn declare_types(
        &mut self,
        value_info: &[Bytes],
        outputs: &[(String, Declared)],
    ) -> Result<(), ImportError> {
        for (i, bytes) in value_info.iter().enumerate() {
            let info: ValueInfoProto = decode(bytes, || format!("declared value {i}"))?;
            if let (Declared::Tensor(ty, element), Some(name)) = (types::read(&info), info.name) {
                self.formats.extend(element.format().map(|format| (&name, format)));
                self.types.insert(&name, ty);
            }
        }
        for (name, declared) in outputs {
            if let Declared::Tensor(ty, element) = declared {
                self.types.insert(name, ty.clone());
                self.widened(name, *element);
            }
        }
        Ok(())
    }

    /// Notes that a value has another element type in the file than here, if it has.
    fn widened(&mut self, name: &str, element: FileType) {
        if let Some(format) = element.format() {
            self.info.widened.insert(format.name());
            self.formats.insert(name, format);
        }
    }

    /// Adds the initializers that are read.
    fn add_initializers(&mut self, messages: &[Bytes]) -> Result<(), ImportError> {
        for (i, bytes) in messages.iter().enumerate() {
            let tensor: TensorProto = decode(bytes, || format!("initializer {i}"))?;
            let name = tensor.name.as_deref().filter(|name| !name.is_empty());
            let incomplete = || ImportError::Incomplete { what: format!("initializer {i}"), part: "name" };
            let name = name.ok_or_else(incomplete)?;
            self.names.reserve([name]);
            self.initializers.insert(name.to_owned());
            if self.read.contains(name) {
                let (value, element) = tensor::read(&tensor, &format!("Initializer `{name}`"), self.files)?;
                self.widened(name, element);
                self.add_constant(name, value, Maker::Initializer)?;
            }
        }
        Ok(())
    }

    /// Adds the inputs, except those that are initializers, which older files list here, too.
    fn add_inputs(&mut self, messages: &[Bytes]) -> Result<(), ImportError> {
        for (name, declared) in read_infos(messages, "input")? {
            if self.initializers.contains(&name) {
                continue;
            }
            let ty = match declared {
                Declared::Tensor(ty, element) => {
                    self.widened(&name, element);
                    ty
                }
                Declared::ElementType(got) => {
                    return Err(ImportError::ElementType { value: format!("Input `{name}`"), got });
                }
                Declared::Other => return Err(ImportError::NotATensor { value: name }),
            };
            self.names.reserve([name.as_str()]);
            self.refuse_duplicate(&name, Maker::Input)?;
            let id = self.builder.input(&name, ty);
            self.values.insert(&name, (id, Maker::Input));
        }
        Ok(())
    }

    /// Adds a value for each output of each node that is read, constants for `Constant` nodes.
    /// Returns how many outputs each node keeps: up to the last one that is read, at least one.
    fn add_outputs_of_nodes(&mut self) -> Result<Vec<usize>, ImportError> {
        let mut counts = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let outputs = &node.proto.output;
            let count =
                outputs.iter().rposition(|name| self.read.contains(name.as_str())).map_or(1, |at| at + 1);
            counts.push(count);
            if node.op_type == CONSTANT {
                let value = constant_of(node, self.files)?;
                let name = outputs.first().map(String::as_str).unwrap_or_default();
                if let Some(element) = attr::tensor_type(&node.proto) {
                    self.widened(name, element);
                }
                self.add_constant(name, value, Maker::Node(i))?;
                continue;
            }
            for name in outputs.iter().take(count).filter(|name| !name.is_empty()) {
                self.refuse_duplicate(name, Maker::Node(i))?;
                let id = self.builder.value(name, self.types.get(name).cloned());
                self.values.insert(name, (id, Maker::Node(i)));
            }
        }
        Ok(counts)
    }

    fn add_node(&mut self, file: &FileNode, output_count: usize) -> Result<(), ImportError> {
        let present = file.proto.input.iter().rposition(|name| !name.is_empty()).map_or(0, |at| at + 1);
        let reader = || format!("Node `{}`", file.name);
        let inputs = file
            .proto
            .input
            .iter()
            .take(present)
            .map(|name| if name.is_empty() { Ok(None) } else { self.find(name, reader).map(Some) });
        let mut inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        if !nodes::is_known(&file.op_type) {
            return Err(nodes::missing_operator(file));
        }
        let mut attrs = attr::read_all(&file.proto, &file.name, self.files)?;
        let mut op_type = file.op_type.as_str();
        if let Some(format) = self.cast_to(file) {
            op_type = CAST;
            attrs.insert("to", Attr::Int(FileType::from(format).code()));
            inputs.truncate(1);
        }
        let read = self.import_op((file, op_type), attrs, &inputs, output_count)?;
        let outputs = file.proto.output.iter().take(output_count);
        let outputs = outputs.map(|name| match self.values.get(name) {
            Some(&(id, _)) => id,
            // An output that the file leaves out in front of one that it names.
            None => self.builder.value(self.names.unique(&format!("{}_unused", file.name)), None),
        });
        let outputs = outputs.collect();
        match read {
            Read::One(op, new_inputs) => {
                for (index, value) in new_inputs {
                    let name = self.names.unique(&format!("{}_input_{index}", file.name));
                    if inputs.len() <= index {
                        inputs.resize(index + 1, None);
                    }
                    let id = self.builder.constant(name, value);
                    if let Some(slot) = inputs.get_mut(index) {
                        *slot = Some(id);
                    }
                }
                self.builder.node(Node { name: file.name.clone(), op: *op, inputs, outputs });
            }
            Read::Several(expansion) => self.add_expansion(&file.name, expansion, &inputs, &outputs),
        }
        Ok(())
    }

    /// The narrow float that a `CastLike` casts to, where the file declares one for its second input:
    /// the tensor here does not tell, since it is widened.
    fn cast_to(&self, file: &FileNode) -> Option<FloatFormat> {
        let like = file.proto.input.get(1).filter(|_| file.op_type == CAST_LIKE)?;
        self.formats.get(like).copied()
    }

    /// Adds the operators that a node is read as.
    fn add_expansion(
        &mut self,
        node: &str,
        expansion: Expansion,
        inputs: &[Option<ValueId>],
        outputs: &[ValueId],
    ) {
        let mut made: Vec<ValueId> = Vec::new();
        for (index, part) in expansion.parts.into_iter().enumerate() {
            let is_main = index == expansion.main;
            let own = format!("{node}_{}", part.op.op_type());
            let name = if is_main { node.to_owned() } else { self.node_names.unique(&own) };
            let read = |(slot, source): (usize, Source)| match source {
                Source::Absent => None,
                Source::Input(at) => inputs.get(at).copied().flatten(),
                Source::Made(at) => made.get(at).copied(),
                Source::Constant(value) => {
                    let name = self.names.unique(&format!("{name}_input_{slot}"));
                    Some(self.builder.constant(name, value))
                }
            };
            let inputs = part.inputs.into_iter().enumerate().map(read).collect();
            let output = expansion.outputs.iter().position(|&part| part == index);
            let output = output.and_then(|at| outputs.get(at)).copied();
            let output = output
                .unwrap_or_else(|| self.builder.value(self.names.unique(&format!("{name}_output")), None));
            self.builder.node(Node { name, op: part.op, inputs, outputs: vec![output] });
            made.push(output);
        }
    }

    /// Lets the operator read its attributes.
    fn import_op(
        &self,
        (file, op_type): (&FileNode, &str),
        attrs: Attrs,
        inputs: &[Option<ValueId>],
        output_count: usize,
    ) -> Result<Read, ImportError> {
        let slot = |id: &Option<ValueId>| match id {
            None => ImportInput::Absent,
            Some(id) => {
                self.builder.peek(*id).constant.as_ref().map_or(ImportInput::Computed, ImportInput::Constant)
            }
        };
        let opset = file.opset;
        if Op::least_opset(op_type).is_some_and(|least| opset.0 < least) {
            return Err(ImportError::Opset { got: opset.0.into(), function: None });
        }
        let inputs = inputs.iter().map(slot).collect();
        let formats = file.proto.input.iter().map(|name| self.formats.get(name).copied()).collect();
        let named_outputs = file.proto.output.len();
        let mut node =
            ImportNode { attrs, opset, inputs, formats, output_count, named_outputs, new_inputs: Vec::new() };
        let refused = |source| ImportError::Attribute {
            node: file.name.clone(),
            op_type: file.op_type.clone(),
            source,
        };
        let expanded = ops::expand(op_type, &mut node).map(|several| several.map(Read::Several));
        let read = expanded.or_else(|| {
            let op = Op::import(op_type, &mut node)?;
            Some(op.map(|op| Read::One(op.into(), std::mem::take(&mut node.new_inputs))))
        });
        let read = read.ok_or_else(|| nodes::missing_operator(file))?;
        let read = read.map_err(refused)?;
        node.attrs.finish(opset).map_err(refused)?;
        Ok(read)
    }

    fn finish(mut self, outputs: &[(String, Declared)]) -> Result<Graph, ImportError> {
        for (name, _) in outputs {
            let id = self.find(name, || "The network's output".to_owned())?;
            self.builder.output(id);
        }
        self.builder.finish().map_err(|error| match error {
            GraphError::Cycle { node } => ImportError::Cycle { node },
            other => ImportError::Graph(other),
        })
    }

    fn add_constant(&mut self, name: &str, value: Value, maker: Maker) -> Result<(), ImportError> {
        self.refuse_duplicate(name, maker)?;
        if value.dtype() != DType::I64 {
            self.info.parameter_count += value.len();
        }
        let id = self.builder.constant(name, value);
        self.values.insert(name, (id, maker));
        Ok(())
    }

    fn find(&self, name: &str, reader: impl Fn() -> String) -> Result<ValueId, ImportError> {
        let missing = || ImportError::MissingValue { value: name.to_owned(), reader: reader() };
        self.values.get(name).map(|&(id, _)| id).ok_or_else(missing)
    }

    fn refuse_duplicate(&self, name: &str, second: Maker) -> Result<(), ImportError> {
        let Some(&(_, first)) = self.values.get(name) else { return Ok(()) };
        Err(ImportError::DuplicateValue {
            value: name.to_owned(),
            first: self.describe(first),
            second: self.describe(second),
        })
    }

    fn describe(&self, maker: Maker) -> String {
        match maker {
            Maker::Initializer => "an initializer".to_owned(),
            Maker::Input => "an input".to_owned(),
            Maker::Node(i) => {
                format!("node `{}`", self.nodes.get(i).map(|node| node.name.as_str()).unwrap_or_default())
            }
        }
    }
}

/// The tensor of a `Constant` node.
fn constant_of(node: &FileNode, files: &ExternalFiles) -> Result<Value, ImportError> {
    let refused = |got: &str| ImportError::Constant { node: node.name.clone(), got: got.to_owned() };
    let attrs = attr::read_all(&node.proto, &node.name, files)?;
    let mut entries = attrs.iter();
    let (Some((name, attr)), None) = (entries.next(), entries.next()) else {
        return Err(refused(if attrs.is_empty() { "none" } else { "several" }));
    };
    let list = |value: Result<Value, _>| {
        value.map_err(|source| ImportError::Tensor {
            value: format!("The value of node `{}`", node.name),
            source,
        })
    };
    match (name, attr) {
        ("value", Attr::Tensor(value)) => Ok(value.clone()),
        ("value_float", Attr::Float(v)) => Ok(Value::scalar(*v)),
        ("value_int", Attr::Int(v)) => Ok(Value::scalar(*v)),
        ("value_floats", Attr::Floats(v)) => list(Value::from_vec(&[v.len()], v.clone())),
        ("value_ints", Attr::Ints(v)) => list(Value::from_vec(&[v.len()], v.clone())),
        ("value_string" | "value_strings", _) => Err(refused("text, which Bitlens does not read")),
        (other, _) => Err(refused(&format!("`{other}`, which Bitlens does not read"))),
    }
}
