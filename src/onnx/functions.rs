//! Functions that a file defines: [`inline`] puts what they do in the place of the nodes that call
//! them.
//!
//! A function is a list of nodes with inputs, outputs and attributes of its own. For a call its
//! nodes are copied: values get the names that the call gives them, or new ones; attributes that
//! refer to those of the function get the call's, else the function's default, else are left away.
//! Functions may call others, so what was copied is looked at again; that is a stack of calls here,
//! not one of this program, and nodes and bytes are counted, since a few functions that call each
//! other twice stand for more than any memory holds.

use super::ImportError;
use super::build::GREATEST_COUNT;
use super::error::FunctionProblem;
use super::import::{decode, is_onnx_domain, read_opset};
use super::names::Names;
use super::nodes::{self, FileNode, NodeNames};
use super::proto::{self, AttributeProto, FunctionProto, NodeProto};
use crate::ir::{NameMap, Opset};
use prost::Message as _;
use prost::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// How deep calls may stand inside each other. Exporters nest modules, which are a dozen deep.
const DEEPEST: usize = 64;

/// How many bytes the copied nodes may come to: a network without its weights has a few million.
const MOST_BYTES: usize = 1 << 27;

/// Domain, name and overload.
type Key = (String, String, String);

/// The functions of a file.
#[derive(Default)]
pub(super) struct Functions(BTreeMap<Key, Function>);

struct Function {
    proto: FunctionProto,
    inputs: BTreeSet<String>,
    /// Of its nodes.
    opset: Opset,
    /// Bytes of its inputs, outputs and attributes, which each call copies.
    signature_bytes: usize,
}

impl Functions {
    /// Reads the functions of a file of that opset.
    ///
    /// # Errors
    /// [`ImportError::Corrupt`], [`ImportError::Opset`].
    pub(super) fn read(messages: &[Bytes], opset: Opset) -> Result<Self, ImportError> {
        if messages.len() > GREATEST_COUNT {
            let got = messages.len();
            return Err(ImportError::TooMany { what: "functions", got, expected: GREATEST_COUNT });
        }
        let mut functions = BTreeMap::new();
        for (i, bytes) in messages.iter().enumerate() {
            let proto: FunctionProto = decode(bytes, || format!("function {i}"))?;
            let own =
                read_opset(&proto.opset_import).map_err(|error| of_function(error, &proto))?.unwrap_or(opset);
            let body: usize = proto.node.iter().map(Bytes::len).sum();
            let signature_bytes = bytes.len().saturating_sub(body);
            let key = key(proto.domain.as_deref(), proto.name.as_deref(), proto.overload.as_deref());
            let inputs = proto.input.iter().cloned().collect();
            functions.insert(key, Function { proto, inputs, opset: own, signature_bytes });
        }
        Ok(Self(functions))
    }

    /// The function that a node calls.
    fn called_by(&self, node: &NodeProto) -> Option<&Function> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&key(node.domain.as_deref(), Some(&node.op_type), node.overload.as_deref()))
    }
}

/// The error that an operator set is not read, with the function that uses it.
fn of_function(error: ImportError, proto: &FunctionProto) -> ImportError {
    let ImportError::Opset { got, .. } = error else { return error };
    let parts = [&proto.domain, &proto.name].into_iter().flatten().map(String::as_str);
    ImportError::Opset {
        got,
        function: Some(parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")),
    }
}

fn key(domain: Option<&str>, name: Option<&str>, overload: Option<&str>) -> Key {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let domain = domain.filter(|domain| !is_onnx_domain(domain));
    (text(domain), text(name), text(overload))
}

/// The nodes with every call replaced by what the function does.
///
/// # Errors
/// [`ImportError::Function`], [`ImportError::Corrupt`], [`ImportError::Incomplete`].
pub(super) fn inline(
    nodes: Vec<FileNode>,
    functions: &Functions,
    names: &mut NodeNames,
) -> Result<Vec<FileNode>, ImportError> {
    if nodes.iter().all(|node| functions.called_by(&node.proto).is_none()) {
        return Ok(nodes);
    }
    let mut values = Names::default();
    for node in &nodes {
        values.reserve(node.proto.input.iter().chain(&node.proto.output).map(String::as_str));
    }
    let mut inliner = Inliner { functions, names, values, done: Vec::new(), nodes: 0, bytes: 0 };
    for node in nodes {
        inliner.add(node)?;
    }
    Ok(inliner.done)
}

struct Inliner<'a> {
    functions: &'a Functions,
    names: &'a mut NodeNames,
    /// Names of values.
    values: Names,
    done: Vec<FileNode>,
    /// Nodes and calls copied so far, and bytes.
    nodes: usize,
    bytes: usize,
}

/// A call whose nodes are being copied.
struct Call<'a> {
    function: &'a Function,
    /// Name of the calling node, and of its operator.
    name: String,
    op_type: String,
    /// The next node of the function.
    next: usize,
    /// For names of the function those in the network; empty for an input that the call leaves out.
    values: NameMap<String>,
    attributes: NameMap<AttributeProto>,
}

impl<'a> Inliner<'a> {
    /// Adds a node, or all that it stands for. What is too much of it is said of the node itself, since
    /// the names of calls inside calls are long.
    fn add(&mut self, node: FileNode) -> Result<(), ImportError> {
        let (name, op_type) = (node.name.clone(), node.op_type.clone());
        self.add_all(node).map_err(|error| match error {
            ImportError::Function {
                problem: problem @ (FunctionProblem::Depth { .. } | FunctionProblem::Size { .. }),
                ..
            } => ImportError::Function { node: name, function: op_type, problem },
            other => other,
        })
    }

    fn add_all(&mut self, node: FileNode) -> Result<(), ImportError> {
        let mut calls: Vec<Call<'a>> = Vec::new();
        self.add_or_call(node, &mut calls)?;
        while let Some(call) = calls.last_mut() {
            let Some(bytes) = call.function.proto.node.get(call.next) else {
                calls.pop();
                continue;
            };
            call.next += 1;
            let node = self.copy(call, bytes)?;
            self.spend(call, node.proto.encoded_len())?;
            self.add_or_call(node, &mut calls)?;
        }
        Ok(())
    }

    fn add_or_call(&mut self, node: FileNode, calls: &mut Vec<Call<'a>>) -> Result<(), ImportError> {
        let Some(function) = self.functions.called_by(&node.proto) else {
            self.done.push(node);
            return Ok(());
        };
        let call = self.call(&node, function)?;
        if calls.len() == DEEPEST {
            return Err(call.refused(FunctionProblem::Depth { limit: DEEPEST }));
        }
        self.spend(&call, function.signature_bytes + node.proto.encoded_len())?;
        calls.push(call);
        Ok(())
    }

    /// Counts a node of so many bytes.
    fn spend(&mut self, call: &Call<'_>, bytes: usize) -> Result<(), ImportError> {
        self.nodes += 1;
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(call.name.len());
        let limits = [(self.nodes, GREATEST_COUNT, "nodes"), (self.bytes, MOST_BYTES, "bytes")];
        match limits.iter().find(|(spent, limit, _)| spent > limit) {
            None => Ok(()),
            Some(&(_, limit, unit)) => Err(call.refused(FunctionProblem::Size { limit, unit })),
        }
    }

    /// Binds inputs, outputs and attributes of a call.
    fn call(&mut self, node: &FileNode, function: &'a Function) -> Result<Call<'a>, ImportError> {
        let (name, op_type) = (node.name.clone(), node.op_type.clone());
        let mut call =
            Call { function, name, op_type, next: 0, values: NameMap::new(), attributes: NameMap::new() };
        let signature = &function.proto;
        let counts = [
            ("inputs", signature.input.len(), node.proto.input.len()),
            ("outputs", signature.output.len(), node.proto.output.len()),
        ];
        if let Some(&(what, expected, got)) = counts.iter().find(|(_, expected, got)| got > expected) {
            return Err(call.refused(FunctionProblem::Count { what, expected, got }));
        }
        call.bind_attributes(&node.proto)?;
        let given = node.proto.input.iter().cloned().chain(std::iter::repeat(String::new()));
        call.values.extend(signature.input.iter().cloned().zip(given));
        for (own, given) in signature.output.iter().zip(&node.proto.output) {
            if given.is_empty() {
                continue;
            }
            if let Some(source) = call.values.get(own).cloned() {
                // An input handed on, or one value as two outputs.
                let proto = identity(source, given);
                let name = self.names.name(&format!("{}/", node.name), &proto);
                self.done.push(FileNode {
                    name,
                    op_type: nodes::full_name(&proto),
                    opset: node.opset,
                    proto,
                });
            } else {
                call.values.insert(own, given.clone());
            }
        }
        Ok(call)
    }

    /// A node of a function as a node of the network.
    fn copy(&mut self, call: &mut Call<'_>, bytes: &Bytes) -> Result<FileNode, ImportError> {
        let place = format!("in function `{}`: ", call.op_type);
        let mut proto = nodes::read_one(bytes, &place, call.next - 1)?;
        let prefix = format!("{}/", call.name);
        if let Some(shadow) = proto.output.iter().find(|&name| call.function.inputs.contains(name)) {
            return Err(ImportError::DuplicateValue {
                value: shadow.clone(),
                first: format!("an input of function `{}`", call.op_type),
                second: "one of its nodes".to_owned(),
            });
        }
        let mut copied = 0;
        for value in proto.input.iter_mut().chain(&mut proto.output).filter(|name| !name.is_empty()) {
            let unique = || self.values.unique(&format!("{prefix}{value}"));
            let known = call.values.get_or_insert_with(value, unique);
            value.clone_from(known);
            copied = call.add_bytes(copied, value.len())?;
        }
        proto.attribute = call.resolve(&proto.attribute, &place)?;
        let name = self.names.name(&prefix, &proto);
        Ok(FileNode { name, op_type: nodes::full_name(&proto), opset: call.function.opset, proto })
    }
}

impl Call<'_> {
    fn refused(&self, problem: FunctionProblem) -> ImportError {
        ImportError::Function { node: self.name.clone(), function: self.op_type.clone(), problem }
    }

    /// Counts bytes that are copied for one node: it may name a long text many times.
    fn add_bytes(&self, copied: usize, bytes: usize) -> Result<usize, ImportError> {
        let copied = copied.saturating_add(bytes);
        let problem = FunctionProblem::Size { limit: MOST_BYTES, unit: "bytes" };
        if copied > MOST_BYTES { Err(self.refused(problem)) } else { Ok(copied) }
    }

    /// The attributes of the calling node, and defaults for those that it leaves out.
    fn bind_attributes(&mut self, node: &NodeProto) -> Result<(), ImportError> {
        let place = || format!("an attribute of function `{}`", self.op_type);
        let mut known = BTreeSet::new();
        known.extend(self.function.proto.attribute.iter().cloned());
        let mut bound = NameMap::new();
        for bytes in &self.function.proto.attribute_proto {
            let attribute: AttributeProto = decode(bytes, place)?;
            known.insert(attribute.name.clone());
            bound.insert(&attribute.name.clone(), attribute);
        }
        for bytes in &node.attribute {
            let attribute: AttributeProto =
                decode(bytes, || format!("an attribute of node `{}`", self.name))?;
            if !known.contains(&attribute.name) {
                return Err(self.refused(FunctionProblem::Attribute { name: attribute.name }));
            }
            bound.insert(&attribute.name.clone(), attribute);
        }
        self.attributes = bound;
        Ok(())
    }

    /// The attributes of a node of the function, where they refer to the function's with what those
    /// are.
    fn resolve(&self, attributes: &[Bytes], place: &str) -> Result<Vec<Bytes>, ImportError> {
        let (mut resolved, mut copied) = (Vec::with_capacity(attributes.len()), 0);
        for bytes in attributes {
            let attribute: AttributeProto = decode(bytes, || format!("{place}an attribute"))?;
            let Some(reference) = attribute.ref_attr_name.filter(|name| !name.is_empty()) else {
                resolved.push(bytes.clone());
                continue;
            };
            if let Some(bound) = self.attributes.get(&reference) {
                copied = self.add_bytes(copied, bound.encoded_len())?;
                resolved.push(proto::encode(&AttributeProto { name: attribute.name, ..bound.clone() }));
            }
        }
        Ok(resolved)
    }
}

/// A node that hands a value on.
fn identity(from: String, to: &str) -> NodeProto {
    NodeProto {
        input: vec![from],
        output: vec![to.to_owned()],
        op_type: "Identity".to_owned(),
        ..NodeProto::default()
    }
}
