//! Operators of files that are read as several of ours.
//!
//! Where ONNX defines an operator by others, and a form of its own would bring nothing (the quantized
//! operators, which are float operators between DequantizeLinear and QuantizeLinear; rare
//! normalizations; attention), import writes those others in its place. Gradients, lowering to
//! integers, quantization and export then know it already, and the network is shown and written in
//! the parts that it is made of.
//!
//! A file here has a function that reads a node's attributes, as `Operator::import` does, and answers
//! with an [`Expansion`]. One line in [`COMPOSED`] makes it known.

mod normalization;
mod quantized;
#[cfg(test)]
mod testing;
mod upsample;

use super::{ImportNode, Op};
use crate::ir::AttrError;
use crate::tensor::Value;

/// What a node is read as: operators in the order in which they run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expansion {
    /// The operators.
    pub parts: Vec<Part>,
    /// The part that has the node's name; the others are named after it.
    pub main: usize,
    /// For each output of the node the part that makes it, each another one.
    pub outputs: Vec<usize>,
}

/// One operator of an [`Expansion`], with one output.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it computes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<Source>,
}

/// Where an input of a [`Part`] comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Nowhere: it is left out.
    Absent,
    /// Input of the node, by number.
    Input(usize),
    /// A constant.
    Constant(Value),
    /// What an earlier part makes, by number.
    Made(usize),
}

/// What names of operators begin with that no file can contain.
const INTERNAL: &str = "bitlens.";

/// An operator that is read as several.
struct Composed {
    /// Its name, with the domain in front where it is not ONNX's own.
    name: &'static str,
    /// The first opset in which it is read as itself.
    until: u32,
    /// How a node is read.
    expand: Expand,
}

type Expand = fn(&mut ImportNode<'_>) -> Result<Expansion, AttrError>;

const ALWAYS: u32 = u32::MAX;

const COMPOSED: &[Composed] = &[
    always("LpNormalization", normalization::lp_normalization),
    always("MeanVarianceNormalization", normalization::mean_variance_normalization),
    always("QLinearConv", quantized::conv),
    always("QLinearMatMul", quantized::mat_mul),
    Composed { name: "Resize", until: 11, expand: upsample::resize },
    always("Upsample", upsample::upsample),
    always("com.microsoft.DequantizeLinear", quantized::dequantize),
    always("com.microsoft.QGemm", quantized::gemm),
    always("com.microsoft.QLinearAdd", quantized::add),
    always("com.microsoft.QLinearAveragePool", quantized::average_pool),
    always("com.microsoft.QLinearConcat", quantized::concat),
    always("com.microsoft.QLinearConv", quantized::conv),
    always("com.microsoft.QLinearGlobalAveragePool", quantized::global_average_pool),
    always("com.microsoft.QLinearLeakyRelu", quantized::leaky_relu),
    always("com.microsoft.QLinearMul", quantized::mul),
    always("com.microsoft.QLinearSigmoid", quantized::sigmoid),
    always("com.microsoft.QLinearSoftmax", quantized::softmax),
    always("com.microsoft.QuantizeLinear", quantized::quantize),
];

/// An operator that is read as several in every opset.
const fn always(name: &'static str, expand: Expand) -> Composed {
    Composed { name, until: ALWAYS, expand }
}

/// The names of all operators that files may use: those of [`Op`] that files can contain, and those
/// that are read as several.
pub fn file_op_types() -> impl Iterator<Item = &'static str> {
    let own = Op::OP_TYPES.iter().copied().filter(|name| !name.starts_with(INTERNAL));
    own.chain(COMPOSED.iter().filter(|one| one.until == ALWAYS).map(|one| one.name))
}

/// Reads a node of an operator that is read as several in the file's opset; `None` when there is no
/// such operator.
pub fn expand(op_type: &str, node: &mut ImportNode<'_>) -> Option<Result<Expansion, AttrError>> {
    let found = COMPOSED.iter().find(|one| one.name == op_type && node.opset.0 < one.until)?;
    Some((found.expand)(node))
}

impl Expansion {
    /// Adds an operator; answers with what it makes.
    pub(super) fn add(&mut self, op: impl Into<Op>, inputs: Vec<Source>) -> Source {
        self.parts.push(Part { op: op.into(), inputs });
        Source::Made(self.parts.len() - 1)
    }

    /// As [`Expansion::add`], for the operator that has the node's name.
    pub(super) fn add_main(&mut self, op: impl Into<Op>, inputs: Vec<Source>) -> Source {
        self.main = self.parts.len();
        self.add(op, inputs)
    }

    /// The finished expansion of a node whose only output is what was added last.
    pub(super) fn finish(mut self) -> Self {
        self.outputs = vec![self.parts.len().saturating_sub(1)];
        self
    }
}

/// A constant number.
pub(super) fn number(value: f32) -> Source {
    Source::Constant(Value::scalar(value))
}

/// A constant list of integers.
pub(super) fn integers(list: &[i64]) -> Source {
    Source::Constant(super::index::list(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_read_in_two_ways() {
        let mut names: Vec<_> = file_op_types().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
