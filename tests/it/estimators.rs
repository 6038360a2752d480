//! What calibration remembers, however the pictures are divided, and the ranges made of it, on generated
//! values and on real networks.

use bitlens::exec::Probe;
use bitlens::ir::{GraphBuilder, ValueId};
use bitlens::ops::{Graph, Kind, MatMul};
use bitlens::passes;
use bitlens::quant::estimate::{Estimator, GUIDELINE, lowest_mse, weights};
use bitlens::quant::observe::Observed;
use bitlens::quant::{Calibrator, Granularity, QuantSpec, Range, Statistics};
use bitlens::tensor::{DType, Shape, TensorType, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::real_networks::Real;
use crate::support::data_folder;

/// A network whose one input a plan can ask for.
fn network() -> (Graph, ValueId) {
    let mut builder = GraphBuilder::new("g");
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 1])));
    let weight = builder.constant("w", Value::from_vec(&[1, 1], vec![1.0_f32]).unwrap());
    let y = builder.op("product", MatMul { clamp: None }.into(), &[x, weight]);
    builder.output(y);
    (passes::infer_types(&builder.finish().unwrap()).unwrap(), x)
}

/// Numbers of all magnitudes, some of them zero.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -3.0_f32..3.0,
        1 => Just(0.0_f32),
        1 => any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |v| v.is_finite()),
    ]
}

/// Pictures' values; for each picture the part that sees it, and the order in which its part does.
fn divided() -> impl Strategy<Value = Vec<(Vec<f32>, usize, u32)>> {
    vec((vec(value(), 0..30), 0_usize..4, any::<u32>()), 1..12)
}

fn cases(count: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(7);
    ProptestConfig { rng_seed, cases: count, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(400))]

    /// Bit for bit, whatever the division, the order within a part and that of the parts.
    #[test]
    fn statistics_of_parts_come_to_those_of_the_whole(pictures in divided(), order in Just([0, 1, 2, 3]).prop_shuffle()) {
        let (graph, x) = network();
        let watch = |numbers: &[usize]| {
            let mut calibrator = Calibrator::new(&graph);
            for &number in numbers {
                let values = &pictures[number].0;
                calibrator.observe(x, &Value::from_vec(&[1, values.len()], values.clone()).unwrap());
                calibrator.finish_run(number);
            }
            calibrator.statistics().clone()
        };
        let whole = watch(&(0..pictures.len()).collect::<Vec<_>>());
        let mut all = Statistics::none(&graph);
        for part in order {
            let mut numbers: Vec<usize> = (0..pictures.len()).filter(|&n| pictures[n].1 == part).collect();
            numbers.sort_by_key(|&n| pictures[n].2);
            // As it crosses between workers.
            let sent = serde_json::to_string(&watch(&numbers)).unwrap();
            all.merge(&serde_json::from_str(&sent).unwrap()).unwrap();
        }
        prop_assert_eq!(&all, &whole);
        // What one run over all values finds, but for the extremes of each picture.
        let together: Vec<f32> = pictures.iter().flat_map(|(values, ..)| values.iter().copied()).collect();
        let once = Observed::of(&together);
        if let Some(seen) = whole.get(x) {
            prop_assert_eq!(seen.histogram(), once.histogram());
            prop_assert_eq!(seen.extremes(), once.extremes());
        } else {
            prop_assert!(together.is_empty());
        }
    }
}

/// Sums the errors that ranges make of the values of some tensors.
struct Errors<'a> {
    ranges: &'a [Option<[Range; 2]>],
    spec: QuantSpec,
    sums: Vec<[f64; 2]>,
}

impl Probe for Errors<'_> {
    fn observe(&mut self, id: ValueId, value: &Value) {
        if let Some(ranges) = self.ranges[id.index()] {
            let values = value.as_slice::<f32>().unwrap();
            for (sum, range) in self.sums[id.index()].iter_mut().zip(ranges) {
                *sum += weights::error(values, range, &self.spec, 2.0);
            }
        }
    }
}

#[test]
fn activations_of_real_networks_have_no_more_error_than_in_their_whole_range() {
    let Some(data) = data_folder() else { return };
    let chosen = ["resnet20", "winml_cnn_op10", "mnist_cntk_op7", "mobilenet_v1_0.25_224"];
    for real in Real::all(&data).into_iter().filter(|real| chosen.contains(&real.name.as_str())) {
        let network = real.load();
        let executor = &network.model.executor;
        let inputs: Vec<Value> = (0..2).map(|at| real.pictures().get(at).unwrap().value).collect();
        let mut calibrator = Calibrator::new(network.graph());
        for (number, input) in inputs.iter().enumerate() {
            executor.run(std::slice::from_ref(input), &mut calibrator).unwrap();
            calibrator.finish_run(number);
        }
        let found = calibrator.finish(network.graph()).unwrap();
        for bits in [4, 8] {
            let spec = QuantSpec::activations(bits);
            let of = |seen: &Observed| [Estimator::Mse { power: 2.0 }.range(seen, &spec), seen.range()];
            let seen: Vec<Option<&Observed>> = network
                .graph()
                .values()
                .map(|(id, _)| found.get(id).filter(|seen| seen.histogram().is_some()))
                .collect();
            let ranges: Vec<Option<[Range; 2]>> = seen.iter().map(|seen| seen.map(of)).collect();
            let mut errors = Errors { ranges: &ranges, spec, sums: vec![[0.0; 2]; ranges.len()] };
            for input in &inputs {
                executor.run(std::slice::from_ref(input), &mut errors).unwrap();
            }
            let (mut tensors, mut worst, mut gain) = (0, 0.0_f64, 0.0);
            for (seen, [least, whole]) in seen.iter().zip(&errors.sums) {
                let Some(seen) = seen.filter(|_| *whole > 0.0) else { continue };
                tensors += 1;
                worst = worst.max(least / whole);
                gain += (whole / least).log2() / 2.0;
                let (_, best) = lowest_mse(seen, &spec, GUIDELINE);
                assert!(best.lo <= 0.0 && best.hi >= 0.0);
            }
            println!(
                "{} at {bits} bits: {tensors} tensors, error at most {worst:.4} of the whole range's, worth {:.2} bits",
                real.name,
                gain / f64::from(tensors)
            );
            assert!(tensors > 3 && worst <= 1.0, "{} at {bits} bits: {worst}", real.name);
        }
    }
}

#[test]
fn weights_of_real_networks_have_less_error_per_channel_than_per_tensor() {
    let Some(data) = data_folder() else { return };
    for real in Real::all(&data) {
        let network = real.load();
        let graph = network.graph();
        let mut layers = 0;
        for (_, node) in graph.nodes() {
            let Kind::Linear(linear) = node.op.facts().kind else { continue };
            let Some(weight) = node.inputs[linear.weight].and_then(|id| graph.constant(id)) else { continue };
            // Large ones take their time and are no different.
            let Some(view) = weight.view::<f32>().ok().filter(|view| view.len() < 40_000) else { continue };
            let channel = QuantSpec::weights(4, linear.channel_axis);
            let tensor = QuantSpec { granularity: Granularity::PerTensor, ..channel };
            let error = |spec: &QuantSpec, estimator| -> f64 {
                let ranges = weights::ranges(&view, spec, estimator);
                let of = |(at, values): (usize, ndarray::ArrayViewD<'_, f32>)| {
                    let values: Vec<f32> = values.iter().copied().collect();
                    weights::error(&values, ranges[at % ranges.len()], spec, 2.0)
                };
                view.axis_iter(ndarray::Axis(linear.channel_axis)).enumerate().map(of).sum()
            };
            let mse = Estimator::Mse { power: 2.0 };
            let (by_channel, by_tensor) = (error(&channel, mse), error(&tensor, mse));
            let whole = error(&channel, Estimator::Max);
            assert!(by_channel <= by_tensor, "{} `{}`: {by_channel} {by_tensor}", real.name, node.name);
            assert!(by_channel <= whole, "{} `{}`: {by_channel} {whole}", real.name, node.name);
            layers += 1;
        }
        println!("{}: {layers} layers", real.name);
        assert!(layers > 1, "{}", real.name);
    }
}
