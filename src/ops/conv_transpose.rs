//! `ConvTranspose` (ONNX opsets 1–22): the transpose of a convolution, which enlarges by its stride,
//! over up to three spatial axes, with groups, and optionally a clamp on its output.
//!
//! Shapes: `[N, C, H, W] ∗ [C, O/groups, KH, KW] + [O] → [N, O, OH, OW]`. It is what a convolution
//! `[N, O, OH, OW] → [N, C, H, W]` with the same weight does backwards with a gradient, and runs on the
//! kernels for that; its own gradients are a convolution and a convolution's gradient.
//!
//! The size of the output is `(size − 1) · stride + reach − padding + output_padding`; with
//! `auto_pad` it is `size · stride`, with `output_shape` it is stated. Padding is then what is left
//! over, and none where the stated size is larger than what the input reaches: zeros follow.

use super::conv_shape::{ConvShape, Unknown, add_bias, bias_gradient, check_rank, take_groups};
use super::linear::{self, apply_clamp, export_clamp};
use super::pooling::{check_gradient, split_spatial};
use super::window::{self, AxisWindow, Padding, Window, too_many_axes};
use super::{
    Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Kind, Linear, OpError, Operator, Tape, TypeInputs,
    index,
};
use crate::ir::{Attr, AttrError};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Coordinates stay within 32 bits, as the kernels ask.
const LARGEST: usize = i32::MAX as usize;

/// `y[n, o, p] = Σ x[n, c, q] · w[c, o, k] + b[o]` over all `q · stride + k · dilation − pad = p`, limited
/// to `clamp`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvTranspose {
    /// The moving window; its taps may be left to the weight's shape.
    pub window: Window,
    /// How much larger the output is at its end; empty for nothing.
    pub output_padding: Vec<usize>,
    /// Spatial sizes of the output, where they are stated, else empty.
    pub output_shape: Vec<usize>,
    /// Number of groups: each sees its share of the input channels and makes its share of outputs.
    pub groups: usize,
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

impl ConvTranspose {
    /// The window of the convolution that this is the transpose of, along one axis of known size:
    /// `input` is its output.
    fn axis(&self, axis: usize, input: usize, taps: usize) -> Result<AxisWindow, OpError> {
        let stride = window::at(&self.window.strides, axis);
        let dilation = window::at(&self.window.dilations, axis);
        let added = self.output_padding.get(axis).copied().unwrap_or(0);
        let refused = || OpError::Range {
            what: "window",
            expected: format!("such that the output has at least one and at most {LARGEST} cells"),
            got: format!("{taps} taps at distance {dilation}, step {stride}, on an input of {input}"),
        };
        let reach = taps.checked_sub(1).and_then(|gaps| gaps.checked_mul(dilation)?.checked_add(1));
        let steps = input.checked_sub(1).and_then(|steps| steps.checked_mul(stride));
        let whole = steps.zip(reach).and_then(|(steps, reach)| steps.checked_add(reach)?.checked_add(added));
        let whole = whole.filter(|&whole| whole <= LARGEST).ok_or_else(refused)?;
        let stated = match &self.window.padding {
            _ if !self.output_shape.is_empty() => self.output_shape.get(axis).copied(),
            Padding::Explicit(_) => None,
            _ => input.checked_mul(stride),
        };
        let (output, pad_begin) = match (stated, &self.window.padding) {
            (Some(stated), padding) => {
                let less = whole.saturating_sub(stated) / 2;
                let total = whole.saturating_sub(stated);
                (stated, if *padding == Padding::SameUpper { less } else { total - less })
            }
            (None, Padding::Explicit(pads)) => {
                let [begin, end] = pads.get(axis).copied().unwrap_or_default();
                let output = whole.checked_sub(begin).and_then(|rest| rest.checked_sub(end));
                (output.ok_or_else(refused)?, begin)
            }
            (None, _) => return Err(refused()),
        };
        if output == 0 || output > LARGEST {
            return Err(refused());
        }
        let pad_end = 0; // what the kernels do not ask for
        Ok(AxisWindow { input: output, output: input, kernel: taps, stride, dilation, pad_begin, pad_end })
    }

    /// The lists have as many entries as the input has spatial axes.
    fn check_axes(&self, axes: usize) -> Result<(), OpError> {
        let pads = if let Padding::Explicit(pads) = &self.window.padding { pads.len() } else { 0 };
        let Window { kernel, strides, dilations, .. } = &self.window;
        let lists = [kernel, strides, dilations, &self.output_padding, &self.output_shape].map(Vec::len);
        match lists.into_iter().chain([pads]).find(|&len| len != 0 && len != axes) {
            _ if axes > 3 => Err(too_many_axes(axes)),
            Some(len) => Err(index::count_error("entries per spatial axis", axes, len)),
            None => Ok(()),
        }
    }

    /// The convolution that this is the transpose of: its input is the output, and its output the input.
    fn transposed(&self, input: &[usize], weight: &[usize]) -> Result<ConvShape, OpError> {
        let (head, spatial) = split_spatial(input)?;
        let (channels, taps) = split_spatial(weight)?;
        check_rank(weight.len(), input.len())?;
        self.check_axes(spatial.len())?;
        check_inputs(head[1], channels[0])?;
        if !self.window.kernel.is_empty() && self.window.kernel != taps {
            let (expected, got) =
                (format!("{taps:?}, as the weight has it"), format!("{:?}", self.window.kernel));
            return Err(OpError::Shape { what: "kernel_shape", expected, got });
        }
        let mut axes = [AxisWindow::SINGLE; 3];
        for (i, slot) in axes[3 - spatial.len()..].iter_mut().enumerate() {
            *slot = self.axis(i, spatial[i], taps[i])?;
        }
        let outputs = channels[1].saturating_mul(self.groups);
        ConvShape::placed(&axes, self.groups, [head[0], outputs, head[1]], input.len())
    }

    fn output_dims(&self, input: &Shape, weight: &Shape) -> Result<Shape, OpError> {
        let Some(rank) = input.rank().or(weight.rank()) else { return Ok(Shape::Unranked) };
        let unknown = vec![Dim::Unknown; rank];
        let (input, weight) = (input.dims().unwrap_or(&unknown), weight.dims().unwrap_or(&unknown));
        check_rank(weight.len(), rank)?;
        let (head, spatial) = split_spatial(input)?;
        let (channels, taps) = split_spatial(weight)?;
        self.check_axes(spatial.len())?;
        if let (Some(input), Some(weight)) = (head[1].fixed(), channels[0].fixed()) {
            check_inputs(input, weight)?;
        }
        let outputs = channels[1].fixed().and_then(|outputs| outputs.checked_mul(self.groups));
        let mut dims = vec![head[0].clone(), outputs.map_or(Dim::Unknown, Dim::Fixed)];
        for (i, (dim, taps)) in spatial.iter().zip(taps).enumerate() {
            let taps = taps.fixed().or(self.window.kernel.get(i).copied());
            dims.push(match (dim.fixed(), taps, self.output_shape.get(i)) {
                (_, _, Some(&stated)) => Dim::Fixed(stated),
                (Some(size), Some(taps), None) => Dim::Fixed(self.axis(i, size, taps)?.input),
                _ => Dim::Unknown,
            });
        }
        Ok(Shape::Ranked(dims))
    }
}

fn check_inputs(input: usize, weight: usize) -> Result<(), OpError> {
    if input == weight {
        return Ok(());
    }
    let expected = format!("{weight}, as the weight has it");
    Err(OpError::Shape { what: "channels of the input", expected, got: input.to_string() })
}

impl Operator for ConvTranspose {
    const OP_TYPE: &'static str = "ConvTranspose";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let output_padding = window::take_sizes(&mut node.attrs, "output_padding", 0)?;
        let output_shape = window::take_sizes(&mut node.attrs, "output_shape", 1)?;
        if !output_shape.is_empty() {
            node.attrs.take("pads"); // they are what is left over
        }
        let window = Window::import(node)?;
        let groups = take_groups(&mut node.attrs)?;
        let output_padding = if output_padding.iter().all(|&p| p == 0) { Vec::new() } else { output_padding };
        Ok(Self { window, output_padding, output_shape, groups, clamp: None })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = self.window.export();
        for (name, list) in [("output_padding", &self.output_padding), ("output_shape", &self.output_shape)] {
            if !list.is_empty() {
                attrs.insert(name, Attr::Ints(list.iter().map(|&v| v as i64).collect()));
            }
        }
        if self.groups != 1 {
            attrs.insert("group", Attr::Int(self.groups as i64));
        }
        Some(export_clamp(ExportStep::new(Self::OP_TYPE, attrs), self.clamp))
    }

    /// With groups no axis of the weight runs over all output channels.
    fn facts(&self) -> Facts {
        let linear = Kind::Linear(Linear { weight: 1, bias: Some(2), channel_axis: 1 });
        let kind = if self.groups == 1 { linear } else { Kind::Other };
        Facts { clamp_fused: self.clamp.is_some(), ..Facts::of(kind) }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.float(0, "input")?;
        let weight = inputs.float(1, "weight")?;
        if inputs.optional(2).is_some() {
            inputs.float(2, "bias")?;
        }
        Ok(vec![TensorType::new(input.dtype, self.output_dims(&input.shape, &weight.shape)?)])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (input, weight) = (inputs.get(0)?, inputs.get(1)?);
        let conv = self.transposed(input.shape(), weight.shape())?;
        let shape = conv.input();
        let bias = inputs.optional(2).map(|bias| linear::bias_of(bias, shape[1])).transpose()?;
        let mut out = index::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let given = [&[], weight.as_slice()?, input.as_slice()?];
        conv.compute(context.isa, Unknown::Input, given, &mut out)?;
        if let Some(bias) = bias {
            add_bias(&mut out, bias, shape[2..].iter().product());
        }
        apply_clamp(&mut out, self.clamp);
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0) else { return Ok(gradients) };
        let (input, weight) = (tape.input(0)?, tape.input(1)?);
        let conv = self.transposed(input.shape(), weight.shape())?;
        let shape = conv.input();
        check_gradient(gradient, &shape)?;
        let gradient = linear::unclamped_gradient(gradient, self.clamp, tape)?;
        let gradient = gradient.as_slice::<f32>()?;
        let given = [gradient, weight.as_slice()?, input.as_slice()?];
        for (slot, unknown) in [Unknown::Output, Unknown::Weight].into_iter().enumerate() {
            if tape.wants(slot) {
                let like = tape.input(slot)?.shape();
                let mut out = Value::zeros::<f32>(like)?.into_vec::<f32>()?;
                conv.compute(context.isa, unknown, given, &mut out)?;
                gradients[slot] = Some(Value::from_vec(like, out)?);
            }
        }
        if tape.wants(2) && tape.inputs.get(2).is_some_and(Option::is_some) {
            let sums = bias_gradient(gradient, shape[1], shape[2..].iter().product());
            gradients[2] = Some(Value::from_vec(&[shape[1]], sums)?);
        }
        Ok(gradients)
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        let clamp = Some(self.clamp.map_or(clamp, |first| first.then(clamp)));
        Some(Self { clamp, ..self.clone() })
    }

    fn without_clamp(&self) -> Option<(Self, Clamp)> {
        Some((Self { clamp: None, ..self.clone() }, self.clamp?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::Op;
    use crate::ops::testing::{
        Random, Sample, Sampled, check_gradients, import_node, pattern, run, tensor, try_run,
    };

    fn attrs(lists: &[(&str, &[i64])]) -> Attrs {
        lists.iter().fold(Attrs::new(), |attrs, (name, list)| attrs.with(name, Attr::Ints(list.to_vec())))
    }

    fn same(attrs: Attrs, how: &str) -> Attrs {
        attrs.with("auto_pad", Attr::String(how.to_owned()))
    }

    /// Whole numbers, which every order of summation gets exactly right.
    fn exact(attrs: Attrs, [x, w, y]: [&[usize]; 3], values: &[f32]) -> Sample {
        Sample::new(attrs).input(pattern(x, 7, 11)).constant(pattern(w, 5, 7)).gives(vec![tensor(y, values)])
    }

    fn random(attrs: Attrs, x: &[usize], w: &[usize], outputs: usize) -> Sample {
        let mut random = Random::new(44);
        Sample::new(attrs)
            .input(random.uniform(x, -1.0, 1.0))
            .constant(random.uniform(w, -1.0, 1.0))
            .constant(random.uniform(&[outputs], -1.0, 1.0))
            .gradients(&[0, 1, 2])
    }

    const THREE: &[usize] = &[1, 1, 3, 3];

    impl Sampled for ConvTranspose {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let doubled = || attrs(&[("strides", &[2, 2])]);
            let stated = || attrs(&[("strides", &[2, 2]), ("output_shape", &[5, 6])]);
            let grouped =
                attrs(&[("strides", &[2, 1]), ("pads", &[1, 0, 0, 1]), ("output_padding", &[1, 0])])
                    .with("group", Attr::Int(2));
            let line = attrs(&[("dilations", &[2]), ("strides", &[2])]);
            let volume = attrs(&[("pads", &[1, 0, 0, 0, 0, 0]), ("strides", &[1, 2, 1])]);
            let six: &[usize] = &[1, 1, 6, 6];
            let from_stated = &[
                -5., -3., 2., 6., -2., 2., 25., -21., -10., 19., 10., 6., 5., -9., 1., 11., -3., 3., -25.,
                -11., -5., 29., 15., 8., 4., -4., 0., 16., -4., 4.,
            ];
            let of = |channels: usize| pattern(&[channels], 3, 5);
            vec![
                exact(
                    grouped.clone(),
                    [&[1, 4, 2, 3], &[4, 2, 3, 2], &[1, 4, 5, 3]],
                    &[
                        -15., 11., 11., -46., -27., 22., -30., -22., 22., -6., -19., 5., -5., -5., -5., -14.,
                        -12., 6., 6., -55., 8., -11., -24., 16., -22., -7., 13., -2., -2., -2., -6., 8.,
                        -19., -18., 25., -29., -1., 15., -12., -8., 19., -11., -4., -4., -4., 1., 3., 16.,
                        -4., 18., -5., 2., 9., 22., -5., -1., 9., -1., -1., -1.,
                    ],
                )
                .constant(of(4)),
                exact(
                    same(doubled(), "SAME_UPPER"),
                    [THREE, THREE, six],
                    &[
                        25., 0., 0., 0., 6., 0., 20., -5., -3., 2., 6., -2., -10., 25., -21., -10., 19., 10.,
                        -20., 5., -9., 1., 11., -3., -35., -25., -11., -5., 29., 15., -16., 4., -4., 0., 16.,
                        -4.,
                    ],
                ),
                exact(
                    same(doubled(), "SAME_LOWER"),
                    [THREE, THREE, six],
                    &[
                        -5., -3., 2., 6., -2., 2., 25., -21., -10., 19., 10., 6., 5., -9., 1., 11., -3., 3.,
                        -25., -11., -5., 29., 15., 8., 4., -4., 0., 16., -4., 4., -20., 0., 0., 12., 20., 0.,
                    ],
                )
                .absent(),
                exact(stated(), [THREE, THREE, &[1, 1, 5, 6]], from_stated),
                exact(
                    line.clone(),
                    [&[1, 2, 3], &[2, 1, 2], &[1, 1, 7]],
                    &[10., -5., -37., -5., 7., -5., 7.],
                )
                .constant(of(1))
                .opset(7),
                exact(
                    volume.clone(),
                    [&[1, 1, 2, 1, 2], &[1, 1, 2, 2, 2], &[1, 1, 2, 2, 3]],
                    &[5., -18., -2., 19., 17., -30., -2., 7., -5., 6., -5., -25.],
                ),
                random(grouped, &[2, 4, 2, 3], &[4, 2, 3, 2], 4),
                random(same(stated(), "SAME_UPPER"), THREE, &[1, 2, 3, 3], 2),
                random(line, &[2, 2, 3], &[2, 3, 2], 3),
                random(volume, &[1, 2, 2, 1, 2], &[2, 1, 2, 2, 2], 1),
            ]
        }
    }

    fn op(attrs: Attrs) -> Op {
        import_node("ConvTranspose", attrs, 18, &[]).unwrap().0
    }

    #[test]
    fn a_stated_size_beyond_what_is_reached_is_filled_with_zeros() {
        let op = op(attrs(&[("strides", &[3]), ("output_shape", &[8])]));
        let y = run(&op, &[tensor(&[1, 1, 2], &[1.0, 2.0]), tensor(&[1, 1, 2], &[1.0, 3.0])]);
        assert_eq!(y[0], tensor(&[1, 1, 8], &[1.0, 3.0, 0.0, 2.0, 6.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn a_fused_clamp_limits_the_output_and_stops_the_gradient() {
        let op = op(Attrs::new()).fuse_clamp(Clamp { min: 0.0, max: 2.0 }).unwrap();
        let inputs = [tensor(&[1, 1, 2], &[1.0, -2.0]), tensor(&[1, 1, 2], &[1.0, 3.0])];
        // Without the clamp: 1, 1, −6.
        assert_eq!(run(&op, &inputs)[0], tensor(&[1, 1, 3], &[1.0, 1.0, 0.0]));
        check_gradients(&op, &inputs, &[0, 1]);
    }

    #[test]
    fn operands_that_do_not_fit_name_what_is_expected() {
        let refused = |attrs: Attrs, x: &[usize], w: &[usize]| {
            try_run(&op(attrs), &[pattern(x, 1, 2), pattern(w, 1, 2)]).unwrap_err().to_string()
        };
        assert!(refused(Attrs::new(), &[1, 2, 3], &[3, 1, 2]).contains("expected 3, as the weight has it"));
        assert!(refused(Attrs::new(), &[1, 2, 3], &[2, 1, 2, 2]).contains("rank of the weight"));
        assert!(refused(attrs(&[("pads", &[4, 4])]), &[1, 1, 3], &[1, 1, 2]).contains("at least one"));
        assert!(
            refused(attrs(&[("strides", &[2])]), THREE, THREE)
                .contains("per spatial axis: expected 2, got 1")
        );
        assert!(refused(attrs(&[("kernel_shape", &[2, 3])]), THREE, THREE).contains("kernel_shape"));
        let groups = Attrs::new().with("group", Attr::Int(2));
        assert!(refused(groups, THREE, THREE).contains("2 groups"));
        let huge = attrs(&[("strides", &[i64::from(i32::MAX)])]);
        assert!(refused(huge, &[1, 1, 3], &[1, 1, 2]).contains("window"));
    }
}
