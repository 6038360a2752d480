//! Corrections of weights and biases on whole networks: the bundled ones, and real ones where the data
//! is there.

use std::fs;

use bitlens::data::Preprocess;
use bitlens::exec::{Executor, NoProbe};
use bitlens::metrics::{sqnr_db, top_1};
use bitlens::onnx::{ExportOptions, export};
use bitlens::ops::{Graph, Isa};
use bitlens::quant::correct::{BiasCorrection, Correction, Relu6, equalize};
use bitlens::quant::{self, Calibrator, Preset, QuantPlan, Recipe, Statistics};
use bitlens::session::{Network, QuantizedNetwork, Role, Session};
use bitlens::tensor::Value;

use crate::forced::node_by_node;
use crate::onnxruntime::check_export;
use crate::support::{
    SAMPLES, bits, data_folder, inputs, python, quantize, sample_path, sample_session, uncorrected,
};

fn outputs(graph: &Graph, pictures: &[Value]) -> Vec<f32> {
    let executor = Executor::new(graph.clone(), Isa::best()).unwrap();
    let run = |picture: &Value| executor.run(std::slice::from_ref(picture), &mut NoProbe).unwrap();
    pictures.iter().flat_map(|picture| run(picture)[0].as_slice::<f32>().unwrap().to_vec()).collect()
}

fn plan(graph: &Graph, pictures: &[Value], [weights, activations]: [u8; 2]) -> QuantPlan {
    quant::plan(graph, &statistics(graph, pictures), &bits(weights, activations)).unwrap()
}

fn statistics(graph: &Graph, pictures: &[Value]) -> Statistics {
    let executor = Executor::new(graph.clone(), Isa::reproducible()).unwrap();
    let mut calibrator = Calibrator::new(graph);
    for (number, picture) in pictures.iter().enumerate() {
        executor.run(std::slice::from_ref(picture), &mut calibrator).unwrap();
        calibrator.finish_run(number);
    }
    calibrator.finish(graph).unwrap()
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

/// Limits of Relu6 that became limits of channels are limits of codes, and no node of its own any more; in
/// the file they are a Min, which onnxruntime runs.
#[test]
fn limits_of_channels_run_on_integers() {
    let session = sample_session(SAMPLES[1]);
    let of = |role| inputs(&session, role).into_iter().map(|p| p.value).collect::<Vec<_>>();
    let (calibration, evaluation) = (of(Role::Calibrate), of(Role::Evaluate));
    let made = equalize(session.network().unwrap().graph(), Relu6::PerChannelClip).unwrap();
    assert!(made.report.limits > 3, "{:?}", made.report);
    let file = export(&made.graph, &ExportOptions::default()).unwrap();
    let network = Network::load("equalized.onnx", file, Isa::best()).unwrap();
    let found = std::sync::Arc::new(statistics(network.graph(), &calibration));
    for preset in [Preset::Int8PerTensor, Preset::W4a4] {
        let recipe = uncorrected(preset);
        let preprocess = Preprocess::default();
        let quantized =
            QuantizedNetwork::build(&network, found.clone(), recipe, &preprocess, Isa::best()).unwrap();
        let model = quantized.model();
        assert!(model.runs_on_integers() && model.float_nodes.is_empty(), "{:?}", model.float_nodes);
        let agreed = node_by_node(model, &evaluation[..1]);
        let (share, worst) = (agreed.share(), agreed.worst);
        assert!(worst <= 1 && share >= 0.995, "{worst} in {}, {share} equal", agreed.worst_tensor);
        assert!(quantized.verify_file(&evaluation[..2], Isa::best()).unwrap());
        let Some(python) = python() else { continue };
        let original = sample_path(&format!("{}.onnx", SAMPLES[1]));
        let report = check_export(python, &original, &quantized, &evaluation);
        assert_eq!((&report["checker"], &report["top1_same"]), (&"ok".into(), &20.into()));
    }
}

/// One scale for a whole weight ruins this network, since its channels differ too much. Equalized, with a
/// limit of its own for every channel, it keeps more than half of the answers right, on integers.
#[test]
fn equalized_weights_are_worth_one_scale_for_all() {
    let Some(data) = data_folder() else { return };
    let read = |file: &str| fs::read(data.join(file)).unwrap();
    let mut session = Session::new(Isa::best());
    let name = "imagenet/mobilenet_v1_0.25_224";
    session.load_model(name, read(&format!("models/{name}.onnx"))).unwrap();
    session.read_preprocess("preprocess.json", &read(&format!("preprocess/{name}.json"))).unwrap();
    let labels = read("images/imagenet/labels.json");
    let listing: Vec<serde_json::Value> = serde_json::from_slice(&labels).unwrap();
    let listing = listing.iter().filter(|entry| entry["role"] != "spare");
    let files = listing.map(|entry| entry["file"].as_str().unwrap().to_owned());
    let files = files.map(|file| (file.clone(), read(&format!("images/imagenet/{file}")))).collect();
    assert!(session.add_pictures(files).1.is_empty());
    session.set_labels("labels.json", &labels).unwrap();
    quantize(&mut session, &Recipe { equalize: true, ..Recipe::preset(Preset::Int8PerTensor) });
    let model = session.quantized().unwrap().model().clone();
    // What takes the axes of length 1 from the logits.
    assert!(model.runs_on_integers() && model.float_nodes == ["squeeze_29"], "{:?}", model.float_nodes);
    let pictures = session.pictures().inputs_of(session.preprocess(), Role::Evaluate).unwrap();
    let is_right = |&at: &usize| {
        let picture = pictures.get(at).unwrap();
        top_1(&model.integer.scores(picture.value).unwrap()) == Some(picture.expected.unwrap())
    };
    let right = (0..pictures.len()).filter(is_right).count();
    println!("{name}: one scale per weight, equalized: {right} right of {}", pictures.len());
    assert!(pictures.len() == 300 && right >= 150, "{right} of {}", pictures.len());
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
