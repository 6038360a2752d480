//! Corrections of weights and biases on whole networks: the bundled ones, and real ones where the data
//! is there.

use std::fs;

use bitlens::exec::{Executor, NoProbe};
use bitlens::metrics::sqnr_db;
use bitlens::ops::{Graph, Isa};
use bitlens::quant::correct::{BiasCorrection, Correction, Relu6, equalize};
use bitlens::quant::{self, Calibrator, QuantPlan};
use bitlens::session::{Network, Role};
use bitlens::tensor::Value;

use crate::support::{SAMPLES, bits, data_folder, inputs, sample_session};

fn outputs(graph: &Graph, pictures: &[Value]) -> Vec<f32> {
    let executor = Executor::new(graph.clone(), Isa::best()).unwrap();
    let run = |picture: &Value| executor.run(std::slice::from_ref(picture), &mut NoProbe).unwrap();
    pictures.iter().flat_map(|picture| run(picture)[0].as_slice::<f32>().unwrap().to_vec()).collect()
}

fn plan(graph: &Graph, pictures: &[Value], [weights, activations]: [u8; 2]) -> QuantPlan {
    let executor = Executor::new(graph.clone(), Isa::reproducible()).unwrap();
    let mut calibrator = Calibrator::new(graph);
    for (number, picture) in pictures.iter().enumerate() {
        executor.run(std::slice::from_ref(picture), &mut calibrator).unwrap();
        calibrator.finish_run(number);
    }
    quant::plan(graph, &calibrator.finish(graph).unwrap(), &bits(weights, activations)).unwrap()
}

/// Largest difference, relative to the largest output of the first.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    let largest = a.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

#[test]
fn equalizing_keeps_the_bundled_networks_what_they_are() {
    for network in SAMPLES {
        let session = sample_session(network);
        let pictures: Vec<Value> = inputs(&session, Role::Evaluate).into_iter().map(|p| p.value).collect();
        let graph = session.network().unwrap().graph().clone();
        let made = equalize(&graph, Relu6::PerChannelClip).unwrap();
        let found = difference(&outputs(&graph, &pictures), &outputs(&made.graph, &pictures));
        println!("{network}: {} pairs, outputs within {found:.1e}", made.report.pairs.len());
        assert!(!made.report.pairs.is_empty() && found <= 1e-4, "{network}: {found:.1e}");
    }
}

#[test]
fn corrected_biases_bring_the_bundled_networks_nearer_to_full_precision() {
    for network in SAMPLES {
        let session = sample_session(network);
        let of = |role| inputs(&session, role).into_iter().map(|p| p.value).collect::<Vec<_>>();
        let (calibration, evaluation) = (of(Role::Calibrate), of(Role::Evaluate));
        let graph = session.network().unwrap().graph().clone();
        let full = outputs(&graph, &evaluation);
        for pair in [[8, 8], [4, 8], [3, 8]] {
            let plan = plan(&graph, &calibration, pair);
            let mut correction = Box::new(BiasCorrection::new(&graph, &plan, Isa::best()).unwrap());
            for picture in &calibration {
                correction.observe(std::slice::from_ref(picture)).unwrap();
            }
            while correction.step().unwrap().is_some() {}
            let corrected = correction.finish().unwrap();
            let quality = |graph: &Graph| {
                let quantized = quant::apply(graph, &plan).unwrap().graph;
                sqnr_db(&full, &outputs(&quantized, &evaluation)).unwrap()
            };
            let (before, after) = (quality(&graph), quality(&corrected.graph));
            println!("{network} {pair:?}: {before:.2} dB, corrected {after:.2} dB");
            // At 8 bits there is next to nothing to correct, and what there is may be noise.
            assert!(after > before || pair == [8, 8] && after > before - 0.5, "{network} {pair:?}");
        }
    }
}

#[test]
fn equalizing_keeps_real_networks_what_they_are() {
    let Some(data) = data_folder() else { return };
    let networks =
        [("imagenet/mobilenet_v1_0.25_224", 27), ("imagenet/squeezenet_v1.1", 1), ("cifar10/resnet20", 9)];
    for (name, pairs) in networks {
        let bytes = fs::read(data.join("models").join(format!("{name}.onnx"))).unwrap();
        let network = Network::load(name, bytes, Isa::best()).unwrap();
        let graph = network.graph();
        let made = equalize(graph, Relu6::PerChannelClip).unwrap();
        assert_eq!(made.report.pairs.len(), pairs, "{name}: {:?}", made.report.pairs);
        let side = if name.starts_with("cifar10") { 32 } else { 224 };
        let picture = (0..3 * side * side).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
        let picture = [Value::from_vec(&[1, 3, side, side], picture).unwrap()];
        let found = difference(&outputs(graph, &picture), &outputs(&made.graph, &picture));
        println!("{name}: outputs within {found:.1e}, largest factor {:.1}", made.report.largest_scale);
        assert!(found <= 1e-4, "{name}: {found:.1e}");
    }
}
