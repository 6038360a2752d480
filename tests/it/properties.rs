//! What must hold for every input, tried on generated ones: quantizers, files, passes.

use std::fmt::Debug;

use bitlens::exec::{Executor, NoProbe};
use bitlens::ir::{Attr, Attrs, GraphBuilder, ValueId};
use bitlens::kernels::{AffineParams, reference};
use bitlens::onnx::{self, ExportOptions};
use bitlens::ops::{EXPORT_OPSET, Graph, ImportInput, ImportNode, Isa, Op};
use bitlens::passes;
use bitlens::quant::affine::{dequantized, weight_codes, weight_params};
use bitlens::quant::{Granularity, QuantParams, QuantSpec, Range};
use bitlens::tensor::{DType, Shape, TensorType, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::same_bits;

/// Ordinary numbers of either sign, and many magnitudes.
fn real() -> impl Strategy<Value = f32> {
    prop_oneof![
        -10.0_f32..10.0,
        (-30_i32..30, -1.0_f32..1.0).prop_map(|(e, m)| m * 2.0_f32.powi(e)),
        Just(0.0)
    ]
}

fn spec() -> impl Strategy<Value = QuantSpec> {
    (2_u8..=8, any::<bool>()).prop_map(|(bits, weights)| {
        let granularity = Granularity::PerTensor;
        if weights {
            QuantSpec { granularity, ..QuantSpec::weights(bits, 0) }
        } else {
            QuantSpec::activations(bits)
        }
    })
}

/// Parameters that a range and a spec give.
fn parameters() -> impl Strategy<Value = (AffineParams, Range)> {
    (real(), real(), spec()).prop_map(|(a, b, spec)| {
        let range = Range::containing_zero(a.min(b), a.max(b));
        let (scale, zero_point) = QuantParams::from_range(range, &spec);
        (AffineParams::new(scale, zero_point, spec.qmin(), spec.qmax()).unwrap(), range)
    })
}

/// The same cases in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` try others.
fn cases(count: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(7) } else { given.rng_seed };
    let cases = if given.cases == 256 { count } else { given.cases };
    ProptestConfig { rng_seed, cases, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn zero_is_a_code_of_its_own((params, _) in parameters()) {
        prop_assert_eq!(reference::fake_quantize(0.0, &params).to_bits(), 0.0_f32.to_bits());
    }

    #[test]
    fn what_was_rounded_once_stays((params, _) in parameters(), x in real()) {
        let once = reference::fake_quantize(x, &params);
        prop_assert_eq!(reference::fake_quantize(once, &params).to_bits(), once.to_bits());
    }

    #[test]
    fn codes_keep_the_order_of_reals((params, _) in parameters(), x in real(), y in real()) {
        let (low, high) = (x.min(y), x.max(y));
        prop_assert!(reference::quantize(low, &params) <= reference::quantize(high, &params));
    }

    /// Within the range the error is half a step. The zero point is rounded too, which can cost the
    /// ends of an asymmetric range another half; the rest is rounding: `x / s`, `q · s` and the scale
    /// are each within `2⁻²⁴` of what they stand for, of at most 255 steps.
    #[test]
    fn rounding_moves_by_half_a_step((params, range) in parameters(), t in 0.0_f32..=1.0) {
        let x = range.lo + t * (range.hi - range.lo);
        let (lo, hi) = (reference::dequantize(params.qmin(), &params), reference::dequantize(params.qmax(), &params));
        let error = (f64::from(reference::fake_quantize(x, &params)) - f64::from(x)).abs();
        let steps = if (lo..=hi).contains(&x) { 0.5 } else { 1.0 };
        let rounding = 4.0 * 255.0 * f64::from(f32::EPSILON) / 2.0;
        prop_assert!(error <= f64::from(params.scale()) * (steps + rounding), "{} is off by {}", x, error);
    }

    #[test]
    fn equal_channels_are_quantized_as_one_tensor(row in vec(real(), 1..40), channels in 1_usize..5, bits in 2_u8..=8) {
        let weight = Value::from_vec(&[channels, row.len()], row.repeat(channels)).unwrap();
        let per_channel = QuantSpec::weights(bits, 0);
        let per_tensor = QuantSpec { granularity: Granularity::PerTensor, ..per_channel };
        let each = weight_params("w", &weight, &per_channel).unwrap();
        let all = weight_params("w", &weight, &per_tensor).unwrap();
        prop_assert_eq!(&each.params.scale, &vec![all.params.scale[0]; channels]);
        let codes = weight_codes(&weight, &each).unwrap();
        prop_assert_eq!(&codes, &weight_codes(&weight, &all).unwrap());
        prop_assert_eq!(dequantized(&codes, &each).unwrap(), dequantized(&codes, &all).unwrap());
    }
}

/// One more node of a generated network; what does not fit where it comes is left out.
#[derive(Debug, Clone)]
enum Step {
    /// A convolution with so many outputs per group, a kernel of that size, and perhaps a bias.
    Conv {
        outputs: usize,
        kernel: usize,
        stride: usize,
        depthwise: bool,
        bias: bool,
    },
    BatchNormalization,
    /// An operator of one tensor and no attributes.
    Plain(&'static str),
    Clip {
        min: Option<f32>,
        max: Option<f32>,
    },
    /// `Add`, `Sub`, `Mul` or `Div` with a constant per channel, on either side.
    Constant {
        op_type: &'static str,
        first: bool,
    },
    /// `Add` or `Sub` with an earlier tensor of the same shape.
    Pair {
        op_type: &'static str,
        back: usize,
    },
    /// Channels of an earlier tensor of the same size behind those of the last.
    Concat {
        back: usize,
    },
    Pool {
        op_type: &'static str,
        pad: i64,
    },
    /// A node that nothing reads.
    Unread,
}

fn step() -> impl Strategy<Value = Step> {
    let plain = proptest::sample::select(vec![
        "Relu",
        "Relu",
        "Sigmoid",
        "HardSwish",
        "LeakyRelu",
        "Identity",
        "Abs",
        "Neg",
        "Tanh",
    ]);
    let arithmetic = proptest::sample::select(vec!["Add", "Sub", "Mul", "Div"]);
    let bound = proptest::option::of(-2.0_f32..2.0);
    prop_oneof![
        3 => (1_usize..4, prop_oneof![Just(1_usize), Just(3)], 1_usize..3, any::<bool>(), any::<bool>()).prop_map(
            |(outputs, kernel, stride, depthwise, bias)| Step::Conv { outputs, kernel, stride, depthwise, bias }
        ),
        2 => Just(Step::BatchNormalization),
        3 => plain.prop_map(Step::Plain),
        2 => (bound.clone(), bound).prop_map(|(min, max)| Step::Clip { min, max }),
        2 => (arithmetic, any::<bool>()).prop_map(|(op_type, first)| Step::Constant { op_type, first }),
        2 => (proptest::sample::select(vec!["Add", "Sub"]), 1_usize..5).prop_map(|(op_type, back)| Step::Pair { op_type, back }),
        1 => (1_usize..5).prop_map(|back| Step::Concat { back }),
        1 => (proptest::sample::select(vec!["MaxPool", "AveragePool"]), 0_i64..2).prop_map(|(op_type, pad)| Step::Pool { op_type, pad }),
        1 => Just(Step::Unread),
    ]
}

/// A network of some steps, whether it ends in a classifier, and where its weights come from.
#[derive(Debug, Clone)]
struct Plan {
    steps: Vec<Step>,
    classifier: bool,
    seed: u64,
}

fn plan() -> impl Strategy<Value = Plan> {
    (vec(step(), 1..10), any::<bool>(), any::<u64>()).prop_map(|(steps, classifier, seed)| Plan {
        steps,
        classifier,
        seed,
    })
}

/// Builds the network of a plan.
struct Making {
    builder: GraphBuilder<Op>,
    /// Images so far, with channels and side.
    made: Vec<(ValueId, usize, usize)>,
    count: usize,
    seed: u64,
}

impl Making {
    fn numbers(&mut self, shape: &[usize], lo: f32, hi: f32) -> Value {
        let mut next = || {
            self.seed =
                self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            lo + (hi - lo) * ((self.seed >> 40) as f32 / (1_u64 << 24) as f32)
        };
        let data = (0..shape.iter().product()).map(|_| next()).collect();
        Value::from_vec(shape, data).unwrap()
    }

    fn constant(&mut self, value: Value) -> ValueId {
        self.count += 1;
        self.builder.constant(format!("c{}", self.count), value)
    }

    /// A node as a file has it.
    fn node(&mut self, op_type: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
        let constants: Vec<Option<Value>> =
            inputs.iter().map(|&id| self.builder.peek(id).constant.clone()).collect();
        let slots = constants
            .iter()
            .map(|v| v.as_ref().map_or(ImportInput::Computed, ImportInput::Constant))
            .collect();
        let mut node = ImportNode {
            attrs,
            opset: EXPORT_OPSET,
            inputs: slots,
            formats: Vec::new(),
            output_count: 1,
            named_outputs: 1,
            new_inputs: Vec::new(),
        };
        let op = Op::import(op_type, &mut node).unwrap().unwrap();
        assert!(node.new_inputs.is_empty(), "{op_type} of the newest opset moves nothing");
        self.count += 1;
        self.builder.op(&format!("n{}", self.count), op, inputs)
    }

    fn last(&self) -> (ValueId, usize, usize) {
        *self.made.last().unwrap()
    }

    /// The image `back` before the last, where there is one.
    fn earlier(&self, back: usize) -> Option<(ValueId, usize, usize)> {
        self.made.len().checked_sub(1 + back).map(|at| self.made[at])
    }

    fn step(&mut self, step: &Step) {
        let (x, channels, side) = self.last();
        let none = Attrs::new;
        let next = match step {
            Step::Conv { .. } => self.convolution(step),
            Step::BatchNormalization => {
                let parts = [(0.5, 1.5), (-1.0, 1.0), (-1.0, 1.0), (0.5, 1.5)];
                let parts = parts.map(|(lo, hi)| self.numbers(&[channels], lo, hi)).map(|v| self.constant(v));
                let inputs = [&[x][..], &parts[..]].concat();
                Some((self.node("BatchNormalization", none(), &inputs), channels, side))
            }
            Step::Plain(op_type) => Some((self.node(op_type, none(), &[x]), channels, side)),
            Step::Clip { min, max } => {
                let lo = self.constant(Value::scalar(min.unwrap_or(-3.0)));
                let hi = self.constant(Value::scalar(max.unwrap_or(3.0)));
                Some((self.node("Clip", none(), &[x, lo, hi]), channels, side))
            }
            Step::Constant { op_type, first } => {
                let values = self.numbers(&[channels, 1, 1], 0.5, 1.5);
                let c = self.constant(values);
                // Nothing is divided by a tensor that can be near zero.
                let inputs = if *first && *op_type != "Div" { [c, x] } else { [x, c] };
                Some((self.node(op_type, none(), &inputs), channels, side))
            }
            Step::Pair { op_type, back } => {
                let other = self.earlier(*back).filter(|&(_, c, s)| (c, s) == (channels, side));
                other.map(|(other, ..)| (self.node(op_type, none(), &[x, other]), channels, side))
            }
            Step::Concat { back } => {
                let other = self.earlier(*back).filter(|&(_, c, s)| s == side && c + channels < 20);
                other.map(|(other, more, _)| {
                    let attrs = none().with("axis", Attr::Int(1));
                    (self.node("Concat", attrs, &[x, other]), channels + more, side)
                })
            }
            Step::Pool { op_type, pad } => {
                let attrs = none()
                    .with("kernel_shape", Attr::Ints(vec![2, 2]))
                    .with("pads", Attr::Ints(vec![*pad; 4]));
                let side =
                    (side + 2 * usize::try_from(*pad).unwrap()).checked_sub(1).filter(|&side| side > 0);
                side.map(|side| (self.node(op_type, attrs, &[x]), channels, side))
            }
            Step::Unread => {
                self.node("Exp", none(), &[x]);
                None
            }
        };
        self.made.extend(next);
    }

    fn convolution(&mut self, step: &Step) -> Option<(ValueId, usize, usize)> {
        let &Step::Conv { outputs, kernel, stride, depthwise, bias } = step else { return None };
        let (x, channels, side) = self.last();
        let (groups, depth) = if depthwise { (channels, 1) } else { (1, channels) };
        let all = groups * outputs;
        if all > 20 {
            return None;
        }
        let weights = self.numbers(&[all, depth, kernel, kernel], -0.5, 0.5);
        let mut inputs = vec![x, self.constant(weights)];
        if bias {
            let bias = self.numbers(&[all], -0.5, 0.5);
            inputs.push(self.constant(bias));
        }
        let pad = kernel / 2;
        let attrs = Attrs::new()
            .with("group", Attr::Int(groups as i64))
            .with("pads", Attr::Ints(vec![pad as i64; 4]))
            .with("strides", Attr::Ints(vec![stride as i64; 2]))
            .with("kernel_shape", Attr::Ints(vec![kernel as i64; 2]));
        let output = (side + 2 * pad - kernel) / stride + 1;
        Some((self.node("Conv", attrs, &inputs), all, output))
    }
}

/// The network, and a picture for it.
fn network(plan: &Plan) -> (Graph, Value) {
    let mut builder = GraphBuilder::new("generated");
    let ty = TensorType::new(DType::F32, Shape::fixed(&[1, 3, 6, 6]));
    let x = builder.input("x", ty);
    let mut making = Making { builder, made: vec![(x, 3, 6)], count: 0, seed: plan.seed };
    for step in &plan.steps {
        making.step(step);
    }
    let (mut y, channels, _) = making.last();
    if plan.classifier {
        y = making.node("GlobalAveragePool", Attrs::new(), &[y]);
        y = making.node("Flatten", Attrs::new(), &[y]);
        let weights = making.numbers(&[channels, 4], -0.5, 0.5);
        let weights = making.constant(weights);
        y = making.node("Gemm", Attrs::new(), &[y, weights]);
    }
    if y == x {
        y = making.node("Relu", Attrs::new(), &[y]);
    }
    making.builder.output(y);
    let picture = making.numbers(&[1, 3, 6, 6], -1.0, 1.0);
    // A file states the types of its results.
    (passes::infer_types(&making.builder.finish().unwrap()).unwrap(), picture)
}

fn run(graph: &Graph, picture: &Value) -> Vec<Value> {
    // One instruction set that does not fuse: only what a pass changes can change a bit.
    let executor = Executor::new(graph.clone(), Isa::Portable).unwrap();
    executor.run(std::slice::from_ref(picture), &mut NoProbe).unwrap()
}

fn largest(value: &Value) -> f32 {
    value.as_slice::<f32>().map_or(0.0, |v| v.iter().fold(0.0, |m, x| m.max(x.abs())))
}

fn written(graph: &Graph) -> Vec<u8> {
    onnx::export(graph, &ExportOptions::default()).unwrap()
}

/// Shows the plan of a failing case instead of its graph.
fn about<T: Debug>(plan: &T) -> String {
    format!("{plan:#?}")
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_written_network_is_read_as_it_was(plan in plan()) {
        let (graph, picture) = network(&plan);
        let bytes = written(&graph);
        let again = onnx::import(&bytes).unwrap().graph;
        prop_assert_eq!(written(&again), bytes, "{}", about(&plan));
        prop_assert!(same_bits(&run(&graph, &picture), &run(&again, &picture)), "{}", about(&plan));
    }

    /// Folding rounds weights anew and moves summands. A layer adds at most 20 · 9 products, so each of
    /// at most ten is off by some `γ₁₈₀`, and 10⁻⁴ of the largest number inside the network is
    /// `10 · γ₁₈₀`. It is not relative to the result alone, which can be what is left of a difference.
    #[test]
    fn simplifying_leaves_results_as_they_were(plan in plan()) {
        let (graph, picture) = network(&plan);
        let simple = passes::simplify(&graph).unwrap();
        let executor = Executor::new(graph.clone(), Isa::Portable).unwrap();
        let inside = executor.record(std::slice::from_ref(&picture)).unwrap();
        let largest = graph.values().filter_map(|(id, _)| inside.get(id)).map(largest).fold(0.0, f32::max);
        for (found, expected) in run(&simple, &picture).iter().zip(&run(&graph, &picture)) {
            prop_assert_eq!(found.shape(), expected.shape());
            let (found, expected) = (found.as_slice::<f32>().unwrap(), expected.as_slice::<f32>().unwrap());
            for (found, expected) in found.iter().zip(expected) {
                let off = (found - expected).abs();
                prop_assert!(off <= 1e-4 * largest, "{} is {}: {}", expected, found, about(&plan));
            }
        }
    }

    #[test]
    fn simplifying_twice_is_simplifying_once(plan in plan()) {
        let (graph, _) = network(&plan);
        let once = passes::simplify(&graph).unwrap();
        let twice = passes::simplify(&once).unwrap();
        prop_assert_eq!(once.node_count(), twice.node_count(), "{}", about(&plan));
    }
}
