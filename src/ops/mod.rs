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

mod lower;
mod operator;
#[cfg(test)]
mod testing;
mod types;

mod linear;
mod pooling;
mod reduce;
mod softmax_rows;
mod window;

mod add;
mod average_pool;
mod batch_normalization;
mod conv;
mod dequantize_linear;
mod gemm;
mod global_average_pool;
mod global_max_pool;
mod log_softmax;
mod mat_mul;
mod max_pool;
mod q_add;
mod q_average_pool;
mod q_conv;
mod q_gemm;
mod q_lookup;
mod q_max_pool;
mod q_transpose;
mod quantize_linear;
mod reduce_max;
mod reduce_mean;
mod reduce_sum;
mod relu;
mod softmax;

use operator::refuse_import;

pub use linear::{IntegerEpilogue, RealEpilogue};
pub use lower::{Codes, Layout, LowerContext, LowerInput, Lowered};
pub use operator::{
    ChannelAffine, Clamp, Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, Linear, OpError,
    Operator, Prepared, Tape,
};
pub use q_average_pool::Averaged;
pub use reduce::Axes;
pub use softmax_rows::Rows;
pub use types::TypeInputs;
pub use window::{AxisWindow, Padding, Rounding, Span, Window};

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
    add::Add,
    dequantize_linear::DequantizeLinear,
    quantize_linear::QuantizeLinear,
    average_pool::AveragePool,
    batch_normalization::BatchNormalization,
    conv::Conv,
    gemm::Gemm,
    global_average_pool::GlobalAveragePool,
    global_max_pool::GlobalMaxPool,
    log_softmax::LogSoftmax,
    mat_mul::MatMul,
    max_pool::MaxPool,
    q_add::QAdd,
    q_average_pool::QAveragePool,
    q_conv::QConv,
    q_gemm::QGemm,
    q_lookup::QLookup,
    q_max_pool::QMaxPool,
    q_transpose::QTranspose,
    reduce_max::ReduceMax,
    reduce_mean::ReduceMean,
    reduce_sum::ReduceSum,
    relu::Relu,
    softmax::Softmax,
}
