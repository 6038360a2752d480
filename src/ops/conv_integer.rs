//! `ConvInteger` (ONNX opset 10): convolution of 8-bit codes into 32-bit sums, over one or two spatial
//! axes. What quantization while running writes, with `DynamicQuantizeLinear`.
//!
//! Padding stands for the code of zero. A constant weight is laid out for the kernels once.

use super::mat_mul_integer::check_codes;
use super::weight;
use super::{Context, Conv, ExportStep, ImportNode, Inputs, Isa, OpError, Operator, Prepared, TypeInputs};
use crate::ir::AttrError;
use crate::kernels::{self, ImageLayout, PackedConvI8, QuantizedInput};
use crate::tensor::{DType, TensorType, Value};

/// `y = Σ (x − x_zero) · (w − w_zero)`. Inputs: `x`, `w`, and their zero points (0 where they are absent),
/// that of `w` one or one per output channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvInteger {
    /// Groups and window.
    pub conv: Conv,
}

impl ConvInteger {
    fn pack(&self, isa: Isa, weight: &Value, zero_point: Option<&Value>) -> Result<PackedConvI8, OpError> {
        let numbers = weight::centred(weight, zero_point, 0).ok_or_else(weight::refused)?;
        let geometry = self.conv.packing_geometry(weight.shape())?;
        Ok(PackedConvI8::pack_differences(isa, &geometry, &numbers)?)
    }
}

impl Operator for ConvInteger {
    const OP_TYPE: &'static str = "ConvInteger";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { conv: Conv::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let steps = self.conv.export()?.into_iter();
        Some(steps.map(|step| ExportStep { op_type: Self::OP_TYPE, ..step }).collect())
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        check_codes(inputs)?;
        let shape = self.conv.output_dims(inputs.shape(0)?, inputs.shape(1)?)?;
        Ok(vec![TensorType::new(DType::I32, shape)])
    }

    fn prepare(&self, isa: Isa, inputs: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let input = |slot: usize| inputs.get(slot).copied().flatten();
        // A zero point that is computed would be missing here.
        let (Some(weight), true) = (input(1), inputs.len() < 4 || input(3).is_some()) else {
            return Ok(None);
        };
        let packed = self.pack(isa, weight, input(3))?;
        let kernel = packed.kernel().name;
        Ok(Some(Prepared::new(packed).on(kernel)))
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (x, w) = (inputs.get(0)?, inputs.get(1)?);
        let geometry = self.conv.geometry(x.shape(), w.shape())?;
        let (codes, shift) = weight::activations(x)?;
        let zero = inputs.optional(2).map(weight::activations).transpose()?;
        let zero_point = match &zero {
            None => shift,
            Some((zero, moved)) if zero.len() == 1 && *moved == shift => zero[0],
            Some((zero, _)) => {
                let expected = "one number of the codes' type".to_owned();
                return Err(OpError::Shape { what: "x_zero_point", expected, got: zero.len().to_string() });
            }
        };
        let made_now;
        let packed = if let Some(packed) = context.prepared::<PackedConvI8>() {
            packed
        } else {
            made_now = self.pack(context.isa, w, inputs.optional(3))?;
            &made_now
        };
        let (window, batch) = (geometry.window(), geometry.batch());
        let layout = ImageLayout { batch, channels: geometry.in_channels(), pixels: window.input_pixels() };
        let mut data = vec![0_u8; codes.len()];
        kernels::transpose_nchw_to_nhwc(context.isa, layout, &codes, &mut data)?;
        let input = QuantizedInput { data: &data, zero_point };
        let shape = self.conv.shape(x.shape(), w.shape())?.output();
        let mut sums = super::index::zeros::<i32>(&shape)?.into_vec::<i32>()?;
        kernels::conv2d_i32(&geometry, input, packed, &mut sums)?;
        let channels = geometry.out_channels();
        let mut out = vec![0_i32; sums.len()];
        let layout = ImageLayout { batch, channels, pixels: window.output_pixels() };
        kernels::transpose_nhwc_to_nchw(context.isa, layout, &sums, &mut out)?;
        Ok(vec![Value::from_vec(&shape, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Sample, Sampled, try_run};

    fn some(shape: &[usize], factor: usize, modulus: usize) -> Value {
        let count: usize = shape.iter().product();
        Value::from_vec(shape, (0..count).map(|i| (i * factor % modulus) as u8).collect()).unwrap()
    }

    impl Sampled for ConvInteger {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let attrs = |lists: &[(&str, &[i64])]| {
                lists
                    .iter()
                    .fold(Attrs::new(), |attrs, (name, list)| attrs.with(name, Attr::Ints(list.to_vec())))
            };
            let padded = attrs(&[("pads", &[1, 0, 0, 1]), ("strides", &[1, 2])]).with("group", Attr::Int(2));
            let sums = |shape: &[usize], data: &[i32]| vec![Value::from_vec(shape, data.to_vec()).unwrap()];
            let zeros = Value::from_vec(&[4], vec![128_u8, 0, 255, 7]).unwrap();
            vec![
                // From ONNX's reference, as onnxruntime takes one zero point only.
                Sample::new(padded)
                    .input(some(&[1, 2, 3, 4], 37, 251))
                    .constant(some(&[4, 1, 2, 2], 91, 256))
                    .input(Value::scalar(9_u8))
                    .constant(zeros)
                    .gives(sums(
                        &[1, 4, 3, 2],
                        &[
                            -3594, -7812, -11914, -481, -30463, -37604, 3194, 14960, 31326, 34435, 60385,
                            44920, -25654, -1759, -64009, -30988, -53438, -53047, 61950, 5133, 73703, 59756,
                            79694, 58217,
                        ],
                    )),
                Sample::new(attrs(&[("dilations", &[2])]))
                    .opset(10)
                    .input(some(&[2, 2, 5], 37, 251))
                    .input(some(&[3, 2, 3], 91, 256))
                    .constant(Value::scalar(200_u8))
                    .gives(sums(&[2, 3, 1], &[-65403, -89305, -82999, -44309, -61003, -77953])),
            ]
        }
    }

    #[test]
    fn three_axes_and_several_zero_points_of_the_input_are_refused() {
        let op = ConvInteger { conv: Conv { window: crate::ops::Window::default(), groups: 1, clamp: None } };
        let cube = || some(&[1, 1, 2, 2, 2], 1, 2);
        let error = try_run(&op.clone().into(), &[cube(), cube()]).unwrap_err();
        assert!(error.to_string().contains("spatial axes"), "{error}");
        let (line, zeros) = (|| some(&[1, 1, 2], 1, 2), Value::from_vec(&[2], vec![0_u8; 2]).unwrap());
        let error = try_run(&op.into(), &[line(), line(), zeros]).unwrap_err();
        assert!(error.to_string().contains("x_zero_point"), "{error}");
    }
}
