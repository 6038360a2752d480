//! What an operator is told, and answers, when a quantized graph is lowered to integers.
//!
//! `passes::lower_int8` finds an operator between DequantizeLinear and QuantizeLinear nodes and asks
//! [`Operator::lower_int8`](super::Operator::lower_int8) for the operator that works on the codes
//! themselves.

use super::weight;
use super::{Clamp, Op};
use crate::kernels::{AffineParams, reference};
use crate::tensor::{DType, Dim, TensorType, Value};

/// `real = (q − zero_point) · scale` with `uint8` codes and one scale: a quantized activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Codes {
    /// Size of one step.
    pub scale: f32,
    /// Code of zero.
    pub zero_point: u8,
    /// Smallest code in use; above 0 where fewer bits than eight are asked for.
    pub min: u8,
    /// Largest code in use.
    pub max: u8,
}

impl Codes {
    /// The code of a real number, saturating.
    pub fn quantize(&self, real: f32) -> u8 {
        let zero_point = i32::from(self.zero_point);
        let params = AffineParams::new(self.scale, zero_point, self.min.into(), self.max.into());
        // A tensor's zero point is one of its codes and its scale a number, or it is not lowered.
        let code = params.map_or(zero_point, |params| reference::quantize(real, &params));
        u8::try_from(code).unwrap_or(self.zero_point)
    }

    /// The real number of a code.
    pub fn dequantize(&self, code: u8) -> f32 {
        (i32::from(code) - i32::from(self.zero_point)) as f32 * self.scale
    }

    /// The codes that a clamp leaves: first and last.
    pub fn limits(&self, clamp: Option<Clamp>) -> (u8, u8) {
        clamp.map_or((self.min, self.max), |c| (self.quantize(c.min), self.quantize(c.max)))
    }
}

/// 8-bit codes as `uint8`: where they are `int8`, 128 more, as their zero point must be then. `None`
/// for other types.
pub fn unsigned(codes: &Value) -> Option<Value> {
    match codes.dtype() {
        DType::U8 => Some(codes.clone()),
        DType::I8 => {
            let moved = codes.as_slice::<i8>().ok()?.iter().map(|&code| (code as u8) ^ 0x80).collect();
            Value::from_vec(codes.shape(), moved).ok()
        }
        _ => None,
    }
}

/// How the elements of a four-dimensional activation lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As in the file: `[N, C, H, W]`.
    Nchw,
    /// Channels last: `[N, H, W, C]`, what the integer kernels of images want.
    Nhwc,
}

/// One input of an operator that is to be lowered.
#[derive(Debug, Clone, Copy)]
pub enum LowerInput<'a> {
    /// Nothing.
    Absent,
    /// A quantized activation, and the type of its real values.
    Activation {
        /// Its codes.
        codes: Codes,
        /// Its type in the layout of the file.
        ty: Option<&'a TensorType>,
    },
    /// An activation that is quantized while the network runs: its scale and zero point are values as well.
    Dynamic,
    /// A quantized constant: `int8` or `uint8` weights, `int32` biases.
    Quantized {
        /// The codes.
        codes: &'a Value,
        /// Codes of zero, one or one per scale; `None` where all are 0.
        zero_point: Option<&'a Value>,
        /// One scale, or one per index of `axis`.
        scale: &'a [f32],
        /// Axis of the scales.
        axis: usize,
    },
    /// A constant that is not quantized.
    Constant(&'a Value),
}

/// What an operator is told.
#[derive(Debug, Clone)]
pub struct LowerContext<'a> {
    /// Its inputs.
    pub inputs: Vec<LowerInput<'a>>,
    /// The codes of its output; `None` when float operators read it.
    pub output: Option<Codes>,
    /// Type of the real output in the layout of the file.
    pub output_type: Option<&'a TensorType>,
    /// Largest code of each output channel, where such limits follow a linear operator and become its part;
    /// empty where none do.
    pub limits: Vec<u8>,
}

impl<'a> LowerContext<'a> {
    /// The codes of an input, when it is a quantized activation.
    pub fn activation(&self, index: usize) -> Option<Codes> {
        match self.inputs.get(index)? {
            LowerInput::Activation { codes, .. } => Some(*codes),
            _ => None,
        }
    }

    /// Scales of an input and their axis, when it is a quantized constant.
    pub(super) fn scales(&self, index: usize) -> Option<(&'a [f32], usize)> {
        match self.inputs.get(index)? {
            LowerInput::Quantized { scale, axis, .. } => Some((scale, *axis)),
            _ => None,
        }
    }

    /// A quantized constant as a weight whose zero is 0, `int8` or `int16`, with its output channels along the
    /// first axis; `transposed` says that they are the second of two. `None` where it is none for the kernels.
    pub(super) fn weight(&self, index: usize, transposed: bool) -> Option<Value> {
        let LowerInput::Quantized { codes, zero_point, axis, .. } = self.inputs.get(index)? else {
            return None;
        };
        if !transposed && zero_point.is_none() && codes.dtype() == DType::I8 {
            return Some((*codes).clone());
        }
        let numbers = weight::centred(codes, *zero_point, *axis)?;
        let weight = if transposed {
            let &[rows, columns] = codes.shape() else { return None };
            weight::narrowest(&[columns, rows], weight::turned(&numbers, columns))?
        } else {
            weight::narrowest(codes.shape(), numbers)?
        };
        weight::sums_fit(&weight).then_some(weight)
    }

    /// Something, when two inputs are quantized activations of one known shape.
    pub fn same_shape(&self, lhs: usize, rhs: usize) -> Option<()> {
        let shape = |index: usize| match self.inputs.get(index)? {
            LowerInput::Activation { ty, .. } => ty.map(|ty| &ty.shape),
            _ => None,
        };
        let (lhs, rhs) = (shape(lhs)?.dims()?, shape(rhs)?.dims()?);
        (lhs == rhs && !lhs.contains(&Dim::Unknown)).then_some(())
    }

    /// Whether every activation has the codes of the output, so that they can be moved as they are.
    pub fn keeps_codes(&self) -> bool {
        let Some(output) = self.output else { return false };
        self.inputs.iter().all(|input| match input {
            LowerInput::Activation { codes, .. } => {
                (codes.scale, codes.zero_point) == (output.scale, output.zero_point)
            }
            _ => true,
        })
    }

    /// An operator that only moves elements, and does so whatever their type is, on codes.
    pub fn rearranged(&self, op: Op) -> Option<Lowered> {
        let inputs = (0..self.inputs.len()).collect();
        self.keeps_codes().then_some(Lowered::new(op, inputs, Layout::Nchw))
    }

    /// Number of dimensions of an input, when it is a quantized activation of known rank.
    pub fn rank(&self, index: usize) -> Option<usize> {
        match self.inputs.get(index)? {
            LowerInput::Activation { ty, .. } => ty.and_then(|ty| ty.shape.rank()),
            _ => None,
        }
    }
}

/// What an operator answers.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The operator on codes.
    pub op: Op,
    /// Which of the inputs it still reads, in its own order: activations as codes, constants as they
    /// are. Codes of [`LowerInput::Dynamic`] are followed by their scale and zero point.
    pub inputs: Vec<usize>,
    /// Constants that take the place of inputs, by the number of the input.
    pub constants: Vec<(usize, Value)>,
    /// The layout of four-dimensional activations that it reads, and of the codes that it makes.
    /// Real outputs are always as in the file.
    pub layout: Layout,
}

impl Lowered {
    /// An operator on codes that reads those inputs in that layout.
    pub fn new(op: Op, inputs: Vec<usize>, layout: Layout) -> Self {
        Self { op, inputs, constants: Vec::new(), layout }
    }

    /// The same, reading inputs up to that one, absent ones included.
    #[must_use]
    pub fn reading(mut self, input: usize) -> Self {
        let next = self.inputs.len();
        self.inputs.extend(next..=input);
        self
    }

    /// The same in another layout.
    #[must_use]
    pub fn in_layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The same with a constant in place of an input.
    #[must_use]
    pub fn with_constant(mut self, input: usize, value: Value) -> Self {
        self.constants.push((input, value));
        self
    }
}

/// An axis of `[N, C, H, W]` as an axis of `[N, H, W, C]`; negative ones count from the end.
pub(super) fn nhwc_axis(axis: i64) -> i64 {
    match axis {
        1 | -3 => 3,
        2 | -2 => 1,
        3 | -1 => 2,
        _ => 0,
    }
}

/// A constant list of axes, or the first `count` axes where the input is absent, channels last.
pub(super) fn nhwc_axes(input: Option<&LowerInput<'_>>, count: usize) -> Option<Value> {
    let axes: Vec<i64> = match input {
        None | Some(LowerInput::Absent) => (0..count as i64).collect(),
        Some(LowerInput::Constant(value)) => match value.as_slice::<i64>() {
            Ok(axes) => axes.to_vec(),
            Err(_) => value.as_slice::<i32>().ok()?.iter().map(|&a| a.into()).collect(),
        },
        Some(_) => return None,
    };
    let axes: Vec<i64> = axes.into_iter().map(nhwc_axis).collect();
    Value::from_vec(&[axes.len()], axes).ok()
}
