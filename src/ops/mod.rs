//! The operators: what each node of a graph computes, one file per operator.
//!
//! A file holds everything about its operator: reading and writing its attributes, its types, its
//! forward and backward computation, and what the quantizer may do with it ([`Facts`]). One line in
//! the `operators!` list below declares its module and makes it known to the importer, the exporter, the executor and the
//! shared test suites. What ONNX defines by other operators may be read as those: [`expand`]. Nobody outside an operator's file asks for its name: passes and quantizers
//! ask [`Op::facts`].
//!
//! Attributes and inputs are brought to the form of [`EXPORT_OPSET`] when a file is read, so there
//! is one form of each operator here, whatever exporter wrote the file.

mod broadcast;
mod composed;
mod context;
mod conv_shape;
mod elementwise;
mod error;
mod facts;
mod file_form;
mod index;
mod linear;
mod lower;
mod normalize;
mod operator;
mod pooling;
mod reduce;
mod registry;
mod resample;
mod softmax_rows;
#[cfg(test)]
mod testing;
mod types;
mod weight;
mod window;

use file_form::refuse_import;

pub use composed::{Expansion, Part, Source, expand, file_op_types};
pub use context::{Context, Inputs, Prepared, Tape};
pub use depth_to_space::BlockOrder;
pub use error::OpError;
pub use facts::{ChannelAffine, Clamp, Facts, Kind, Linear};
pub use file_form::{ExportStep, ImportInput, ImportNode};
pub use grid_sample::Outside;
pub use linear::{IntegerEpilogue, RealEpilogue};
pub use lower::{Codes, Layout, LowerContext, LowerInput, Lowered};
pub use lp_pool::LpNorm;
pub use max_pool::StorageOrder;
pub use operator::Operator;
pub use q_average_pool::Averaged;
pub use q_max_pool::Searched;
pub use reduce::Axes;
pub use resample::{Coordinates, Interpolation, Nearest};
pub use resize::Aspect;
pub use softmax_rows::Rows;
pub use types::TypeInputs;
pub use weight::WideRow;
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

registry::operators! {
    abs::Abs,
    add::Add,
    affine_grid::AffineGrid,
    and::And,
    average_pool::AveragePool,
    batch_normalization::BatchNormalization,
    cast::Cast,
    center_crop_pad::CenterCropPad,
    clip::Clip,
    col2im::Col2Im,
    concat::Concat,
    constant_of_shape::ConstantOfShape,
    conv::Conv,
    conv_integer::ConvInteger,
    conv_transpose::ConvTranspose,
    depth_to_space::DepthToSpace,
    dequantize_linear::DequantizeLinear,
    div::Div,
    dropout::Dropout,
    dynamic_quantize_linear::DynamicQuantizeLinear,
    equal::Equal,
    erf::Erf,
    exp::Exp,
    expand::Expand,
    flatten::Flatten,
    gather::Gather,
    gemm::Gemm,
    global_average_pool::GlobalAveragePool,
    global_lp_pool::GlobalLpPool,
    global_max_pool::GlobalMaxPool,
    greater::Greater,
    grid_sample::GridSample,
    group_normalization::GroupNormalization,
    hard_sigmoid::HardSigmoid,
    hard_swish::HardSwish,
    identity::Identity,
    instance_normalization::InstanceNormalization,
    layer_normalization::LayerNormalization,
    leaky_relu::LeakyRelu,
    less::Less,
    log::Log,
    log_softmax::LogSoftmax,
    lp_pool::LpPool,
    lrn::LRN,
    mat_mul::MatMul,
    mat_mul_integer::MatMulInteger,
    max_pool::MaxPool,
    max_unpool::MaxUnpool,
    mul::Mul,
    neg::Neg,
    not::Not,
    or::Or,
    pad::Pad,
    pow::Pow,
    q_add::QAdd,
    q_average_pool::QAveragePool,
    q_conv::QConv,
    q_gemm::QGemm,
    q_lookup::QLookup,
    q_max_pool::QMaxPool,
    q_transpose::QTranspose,
    quantize_linear::QuantizeLinear,
    range::Range,
    reciprocal::Reciprocal,
    reduce_max::ReduceMax,
    reduce_mean::ReduceMean,
    reduce_sum::ReduceSum,
    relu::Relu,
    reshape::Reshape,
    resize::Resize,
    rms_normalization::RMSNormalization,
    shape::Shape,
    sigmoid::Sigmoid,
    slice::Slice,
    softmax::Softmax,
    space_to_depth::SpaceToDepth,
    split::Split,
    sqrt::Sqrt,
    squeeze::Squeeze,
    sub::Sub,
    tanh::Tanh,
    transpose::Transpose,
    unsqueeze::Unsqueeze,
    where_::Where,
}
