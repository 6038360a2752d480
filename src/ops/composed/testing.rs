//! What the tests of composed operators share: reading a node and running its parts.

use super::{Expansion, Source, expand};
use crate::ir::{Attrs, Opset};
use crate::ops::{Context, ImportInput, ImportNode, Inputs, Isa, OpError};
use crate::tensor::Value;

/// Reads a node with one output whose inputs the network computes.
pub(super) fn read(
    op_type: &str,
    attrs: Attrs,
    opset: u32,
    inputs: Vec<ImportInput<'_>>,
    outputs: usize,
) -> Result<Expansion, crate::ir::AttrError> {
    let opset = Opset(opset);
    let (output_count, named_outputs) = (outputs, outputs);
    let mut node = ImportNode {
        attrs,
        opset,
        inputs,
        formats: Vec::new(),
        output_count,
        named_outputs,
        new_inputs: Vec::new(),
    };
    let expansion = expand(op_type, &mut node).expect("an operator of the list")?;
    node.attrs.finish(opset)?;
    assert!(node.new_inputs.is_empty());
    Ok(expansion)
}

/// The outputs of the parts, one after the other.
pub(super) fn evaluate(expansion: &Expansion, inputs: &[Option<Value>]) -> Result<Vec<Value>, OpError> {
    let context = Context::new(Isa::Portable);
    let mut made: Vec<Value> = Vec::new();
    for part in &expansion.parts {
        let read = |source: &Source| match source {
            Source::Absent => None,
            Source::Input(at) => inputs.get(*at).cloned().flatten(),
            Source::Constant(value) => Some(value.clone()),
            Source::Made(at) => Some(made[*at].clone()),
        };
        let inputs = Inputs::new(part.inputs.iter().map(read).collect());
        let mut outputs = part.op.forward(&context, inputs)?;
        assert_eq!(outputs.len(), 1, "{:?}", part.op);
        made.extend(outputs.pop());
    }
    Ok(expansion.outputs.iter().map(|&part| made[part].clone()).collect())
}

/// The outputs of a node with one output.
pub(super) fn run(op_type: &str, attrs: Attrs, opset: u32, inputs: &[&Value]) -> Vec<Value> {
    let slots = inputs.iter().map(|_| ImportInput::Computed).collect();
    let expansion = read(op_type, attrs, opset, slots, 1).unwrap_or_else(|e| panic!("{op_type}: {e}"));
    let inputs: Vec<_> = inputs.iter().map(|&value| Some(value.clone())).collect();
    evaluate(&expansion, &inputs).unwrap_or_else(|e| panic!("{op_type}: {e}"))
}

/// Why a node is refused when it is read.
pub(super) fn refused(op_type: &str, attrs: Attrs, opset: u32, inputs: &[&Value]) -> String {
    let slots = inputs.iter().map(|&value| ImportInput::Constant(value)).collect();
    read(op_type, attrs, opset, slots, 1).unwrap_err().to_string()
}
