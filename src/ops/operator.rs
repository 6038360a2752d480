//! The [`Operator`] trait.

use super::{
    ChannelAffine, Clamp, Columns, Context, ExportStep, Facts, ImportNode, Inputs, LowerContext, Lowered,
    MakesSum, Op, OpError, Prepared, Reordered, Tape, TypeInputs,
};
use crate::ir::{AttrError, Opset};
use crate::kernels::Isa;
use crate::tensor::{TensorType, Value};
use std::fmt;

/// What one operator is and does.
///
/// Everything outside an operator's own file goes through this trait.
pub trait Operator: Clone + fmt::Debug + PartialEq + Sized {
    /// The operator's name in ONNX, or `bitlens.…` for one that no file can contain.
    const OP_TYPE: &'static str;

    /// The first opset whose form of the operator is read. Before 7, the first with today's
    /// broadcasting, files are refused but for operators that were never changed.
    const LEAST_OPSET: u32 = 7;

    /// Reads the attributes, and moves to inputs what older opsets had as attributes.
    ///
    /// An operator takes the attributes it knows from `node.attrs`; what is left over is refused by
    /// the caller. A value that is not supported is refused here, never ignored.
    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError>;

    /// The operator as nodes of [`EXPORT_OPSET`](super::EXPORT_OPSET), each reading the one before;
    /// `None` for an operator that no file can contain. Reading the first step back gives `self`
    /// without what was fused into it.
    fn export(&self) -> Option<Vec<ExportStep>>;

    /// The opset that a file must have for inputs of these types, where that is later than what
    /// [`Operator::export`] says and what the types themselves need.
    fn file_opset(&self, _inputs: &TypeInputs<'_>) -> Opset {
        super::EXPORT_OPSET
    }

    /// What passes and quantizers may know.
    fn facts(&self) -> Facts {
        Facts::default()
    }

    /// Types of the outputs from types of the inputs.
    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError>;

    /// Work that is done once per network instead of once per run, such as packing weights.
    /// `inputs` has the tensors of the constant inputs and `None` elsewhere.
    fn prepare(&self, _isa: Isa, _inputs: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        Ok(None)
    }

    /// The outputs.
    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError>;

    /// The operator as one that can make a sum behind it itself, where it can.
    fn as_sum_maker(&self) -> Option<&dyn MakesSum> {
        None
    }

    /// The vector–Jacobian product: for each input the gradient of a scalar, given its gradients
    /// with respect to the outputs. `None` for an input that has no gradient (indices, shapes) or
    /// that [`Tape::wants`] does not ask for.
    fn backward(&self, _context: &Context<'_>, _tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        Err(OpError::NotDifferentiable)
    }

    /// The outputs, where types and constants alone decide them (Shape of a fixed shape).
    fn fold(&self, _inputs: &TypeInputs<'_>) -> Option<Vec<Value>> {
        None
    }

    /// The operator as one factor and one summand per channel (axis 1), where it is that:
    /// BatchNormalization, or Add and Mul with a constant per channel. The factors apply to the
    /// input that is not a constant.
    fn channel_affine(&self, _inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
        None
    }

    /// The same computation by an operator that has a bias input, where this one has none and such
    /// an operator exists (MatMul of matrices → Gemm).
    fn with_bias_input(&self, _inputs: &TypeInputs<'_>) -> Option<Op> {
        None
    }

    /// The operator on integer codes that does the same, up to rounding, on quantized inputs and
    /// outputs. `None` where there is none: the operator then runs in float.
    fn lower_int8(&self, _context: &LowerContext<'_>) -> Option<Lowered> {
        None
    }

    /// The same computation in a form that a file can contain, where that takes the inputs' sizes
    /// (Softmax of old opsets over several axes). `None` where nothing changes.
    fn with_sizes(&self, _inputs: &TypeInputs<'_>) -> Option<Self> {
        None
    }

    /// The order in which it puts the axes of its only input, where that is all it does: axis `i` of
    /// the output is axis `permutation[i]` of the input.
    fn permutation(&self) -> Option<Vec<usize>> {
        None
    }

    /// The operator on inputs as they were before a transposition by `order`, which all its computed
    /// inputs went through; for operators that name axes, since [`Op::before_permutation`] knows the
    /// elementwise ones. `inputs` are those behind the transposition.
    fn own_before_permutation(&self, _order: &[usize], _inputs: &TypeInputs<'_>) -> Option<Reordered> {
        None
    }

    /// The same operator with `clamp` applied to its output, where it can do that itself.
    fn fuse_clamp(&self, _clamp: Clamp) -> Option<Self> {
        None
    }

    /// The same operator without the clamp that was fused into it, and that clamp; `None` where there
    /// is none.
    fn without_clamp(&self) -> Option<(Self, Clamp)> {
        None
    }

    /// Into how many channels (axis 1) of the output each channel of the first input goes, in order,
    /// where these and no others are in proportion to it: with `x[c]` multiplied by `a > 0`, the
    /// `k` channels of the output from `c · k` on are multiplied by `a`, too. `None` where that does
    /// not hold or is not known.
    fn scaled_channels(&self, _inputs: &TypeInputs<'_>) -> Option<usize> {
        None
    }

    /// What it multiplies with a constant weight of that shape, where it is a linear operator whose first
    /// input is `input`. `None` where that is not known, or where they do not fit.
    fn columns<'a>(&self, _input: &'a Value, _weight: &[usize]) -> Option<Columns<'a>> {
        None
    }

    /// The upper limit of each channel (axis 1), where that is all it does to its first input:
    /// `y = min(x, limits[channel])`, none of them NaN.
    fn channel_limits(&self, _inputs: &TypeInputs<'_>) -> Option<Vec<f32>> {
        None
    }

    /// The same operator with `clamp` applied to its first input, where the clamp is a part of it
    /// that a file states as a node of its own.
    fn take_clamp(&self, _clamp: Clamp, _inputs: &TypeInputs<'_>) -> Option<Self> {
        None
    }
}
