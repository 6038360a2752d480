//! `Conv` (ONNX opsets 1–22): convolution over one or two spatial axes, with groups, strides,
//! dilations, asymmetric padding, and optionally a clamp on its output.
//!
//! Shapes: `[N, C, H, W] ∗ [O, C/groups, KH, KW] + [O] → [N, O, OH, OW]`. One spatial axis is
//! computed as two with a height of 1; three are refused. Constant weights are laid out for the
//! kernels once, whatever the size of the input.

use super::linear::{self, IntegerEpilogue, export_clamp};
use super::pooling::{check_gradient, split_spatial, window_2d};
use super::window::{Rounding, Window};
use super::{
    Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Isa, Kind, Layout, Linear, LowerContext, Lowered,
    OpError, Operator, Prepared, QConv, Tape, TypeInputs,
};
use crate::ir::{Attr, AttrError};
use crate::kernels::{self, Conv2dGeometry, Epilogue, PackedConvF32, Window2d};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// `y[n, o, p] = Σ x[n, c, p · stride + k · dilation − pad] · w[o, c, k] + b[o]`, limited to `clamp`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    /// The moving window; its taps may be left to the weight's shape.
    pub window: Window,
    /// Number of groups: each sees its share of the input channels and makes its share of outputs.
    pub groups: usize,
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

impl Conv {
    /// Shapes for the kernels, from those of the input and of the weight. One spatial axis becomes
    /// two with a height of 1.
    ///
    /// # Errors
    /// Ranks and channels that do not fit together, a window larger than the padded input.
    pub fn geometry(&self, input: &[usize], weight: &[usize]) -> Result<Conv2dGeometry, OpError> {
        let (head, spatial) = split_spatial(input)?;
        check_rank(weight.len(), input.len())?;
        let (channels, kernel) = split_spatial(weight)?;
        self.check_channels(head[1], channels[1])?;
        let axes = self.window.resolve(spatial, kernel, Rounding::Down)?;
        Ok(Conv2dGeometry::new(head[0], self.groups, head[1], channels[0], window_2d(&axes))?)
    }

    /// Shape of the output for a geometry made from an input of that rank.
    fn output_shape(geometry: &Conv2dGeometry, rank: usize) -> Vec<usize> {
        let mut shape = vec![geometry.batch(), geometry.out_channels()];
        let output = geometry.window().output;
        shape.extend(output.iter().skip(4 - rank.min(4)));
        shape
    }

    /// A geometry with the weight's own sizes: how weights are laid out for the kernels does not
    /// depend on the input's.
    pub(super) fn packing_geometry(&self, weight: &[usize]) -> Result<Conv2dGeometry, OpError> {
        let (channels, kernel) = split_spatial(weight)?;
        let kernel = match *kernel {
            [width] => [1, width],
            [height, width] => [height, width],
            _ => return Err(too_many_axes(kernel.len())),
        };
        let unit = [1, 1];
        let window =
            Window2d { input: kernel, output: unit, kernel, stride: unit, dilation: unit, pad_begin: [0, 0] };
        let in_channels = channels[1].saturating_mul(self.groups);
        Ok(Conv2dGeometry::new(1, self.groups, in_channels, channels[0], window)?)
    }

    fn pack(&self, isa: Isa, weight: &Value) -> Result<PackedConvF32, OpError> {
        let geometry = self.packing_geometry(weight.shape())?;
        Ok(PackedConvF32::pack(isa, &geometry, weight.as_slice()?)?)
    }

    fn check_channels(&self, input: usize, weight: usize) -> Result<(), OpError> {
        if weight.checked_mul(self.groups) == Some(input) {
            return Ok(());
        }
        Err(OpError::Shape {
            what: "channels of the input",
            expected: format!("{weight} per group of the weight times {} groups", self.groups),
            got: input.to_string(),
        })
    }

    fn output_dims(&self, input: &Shape, weight: &Shape) -> Result<Shape, OpError> {
        let Some(rank) = input.rank().or(weight.rank()) else { return Ok(Shape::Unranked) };
        let unknown = vec![Dim::Unknown; rank];
        let input = input.dims().unwrap_or(&unknown);
        let weight = weight.dims().unwrap_or(&unknown);
        check_rank(weight.len(), rank)?;
        let (head, spatial) = split_spatial(input)?;
        let (channels, taps) = split_spatial(weight)?;
        if spatial.len() > 2 {
            return Err(too_many_axes(spatial.len()));
        }
        if let (Some(input), Some(weight)) = (head[1].fixed(), channels[1].fixed()) {
            self.check_channels(input, weight)?;
        }
        let stated = |axis: usize| self.window.kernel.get(axis).copied();
        let kernel: Vec<_> = taps.iter().enumerate().map(|(i, dim)| dim.fixed().or(stated(i))).collect();
        let mut dims = vec![head[0].clone(), channels[0].clone()];
        dims.extend(self.window.output_dims(spatial, &kernel, Rounding::Down)?);
        Ok(Shape::Ranked(dims))
    }
}

fn check_rank(weight: usize, input: usize) -> Result<(), OpError> {
    if weight == input {
        return Ok(());
    }
    let expected = format!("{input}, as the input has it");
    Err(OpError::Shape { what: "rank of the weight", expected, got: weight.to_string() })
}

fn too_many_axes(got: usize) -> OpError {
    let expected = "1 or 2 (3-D convolution is not supported)".to_owned();
    OpError::Shape { what: "spatial axes", expected, got: got.to_string() }
}

impl Operator for Conv {
    const OP_TYPE: &'static str = "Conv";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let window = Window::import(node)?;
        let group = node.attrs.take_int("group")?.unwrap_or(1);
        let groups = usize::try_from(group).ok().filter(|&groups| groups > 0);
        let groups = groups.ok_or_else(|| AttrError::Unsupported {
            name: "group".to_owned(),
            value: group.to_string(),
            reason: "there must be at least one group",
        })?;
        Ok(Self { window, groups, clamp: None })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = self.window.export();
        if self.groups != 1 {
            attrs.insert("group", Attr::Int(self.groups as i64));
        }
        Some(export_clamp(ExportStep::new(Self::OP_TYPE, attrs), self.clamp))
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Linear(Linear { weight: 1, bias: Some(2), channel_axis: 0 }))
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.float(0, "input")?;
        let weight = inputs.float(1, "weight")?;
        if inputs.optional(2).is_some() {
            inputs.float(2, "bias")?;
        }
        Ok(vec![TensorType::new(input.dtype, self.output_dims(&input.shape, &weight.shape)?)])
    }

    fn prepare(&self, isa: Isa, inputs: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let weight = inputs.get(1).copied().flatten();
        weight.map(|weight| self.pack(isa, weight).map(Prepared::new)).transpose()
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (input, weight) = (inputs.get(0)?, inputs.get(1)?);
        let geometry = self.geometry(input.shape(), weight.shape())?;
        let bias =
            inputs.optional(2).map(|bias| linear::bias_of(bias, geometry.out_channels())).transpose()?;
        let made_now;
        let packed = if let Some(packed) = context.prepared::<PackedConvF32>() {
            packed
        } else {
            made_now = self.pack(context.isa, weight)?;
            &made_now
        };
        let shape = Self::output_shape(&geometry, input.rank());
        let mut out = Value::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let epilogue = Epilogue { bias, clamp: self.clamp.map(|clamp| (clamp.min, clamp.max)) };
        kernels::conv2d_f32(&geometry, input.as_slice()?, packed, epilogue, &mut out)?;
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0) else { return Ok(gradients) };
        let (input, weight) = (tape.input(0)?, tape.input(1)?);
        let geometry = self.geometry(input.shape(), weight.shape())?;
        let shape = Self::output_shape(&geometry, input.rank());
        check_gradient(gradient, &shape)?;
        let gradient = linear::unclamped_gradient(gradient, self.clamp, tape)?;
        let gradient = gradient.as_slice::<f32>()?;
        if tape.wants(0) {
            let mut out = Value::zeros::<f32>(input.shape())?.into_vec::<f32>()?;
            let weights = weight.as_slice()?;
            kernels::conv2d_f32_backward_input(context.isa, &geometry, gradient, weights, &mut out)?;
            gradients[0] = Some(Value::from_vec(input.shape(), out)?);
        }
        if tape.wants(1) {
            let mut out = Value::zeros::<f32>(weight.shape())?.into_vec::<f32>()?;
            let x = input.as_slice()?;
            kernels::conv2d_f32_backward_weights(context.isa, &geometry, x, gradient, &mut out)?;
            gradients[1] = Some(Value::from_vec(weight.shape(), out)?);
        }
        if tape.wants(2) && tape.inputs.get(2).is_some_and(Option::is_some) {
            let mut sums = vec![0.0_f64; geometry.out_channels()];
            let pixels: usize = shape[2..].iter().product();
            for (i, plane) in gradient.chunks_exact(pixels.max(1)).enumerate() {
                sums[i % geometry.out_channels()] += plane.iter().map(|&g| f64::from(g)).sum::<f64>();
            }
            let sums = sums.into_iter().map(|sum| sum as f32).collect();
            gradients[2] = Some(Value::from_vec(&[geometry.out_channels()], sums)?);
        }
        Ok(gradients)
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let input = context.activation(0)?;
        let (weight, _, axis) = context.quantized(1)?;
        let &[channels, _, _, _] = weight.shape() else { return None };
        if axis != 0 || weight.dtype() != DType::I8 {
            return None;
        }
        let epilogue = IntegerEpilogue::of(context, channels, self.clamp)?;
        let conv = Self { clamp: None, ..self.clone() };
        let op = QConv { conv, weight: weight.clone(), input_zero_point: input.zero_point, epilogue };
        Some(Lowered { op: op.into(), inputs: vec![0], layout: Layout::Nhwc })
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        let clamp = Some(self.clamp.map_or(clamp, |first| first.then(clamp)));
        Some(Self { clamp, ..self.clone() })
    }
}
