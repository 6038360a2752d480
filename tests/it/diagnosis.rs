//! The diagnosis finds faults that were planted, without being told, and repairs them.

use std::fs;
use std::path::Path;

use bitlens::data::Preprocess;
use bitlens::data::preprocess::{ChannelOrder, Crop};
use bitlens::ir::{GraphBuilder, Node, ValueId};
use bitlens::metrics::top_1;
use bitlens::onnx::{ExportOptions, export, import};
use bitlens::ops::{
    Add, Concat, Conv, Flatten, GlobalAveragePool, Graph, GraphPatch, Isa, MatMul, Op, Window,
};
use bitlens::passes::{infer_types, simplify};
use bitlens::quant::recipe::ActivationRange;
use bitlens::quant::{Preset, Recipe};
use bitlens::session::view::{Cause, Change, DiagnosisView, Finding};
use bitlens::session::{DiagnoseJob, Found, Job as _, PictureInput, Role, Session, SessionError};
use bitlens::tensor::{DType, Shape, TensorType, Value};

use crate::support::{
    SAMPLES, data_folder, inputs, open_sample_pictures, quantize, sample, sample_network, sample_session,
};

fn diagnosed(session: &Session, recipe: &Recipe) -> DiagnosisView {
    let of = |role| session.pictures().inputs_of(session.preprocess(), role).unwrap();
    let pictures = (of(Role::Calibrate), of(Role::Evaluate));
    let network = session.network().unwrap();
    let job = DiagnoseJob::new(network, recipe.clone(), pictures, Found::default(), Isa::best());
    job.unwrap().run(&mut |at| assert!(at.done <= at.total, "{at:?}")).unwrap()
}

/// The sample's session with a network that was made of the bundled one.
fn with_network(change: impl FnOnce(&Graph) -> GraphPatch) -> Session {
    let graph = simplify(&import(&sample_network(SAMPLES[0])).unwrap().graph).unwrap();
    let graph = graph.apply(change(&graph)).unwrap();
    let bytes = export(&graph, &ExportOptions::default()).unwrap();
    let mut session = Session::new(Isa::best());
    session.load_model("planted.onnx", bytes).unwrap();
    session.read_preprocess("preprocessor_config.json", &sample("preprocessor_config.json")).unwrap();
    session.set_labels("labels.json", &sample("labels.json")).unwrap();
    open_sample_pictures(&mut session);
    session
}

fn node<'a>(graph: &'a Graph, name: &str) -> (bitlens::ir::NodeId, &'a Node<Op>) {
    graph.nodes().find(|(_, node)| node.name == name).unwrap()
}

/// A constant input of a node: its value, its shape, its numbers.
fn constant(graph: &Graph, name: &str, slot: usize) -> (ValueId, Vec<usize>, Vec<f32>) {
    let id = node(graph, name).1.inputs[slot].unwrap();
    let value = graph.constant(id).unwrap();
    (id, value.shape().to_vec(), value.as_slice::<f32>().unwrap().to_vec())
}

fn set(patch: &mut GraphPatch, (id, shape, data): (ValueId, Vec<usize>, Vec<f32>)) {
    patch.set_constant(id, Value::from_vec(&shape, data).unwrap());
}

/// The weight of a convolution with an input channel multiplied.
fn input_channel_scaled(
    graph: &Graph,
    name: &str,
    channel: usize,
    by: f32,
) -> (ValueId, Vec<usize>, Vec<f32>) {
    let (id, shape, mut data) = constant(graph, name, 1);
    let (inputs, taps) = (shape[1], shape[2] * shape[3]);
    for (at, v) in data.iter_mut().enumerate() {
        if at / taps % inputs == channel {
            *v *= by;
        }
    }
    (id, shape, data)
}

/// One channel of a layer a hundred times as large, which the next layer takes back: the same function.
fn one_channel_scaled(graph: &Graph) -> GraphPatch {
    let mut patch = GraphPatch::new(graph);
    let channel = 3;
    let (id, shape, mut weight) = constant(graph, MAKER, 1);
    let run: usize = shape[1..].iter().product();
    weight[channel * run..][..run].iter_mut().for_each(|v| *v *= 100.0);
    set(&mut patch, (id, shape, weight));
    let (id, shape, mut bias) = constant(graph, MAKER, 2);
    bias[channel] *= 100.0;
    set(&mut patch, (id, shape, bias));
    set(&mut patch, input_channel_scaled(graph, READER, channel, 0.01));
    patch
}

/// A layer, and the one that alone reads what it makes.
const MAKER: &str = "stage1/block1/conv1";
const READER: &str = "stage1/block1/conv2";

fn finding(found: &DiagnosisView, cause: Cause) -> &Finding {
    let all = || found.findings.iter().map(|finding| (finding.cause, &finding.layer)).collect::<Vec<_>>();
    found.findings.iter().find(|finding| finding.cause == cause).unwrap_or_else(|| panic!("{:?}", all()))
}

/// That the finding is the first, and that its remedy takes at least so much of the divergence away.
fn repaired(found: &DiagnosisView, cause: Cause, to: f64) {
    assert!(!found.healthy && found.findings[0].cause == cause, "{:?}", found.findings);
    let remedy = finding(found, cause).remedy.as_ref().unwrap();
    let Change::Recipe { recipe, before, after, .. } = &remedy.change else { panic!("{remedy:?}") };
    assert_eq!(*before, found.before);
    assert!(after.kl <= to * before.kl, "{}: {} {}", remedy.title, before.kl, after.kl);
    assert!(after.agreement >= before.agreement);
    let together = found.suggestion.as_ref().unwrap();
    assert!(together.after.kl <= after.kl && !together.titles.is_empty());
    assert_eq!(Recipe::from_json(&recipe.to_json()).as_ref(), Ok(&**recipe));
}

#[test]
fn a_healthy_network_is_called_healthy() {
    for (network, preset) in SAMPLES.into_iter().zip([Preset::Int8, Preset::Int8Corrected]) {
        let found = diagnosed(&sample_session(network), &Recipe::preset(preset));
        assert!(found.healthy && found.findings.is_empty(), "{network}: {:?}", found.findings);
        assert!(found.suggestion.is_none() && found.summary.starts_with("Nothing to repair."));
        assert!(found.before.agreement > 0.9 && found.layers.iter().all(|layer| layer.alone.is_some()));
    }
}

#[test]
fn a_channel_that_dominates_what_is_read_is_found() {
    let found = diagnosed(&with_network(one_channel_scaled), &Recipe::default());
    repaired(&found, Cause::ActivationChannelDominates, 0.2);
    let finding = &found.findings[0];
    assert_eq!((finding.layer.as_deref(), finding.origin.as_deref()), (Some(READER), Some(MAKER)));
    let of = |name: &str| finding.evidence.iter().find(|evidence| evidence.name == name).unwrap().value;
    assert!(finding.message.starts_with("Channel 3 of what") && of("ratio") > 20.0, "{}", finding.message);
    assert!(found.activations_only.kl > 3.0 * found.weights_only.kl);
}

#[test]
fn a_channel_that_dominates_a_weight_is_found() {
    let found = diagnosed(&with_network(one_channel_scaled), &Recipe::preset(Preset::Int8PerTensor));
    let planted = found.findings.iter().find(|f| f.cause == Cause::WeightChannelDominates).unwrap();
    assert_eq!(planted.layer.as_deref(), Some(MAKER));
    assert!(planted.message.contains("channel 3 reaches"), "{}", planted.message);
    let Some(Change::Recipe { before, after, .. }) = planted.remedy.as_ref().map(|remedy| &remedy.change)
    else {
        panic!("{planted:?}")
    };
    assert!(after.kl < before.kl);
    assert!(found.suggestion.unwrap().after.kl < 0.1 * found.before.kl);
}

#[test]
fn an_outlier_is_found() {
    let session = with_network(|graph| {
        // One corner of one channel, which nobody reads.
        let mut patch = GraphPatch::new(graph);
        let read = node(graph, MAKER).1.outputs[0];
        let (_, shape, _) = constant(graph, READER, 1);
        let side = 32;
        let mut corner = vec![0.0_f32; shape[1] * side * side];
        corner[5 * side * side] = 4000.0;
        let corner =
            patch.add_constant("corner", Value::from_vec(&[1, shape[1], side, side], corner).unwrap());
        let sum = patch.add_op("planted", Add::default().into(), vec![Some(read), Some(corner)], None);
        let (id, reader) = node(graph, READER);
        let mut inputs = reader.inputs.clone();
        inputs[0] = Some(sum);
        patch.replace_node(id, Node { inputs, ..reader.clone() });
        set(&mut patch, input_channel_scaled(graph, READER, 5, 0.0));
        patch
    });
    let found = diagnosed(&session, &Recipe::default());
    repaired(&found, Cause::ActivationOutlier, 0.05);
    assert_eq!(found.findings[0].layer.as_deref(), Some(READER));
    assert!(found.findings[0].message.contains("reaches 4"), "{}", found.findings[0].message);
}

#[test]
fn a_concatenation_of_unlike_scales_is_found() {
    let session = with_network(|graph| {
        // A branch a hundred times as large, which the next layer reads with weights of zero.
        let mut patch = GraphPatch::new(graph);
        let read = node(graph, MAKER).1.outputs[0];
        let (_, shape, weight) = constant(graph, READER, 1);
        let (outputs, channels, taps) = (shape[0], shape[1], shape[2] * shape[3]);
        let mut large = vec![0.0_f32; channels * channels];
        (0..channels).for_each(|channel| large[channel * channels + channel] = 100.0);
        let large = Value::from_vec(&[channels, channels, 1, 1], large).unwrap();
        let large = patch.add_constant("large_weight", large);
        let conv = Conv { window: Window::default(), groups: 1, clamp: None };
        let branch = patch.add_op("large", conv.into(), vec![Some(read), Some(large)], None);
        let joined = patch.add_op("joined", Concat { axis: 1 }.into(), vec![Some(read), Some(branch)], None);
        let both = weight
            .chunks(channels * taps)
            .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, channels * taps)));
        let shape = [outputs, 2 * channels, shape[2], shape[3]];
        let both = patch.add_constant("both", Value::from_vec(&shape, both.collect()).unwrap());
        let (id, reader) = node(graph, READER);
        let mut inputs = reader.inputs.clone();
        (inputs[0], inputs[1]) = (Some(joined), Some(both));
        patch.replace_node(id, Node { inputs, ..reader.clone() });
        patch
    });
    let found = diagnosed(&session, &Recipe::default());
    repaired(&found, Cause::UnlikeScales, 0.2);
    let finding = &found.findings[0];
    assert_eq!(finding.layer.as_deref(), Some(READER));
    assert!(finding.message.contains("Concat joined joins"), "{}", finding.message);
}

/// The sample with other preprocessing, with labels of its pictures or without.
fn prepared(network: &str, labels: bool, change: impl FnOnce(Preprocess) -> Preprocess) -> Session {
    let mut session = Session::new(Isa::best());
    session.load_model(&format!("{network}.onnx"), sample_network(network)).unwrap();
    session.read_preprocess("preprocessor_config.json", &sample("preprocessor_config.json")).unwrap();
    open_sample_pictures(&mut session);
    if !labels {
        session.clear_pictures();
        let files = names().into_iter().map(|name| (name.clone(), sample(&name))).collect();
        session.add_pictures(files);
    }
    session.set_preprocess(change(session.preprocess().clone()));
    session
}

/// Files of the sample's pictures.
fn names() -> Vec<String> {
    let listing: serde_json::Value = serde_json::from_slice(&sample("pictures.json")).unwrap();
    listing.as_array().unwrap().iter().map(|entry| entry["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_wrong_range_of_pixels_is_found_with_labels_and_without() {
    for (network, labels) in [(SAMPLES[0], true), (SAMPLES[1], false)] {
        let raw = |own| Preprocess { rescale_factor: 1.0, mean: vec![0.0], std: vec![1.0], ..own };
        let found = diagnosed(&prepared(network, labels, raw), &Recipe::default());
        let what = format!("{network}, labels {labels}: {:?} {:?}", found.input, found.findings);
        assert!(
            !found.healthy && found.findings.first().is_some_and(|f| f.cause == Cause::InputRange),
            "{what}"
        );
        let remedy = found.findings[0].remedy.as_ref().unwrap();
        let Change::Preprocess { before, after, preprocess } = &remedy.change else { panic!("{what}") };
        assert_eq!(*before, found.input);
        assert!(after.information > before.information && after.top1 >= before.top1, "{what}");
        assert!(found.summary.starts_with("Full precision itself looks wrong"), "{}", found.summary);
        assert!(found.layers.is_empty(), "what layers lose on such pictures is not asked");
        // Whoever takes the remedy has nothing left to repair.
        let right = preprocess.as_ref().clone();
        let again = diagnosed(&prepared(network, labels, |_| right), &Recipe::default());
        assert!(again.healthy, "{what} {:?}", again.findings);
    }
}

/// A network that names the strongest of the three colours, and pictures of one colour each with labels.
fn colours(order: ChannelOrder) -> Session {
    let mut builder = GraphBuilder::<Op>::new("colours");
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 3, 16, 16])));
    let mut constant = |name: &str, shape: &[usize], data: Vec<f32>| {
        builder.constant(name, Value::from_vec(shape, data).unwrap())
    };
    let own = vec![1.0, -0.5, -0.5, -0.5, 1.0, -0.5, -0.5, -0.5, 1.0];
    let weight = constant("w", &[3, 3, 1, 1], own);
    let last = constant("v", &[3, 3], vec![8.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 8.0]);
    let conv = Conv { window: Window::default(), groups: 1, clamp: None };
    let seen = builder.op("conv", conv.into(), &[x, weight]);
    let mean = builder.op("mean", GlobalAveragePool.into(), &[seen]);
    let flat = builder.op("flat", Flatten { axis: 1 }.into(), &[mean]);
    let answer = builder.op("answer", MatMul::default().into(), &[flat, last]);
    builder.output(answer);
    let graph = infer_types(&builder.finish().unwrap()).unwrap();
    let mut session = Session::new(Isa::best());
    session.load_model("colours.onnx", export(&graph, &ExportOptions::default()).unwrap()).unwrap();
    session.set_preprocess(Preprocess { channel_order: order, ..Preprocess::default() });
    // A CIFAR-10 file's pictures have labels; one of 16 × 16 is cut out of each by the preprocessing.
    let mut bytes = Vec::new();
    for picture in 0..30_usize {
        bytes.push((picture % 3) as u8);
        for plane in 0..3 {
            let level = if plane == picture % 3 { 230 } else { 40 + 3 * picture };
            bytes.extend((0..1024).map(|at| (level + at % 7) as u8));
        }
    }
    session.add_pictures(vec![("colours.bin".to_owned(), bytes)]);
    let crop = Crop::Centre { height: 16, width: 16 };
    session.set_preprocess(Preprocess { crop, ..session.preprocess().clone() });
    session
}

#[test]
fn exchanged_colours_are_found() {
    let right = diagnosed(&colours(ChannelOrder::Rgb), &Recipe::default());
    assert!(right.healthy && right.input.top1 == Some(1.0), "{:?}", right.findings);
    let found = diagnosed(&colours(ChannelOrder::Bgr), &Recipe::default());
    assert!(!found.healthy && found.findings[0].cause == Cause::ChannelOrder, "{:?}", found.findings);
    let remedy = found.findings[0].remedy.as_ref().unwrap();
    let Change::Preprocess { before, after, preprocess } = &remedy.change else { panic!("{remedy:?}") };
    assert_eq!(preprocess.channel_order, ChannelOrder::Rgb);
    assert!(after.top1 == Some(1.0) && before.top1 < Some(0.5), "{before:?} {after:?}");
}

/// A network of the data folder with its preprocessing changed, and so many photographs with their labels.
fn real(data: &Path, pictures: usize, change: impl FnOnce(Preprocess) -> Preprocess) -> Session {
    let name = "mobilenet_v1_0.25_224";
    let read = |path: String| fs::read(data.join(path)).unwrap();
    let mut session = Session::new(Isa::best());
    session.load_model(name, read(format!("models/imagenet/{name}.onnx"))).unwrap();
    session.read_preprocess("p.json", &read(format!("preprocess/imagenet/{name}.json"))).unwrap();
    let labels = read("images/imagenet/labels.json".to_owned());
    let listing: serde_json::Value = serde_json::from_slice(&labels).unwrap();
    let eval = listing.as_array().unwrap().iter().filter(|entry| entry["role"] == "eval");
    let files = eval.map(|entry| entry["file"].as_str().unwrap().to_owned());
    let there = files.filter(|file| data.join("images/imagenet").join(file).exists()).take(pictures);
    let files = there.map(|file| (file.clone(), read(format!("images/imagenet/{file}")))).collect();
    assert!(session.add_pictures(files).0.len() == pictures);
    session.set_labels("labels.json", &labels).unwrap();
    session.set_preprocess(change(session.preprocess().clone()));
    session
}

#[test]
fn a_real_network_with_one_scale_a_weight_is_repaired() {
    let Some(data) = data_folder() else { return };
    let found = diagnosed(&real(&data, 24, |own| own), &Recipe::preset(Preset::Int8PerTensor));
    repaired(&found, Cause::DepthwiseOneScale, 0.2);
    assert_eq!(found.findings[0].layer.as_deref(), Some("depthwise_conv_2d_3"));
    assert!(found.weights_only.kl > 3.0 * found.activations_only.kl);
    assert!(found.suggestion.unwrap().after.kl < 0.05 * found.before.kl);
}

/// Of full precision.
fn share_of_right_answers(session: &Session) -> f64 {
    let pictures = inputs(session, Role::Evaluate);
    let model = &session.network().unwrap().model;
    let is_right =
        |picture: &&PictureInput| top_1(&model.scores(picture.value.clone()).unwrap()) == picture.expected;
    pictures.iter().filter(is_right).count() as f64 / pictures.len() as f64
}

#[test]
fn wrongly_prepared_photographs_are_found() {
    let Some(data) = data_folder() else { return };
    let recipe = Recipe { activation_range: ActivationRange::Max, ..Recipe::preset(Preset::Int8Corrected) };
    let imagenet = |own| {
        let (mean, std) = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
        Preprocess { rescale_factor: 1.0 / 255.0, mean, std, ..own }
    };
    let exchanged = |own| Preprocess { channel_order: ChannelOrder::Bgr, ..own };
    let right = diagnosed(&real(&data, 24, |own| own), &recipe);
    assert!(right.healthy, "{:?}", right.findings);
    let right = share_of_right_answers(&real(&data, 48, |own| own));
    for (cause, session) in
        [(Cause::InputRange, real(&data, 48, imagenet)), (Cause::ChannelOrder, real(&data, 48, exchanged))]
    {
        let found = diagnosed(&session, &recipe);
        let first = found.findings.first().unwrap_or_else(|| panic!("{cause:?}: {:?}", found.input));
        assert_eq!(first.cause, cause, "{first:?}");
        let Change::Preprocess { after, preprocess, .. } = &first.remedy.as_ref().unwrap().change else {
            panic!("{first:?}")
        };
        assert_eq!((preprocess.channel_order, after.top1), (ChannelOrder::Rgb, Some(right)), "{first:?}");
    }
}

#[test]
fn few_bits_are_named_and_more_suggested() {
    let mut session = sample_session(SAMPLES[1]);
    let recipe = Recipe { weight_bits: 3, activation_bits: 3, ..Recipe::default() };
    let found = diagnosed(&session, &recipe);
    assert!(!found.healthy && !found.findings.is_empty());
    let suggestion = found.suggestion.unwrap();
    assert!(suggestion.after.kl < 0.5 * found.before.kl);
    // What was measured is what whoever takes the recipe gets.
    quantize(&mut session, &suggestion.recipe);
    let compared = session.compare().unwrap().run(&mut |_| ()).unwrap().summary;
    assert!((compared.kl - suggestion.after.kl).abs() < 1e-9);
    assert_eq!(session.quantized().unwrap().sizes().quantized, suggestion.size_bytes);
}

#[test]
fn a_quantized_file_is_refused() {
    let mut session = sample_session(SAMPLES[0]);
    quantize(&mut session, &Recipe::default());
    let file = session.quantized().unwrap().file().to_vec();
    session.load_model("quantized.onnx", file).unwrap();
    assert_eq!(refusal(&session, Recipe::default()).code(), "session/already-quantized");
}

fn refusal(session: &Session, recipe: Recipe) -> SessionError {
    let inputs = session.pictures().inputs_of(session.preprocess(), Role::Any).unwrap();
    let (network, pictures) = (session.network().unwrap(), (inputs.clone(), inputs));
    DiagnoseJob::new(network, recipe, pictures, Found::default(), Isa::best()).unwrap_err()
}

#[test]
fn ranges_that_are_found_while_running_are_refused() {
    let recipe = Recipe::default().with("activationRange", "dynamic").unwrap();
    let refused = refusal(&sample_session(SAMPLES[0]), recipe).to_string();
    assert!(refused.contains("`activationRange`") && refused.contains("`max`"), "{refused}");
}
