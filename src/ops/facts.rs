//! What passes and quantizers may know of an operator without knowing which it is.

use super::ExportStep;
use crate::ir::Attrs;
use crate::tensor::Value;

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
