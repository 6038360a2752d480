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

mod arg;
mod broadcast;
mod by_parts;
mod columns;
mod composed;
mod context;
mod conv_shape;
mod convert;
mod elementwise;
mod error;
mod exponential;
mod facts;
mod file_form;
mod file_type;
mod index;
mod linear;
mod lower;
mod next_sum;
mod normalize;
mod numbers;
mod operator;
mod pairwise;
mod permute;
mod pooling;
mod ranks;
mod reduce;
mod registry;
mod resample;
mod runs;
mod scales;
mod scan;
mod scatter;
mod softmax_rows;
#[cfg(test)]
mod testing;
mod types;
mod variadic;
mod weight;
mod window;

use file_form::refuse_import;

pub use arg::ArgSearch;
pub use attention::Scores;
pub use columns::{Columns, PackedMatrix, add_products};
pub use composed::{Expansion, Part, Source, expand, file_op_types};
pub use context::{Context, Inputs, Prepared, Tape};
pub use depth_to_space::BlockOrder;
pub use error::OpError;
pub use facts::{ChannelAffine, Clamp, Facts, Kind, Linear};
pub use file_form::{ExportStep, ImportInput, ImportNode};
pub use file_type::FileType;
pub use grid_sample::Outside;
pub use linear::{DynamicEpilogue, IntegerEpilogue, RealEpilogue};
pub use lower::{Codes, Layout, LowerContext, LowerInput, Lowered, unsigned};
pub use lp_pool::LpNorm;
pub use max_pool::StorageOrder;
pub use next_sum::{MakesSum, NextSum, Summed};
pub use operator::Operator;
pub use permute::Reordered;
pub use q_average_pool::Averaged;
pub use q_max_pool::Searched;
pub use reduce::Axes;
pub use resample::{Coordinates, Interpolation, Nearest};
pub use resize::Aspect;
pub use scan::Scan;
pub use scatter::ScatterReduction;
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

registry::operators! {
    abs::Abs,
    acos::Acos,
    acosh::Acosh,
    add::Add,
    affine_grid::AffineGrid,
    and::And,
    arg_max::ArgMax,
    arg_min::ArgMin,
    asin::Asin,
    asinh::Asinh,
    atan::Atan,
    atanh::Atanh,
    attention::Attention,
    average_pool::AveragePool,
    batch_normalization::BatchNormalization,
    bit_cast::BitCast,
    bit_shift::BitShift,
    bitwise_and::BitwiseAnd,
    bitwise_not::BitwiseNot,
    bitwise_or::BitwiseOr,
    bitwise_xor::BitwiseXor,
    cast::Cast,
    cast_like::CastLike,
    causal_conv_with_state::CausalConvWithState,
    ceil::Ceil,
    celu::Celu,
    center_crop_pad::CenterCropPad,
    clip::Clip,
    col2im::Col2Im,
    compress::Compress,
    concat::Concat,
    constant_of_shape::ConstantOfShape,
    conv::Conv,
    conv_integer::ConvInteger,
    conv_transpose::ConvTranspose,
    cos::Cos,
    cosh::Cosh,
    cum_prod::CumProd,
    cum_sum::CumSum,
    depth_to_space::DepthToSpace,
    dequantize_linear::DequantizeLinear,
    det::Det,
    div::Div,
    dropout::Dropout,
    dynamic_quantize_linear::DynamicQuantizeLinear,
    einsum::Einsum,
    elu::Elu,
    equal::Equal,
    erf::Erf,
    exp::Exp,
    expand::Expand,
    eye_like::EyeLike,
    flatten::Flatten,
    floor::Floor,
    gather::Gather,
    gather_elements::GatherElements,
    gather_nd::GatherND,
    gelu::Gelu,
    gemm::Gemm,
    global_average_pool::GlobalAveragePool,
    global_lp_pool::GlobalLpPool,
    global_max_pool::GlobalMaxPool,
    greater::Greater,
    greater_or_equal::GreaterOrEqual,
    grid_sample::GridSample,
    group_normalization::GroupNormalization,
    hard_sigmoid::HardSigmoid,
    hard_swish::HardSwish,
    hardmax::Hardmax,
    identity::Identity,
    instance_normalization::InstanceNormalization,
    is_inf::IsInf,
    is_nan::IsNaN,
    layer_normalization::LayerNormalization,
    leaky_relu::LeakyRelu,
    less::Less,
    less_or_equal::LessOrEqual,
    log::Log,
    log_softmax::LogSoftmax,
    lp_pool::LpPool,
    lrn::LRN,
    mat_mul::MatMul,
    mat_mul_integer::MatMulInteger,
    max::Max,
    max_pool::MaxPool,
    max_unpool::MaxUnpool,
    mean::Mean,
    min::Min,
    mish::Mish,
    mod_::Mod,
    mul::Mul,
    neg::Neg,
    non_max_suppression::NonMaxSuppression,
    non_zero::NonZero,
    not::Not,
    one_hot::OneHot,
    or::Or,
    p_relu::PRelu,
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
    reduce_l1::ReduceL1,
    reduce_l2::ReduceL2,
    reduce_log_sum::ReduceLogSum,
    reduce_log_sum_exp::ReduceLogSumExp,
    reduce_max::ReduceMax,
    reduce_mean::ReduceMean,
    reduce_min::ReduceMin,
    reduce_prod::ReduceProd,
    reduce_sum::ReduceSum,
    reduce_sum_square::ReduceSumSquare,
    relu::Relu,
    reshape::Reshape,
    resize::Resize,
    reverse_sequence::ReverseSequence,
    rms_normalization::RMSNormalization,
    roi_align::RoiAlign,
    rotary_embedding::RotaryEmbedding,
    round::Round,
    scatter_elements::ScatterElements,
    scatter_nd::ScatterND,
    selu::Selu,
    shape::Shape,
    shrink::Shrink,
    sigmoid::Sigmoid,
    sign::Sign,
    sin::Sin,
    sinh::Sinh,
    size::Size,
    slice::Slice,
    softmax::Softmax,
    softplus::Softplus,
    softsign::Softsign,
    space_to_depth::SpaceToDepth,
    split::Split,
    sqrt::Sqrt,
    squeeze::Squeeze,
    sub::Sub,
    sum::Sum,
    swish::Swish,
    tan::Tan,
    tanh::Tanh,
    tensor_scatter::TensorScatter,
    thresholded_relu::ThresholdedRelu,
    tile::Tile,
    top_k::TopK,
    transpose::Transpose,
    trilu::Trilu,
    unique::Unique,
    unsqueeze::Unsqueeze,
    where_::Where,
    xor::Xor,
}

impl Op {
    /// The name today of an operator that older files call something else; every other name as it
    /// is.
    pub fn current_name(op_type: &str) -> &str {
        match op_type {
            "Scatter" => ScatterElements::OP_TYPE,
            other => other,
        }
    }
}
