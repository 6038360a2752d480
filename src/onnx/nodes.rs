//! The nodes of a file: named, those that call functions replaced by what the functions do, and
//! looked over for operators that are missing.

use super::functions::{self, Functions};
use super::import::{decode, is_onnx_domain};
use super::names::Names;
use super::proto::NodeProto;
use super::{ImportError, MissingOperator};
use crate::ir::{NameMap, Opset};
use crate::ops::{self, Op};
use prost::bytes::Bytes;

/// The operator that is a constant and has no counterpart in `ops`.
pub(super) const CONSTANT: &str = "Constant";

/// A node of the file.
pub(super) struct FileNode {
    /// Unique and not empty.
    pub(super) name: String,
    /// With the domain in front, unless it is ONNX's own.
    pub(super) op_type: String,
    /// The operator set that its operator is of: the file's, or that of the function it stands in.
    pub(super) opset: Opset,
    pub(super) proto: NodeProto,
}

/// Names of nodes: those that the file gives, and those made for nodes without one.
#[derive(Default)]
pub(super) struct NodeNames {
    names: Names,
    counters: NameMap<usize>,
}

impl NodeNames {
    /// A unique name that begins with `stem`.
    pub(super) fn unique(&mut self, stem: &str) -> String {
        self.names.unique(stem)
    }

    /// A unique name for a node; `prefix` stands in front of what the file has.
    pub(super) fn name(&mut self, prefix: &str, proto: &NodeProto) -> String {
        if let Some(name) = given_name(proto) {
            return self.unique(&format!("{prefix}{name}"));
        }
        let stem = format!("{prefix}{}", proto.op_type);
        self.names.numbered(&stem, self.counters.get_or_insert_with(&stem, || 0))
    }
}

fn given_name(proto: &NodeProto) -> Option<&str> {
    proto.name.as_deref().filter(|name| !name.is_empty())
}

/// Reads the nodes of a network of that opset; where they call functions, what these do. With them
/// the names that are taken.
///
/// # Errors
/// [`ImportError::Corrupt`], [`ImportError::Incomplete`], [`ImportError::Function`].
pub(super) fn read(
    messages: &[Bytes],
    functions: &Functions,
    opset: Opset,
) -> Result<(Vec<FileNode>, NodeNames), ImportError> {
    let protos = messages.iter().enumerate().map(|(i, bytes)| read_one(bytes, "", i));
    let protos = protos.collect::<Result<Vec<_>, _>>()?;
    let mut names = NodeNames::default();
    // Names that the file gives come before names that are made.
    let given: Vec<Option<String>> =
        protos.iter().map(|proto| given_name(proto).map(|_| names.name("", proto))).collect();
    let nodes = protos.into_iter().zip(given).map(|(proto, given)| {
        let name = given.unwrap_or_else(|| names.name("", &proto));
        FileNode { name, op_type: full_name(&proto), opset, proto }
    });
    let nodes: Vec<FileNode> = nodes.collect();
    let nodes = functions::inline(nodes, functions, &mut names)?;
    Ok((nodes, names))
}

/// Decodes a node, which must have an operator and an output; `place` and `index` say where it is.
pub(super) fn read_one(bytes: &Bytes, place: &str, index: usize) -> Result<NodeProto, ImportError> {
    let proto: NodeProto = decode(bytes, || format!("{place}node {index}"))?;
    let part = if proto.op_type.is_empty() {
        "operator"
    } else if proto.output.iter().all(String::is_empty) {
        "output"
    } else {
        return Ok(proto);
    };
    let name = given_name(&proto).map_or_else(|| index.to_string(), str::to_owned);
    Err(ImportError::Incomplete { what: format!("{place}node `{name}`"), part })
}

/// The operator's name today, with the domain in front unless it is ONNX's own.
pub(super) fn full_name(proto: &NodeProto) -> String {
    match proto.domain.as_deref().unwrap_or_default() {
        domain if is_onnx_domain(domain) => Op::current_name(&proto.op_type).to_owned(),
        domain => format!("{domain}.{}", proto.op_type),
    }
}

/// Whether nodes of an operator can be read at all.
pub(super) fn is_known(op_type: &str) -> bool {
    op_type == CONSTANT || ops::file_op_types().any(|name| name == op_type)
}

/// The refusal of a node whose operator is not known.
pub(super) fn missing_operator(node: &FileNode) -> ImportError {
    ImportError::UnsupportedOperator {
        node: node.name.clone(),
        op_type: node.op_type.clone(),
        more_nodes: Vec::new(),
        others: Vec::new(),
    }
}

/// Looks at all nodes before it refuses, so that the user learns everything at once.
///
/// # Errors
/// [`ImportError::UnsupportedOperator`].
pub(super) fn refuse_unsupported(nodes: &[FileNode]) -> Result<(), ImportError> {
    let mut missing: Vec<MissingOperator> = Vec::new();
    let mut places = NameMap::new();
    for node in nodes {
        let op_type = node.op_type.as_str();
        if is_known(op_type) {
            continue;
        }
        let place = *places.get_or_insert_with(op_type, || missing.len());
        match missing.get_mut(place) {
            Some(entry) => entry.nodes.push(node.name.clone()),
            None => {
                missing.push(MissingOperator { op_type: op_type.to_owned(), nodes: vec![node.name.clone()] });
            }
        }
    }
    let mut missing = missing.into_iter();
    let Some(first) = missing.next() else { return Ok(()) };
    let mut its_nodes = first.nodes.into_iter();
    Err(ImportError::UnsupportedOperator {
        node: its_nodes.next().unwrap_or_default(),
        op_type: first.op_type,
        more_nodes: its_nodes.collect(),
        others: missing.collect(),
    })
}
