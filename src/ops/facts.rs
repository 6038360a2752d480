//! What passes and quantizers may know of an operator without knowing which it is.

use super::ExportStep;
use crate::ir::Attrs;
use crate::kernels::limited;
use crate::tensor::Value;

/// What an operator does with the values it reads, as far as others need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Products with a weight, summed: Conv, Gemm, MatMul.
    Linear(Linear),
    /// `y = f(x)`, each element by itself, one data input (the first): Relu, Sigmoid.
    Elementwise,
    /// Elements are moved or selected, none is computed, so input and output share a range:
    /// Reshape, Concat, MaxPool, ReduceMax.
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
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// What it does with the values it reads.
    pub kind: Kind,
    /// It hands its first input on unchanged (Identity, Dropout) and can be removed.
    pub is_identity: bool,
    /// A clamp was fused into it: what follows sees the clamped output.
    pub clamp_fused: bool,
    /// It clamps its input, element by element: Relu, Clip with constant bounds.
    pub clamp: Option<Clamp>,
    /// Each element of the output depends on those elements of the inputs only that broadcasting lays
    /// over it, so that the order of the axes means nothing; of the kinds `Elementwise` and `Sum` that
    /// is known.
    pub is_axis_free: bool,
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

    /// What HardSigmoid does to its line.
    pub const UNIT: Self = Self { min: 0.0, max: 1.0 };

    /// This clamp, then another.
    pub fn then(self, next: Self) -> Self {
        Self { min: next.apply(self.min), max: next.apply(self.max) }
    }

    /// Whether it is in proportion to what it limits, as Relu is: neither end is a number but 0.
    pub fn is_homogeneous(self) -> bool {
        let scales = |end: f32| end == 0.0 || end.is_infinite();
        scales(self.min) && scales(self.max)
    }

    /// `v`, limited. NaN stays NaN, as in ONNX Runtime; where `min > max` the result is `max`.
    #[inline]
    pub fn apply(self, v: f32) -> f32 {
        limited(v, self.min, self.max)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::kernels::Isa;
    use crate::ops::testing::import_node;
    use crate::ops::{Add, Clip, Context, Inputs, Max, Min, Op};
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The operators that limit or compare, of which NaN must come out again.
    fn operators() -> Vec<(Op, Vec<Value>)> {
        let constant = |v: f32| Value::scalar(v);
        let read = |op_type: &str, attrs: Attrs, bounds: &[Value]| {
            let slots: Vec<Option<&Value>> = std::iter::once(None).chain(bounds.iter().map(Some)).collect();
            (import_node(op_type, attrs, 18, &slots).unwrap().0, bounds.to_vec())
        };
        let zeros = Value::zeros::<f32>(&[1, 1, 5, 13]).unwrap();
        let clamp = Clamp { min: 0.0, max: 6.0 };
        vec![
            read("Relu", Attrs::new(), &[]),
            read("Clip", Attrs::new(), &[constant(0.0), constant(6.0)]),
            read("Clip", Attrs::new(), &[constant(0.0)]),
            read("HardSigmoid", Attrs::new(), &[]),
            read("HardSwish", Attrs::new(), &[]),
            read("LeakyRelu", Attrs::new(), &[]),
            read("MaxPool", Attrs::new().with("kernel_shape", Attr::Ints(vec![1, 1])), &[]),
            (Add { clamp: Some(clamp) }.into(), vec![zeros.clone()]),
            (Max.into(), vec![zeros.clone()]),
            (Min.into(), vec![zeros]),
        ]
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_clamp_and_no_maximum_loses_nan() {
        let shape = [1, 1, 5, 13];
        for isa in Isa::available() {
            for (op, others) in operators() {
                // Each place of a vector once, among numbers on both sides of the limits.
                for place in 0..65 {
                    let mut x: Vec<f32> = (0..65).map(|i| i as f32 * 0.5 - 12.0).collect();
                    x[place] = f32::NAN;
                    let x = Value::from_vec(&shape, x).unwrap();
                    let inputs = std::iter::once(x).chain(others.clone()).map(Some).collect();
                    let y = op.forward(&Context::new(isa), Inputs::new(inputs)).unwrap().remove(0);
                    let y = y.as_slice::<f32>().unwrap();
                    assert!(y[place].is_nan(), "{op:?} on {isa}: {} at {place}", y[place]);
                    assert_eq!(y.iter().filter(|v| v.is_nan()).count(), 1, "{op:?} on {isa}");
                }
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_double_stays_nan_and_so_does_the_second_of_two() {
        for place in 0..65 {
            let numbers =
                |nan: Option<usize>| (0..65).map(move |i| if Some(i) == nan { f64::NAN } else { i as f64 });
            let value = |nan| Value::from_vec(&[65], numbers(nan).collect::<Vec<f64>>()).unwrap();
            let bounds = [Value::scalar(0.0_f64), Value::scalar(6.0_f64)];
            let run = |op: Op, inputs: Vec<Value>| {
                let inputs = Inputs::new(inputs.into_iter().map(Some).collect());
                let y = op.forward(&Context::new(Isa::best()), inputs).unwrap().remove(0);
                assert!(y.as_slice::<f64>().unwrap()[place].is_nan(), "{op:?} at {place}");
            };
            run(Clip { bounds: None }.into(), [&[value(Some(place))][..], &bounds].concat());
            run(Max.into(), vec![value(None), value(Some(place))]);
            run(Min.into(), vec![value(None), value(Some(place))]);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_global_maximum_of_nan_is_nan() {
        for (op_type, axes) in [("GlobalMaxPool", None), ("ReduceMax", Some([2_i64, 3]))] {
            let axes = axes.map(|axes| Value::from_vec(&[2], axes.to_vec()).unwrap());
            let slots: Vec<Option<&Value>> = std::iter::once(None).chain(axes.iter().map(Some)).collect();
            let (op, _) = import_node(op_type, Attrs::new(), 18, &slots).unwrap();
            for place in 0..65 {
                let mut x = vec![1.0_f32; 65];
                x[place] = f32::NAN;
                let x = Value::from_vec(&[1, 1, 5, 13], x).unwrap();
                let inputs = [Some(x), axes.clone()];
                let y = op.forward(&Context::new(Isa::best()), Inputs::new(inputs.to_vec())).unwrap();
                assert!(y[0].as_slice::<f32>().unwrap()[0].is_nan(), "{op_type}: NaN at {place}");
            }
        }
    }
}
