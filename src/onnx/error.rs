//! [`ImportError`]: why a file cannot be read, in words for the person who dropped it.

use super::Support;
use super::file::FileKind;
use super::import::{GREATEST_OPSET, LEAST_IR_VERSION, LEAST_OPSET};
use crate::ir::{AttrError, GraphError};
use crate::tensor::TensorError;
use std::fmt::Write as _;
use thiserror::Error;

/// An operator that a file needs and Bitlens does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingOperator {
    /// Its name, with the domain in front (`com.microsoft.Gelu`) unless it is ONNX's own.
    pub op_type: String,
    /// The nodes that use it, in the order of the file.
    pub nodes: Vec<String>,
}

/// What can be wrong with a call of a function that a file defines.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FunctionProblem {
    /// A function calls itself, possibly through others, or very many stand inside each other.
    #[error("in it more than {limit} calls stand inside each other: functions cannot call themselves")]
    Depth {
        /// How many may.
        limit: usize,
    },
    /// What functions stand for is far more than the file holds.
    #[error("with it the functions of this file come to more than {limit} {unit}")]
    Size {
        /// How much is allowed.
        limit: usize,
        /// Of what: nodes, bytes.
        unit: &'static str,
    },
    /// The call has more inputs or outputs than the function.
    #[error("gives it {got} {what} where it has {expected}")]
    Count {
        /// Inputs or outputs.
        what: &'static str,
        /// What the function has.
        expected: usize,
        /// What the call has.
        got: usize,
    },
    /// The call has an attribute that the function does not know.
    #[error("the function does not know the attribute `{name}`")]
    Attribute {
        /// The attribute.
        name: String,
    },
}

/// A network some of whose nodes cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsupported {
    /// What stands in the way: operators that are missing, or else the first node's reason.
    pub reason: ImportError,
    /// The whole network, node by node.
    pub support: Support,
}

/// Why a file could not be imported.
///
/// The text says what is wrong and where; [`ImportError::hint`] says what to do about it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// There are no bytes.
    #[error("This file is empty.")]
    Empty,
    /// The bytes are something else.
    #[error("This is not an ONNX file{}.", looks_like(*.kind))]
    NotOnnx {
        /// What the bytes look like, where that is known.
        kind: Option<FileKind>,
    },
    /// The file ends in the middle of something.
    #[error("This ONNX file is cut off: it has {got} bytes, but its contents need at least {expected}.")]
    Truncated {
        /// Bytes that the contents need at least.
        expected: u64,
        /// Bytes in the file.
        got: u64,
    },
    /// A message inside does not decode.
    #[error("This ONNX file is damaged: {place} cannot be read ({reason}).")]
    Corrupt {
        /// Which part.
        place: String,
        /// What the decoder says.
        reason: String,
    },
    /// The model has no graph.
    #[error("This ONNX file contains no network (it has no graph).")]
    NoGraph,
    /// There is nothing to compute.
    #[error("The network in this file has no output, so there is nothing to compute.")]
    NoOutput,
    /// The file format is too old, or not stated.
    #[error("This file has ONNX IR version {got}; Bitlens reads {LEAST_IR_VERSION} and later.")]
    IrVersion {
        /// Version in the file, 0 where there is none.
        got: i64,
    },
    /// The file does not say which operator set it uses.
    #[error("This file does not say which version of the ONNX operators it uses (no opset_import).")]
    NoOpset,
    /// The operator set is too old or too new.
    #[error("{} uses ONNX opset {got}; Bitlens reads {LEAST_OPSET} to {GREATEST_OPSET}.", user(.function.as_deref()))]
    Opset {
        /// Version in the file.
        got: i64,
        /// The function of the file that uses it, where it is one.
        function: Option<String>,
    },
    /// The network has more parts than any image network.
    #[error("This network has {got} {what}; Bitlens reads at most {expected}.")]
    TooMany {
        /// Which parts.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many are allowed.
        expected: usize,
    },
    /// A node calls a function of the file in a way that cannot be.
    #[error("Node `{node}` calls the function `{function}` of this file, but {problem}.")]
    Function {
        /// Node.
        node: String,
        /// Name of the function.
        function: String,
        /// What is wrong.
        problem: FunctionProblem,
    },
    /// Operators that do not exist here.
    #[error("Node `{node}` uses operator `{op_type}`, which Bitlens does not support.{}", also_missing(.others))]
    UnsupportedOperator {
        /// First node that uses one.
        node: String,
        /// Its operator.
        op_type: String,
        /// More nodes that use that operator.
        more_nodes: Vec<String>,
        /// The other operators that are missing, in the order of their first use.
        others: Vec<MissingOperator>,
    },
    /// Nodes that cannot be read; everything else about the file is in order. Text, code, hint and node
    /// are those of the reason.
    #[error("{}", .0.reason)]
    Unsupported(Box<Unsupported>),
    /// A node carries a graph inside (control flow).
    #[error(
        "Node `{node}` ({op_type}) has a network inside (attribute `{attribute}`), which Bitlens does not support."
    )]
    Subgraph {
        /// Node.
        node: String,
        /// Operator.
        op_type: String,
        /// Attribute that is a graph.
        attribute: String,
    },
    /// An operator refused its attributes.
    #[error("Node `{node}` ({op_type}): {source}.")]
    Attribute {
        /// Node.
        node: String,
        /// Operator.
        op_type: String,
        /// What is wrong.
        source: AttrError,
    },
    /// An attribute is of a kind that nothing here reads.
    #[error("Node `{node}` ({op_type}): attribute `{attribute}` is {got}, which Bitlens does not read.")]
    AttributeKind {
        /// Node.
        node: String,
        /// Operator.
        op_type: String,
        /// Attribute.
        attribute: String,
        /// What it is.
        got: &'static str,
    },
    /// A `Constant` node has not exactly one value that can be read.
    #[error("Node `{node}` (Constant) should have one value, but has {got}.")]
    Constant {
        /// Node.
        node: String,
        /// What it has.
        got: String,
    },
    /// The elements are in other files, which are not there.
    #[error("The elements of {} are in another file, {}", within(.value), missing_files(.files))]
    ExternalData {
        /// The first tensor, as the beginning of a sentence.
        value: String,
        /// Names of the files that are missing, as the network has them; at least one.
        files: Vec<String>,
    },
    /// The elements are said to be in something that is no file beside the network.
    #[error(
        "The elements of {} are said to be in `{file}`, which is no name of a file beside the network.",
        within(.value)
    )]
    ExternalPath {
        /// Which tensor, as the beginning of a sentence.
        value: String,
        /// Where the elements are said to be.
        file: String,
    },
    /// Where in another file the elements lie is not a number.
    #[error(
        "The elements of {} are in `{file}`, but their {key} there is `{got}`, which is no number of bytes.",
        within(.value)
    )]
    ExternalNumber {
        /// Which tensor, as the beginning of a sentence.
        value: String,
        /// Name of the other file.
        file: String,
        /// `offset` or `length`.
        key: &'static str,
        /// What the network has.
        got: String,
    },
    /// The other file is shorter than it should be.
    #[error("{value} should have {} bytes of `{file}` from byte {} on, but that file has only {got}.", .expected.1, .expected.0)]
    ExternalRange {
        /// Which tensor, as the beginning of a sentence.
        value: String,
        /// Name of the other file.
        file: String,
        /// First byte and number of bytes of the elements.
        expected: (usize, usize),
        /// Bytes of the file.
        got: usize,
    },
    /// An element type that no tensor here can have.
    #[error("{value} has element type {got}, which Bitlens does not support.")]
    ElementType {
        /// Which tensor or value, as the beginning of a sentence.
        value: String,
        /// Element type.
        got: &'static str,
    },
    /// A value is not a tensor.
    #[error("Input `{value}` is not a tensor (or has no type); Bitlens takes tensors only.")]
    NotATensor {
        /// Graph input.
        value: String,
    },
    /// The number of elements does not fit the shape.
    #[error("{value} has shape {shape:?}, which needs {expected}, but the file holds {got}.")]
    TensorLength {
        /// Which tensor, as the beginning of a sentence.
        value: String,
        /// Shape in the file.
        shape: Vec<i64>,
        /// Elements or bytes needed, as text.
        expected: String,
        /// Elements or bytes found, as text.
        got: String,
    },
    /// An element is outside the range of its type.
    #[error("{value} has an element {got} that does not fit its type {expected}.")]
    ElementRange {
        /// Which tensor, as the beginning of a sentence.
        value: String,
        /// Element type.
        expected: &'static str,
        /// The element.
        got: i128,
    },
    /// Weights are NaN or infinite.
    #[error(
        "{value} holds {}{got}, element {index}).",
        if *count == 1 { "an element that is not a finite number (".to_owned() }
        else { format!("{count} elements that are not finite numbers (the first is ") }
    )]
    NonFinite {
        /// Which tensor, as the beginning of a sentence.
        value: String,
        /// The first such element, as text: `NaN`, `inf`, `-inf`.
        got: String,
        /// Its position in row-major order, from 0.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A tensor does not fit in memory.
    #[error("{value}: {source}.")]
    Tensor {
        /// Which tensor, as the beginning of a sentence.
        value: String,
        /// What is wrong.
        source: TensorError,
    },
    /// A sparse initializer.
    #[error("Initializer `{value}` is sparse, which Bitlens does not support.")]
    SparseInitializer {
        /// The initializer.
        value: String,
    },
    /// An input or initializer has no name, or a node has no outputs.
    #[error("This ONNX file is not valid: {what} has no {part}.")]
    Incomplete {
        /// What lacks something.
        what: String,
        /// What it lacks.
        part: &'static str,
    },
    /// A name stands for two values.
    #[error("The value `{value}` is defined twice: by {first} and again by {second}.")]
    DuplicateValue {
        /// The value.
        value: String,
        /// What defines it first.
        first: String,
        /// What defines it again.
        second: String,
    },
    /// A value is read that nothing makes.
    #[error("{reader} reads `{value}`, which no node, input or initializer of this file provides.")]
    MissingValue {
        /// The value.
        value: String,
        /// Who reads it, as the beginning of a sentence.
        reader: String,
    },
    /// Nodes wait for each other in a circle.
    #[error("Node `{node}` needs its own result: the network goes in a circle, so it cannot run.")]
    Cycle {
        /// A node on, or behind, the circle.
        node: String,
    },
    /// The graph is not valid in a way that the checks above did not see.
    #[error("The network is not valid: {0}.")]
    Graph(GraphError),
}

impl ImportError {
    /// A name for this kind of error that stays the same when the words change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "onnx/empty",
            Self::NotOnnx { .. } => "onnx/not-onnx",
            Self::Truncated { .. } => "onnx/truncated",
            Self::Corrupt { .. } => "onnx/corrupt",
            Self::NoGraph => "onnx/no-graph",
            Self::NoOutput => "onnx/no-output",
            Self::IrVersion { .. } => "onnx/ir-version",
            Self::NoOpset => "onnx/no-opset",
            Self::Opset { .. } => "onnx/opset",
            Self::TooMany { .. } => "onnx/too-many",
            Self::Function { .. } => "onnx/function",
            Self::Unsupported(network) => network.reason.code(),
            Self::UnsupportedOperator { .. } => "onnx/unsupported-operator",
            Self::Subgraph { .. } => "onnx/subgraph",
            Self::Attribute { .. } => "onnx/attribute",
            Self::AttributeKind { .. } => "onnx/attribute-kind",
            Self::Constant { .. } => "onnx/constant",
            Self::ExternalData { .. } => "onnx/external-data",
            Self::ExternalPath { .. } => "onnx/external-path",
            Self::ExternalNumber { .. } => "onnx/external-number",
            Self::ExternalRange { .. } => "onnx/external-range",
            Self::ElementType { .. } => "onnx/element-type",
            Self::NotATensor { .. } => "onnx/not-a-tensor",
            Self::TensorLength { .. } => "onnx/tensor-length",
            Self::ElementRange { .. } => "onnx/element-range",
            Self::NonFinite { .. } => "onnx/non-finite",
            Self::Tensor { .. } => "onnx/tensor",
            Self::SparseInitializer { .. } => "onnx/sparse-initializer",
            Self::Incomplete { .. } => "onnx/incomplete",
            Self::DuplicateValue { .. } => "onnx/duplicate-value",
            Self::MissingValue { .. } => "onnx/missing-value",
            Self::Cycle { .. } => "onnx/cycle",
            Self::Graph(_) => "onnx/graph",
        }
    }

    /// The node that the error is about, where there is one.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Function { node, .. }
            | Self::UnsupportedOperator { node, .. }
            | Self::Subgraph { node, .. }
            | Self::Attribute { node, .. }
            | Self::AttributeKind { node, .. }
            | Self::Constant { node, .. }
            | Self::Cycle { node } => Some(node),
            Self::Unsupported(network) => network.reason.node(),
            _ => None,
        }
    }

    /// The network node by node, where some of them cannot be read.
    pub fn support(&self) -> Option<&Support> {
        match self {
            Self::Unsupported(network) => Some(&network.support),
            _ => None,
        }
    }

    /// The first thing in the way, where several are.
    pub fn reason(&self) -> &Self {
        match self {
            Self::Unsupported(network) => &network.reason,
            error => error,
        }
    }

    /// Whether it is one node that cannot be read, and the others can be.
    pub(super) fn refuses_a_node(&self) -> bool {
        matches!(
            self,
            Self::UnsupportedOperator { .. }
                | Self::Subgraph { .. }
                | Self::Attribute { .. }
                | Self::AttributeKind { .. }
                | Self::Opset { .. }
        )
    }
}

/// Who uses an operator set.
fn user(function: Option<&str>) -> String {
    function.map_or_else(|| "This file".to_owned(), |name| format!("The function `{name}` of this file"))
}

/// What begins a sentence, within one: "Initializer `w`" as "initializer `w`".
fn within(what: &str) -> String {
    let mut letters = what.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

/// "`a`, which is missing." or "`a`, which is missing. Also missing: `b`, `c`."
fn missing_files(files: &[String]) -> String {
    let quoted: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    match quoted.split_first() {
        Some((first, [])) => format!("{first}, which is missing."),
        Some((first, others)) => format!("{first}, which is missing. Also missing: {}.", others.join(", ")),
        None => "which is missing.".to_owned(),
    }
}

fn looks_like(kind: Option<FileKind>) -> String {
    kind.map(|kind| format!(": it looks like {}", kind.description())).unwrap_or_default()
}

/// " Also missing: Bar (3 nodes), Baz (1 node)."
fn also_missing(others: &[MissingOperator]) -> String {
    let mut text = String::new();
    for (i, missing) in others.iter().enumerate() {
        let count = missing.nodes.len();
        let lead = if i == 0 { " Also missing: " } else { ", " };
        let unit = if count == 1 { "node" } else { "nodes" };
        // Writing to a String does not fail.
        let _ = write!(text, "{lead}{} ({count} {unit})", missing.op_type);
    }
    if !text.is_empty() {
        text.push('.');
    }
    text
}
