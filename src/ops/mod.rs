//! The operators: what each node of a graph computes, one file per operator.
//!
//! A file holds everything about its operator: reading and writing its attributes, its types, its
//! forward and backward computation, and what the quantizer may do with it ([`Facts`]). One line in
//! the [`operators!`] list below makes it known to the importer, the exporter, the executor and the
//! shared test suites. Nobody outside an operator's file asks for its name: passes and quantizers
//! ask [`Op::facts`].
//!
//! Attributes and inputs are brought to the form of [`EXPORT_OPSET`] when a file is read, so there
//! is one form of each operator here, whatever exporter wrote the file.

mod broadcast;
mod elementwise;
mod index;
mod operator;
#[cfg(test)]
mod testing;
mod types;

mod abs;
mod add;
mod and;
mod cast;
mod clip;
mod concat;
mod constant_of_shape;
mod div;
mod dropout;
mod equal;
mod erf;
mod exp;
mod expand;
mod flatten;
mod gather;
mod greater;
mod hard_sigmoid;
mod hard_swish;
mod identity;
mod leaky_relu;
mod less;
mod log;
mod mul;
mod neg;
mod not;
mod or;
mod pad;
mod pow;
mod range;
mod reciprocal;
mod relu;
mod reshape;
mod shape;
mod sigmoid;
mod slice;
mod sqrt;
mod squeeze;
mod sub;
mod tanh;
mod transpose;
mod unsqueeze;
mod where_;

pub use operator::{
    ChannelAffine, Clamp, Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, Linear, OpError,
    Operator, Prepared, Tape,
};
pub use types::TypeInputs;

pub use crate::kernels::Isa;

use crate::ir::{self, Opset};

/// The opset whose form of every operator is used in the graph and written to files.
pub const EXPORT_OPSET: Opset = Opset(18);

/// A network whose nodes are operators.
pub type Graph = ir::Graph<Op>;
/// A change to a [`Graph`].
pub type GraphPatch = ir::GraphPatch<Op>;
/// A node of a [`Graph`].
pub type Node = ir::Node<Op>;

operator::operators! {
    abs::Abs,
    add::Add,
    and::And,
    cast::Cast,
    clip::Clip,
    concat::Concat,
    constant_of_shape::ConstantOfShape,
    div::Div,
    dropout::Dropout,
    equal::Equal,
    erf::Erf,
    exp::Exp,
    expand::Expand,
    flatten::Flatten,
    gather::Gather,
    greater::Greater,
    hard_sigmoid::HardSigmoid,
    hard_swish::HardSwish,
    identity::Identity,
    leaky_relu::LeakyRelu,
    less::Less,
    log::Log,
    mul::Mul,
    neg::Neg,
    not::Not,
    or::Or,
    pad::Pad,
    pow::Pow,
    range::Range,
    reciprocal::Reciprocal,
    relu::Relu,
    reshape::Reshape,
    shape::Shape,
    sigmoid::Sigmoid,
    slice::Slice,
    sqrt::Sqrt,
    squeeze::Squeeze,
    sub::Sub,
    tanh::Tanh,
    transpose::Transpose,
    unsqueeze::Unsqueeze,
    where_::Where,
}
