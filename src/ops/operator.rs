//! The [`Operator`] trait, what it is given, and the list macro.

use super::{LowerContext, Lowered, Op, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs, Opset};
use crate::kernels::Isa;
use crate::tensor::{DType, Element, TensorError, TensorType, Value};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// What one operator is and does.
///
/// Everything outside an operator's own file goes through this trait.
pub trait Operator: Clone + fmt::Debug + PartialEq + Sized {
    /// The operator's name in ONNX, or `bitlens.…` for one that no file can contain.
    const OP_TYPE: &'static str;

    /// Reads the attributes, and moves to inputs what older opsets had as attributes.
    ///
    /// An operator takes the attributes it knows from `node.attrs`; what is left over is refused by
    /// the caller. A value that is not supported is refused here, never ignored.
    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError>;

    /// The operator as nodes of [`EXPORT_OPSET`](super::EXPORT_OPSET), each reading the one before;
    /// `None` for an operator that no file can contain. Reading the first step back gives `self`
    /// without what was fused into it.
    fn export(&self) -> Option<Vec<ExportStep>>;

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

    /// The same operator with `clamp` applied to its output, where it can do that itself.
    fn fuse_clamp(&self, _clamp: Clamp) -> Option<Self> {
        None
    }
}

/// What an operator does with the values it reads, as far as others need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Products with a weight, summed: Conv, Gemm, MatMul.
    Linear(Linear),
    /// `y = f(x)`, each element by itself, one data input (the first): Relu, Sigmoid.
    Elementwise,
    /// Elements are moved or selected, none is computed, so input and output share a range:
    /// Reshape, Concat, MaxPool.
    Rearrange,
    /// A sum or difference of two tensors.
    Sum,
    /// An average over positions: AveragePool, GlobalAveragePool, ReduceMean.
    Average,
    /// Real numbers to integers: QuantizeLinear.
    Quantize,
    /// Integers to real numbers: DequantizeLinear.
    Dequantize,
    /// Anything else; stays in float.
    #[default]
    Other,
}

/// Where a linear operator has its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Input that is the weight when it is a constant.
    pub weight: usize,
    /// Input that is the bias, where the operator has one.
    pub bias: Option<usize>,
    /// Axis of the weight that runs over output channels.
    pub channel_axis: usize,
}

/// What passes and quantizers may know of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Facts {
    /// What it does with the values it reads.
    pub kind: Kind,
    /// It hands its first input on unchanged (Identity, Dropout) and can be removed.
    pub is_identity: bool,
    /// A clamp was fused into it: what follows sees the clamped output.
    pub clamp_fused: bool,
    /// It clamps its input, element by element: Relu, Clip with constant bounds.
    pub clamp: Option<Clamp>,
    /// It turns each channel's h × w positions into one (GlobalAveragePool and its like).
    pub is_global_pool: bool,
    /// It turns logits into probabilities (Softmax, LogSoftmax): what it reads are the logits.
    pub is_softmax: bool,
}

impl Facts {
    /// Facts with that kind and nothing else.
    pub fn of(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// `y[n, c, …] = scale[c] · x[n, c, …] + shift[c]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelAffine {
    /// Input that is `x`.
    pub input: usize,
    /// Factor per channel.
    pub scale: Vec<f32>,
    /// Summand per channel.
    pub shift: Vec<f32>,
}

/// A range that values are limited to: `min ..= max`, possibly infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp {
    /// Least value.
    pub min: f32,
    /// Greatest value.
    pub max: f32,
}

impl Clamp {
    /// What Relu does.
    pub const RELU: Self = Self { min: 0.0, max: f32::INFINITY };

    /// This clamp, then another.
    pub fn then(self, next: Self) -> Self {
        Self { min: next.apply(self.min), max: next.apply(self.max) }
    }

    /// `v`, limited. NaN stays NaN, as in ONNX Runtime; where `min > max` the result is `max`.
    #[inline]
    pub fn apply(self, v: f32) -> f32 {
        let v = if v < self.min { self.min } else { v };
        if v > self.max { self.max } else { v }
    }

    /// Whether the limited value `y` still follows what was limited. At the limits themselves it
    /// does not: there the subgradient 0 is taken, as for Relu at 0.
    #[inline]
    pub fn passes(self, y: f32) -> bool {
        y > self.min && y < self.max
    }

    /// The clamp as one ONNX node: Relu, or Clip with constant bounds.
    pub fn export(self) -> ExportStep {
        if self == Self::RELU {
            return ExportStep::new("Relu", Attrs::new());
        }
        let bound = |v: f32| v.is_finite().then(|| Value::scalar(v));
        let inputs = vec![bound(self.min), bound(self.max)];
        ExportStep { extra_inputs: inputs, ..ExportStep::new("Clip", Attrs::new()) }
    }
}

/// A node of a file while its operator reads it.
#[derive(Debug)]
pub struct ImportNode<'a> {
    /// Attributes that nobody has taken yet.
    pub attrs: Attrs,
    /// Opset of the file.
    pub opset: Opset,
    /// For each input whether it is present, and its tensor when it is a constant.
    pub inputs: Vec<ImportInput<'a>>,
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
    /// Constant inputs behind those that come from the graph (first step) or from the step before.
    pub extra_inputs: Vec<Option<Value>>,
}

impl ExportStep {
    /// A node without constant inputs of its own.
    pub fn new(op_type: &'static str, attrs: Attrs) -> Self {
        Self { op_type, attrs, extra_inputs: Vec::new() }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, attr: Attr) -> Self {
        self.attrs.insert(name, attr);
        self
    }
}

/// What an operator prepared for its runs.
#[derive(Clone)]
pub struct Prepared(Arc<dyn Any + Send + Sync>);

impl Prepared {
    /// Wraps what [`Operator::prepare`] made.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// What was wrapped, when it is a `T`.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

/// How a computation is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Instruction set for the kernels.
    pub isa: Isa,
    /// What [`Operator::prepare`] made, if it ran.
    pub prepared: Option<&'a Prepared>,
}

impl<'a> Context<'a> {
    /// A context without preparation.
    pub fn new(isa: Isa) -> Self {
        Self { isa, prepared: None }
    }

    /// What [`Operator::prepare`] made, when it is a `T`.
    pub fn prepared<T: Any>(&self) -> Option<&'a T> {
        self.prepared.and_then(Prepared::get)
    }
}

/// The tensors that a node reads, owned: an operator that takes an input whose elements nobody else
/// holds writes into it without a copy.
#[derive(Debug, Clone)]
pub struct Inputs(Vec<Option<Value>>);

impl Inputs {
    /// Inputs in the order of the operator's definition.
    pub fn new(values: Vec<Option<Value>>) -> Self {
        Self(values)
    }

    /// Number of inputs, absent ones included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn get(&self, index: usize) -> Result<&Value, OpError> {
        self.optional(index).ok_or(OpError::MissingInput { index })
    }

    /// An optional input.
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.0.get(index)?.as_ref()
    }

    /// The elements of a required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`], [`OpError::Tensor`].
    pub fn slice<T: Element>(&self, index: usize) -> Result<&[T], OpError> {
        Ok(self.get(index)?.as_slice::<T>()?)
    }

    /// Takes a required input out, to write into it.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn take(&mut self, index: usize) -> Result<Value, OpError> {
        self.0.get_mut(index).and_then(Option::take).ok_or(OpError::MissingInput { index })
    }

    /// All present inputs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().flatten()
    }
}

/// What a backward computation may look at.
#[derive(Debug, Clone, Copy)]
pub struct Tape<'a> {
    /// Inputs of the forward computation.
    pub inputs: &'a [Option<&'a Value>],
    /// Its outputs.
    pub outputs: &'a [&'a Value],
    /// For each output the gradient of the scalar, `None` where it is zero.
    pub gradients: &'a [Option<&'a Value>],
    /// For each input whether its gradient is needed.
    pub wanted: &'a [bool],
}

impl<'a> Tape<'a> {
    /// A required input of the forward computation.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn input(&self, index: usize) -> Result<&'a Value, OpError> {
        self.inputs.get(index).copied().flatten().ok_or(OpError::MissingInput { index })
    }

    /// An output of the forward computation.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn output(&self, index: usize) -> Result<&'a Value, OpError> {
        self.outputs.get(index).copied().ok_or(OpError::MissingInput { index })
    }

    /// The gradient with respect to an output.
    pub fn gradient(&self, index: usize) -> Option<&'a Value> {
        self.gradients.get(index).copied().flatten()
    }

    /// The gradient with respect to the only output, where it is not zero and the gradient with
    /// respect to the first input is needed: for operators with one differentiable input.
    pub fn wanted_gradient(&self) -> Option<&'a Value> {
        self.gradient(0).filter(|_| self.wants(0))
    }

    /// Whether the gradient with respect to an input is needed.
    pub fn wants(&self, index: usize) -> bool {
        self.wanted.get(index).copied().unwrap_or(false)
    }
}

/// What can go wrong in one operator; the caller adds the node's name.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OpError {
    /// A required input is absent.
    #[error("input {index} is missing")]
    MissingInput {
        /// Position, from 0.
        index: usize,
    },
    /// An input has a type that the operator does not take.
    #[error("{what} is {got}, which is not supported: it must be {expected}")]
    DType {
        /// Which input.
        what: &'static str,
        /// Types allowed.
        expected: &'static str,
        /// Type found.
        got: DType,
    },
    /// Sizes do not fit together.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// What was compared.
        what: &'static str,
        /// What is needed, as text.
        expected: String,
        /// What was found, as text.
        got: String,
    },
    /// A value is outside what the operator's definition allows.
    #[error("{what} = {got}, but it must be {expected}")]
    Range {
        /// Which value.
        what: &'static str,
        /// What is allowed, as text.
        expected: String,
        /// What was found, as text.
        got: String,
    },
    /// A value that must be known before the run is computed by the network.
    #[error("{what} is computed by the network; only a constant is supported")]
    NotConstant {
        /// Which input.
        what: &'static str,
    },
    /// The operator has no gradient here.
    #[error("this operator is not differentiable")]
    NotDifferentiable,
    /// A tensor is not what it should be.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A kernel refused its arguments.
    #[error(transparent)]
    Kernel(#[from] crate::kernels::KernelError),
}

/// The answer of operators that no file can contain.
pub(super) fn refuse_import<T>() -> Result<T, AttrError> {
    let reason = "it exists only inside Bitlens";
    Err(AttrError::Unsupported { name: "op_type".to_owned(), value: "bitlens.*".to_owned(), reason })
}

/// Makes the closed set of operators from one line per operator.
macro_rules! operators {
    ($($module:ident :: $name:ident),* $(,)?) => {
        /// The operators, as one type.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each variant is the operator of that name")]
        pub enum Op {
            $($name($module::$name)),*
        }

        $(
            pub use $module::$name;

            impl From<$name> for Op {
                fn from(op: $name) -> Self {
                    Self::$name(op)
                }
            }
        )*

        impl Op {
            /// The names of all operators.
            pub const OP_TYPES: &'static [&'static str] = &[$(<$name as Operator>::OP_TYPE),*];

            /// Each operator's name and its samples for the shared suite.
            #[cfg(test)]
            fn samples() -> Vec<(&'static str, Vec<testing::Sample>)> {
                vec![$((<$name as Operator>::OP_TYPE, <$name as testing::Sampled>::samples())),*]
            }

            /// Reads a node of that operator; `None` when there is no such operator.
            pub fn import(
                op_type: &str,
                node: &mut ImportNode<'_>,
            ) -> Option<Result<Self, crate::ir::AttrError>> {
                $(
                    if op_type == <$name as Operator>::OP_TYPE {
                        return Some(<$name as Operator>::import(node).map(Self::from));
                    }
                )*
                None
            }

            /// See [`Operator::export`].
            pub fn export(&self) -> Option<Vec<ExportStep>> {
                match self { $(Self::$name(op) => op.export()),* }
            }

            /// See [`Operator::facts`].
            pub fn facts(&self) -> Facts {
                match self { $(Self::$name(op) => op.facts()),* }
            }

            /// See [`Operator::infer`].
            ///
            /// # Errors
            /// When the inputs' types do not fit the operator.
            pub fn infer(
                &self,
                inputs: &TypeInputs<'_>,
            ) -> Result<Vec<crate::tensor::TensorType>, OpError> {
                match self { $(Self::$name(op) => op.infer(inputs)),* }
            }

            /// See [`Operator::prepare`].
            ///
            /// # Errors
            /// When the constants do not fit the operator.
            pub fn prepare(
                &self,
                isa: crate::kernels::Isa,
                inputs: &[Option<&crate::tensor::Value>],
            ) -> Result<Option<Prepared>, OpError> {
                match self { $(Self::$name(op) => op.prepare(isa, inputs)),* }
            }

            /// See [`Operator::forward`].
            ///
            /// # Errors
            /// When the inputs do not fit the operator.
            pub fn forward(
                &self,
                context: &Context<'_>,
                inputs: Inputs,
            ) -> Result<Vec<crate::tensor::Value>, OpError> {
                match self { $(Self::$name(op) => op.forward(context, inputs)),* }
            }

            /// See [`Operator::backward`].
            ///
            /// # Errors
            /// [`OpError::NotDifferentiable`], or when the tape does not fit the operator.
            pub fn backward(
                &self,
                context: &Context<'_>,
                tape: &Tape<'_>,
            ) -> Result<Vec<Option<crate::tensor::Value>>, OpError> {
                match self { $(Self::$name(op) => op.backward(context, tape)),* }
            }

            /// See [`Operator::fold`].
            pub fn fold(&self, inputs: &TypeInputs<'_>) -> Option<Vec<crate::tensor::Value>> {
                match self { $(Self::$name(op) => op.fold(inputs)),* }
            }

            /// See [`Operator::channel_affine`].
            pub fn channel_affine(&self, inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
                match self { $(Self::$name(op) => op.channel_affine(inputs)),* }
            }

            /// See [`Operator::with_bias_input`].
            pub fn with_bias_input(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
                match self { $(Self::$name(op) => op.with_bias_input(inputs)),* }
            }

            /// See [`Operator::lower_int8`].
            pub fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
                match self { $(Self::$name(op) => op.lower_int8(context)),* }
            }

            /// See [`Operator::with_sizes`].
            pub fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
                match self { $(Self::$name(op) => op.with_sizes(inputs).map(Self::from)),* }
            }

            /// See [`Operator::fuse_clamp`].
            pub fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
                match self { $(Self::$name(op) => op.fuse_clamp(clamp).map(Self::from)),* }
            }
        }

        impl crate::ir::Operation for Op {
            fn op_type(&self) -> &'static str {
                match self { $(Self::$name(_) => <$name as Operator>::OP_TYPE),* }
            }
        }
    };
}

pub(super) use operators;
