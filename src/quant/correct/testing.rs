//! Small random networks for the tests of corrections.

use super::channel_moments::without_clamps;
use super::{ChannelMoments, ChannelSums, ChannelWatch};
use crate::exec::{Executor, NoProbe};
use crate::ir::{GraphBuilder, Node, ValueId};
use crate::ops::{Clamp, Conv, Gemm, Graph, Isa, Op, Padding, Window};
use crate::quant::{Calibrator, QuantPlan, Recipe};
use crate::tensor::{DType, Shape, TensorType, Value};

/// Numbers from a seed (SplitMix64).
pub(in crate::quant) struct Random(u64);

impl Random {
    pub(in crate::quant) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of `-1..1`.
    pub(in crate::quant) fn between(&mut self) -> f32 {
        (2.0 * self.unit() - 1.0) as f32
    }

    pub(in crate::quant) fn tensor(&mut self, shape: &[usize]) -> Value {
        let data = (0..shape.iter().product()).map(|_| self.between()).collect();
        Value::from_vec(shape, data).unwrap()
    }
}

/// A network as it is built. Its weights are random, and their rows of very different ranges.
pub(in crate::quant) struct Net {
    builder: GraphBuilder<Op>,
    random: Random,
    /// The network's input.
    pub(in crate::quant) input: ValueId,
    /// An output channel of the next layer that gets no weights.
    pub(in crate::quant) empty_row: Option<usize>,
    /// What is added to the biases of the next layer.
    pub(in crate::quant) lift: f32,
    last_weight: Option<ValueId>,
}

impl Net {
    pub(in crate::quant) fn new(input: [usize; 4], seed: u64) -> Self {
        let mut builder = GraphBuilder::new("net");
        let input = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&input)));
        Self { builder, random: Random::new(seed), input, empty_row: None, lift: 0.0, last_weight: None }
    }

    /// A window of that many taps and steps in both directions.
    pub(in crate::quant) fn window(size: usize) -> Window {
        Window { kernel: vec![size; 2], strides: vec![size; 2], ..Window::default() }
    }

    /// Weights whose rows differ in range by up to a thousand.
    fn weight(&mut self, shape: &[usize]) -> Value {
        let rows = shape[0];
        let inner: usize = shape[1..].iter().product();
        let mut data = Vec::new();
        for row in 0..rows {
            let exponent = f64::from(self.random.between()) * 3.4;
            let scale = libm::exp(exponent) / libm::sqrt(inner as f64);
            let scale = if self.empty_row == Some(row) { 0.0 } else { scale };
            data.extend((0..inner).map(|_| (scale * f64::from(self.random.between())) as f32));
        }
        self.empty_row = None;
        Value::from_vec(shape, data).unwrap()
    }

    fn layer(&mut self, name: &str, op: Op, (x, shape): (ValueId, &[usize])) -> ValueId {
        let lift = std::mem::take(&mut self.lift);
        let weight = self.weight(shape);
        let bias = (0..shape[0]).map(|_| lift + self.random.between()).collect();
        let bias = Value::from_vec(&shape[..1], bias).unwrap();
        let weight = self.builder.constant(format!("{name}_weight"), weight);
        let bias = self.builder.constant(format!("{name}_bias"), bias);
        self.last_weight = Some(weight);
        self.builder.op(name, op, &[x, weight, bias])
    }

    /// A convolution that keeps the size of the picture.
    pub(in crate::quant) fn conv(
        &mut self,
        name: &str,
        x: ValueId,
        weight: [usize; 4],
        groups: usize,
        clamp: Option<Clamp>,
    ) -> ValueId {
        self.layer(name, Self::convolution(groups, clamp), (x, &weight))
    }

    /// The operator of [`Net::conv`].
    pub(in crate::quant) fn convolution(groups: usize, clamp: Option<Clamp>) -> Op {
        let window = Window { padding: Padding::SameUpper, ..Window::default() };
        Conv { window, groups, clamp }.into()
    }

    /// A matrix product with `[columns, outputs]`.
    pub(in crate::quant) fn gemm(
        &mut self,
        name: &str,
        x: ValueId,
        [columns, outputs]: [usize; 2],
    ) -> ValueId {
        self.layer(name, Gemm { trans_b: true, ..Gemm::default() }.into(), (x, &[outputs, columns]))
    }

    pub(in crate::quant) fn op(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> ValueId {
        self.builder.op(name, op, inputs)
    }

    /// The weight of the layer that was added last.
    pub(in crate::quant) fn last_weight(&self) -> ValueId {
        self.last_weight.unwrap()
    }

    pub(in crate::quant) fn finish(mut self, results: &[ValueId]) -> Graph {
        for &id in results {
            self.builder.output(id);
        }
        crate::passes::infer_types(&self.builder.finish().unwrap()).unwrap()
    }
}

/// Pictures for a network: random, the same ones every time.
pub(in crate::quant) fn pictures(graph: &Graph, count: usize) -> Vec<Value> {
    let shape = graph.value(graph.inputs()[0]).ty.as_ref().unwrap().shape.to_fixed().unwrap();
    let mut random = Random::new(77);
    (0..count).map(|_| random.tensor(&shape)).collect()
}

/// The first result of a network on each of four pictures.
pub(in crate::quant) fn outputs(graph: &Graph) -> Vec<Vec<f32>> {
    let executor = Executor::new(graph.clone(), Isa::Portable).unwrap();
    let run = |x: Value| executor.run(&[x], &mut NoProbe).unwrap()[0].as_slice::<f32>().unwrap().to_vec();
    pictures(graph, 4).into_iter().map(run).collect()
}

/// Largest magnitude.
pub(in crate::quant) fn largest(outputs: &[Vec<f32>]) -> f32 {
    outputs.iter().flatten().fold(0.0, |m, v| m.max(v.abs()))
}

/// Largest difference between the results of two networks, relative to the largest result.
pub(in crate::quant) fn relative_difference(a: &Graph, b: &Graph) -> f32 {
    let (a, b) = (outputs(a), outputs(b));
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.fold(0.0, |m: f32, (a, b)| m.max((a - b).abs())) / largest(&a)
}

/// The node of that name.
pub(in crate::quant) fn node<'a>(graph: &'a Graph, name: &str) -> &'a Node<Op> {
    graph.nodes().find(|(_, node)| node.name == name).unwrap().1
}

/// A plan for a network, with ranges from pictures.
pub(in crate::quant) fn plan(
    graph: &Graph,
    pictures: &[Value],
    [weight_bits, activation_bits]: [u8; 2],
) -> QuantPlan {
    let executor = Executor::new(graph.clone(), Isa::Portable).unwrap();
    let mut calibrator = Calibrator::new(graph);
    for (number, picture) in pictures.iter().enumerate() {
        executor.run(std::slice::from_ref(picture), &mut calibrator).unwrap();
        calibrator.finish_run(number);
    }
    let recipe = Recipe { weight_bits, activation_bits, ..Recipe::default() };
    crate::quant::plan(graph, &calibrator.finish(graph).unwrap(), &recipe).unwrap()
}

/// Mean and deviation of the channels of every layer's pre-activation.
pub(in crate::quant) fn moments(graph: &Graph, pictures: &[Value]) -> ChannelMoments {
    let watch = ChannelWatch::new(graph, Isa::Portable).unwrap();
    let mut moments = watch.moments();
    for picture in pictures {
        moments.add(&watch.look(std::slice::from_ref(picture)).unwrap()).unwrap();
    }
    moments
}

/// The pre-activations of a node, quantized or not, on each picture.
pub(in crate::quant) fn outputs_on(graph: &Graph, name: &str, pictures: &[Value]) -> Vec<Value> {
    let graph = without_clamps(graph).unwrap();
    let value = node(&graph, name).outputs[0];
    let executor = Executor::new(graph, Isa::Portable).unwrap();
    let of =
        |picture: &Value| executor.record(std::slice::from_ref(picture)).unwrap().get(value).unwrap().clone();
    pictures.iter().map(of).collect()
}

/// Mean of each channel of the pre-activation of a node.
pub(in crate::quant) fn means(graph: &Graph, name: &str, pictures: &[Value]) -> Vec<f64> {
    let mut all = ChannelSums::default();
    for value in outputs_on(graph, name, pictures) {
        all.add(&ChannelSums::of(&value).unwrap());
    }
    all.means()
}
