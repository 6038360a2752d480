//! `Conv` (ONNX opsets 1–22): convolution over up to three spatial axes, with groups, strides,
//! dilations, asymmetric padding, and optionally a clamp on its output.
//!
//! Shapes: `[N, C, H, W] ∗ [O, C/groups, KH, KW] + [O] → [N, O, OH, OW]`. One spatial axis is
//! computed as two with a height of 1, three as many convolutions over two. Constant weights over one
//! or two axes are laid out for the kernels once, whatever the size of the input.

use super::conv_shape::{
    ConvShape, Unknown, add_bias, bias_gradient, check_channels, check_rank, take_groups,
};
use super::linear::{self, IntegerEpilogue, apply_clamp, export_clamp};
use super::pooling::{check_gradient, split_spatial};
use super::window::{Rounding, Window, too_many_axes};
use super::{
    Add, Clamp, Columns, Context, ExportStep, Facts, ImportNode, Inputs, Isa, Kind, Layout, Linear,
    LowerContext, Lowered, MakesSum, NextSum, Op, OpError, Operator, Prepared, QConv, Summed, Tape,
    TypeInputs,
};
use crate::ir::{Attr, AttrError};
use crate::kernels::{self, Conv2dGeometry, Epilogue, EpilogueAdd, PackedConvF32, Window2d};
use crate::tensor::{Dim, Shape, TensorType, Value};

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
    /// Shapes for the kernels, from those of an input and a weight with one or two spatial axes. One
    /// becomes two with a height of 1.
    ///
    /// # Errors
    /// Ranks and channels that do not fit together, a window larger than the padded input, a depth.
    pub fn geometry(&self, input: &[usize], weight: &[usize]) -> Result<Conv2dGeometry, OpError> {
        let shape = self.shape(input, weight)?;
        if shape.is_volume() { Err(too_many_axes(3)) } else { Ok(shape.plane) }
    }

    pub(super) fn shape(&self, input: &[usize], weight: &[usize]) -> Result<ConvShape, OpError> {
        ConvShape::new(&self.window, self.groups, input, weight)
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

    pub(super) fn output_dims(&self, input: &Shape, weight: &Shape) -> Result<Shape, OpError> {
        let Some(rank) = input.rank().or(weight.rank()) else { return Ok(Shape::Unranked) };
        let unknown = vec![Dim::Unknown; rank];
        let input = input.dims().unwrap_or(&unknown);
        let weight = weight.dims().unwrap_or(&unknown);
        check_rank(weight.len(), rank)?;
        let (head, spatial) = split_spatial(input)?;
        let (channels, taps) = split_spatial(weight)?;
        if spatial.len() > 3 {
            return Err(too_many_axes(spatial.len()));
        }
        if let (Some(input), Some(weight)) = (head[1].fixed(), channels[1].fixed()) {
            check_channels(input, weight, self.groups)?;
        }
        let stated = |axis: usize| self.window.kernel.get(axis).copied();
        let kernel: Vec<_> = taps.iter().enumerate().map(|(i, dim)| dim.fixed().or(stated(i))).collect();
        let mut dims = vec![head[0].clone(), channels[0].clone()];
        dims.extend(self.window.output_dims(spatial, &kernel, Rounding::Down)?);
        Ok(Shape::Ranked(dims))
    }
}

impl Operator for Conv {
    const OP_TYPE: &'static str = "Conv";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let window = Window::import(node)?;
        Ok(Self { window, groups: take_groups(&mut node.attrs)?, clamp: None })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = self.window.export();
        if self.groups != 1 {
            attrs.insert("group", Attr::Int(self.groups as i64));
        }
        Some(export_clamp(ExportStep::new(Self::OP_TYPE, attrs), self.clamp))
    }

    fn facts(&self) -> Facts {
        let kind = Kind::Linear(Linear { weight: 1, bias: Some(2), channel_axis: 0 });
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

    fn prepare(&self, isa: Isa, inputs: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let planar = inputs.get(1).copied().flatten().filter(|weight| weight.rank() <= 4);
        let of = |weight: &Value| {
            let packed = self.pack(isa, weight)?;
            let kernel = packed.kernel();
            Ok(Prepared::of_weight(weight.shape(), packed).on(kernel))
        };
        planar.map(of).transpose()
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let conv = self.shape(input.shape(), context.weight_shape(&inputs)?)?;
        let channels = conv.plane.out_channels();
        let bias = inputs.optional(2).map(|bias| linear::bias_of(bias, channels)).transpose()?;
        let shape = conv.output();
        let mut out = Value::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let x = input.as_slice()?;
        if conv.is_volume() {
            let weight = inputs.get(1)?.as_slice()?;
            conv.compute(context.isa, Unknown::Output, [x, weight, &[]], &mut out)?;
            add_bias(&mut out, bias.unwrap_or(&[0.0]), shape[2..].iter().product());
            apply_clamp(&mut out, self.clamp);
            return Ok(vec![Value::from_vec(&shape, out)?]);
        }
        let made_now;
        let packed = if let Some(packed) = context.prepared::<PackedConvF32>() {
            packed
        } else {
            made_now = self.pack(context.isa, inputs.get(1)?)?;
            &made_now
        };
        let epilogue = Epilogue { bias, clamp: self.clamp.map(|clamp| (clamp.min, clamp.max)) };
        kernels::conv2d_f32(&conv.plane, x, packed, epilogue, &mut out)?;
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn as_sum_maker(&self) -> Option<&dyn MakesSum> {
        Some(self)
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0) else { return Ok(gradients) };
        let (input, weight) = (tape.input(0)?, tape.input(1)?);
        let conv = self.shape(input.shape(), weight.shape())?;
        let shape = conv.output();
        check_gradient(gradient, &shape)?;
        let gradient = linear::unclamped_gradient(gradient, self.clamp, tape)?;
        let gradient = gradient.as_slice::<f32>()?;
        let given = [input.as_slice()?, weight.as_slice()?, gradient];
        for (slot, unknown) in [Unknown::Input, Unknown::Weight].into_iter().enumerate() {
            if tape.wants(slot) {
                let like = tape.input(slot)?.shape();
                let mut out = Value::zeros::<f32>(like)?.into_vec::<f32>()?;
                conv.compute(context.isa, unknown, given, &mut out)?;
                gradients[slot] = Some(Value::from_vec(like, out)?);
            }
        }
        if tape.wants(2) && tape.inputs.get(2).is_some_and(Option::is_some) {
            let channels = conv.plane.out_channels();
            let sums = bias_gradient(gradient, channels, shape[2..].iter().product());
            gradients[2] = Some(Value::from_vec(&[channels], sums)?);
        }
        Ok(gradients)
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let input_zero_point = context.activation(0).map(|codes| codes.zero_point);
        let (scale, axis) = context.scales(1)?;
        let weight = context.weight(1, false)?;
        let &[channels, _, _, _] = weight.shape() else { return None };
        if axis != 0 && scale.len() != 1 {
            return None;
        }
        let epilogue = IntegerEpilogue::of(context, channels, self.clamp)?;
        let conv = Self { clamp: None, ..self.clone() };
        let op = QConv { conv, weight, input_zero_point, epilogue };
        Some(Lowered::new(op.into(), vec![0], Layout::Nhwc))
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        let clamp = Some(self.clamp.map_or(clamp, |first| first.then(clamp)));
        Some(Self { clamp, ..self.clone() })
    }

    fn columns<'a>(&self, input: &'a Value, weight: &[usize]) -> Option<Columns<'a>> {
        Columns::of_windows(input, (&self.window, self.groups), weight)
    }

    fn without_clamp(&self) -> Option<(Self, Clamp)> {
        Some((Self { clamp: None, ..self.clone() }, self.clamp?))
    }
}

impl MakesSum for Conv {
    fn makes(&self, sum: &Op) -> bool {
        matches!(sum, Op::Add(_))
    }

    fn forward_sum(
        &self,
        context: &Context<'_>,
        inputs: Inputs,
        sum: NextSum<'_>,
    ) -> Result<Summed, OpError> {
        let input = inputs.get(0)?;
        let conv = self.shape(input.shape(), context.weight_shape(&inputs)?)?;
        let shape = conv.output();
        if let (Op::Add(Add { clamp }), Ok(other)) = (sum.op, sum.other.as_slice::<f32>())
            && let Some(packed) = context.prepared::<PackedConvF32>()
            && sum.other.shape() == shape
            && clamp.is_none_or(|clamp| clamp.min <= clamp.max)
            && !conv.plane.is_depthwise()
        {
            let bias = inputs.optional(2).map(|bias| linear::bias_of(bias, conv.plane.out_channels()));
            let range = |clamp: Option<Clamp>| clamp.map(|clamp| (clamp.min, clamp.max));
            let epilogue = Epilogue { bias: bias.transpose()?, clamp: range(self.clamp) };
            let finish = EpilogueAdd { epilogue, other, clamp: range(*clamp) };
            let mut out = Value::zeros::<f32>(&shape)?.into_vec::<f32>()?;
            kernels::conv2d_add_f32(&conv.plane, input.as_slice()?, packed, finish, &mut out)?;
            return Ok(Summed::Sum(Value::from_vec(&shape, out)?));
        }
        sum.apart(self.forward(context, inputs)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::kernels::reference;
    use crate::ops::Op;
    use crate::ops::testing::{
        Random, Sample, Sampled, check_gradients, import_node, pattern, run, tensor, try_run,
    };

    fn attrs(lists: &[(&str, &[i64])]) -> Attrs {
        lists.iter().fold(Attrs::new(), |attrs, (name, list)| attrs.with(name, Attr::Ints(list.to_vec())))
    }

    fn grouped(attrs: Attrs, groups: i64) -> Attrs {
        attrs.with("group", Attr::Int(groups))
    }

    fn same(attrs: Attrs, how: &str) -> Attrs {
        attrs.with("auto_pad", Attr::String(how.to_owned()))
    }

    /// A convolution of whole numbers, which every order of summation gets exactly right.
    fn exact(attrs: Attrs, [x, w, y]: [&[usize]; 3], values: &[f32]) -> Sample {
        Sample::new(attrs).input(pattern(x, 7, 11)).constant(pattern(w, 5, 7)).gives(vec![tensor(y, values)])
    }

    /// A convolution whose gradients are checked; the weight is a constant.
    fn random(attrs: Attrs, x: &[usize], w: &[usize]) -> Sample {
        let mut random = Random::new(14);
        let bias = random.uniform(&w[..1], -1.0, 1.0);
        Sample::new(attrs)
            .input(random.uniform(x, -1.0, 1.0))
            .constant(random.uniform(w, -1.0, 1.0))
            .constant(bias)
            .gradients(&[0, 1, 2])
    }

    impl Sampled for Conv {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let asymmetric = attrs(&[("pads", &[1, 0, 2, 1]), ("strides", &[2, 1])]);
            let depthwise = || grouped(attrs(&[("strides", &[2, 2])]), 3);
            let dilated = grouped(attrs(&[("dilations", &[2, 1])]), 2);
            let line = attrs(&[("strides", &[2]), ("pads", &[2, 1])]);
            let of = |channels: usize| pattern(&[channels], 3, 5);
            let [same_shape, three]: [&[usize]; 2] = [&[1, 3, 4, 4], &[3, 1, 3, 3]];
            vec![
                exact(
                    asymmetric.clone(),
                    [&[1, 2, 4, 5], &[2, 2, 3, 3], &[1, 2, 3, 4]],
                    &[
                        43., -36., 28., -23., -12., 45., -52., 31., -33., -7., -3., -15., 43., -22., -10.,
                        -8., -62., 71., -38., -22., -29., -29., 26., -9.,
                    ],
                )
                .constant(of(2)),
                exact(
                    dilated.clone(),
                    [&[1, 4, 3, 3], &[4, 2, 2, 2], &[1, 4, 1, 2]],
                    &[28., -6., -27., 29., -10., -12., -1., -6.],
                )
                .constant(of(4)),
                exact(
                    same(depthwise(), "SAME_UPPER"),
                    [same_shape, three, &[1, 3, 2, 2]],
                    &[15., 22., 7., -14., 1., 21., 1., 5., -28., 6., 24., 14.],
                ),
                exact(
                    same(depthwise(), "SAME_LOWER"),
                    [same_shape, three, &[1, 3, 2, 2]],
                    &[-12., -26., -11., -12., -13., 18., -40., 27., 14., 18., -7., -1.],
                )
                .absent(),
                exact(
                    line.clone(),
                    [&[1, 2, 7], &[3, 2, 3], &[1, 3, 4]],
                    &[5., 17., -5., 6., -2., 22., -28., 10., 21., 1., 0., -12.],
                )
                .constant(of(3))
                .opset(7),
                random(asymmetric, &[2, 2, 4, 5], &[3, 2, 3, 2]),
                random(dilated, &[2, 4, 4, 3], &[4, 2, 2, 2]),
                random(same(depthwise(), "SAME_UPPER"), &[2, 3, 4, 4], three),
                random(grouped(attrs(&[("pads", &[1, 1, 0, 1])]), 2), &[1, 2, 3, 3], &[4, 1, 2, 3]),
                random(attrs(&[("kernel_shape", &[1, 1])]), &[2, 3, 2, 2], &[2, 3, 1, 1]),
                random(line, &[2, 2, 6], &[3, 2, 3]),
                exact(
                    grouped(
                        attrs(&[
                            ("pads", &[1, 0, 0, 0, 1, 1]),
                            ("strides", &[2, 1, 1]),
                            ("dilations", &[1, 2, 1]),
                        ]),
                        2,
                    ),
                    [&[1, 2, 3, 3, 2], &[2, 1, 2, 2, 2], &[1, 2, 2, 2, 2]],
                    &[0., 6., -12., 0., -10., -9., 19., -19., 35., -8., -2., -1., -43., 5., 20., 3.],
                )
                .constant(of(2)),
                random(
                    grouped(attrs(&[("strides", &[2, 1, 1]), ("pads", &[1, 0, 1, 0, 1, 0])]), 2),
                    &[2, 2, 3, 2, 3],
                    &[4, 1, 2, 2, 2],
                ),
            ]
        }
    }

    fn conv(attrs: Attrs) -> Op {
        import_node("Conv", attrs, 18, &[]).unwrap().0
    }

    #[test]
    fn equals_the_definition_on_random_shapes_and_every_instruction_set() {
        let mut random = Random::new(15);
        for _ in 0..60 {
            let groups = 1 + random.below(3);
            let (inputs, outputs) = (groups * (1 + random.below(3)), groups * (1 + random.below(5)));
            let kernel = [1 + random.below(3), 1 + random.below(3)];
            let axis = |random: &mut Random| [random.below(2), random.below(3)];
            let op = Conv {
                window: Window {
                    strides: vec![1 + random.below(2), 1 + random.below(3)],
                    dilations: vec![1 + random.below(2), 1 + random.below(2)],
                    padding: super::super::Padding::Explicit(vec![axis(&mut random), axis(&mut random)]),
                    ..Window::default()
                },
                groups,
                clamp: None,
            };
            let shape = [1 + random.below(2), inputs, 5 + random.below(6), 5 + random.below(12)];
            let x = random.uniform(&shape, -1.0, 1.0);
            let w = random.uniform(&[outputs, inputs / groups, kernel[0], kernel[1]], -1.0, 1.0);
            let geometry = op.geometry(x.shape(), w.shape()).unwrap();
            let exact = reference::conv2d_f32(&geometry, x.as_slice().unwrap(), w.as_slice().unwrap());
            for isa in [Isa::Portable, Isa::best()] {
                let prepared = op.prepare(isa, &[None, Some(&w)]).unwrap();
                let context = Context { isa, prepared: prepared.as_ref() };
                let inputs = || Inputs::new(vec![Some(x.clone()), Some(w.clone())]);
                let found = op.forward(&context, inputs()).unwrap();
                assert_eq!(found, op.forward(&Context::new(isa), inputs()).unwrap(), "unprepared");
                // γ_k bounds a sum of k products in any order, Higham §3.1.
                let ku = geometry.depth() as f64 * f64::from(f32::EPSILON) / 2.0;
                for (found, exact) in found[0].as_slice::<f32>().unwrap().iter().zip(&exact) {
                    let error = (f64::from(*found) - exact.value).abs();
                    assert!(
                        error <= ku / (1.0 - ku) * exact.magnitude,
                        "{op:?} on {isa:?}: {found} {exact:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_fused_clamp_limits_the_output_and_stops_the_gradient() {
        let plain = conv(attrs(&[("pads", &[1, 1, 1, 1])]));
        let clamp = Clamp { min: 0.0, max: 1.0 };
        let op = plain.fuse_clamp(clamp).unwrap();
        // Random operands none of whose outputs is within reach of an end of the range.
        let draw = |seed| {
            let mut random = Random::new(seed);
            [[1, 2, 2, 3], [2, 2, 3, 3]].map(|shape| random.uniform(&shape, -1.0, 1.0))
        };
        let is_clear = |inputs: &[Value; 2]| {
            let y = run(&plain, inputs);
            let clear = |y: &f32| y.abs() > 0.1 && (y - 1.0).abs() > 0.1;
            y[0].as_slice::<f32>().unwrap().iter().all(clear)
        };
        let inputs = (0..1000).map(draw).find(is_clear).unwrap();
        let (free, limited) = (run(&plain, &inputs), run(&op, &inputs));
        let pairs = free[0].as_slice::<f32>().unwrap().iter().zip(limited[0].as_slice::<f32>().unwrap());
        assert!(pairs.clone().all(|(free, limited)| free.clamp(0.0, 1.0) == *limited));
        assert!(pairs.clone().any(|(free, _)| *free < 0.0) && pairs.clone().any(|(free, _)| *free > 1.0));
        check_gradients(&op, &inputs, &[0, 1]);

        let steps = op.fuse_clamp(Clamp::RELU).unwrap().export().unwrap();
        assert_eq!(steps.iter().map(|step| step.op_type).collect::<Vec<_>>(), ["Conv", "Clip"]);
    }

    #[test]
    fn sizes_that_are_not_known_stay_open() {
        let op = conv(attrs(&[("strides", &[2, 1]), ("pads", &[1, 1, 1, 1])]));
        let name = |name: &str| Dim::Symbolic(name.into());
        let ty = |dims: Vec<Dim>| TensorType::new(crate::tensor::DType::F32, Shape::Ranked(dims));
        let x = ty(vec![name("batch"), Dim::Fixed(3), name("height"), name("width")]);
        let w = ty([8, 3, 3, 3].map(Dim::Fixed).to_vec());
        let found = op.infer(&TypeInputs::new(vec![Some((&x, None)), Some((&w, None))])).unwrap();
        assert_eq!(found[0], ty(vec![name("batch"), Dim::Fixed(8), Dim::Unknown, name("width")]));
        let w = ty([8, 4, 3, 3].map(Dim::Fixed).to_vec());
        let error = op.infer(&TypeInputs::new(vec![Some((&x, None)), Some((&w, None))])).unwrap_err();
        assert!(error.to_string().contains("channels of the input: expected 4"), "{error}");
    }

    #[test]
    fn operands_that_do_not_fit_name_what_is_expected() {
        let refused = |op: &Op, x: &[usize], w: &[usize]| {
            try_run(op, &[pattern(x, 1, 2), pattern(w, 1, 2)]).unwrap_err().to_string()
        };
        let plain = conv(Attrs::new());
        assert_eq!(
            refused(&plain, &[1, 4, 5, 5], &[2, 3, 3, 3]),
            "channels of the input: expected 3 per group of the weight times 1 groups, got 4"
        );
        assert!(refused(&plain, &[1, 3, 5], &[2, 3, 3, 3]).contains("rank of the weight: expected 3"));
        let four = [1, 1, 4, 4, 4, 4];
        assert!(refused(&plain, &four, &four).contains("spatial axes: expected 1, 2 or 3, got 4"));
        assert!(refused(&plain, &[1, 3, 2, 5], &[2, 3, 3, 3]).contains("window's size 3, got 2"));
        let two = conv(grouped(Attrs::new(), 2));
        assert!(refused(&two, &[1, 4, 3, 3], &[3, 2, 1, 1]).contains("3 output channels"));
        let taps = conv(attrs(&[("kernel_shape", &[3, 3])]));
        assert!(refused(&taps, &[1, 1, 4, 4], &[1, 1, 2, 3]).contains("kernel_shape"));
        let far = conv(attrs(&[("pads", &[i64::from(i32::MAX), 0, 0, 0])]));
        assert!(refused(&far, &[1, 1, 4, 4], &[1, 1, 2, 2]).contains("padding"));
        let bias = [pattern(&[1, 1, 1, 1], 1, 2), pattern(&[2, 1, 1, 1], 1, 2), pattern(&[1], 1, 2)];
        assert!(try_run(&plain, &bias).unwrap_err().to_string().contains("bias: expected [2]"));
    }

    #[test]
    fn a_group_of_nothing_is_refused() {
        for groups in [0, -1] {
            let error = import_node("Conv", grouped(Attrs::new(), groups), 18, &[]).unwrap_err();
            assert!(error.to_string().contains("at least one group"));
        }
        let huge = conv(grouped(Attrs::new(), i64::MAX));
        assert!(try_run(&huge, &[pattern(&[1, 2, 1, 1], 1, 2), pattern(&[2, 2, 1, 1], 1, 2)]).is_err());
    }
}
