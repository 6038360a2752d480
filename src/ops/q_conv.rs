//! `bitlens.QConv`: convolution of `uint8` codes with integer weights and 32-bit accumulators; what
//! [`Conv`] becomes between DequantizeLinear and QuantizeLinear. No file can contain it.
//!
//! Activations are NHWC. The weights, zero points and factors are part of the operator, so its only
//! input is the tensor of codes; where that is quantized while the network runs, its scale and its zero
//! point follow.

use super::linear::{DynamicEpilogue, IntegerEpilogue, dynamic_codes};
use super::weight::pack_conv;
use super::{
    Context, Conv, ExportStep, ImportNode, Inputs, Isa, MakesSum, NextSum, Op, OpError, Operator, Prepared,
    QAdd, Summed, TypeInputs, refuse_import,
};
use crate::ir::AttrError;
use crate::kernels::{self, ImageLayout, PackedConvI8, QuantizedInput, RequantizeAdd};
use crate::tensor::{DType, Shape, TensorType, Value};

/// A convolution on codes: `[N, H, W, C]` `uint8` to `[N, OH, OW, O]` `uint8`, or to real numbers
/// `[N, O, OH, OW]`.
#[derive(Debug, Clone, PartialEq)]
pub struct QConv {
    /// Groups and window.
    pub conv: Conv,
    /// The weight in units of its scales, `[O, C/groups, KH, KW]`: `int8`, or `int16` of at most 255 in
    /// magnitude.
    pub weight: Value,
    /// Code of zero in the input; `None` where it is an input of its own.
    pub input_zero_point: Option<u8>,
    /// What becomes of the accumulators.
    pub epilogue: IntegerEpilogue,
}

impl Operator for QConv {
    const OP_TYPE: &'static str = "bitlens.QConv";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        refuse_import()
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        None
    }

    fn infer(&self, _: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(self.epilogue.dtype(), Shape::Unranked)])
    }

    fn prepare(&self, isa: Isa, _: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let geometry = self.conv.packing_geometry(self.weight.shape())?;
        let packed = pack_conv(isa, &geometry, &self.weight)?;
        let kernel = packed.kernel().name;
        Ok(Some(Prepared::new(packed).on(kernel)))
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let [n, h, w, c] = image(input)?;
        let geometry = self.conv.geometry(&[n, c, h, w], self.weight.shape())?;
        let made_now;
        let packed = if let Some(packed) = context.prepared::<PackedConvI8>() {
            packed
        } else {
            made_now = pack_conv(context.isa, &geometry, &self.weight)?;
            &made_now
        };
        let (input_scale, zero_point) = match self.input_zero_point {
            Some(zero_point) => (1.0, zero_point),
            None => dynamic_codes(&inputs)?,
        };
        let data = QuantizedInput { data: input.as_slice()?, zero_point };
        let [oh, ow] = geometry.window().output;
        let o = geometry.out_channels();
        let output = match &self.epilogue {
            IntegerEpilogue::Codes(requantize) => {
                let mut out = Value::zeros::<u8>(&[n, oh, ow, o])?.into_vec::<u8>()?;
                kernels::conv2d_u8(&geometry, data, packed, requantize, &mut out)?;
                Value::from_vec(&[n, oh, ow, o], out)?
            }
            IntegerEpilogue::Real(real) => {
                let mut sums = Value::zeros::<i32>(&[n, oh, ow, o])?.into_vec::<i32>()?;
                kernels::conv2d_i32(&geometry, data, packed, &mut sums)?;
                let mut out = vec![0.0_f32; sums.len()];
                // Real outputs are as in the file: channels before positions.
                for (batch, sums) in sums.chunks_exact((oh * ow * o).max(1)).enumerate() {
                    for (position, sums) in sums.chunks_exact(o).enumerate() {
                        for (channel, &sum) in sums.iter().enumerate() {
                            out[(batch * o + channel) * oh * ow + position] = real.of(sum, channel);
                        }
                    }
                }
                Value::from_vec(&[n, o, oh, ow], out)?
            }
            IntegerEpilogue::Dynamic(dynamic) => {
                let mut sums = Value::zeros::<i32>(&[n, oh, ow, o])?.into_vec::<i32>()?;
                kernels::conv2d_i32(&geometry, data, packed, &mut sums)?;
                let layout = ImageLayout { batch: n, channels: o, pixels: oh * ow };
                let out = real_planes(context.isa, layout, &sums, (dynamic, input_scale))?;
                Value::from_vec(&[n, o, oh, ow], out)?
            }
        };
        Ok(vec![output])
    }

    fn as_sum_maker(&self) -> Option<&dyn MakesSum> {
        Some(self)
    }
}

/// Into the codes of the other summand, of which many are not needed any more then.
impl MakesSum for QConv {
    fn makes(&self, sum: &Op) -> bool {
        let geometry = self.conv.packing_geometry(self.weight.shape());
        let IntegerEpilogue::Codes(requantize) = &self.epilogue else { return false };
        matches!(sum, Op::QAdd(_))
            && requantize.limits.is_empty()
            && geometry.is_ok_and(|geometry| !geometry.is_depthwise())
    }

    fn forward_sum(
        &self,
        context: &Context<'_>,
        inputs: Inputs,
        sum: NextSum<'_>,
    ) -> Result<Summed, OpError> {
        let input = inputs.get(0)?;
        let [n, h, w, c] = image(input)?;
        let geometry = self.conv.geometry(&[n, c, h, w], self.weight.shape())?;
        let [oh, ow] = geometry.window().output;
        let shape = [n, oh, ow, geometry.out_channels()];
        if let (Op::QAdd(QAdd { add }), IntegerEpilogue::Codes(requantize)) = (sum.op, &self.epilogue)
            && let Some(packed) = context.prepared::<PackedConvI8>()
            && let Some(zero_point) = self.input_zero_point
            && (sum.other.dtype(), sum.other.shape()) == (DType::U8, &shape)
        {
            let data = QuantizedInput { data: input.as_slice()?, zero_point };
            let finish = RequantizeAdd { requantize, add: *add, is_lhs: sum.slot == 0 };
            let mut out = sum.other.into_vec::<u8>()?;
            kernels::conv2d_add_u8(&geometry, data, packed, finish, &mut out)?;
            return Ok(Summed::Sum(Value::from_vec(&shape, out)?));
        }
        sum.apart(self.forward(context, inputs)?)
    }
}

/// The real numbers `[N, O, H, W]` of accumulators `[N, H, W, O]`, of an input with that scale.
fn real_planes(
    isa: Isa,
    layout: ImageLayout,
    sums: &[i32],
    (dynamic, input_scale): (&DynamicEpilogue, f32),
) -> Result<Vec<f32>, OpError> {
    let mut planes = vec![0_i32; sums.len()];
    kernels::transpose_nhwc_to_nchw(isa, layout, sums, &mut planes)?;
    let mut out = vec![0.0_f32; sums.len()];
    let plane = layout.pixels.max(1);
    for (at, (out, sums)) in out.chunks_exact_mut(plane).zip(planes.chunks_exact(plane)).enumerate() {
        dynamic.plane(input_scale, at % layout.channels, sums, out);
    }
    Ok(out)
}

/// The sizes of an image of codes.
pub(super) fn image(codes: &Value) -> Result<[usize; 4], OpError> {
    if let &[n, h, w, c] = codes.shape() {
        return Ok([n, h, w, c]);
    }
    let (expected, got) = ("four dimensions".to_owned(), format!("{:?}", codes.shape()));
    Err(OpError::Shape { what: "codes", expected, got })
}

impl IntegerEpilogue {
    /// Type of what it makes.
    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Codes(_) => DType::U8,
            Self::Real(_) | Self::Dynamic(_) => DType::F32,
        }
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QConv {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
