//! A node as a file has it: what an operator reads when it is imported and writes when it is exported.

use super::EXPORT_OPSET;
use crate::ir::{Attr, AttrError, Attrs, Opset};
use crate::tensor::{FloatFormat, Value};

/// A node of a file while its operator reads it.
#[derive(Debug)]
pub struct ImportNode<'a> {
    /// Attributes that nobody has taken yet.
    pub attrs: Attrs,
    /// Opset of the file.
    pub opset: Opset,
    /// For each input whether it is present, and its tensor when it is a constant.
    pub inputs: Vec<ImportInput<'a>>,
    /// For each input the format that the file declares for it, where it is widened to float32.
    pub formats: Vec<Option<FloatFormat>>,
    /// Number of outputs up to the last one that is read, at least one.
    pub output_count: usize,
    /// Number of outputs that the file names, read or not.
    pub named_outputs: usize,
    /// Constants that the operator wants as inputs: index and tensor.
    pub new_inputs: Vec<(usize, Value)>,
}

/// One input of a node while it is read.
#[derive(Debug, Clone, Copy)]
pub enum ImportInput<'a> {
    /// The file leaves it out.
    Absent,
    /// It is computed, or comes from the caller.
    Computed,
    /// It is a constant.
    Constant(&'a Value),
}

impl ImportNode<'_> {
    /// The format of an input in the file, where that is known and widened to float32.
    pub fn format(&self, index: usize) -> Option<FloatFormat> {
        self.formats.get(index).copied().flatten()
    }

    /// Makes input `index` the constant `value`: for what older opsets had as an attribute.
    pub fn set_input(&mut self, index: usize, value: Value) {
        self.new_inputs.push((index, value));
    }

    /// Refuses opsets below `least`.
    ///
    /// # Errors
    /// [`AttrError::Opset`].
    pub fn require_opset(&self, least: u32, reason: &'static str) -> Result<(), AttrError> {
        if self.opset.0 < least { Err(AttrError::Opset { opset: self.opset.0, reason }) } else { Ok(()) }
    }
}

/// One node to write into a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportStep {
    /// Operator.
    pub op_type: &'static str,
    /// Attributes.
    pub attrs: Attrs,
    /// How many outputs a node of the file must have, whether they are read or not; 0 where those
    /// that are read are enough.
    pub outputs: usize,
    /// How many of the inputs at hand this step reads, the rest being left to the next one; all of
    /// them where it is `None`. At hand are the operator's inputs (first step), or what the step
    /// before made and left.
    pub reads: Option<usize>,
    /// Constant inputs behind those.
    pub extra_inputs: Vec<Option<Value>>,
    /// The first opset that has the operator in this form.
    pub opset: Opset,
}

impl ExportStep {
    /// A node without constant inputs of its own.
    pub fn new(op_type: &'static str, attrs: Attrs) -> Self {
        Self { op_type, attrs, outputs: 0, reads: None, extra_inputs: Vec::new(), opset: EXPORT_OPSET }
    }

    /// The same, for an operator that is newer than [`EXPORT_OPSET`].
    #[must_use]
    pub fn since(self, opset: u32) -> Self {
        Self { opset: self.opset.max(Opset(opset)), ..self }
    }

    /// The same, leaving all inputs but the first `count` to the next step.
    #[must_use]
    pub fn reading(self, count: usize) -> Self {
        Self { reads: Some(count), ..self }
    }

    /// The same, with that many outputs at least.
    #[must_use]
    pub fn making(self, outputs: usize) -> Self {
        Self { outputs, ..self }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, attr: Attr) -> Self {
        self.attrs.insert(name, attr);
        self
    }
}

/// The answer of operators that no file can contain.
pub(super) fn refuse_import<T>() -> Result<T, AttrError> {
    let reason = "it exists only inside Bitlens";
    Err(AttrError::Unsupported { name: "op_type".to_owned(), value: "bitlens.*".to_owned(), reason })
}
