//! Heat maps and gradients of whole networks.

use std::sync::Arc;

use bitlens::attribution::{Attribution, GradCam, Method as _, Model, Run};
use bitlens::exec::gradients;
use bitlens::ir::{GraphBuilder, ValueId};
use bitlens::metrics::{kendall_tau_b, spearman, top_1};
use bitlens::onnx;
use bitlens::ops::{Flatten, GlobalAveragePool, Graph, Isa};
use bitlens::quant::Recipe;
use bitlens::session::{CompareJob, Job as _, Network, QuantizedModel, Role, SessionError};
use bitlens::tensor::{DType, Shape, TensorType, Value};

use crate::support::{
    Golden, SAMPLES, bits, data_folder, inputs, open_sample_pictures, quantize, replay, sample_network,
    sample_session,
};

/// The weight of a network's last layer, `[classes, channels]`, as the file has it.
fn head(file: &[u8], node: &str, classes: usize) -> Vec<Vec<f32>> {
    let graph = onnx::import(file).unwrap().graph;
    let (_, layer) = graph.nodes().find(|(_, n)| n.name == node || node.is_empty() && is_head(n)).unwrap();
    let weight = graph.constant(layer.inputs[1].unwrap()).unwrap();
    let [rows, columns] = *weight.shape() else { panic!("the head is no matrix") };
    let data = weight.as_slice::<f32>().unwrap();
    if rows == classes {
        return data.chunks_exact(columns).map(<[f32]>::to_vec).collect();
    }
    (0..columns).map(|class| data.iter().skip(class).step_by(columns).copied().collect()).collect()
}

fn is_head(node: &bitlens::ops::Node) -> bool {
    matches!(node.op, bitlens::ops::Op::Gemm(_))
}

/// CAM (Zhou et al. 2016), as far as it is positive: the last spatial tensor weighted by one row of
/// the head, over the number of positions that the pooling averages.
fn cam(activations: &Value, row: &[f32]) -> Vec<f64> {
    let [1, channels, height, width] = *activations.shape() else { panic!("not one picture") };
    assert_eq!(channels, row.len());
    let data = activations.as_slice::<f32>().unwrap();
    let positions = height * width;
    let at = |position: usize| {
        let terms =
            row.iter().enumerate().map(|(k, w)| f64::from(*w) * f64::from(data[k * positions + position]));
        (terms.sum::<f64>() / positions as f64).max(0.0)
    };
    (0..positions).map(at).collect()
}

fn last_spatial(model: &Model, run: &Run) -> ValueId {
    GradCam::layer(model, run, 0).unwrap().0.value
}

/// A run with every value.
fn whole_run(model: &Model, input: Value) -> Run {
    let recording = model.executor.record(std::slice::from_ref(&input)).unwrap();
    Run { recording, ..model.run(input).unwrap() }
}

/// Largest difference of Grad-CAM from CAM over all classes of a picture, relative to the largest
/// element of the map.
fn difference_from_cam(model: &Model, input: Value, head: &[Vec<f32>]) -> f64 {
    let run = model.run(input).unwrap();
    let activations = run.recording.get(last_spatial(model, &run)).unwrap();
    let mut worst = 0.0_f64;
    for (class, row) in head.iter().enumerate() {
        let map = GradCam.attribute(model, &run, class).unwrap().map;
        let expected = cam(activations, row);
        let largest = expected.iter().copied().fold(0.0, f64::max);
        let difference =
            map.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        // A class may have no evidence anywhere: then both maps are zero.
        worst = worst.max(if largest > 0.0 { difference / largest } else { difference });
    }
    worst
}

#[test]
fn grad_cam_is_cam_on_the_sample_networks() {
    for network in SAMPLES {
        let session = sample_session(network);
        let model = session.network().unwrap();
        let head = head(&sample_network(network), "head/fc", 10);
        let pictures = inputs(&session, Role::Evaluate);
        let differences = pictures.into_iter().map(|p| difference_from_cam(&model.model, p.value, &head));
        let worst = differences.fold(0.0, f64::max);
        println!("{network}: Grad-CAM differs from CAM by at most {worst:.1e}");
        assert!(worst <= 1e-5, "{network}: {worst:.1e}");
    }
}

#[test]
fn grad_cam_is_cam_on_resnet20() {
    let Some(data) = data_folder() else { return };
    let file = std::fs::read(data.join("models/cifar10/resnet20.onnx")).unwrap();
    let head = head(&file, "", 10);
    let network = Network::load("resnet20.onnx", file, Isa::best()).unwrap();
    let records = std::fs::read(data.join("images/cifar10/test_jpeg_2000.bin")).unwrap();
    let mut pictures = bitlens::session::PictureSet::default();
    pictures.add("pictures.bin", records[..3073 * 8].to_vec()).unwrap();
    let config = std::fs::read(data.join("preprocess/cifar10/resnet20.json")).unwrap();
    let (preprocess, _) = bitlens::data::Preprocess::from_json("resnet20.json", &config).unwrap();
    let pictures = pictures.inputs_of(&preprocess, Role::Any).unwrap();
    let picture = |at: usize| pictures.get(at).unwrap().value;
    let worst = (0..8).map(|at| difference_from_cam(&network.model, picture(at), &head)).fold(0.0, f64::max);
    println!("resnet20: Grad-CAM differs from CAM by at most {worst:.1e}");
    assert!(worst <= 1e-5, "{worst:.1e}");
}

#[test]
fn full_precision_agrees_with_itself_in_every_number() {
    for network in SAMPLES {
        let session = sample_session(network);
        let full = session.network().unwrap();
        let same = QuantizedModel::from_graph(full.graph(), Isa::best()).unwrap();
        let pictures = session.pictures().inputs_of(session.preprocess(), Role::Evaluate).unwrap();
        let mut job = CompareJob::new(full, Arc::new(same), pictures, Arc::default());
        let summary = job.run(&mut |_| ()).unwrap().summary;
        assert_eq!((summary.images, summary.attribution.images), (20, 20));
        assert_eq!((summary.agreement.value, summary.kl, summary.sqnr_db), (1.0, 0.0, None));
        // A mean of ones, each a quotient of sums in f64.
        for mean in [summary.attribution.spearman_mean, summary.attribution.kendall_tau_b_mean] {
            assert!((mean.unwrap() - 1.0).abs() < 1e-12, "{network}: {mean:?}");
        }
        let top1 = summary.top1.unwrap();
        assert_eq!((top1.full, top1.quantized, top1.labelled), (1.0, 1.0, 20));
    }
}

#[test]
fn networks_of_other_classes_are_not_compared() {
    let session = sample_session(SAMPLES[0]);
    let mut builder = GraphBuilder::new("colours");
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 3, 64, 64])));
    let means = builder.op("means", GlobalAveragePool.into(), &[x]);
    let colours = builder.op("colours", Flatten { axis: 1 }.into(), &[means]);
    builder.output(colours);
    let other = QuantizedModel::from_graph(&builder.finish().unwrap(), Isa::best()).unwrap();
    let pictures = session.pictures().inputs_of(session.preprocess(), Role::Evaluate).unwrap();
    let mut job = CompareJob::new(session.network().unwrap(), Arc::new(other), pictures, Arc::default());
    let error = job.run(&mut |_| ()).unwrap_err();
    assert_eq!(error, SessionError::OtherClasses { full: 10, quantized: 3 });
}

#[test]
fn int8_looks_at_almost_the_same_places() {
    let dynamic = Recipe::default().with("activationRange", "dynamic").unwrap();
    for (network, recipe) in SAMPLES.into_iter().flat_map(|n| [(n, bits(8, 8)), (n, dynamic.clone())]) {
        let mut session = sample_session(network);
        quantize(&mut session, &recipe);
        let compared = session.compare().unwrap().run(&mut |_| ()).unwrap();
        let mean = compared.summary.attribution.spearman_mean.unwrap();
        println!("{network}: mean Spearman of int8's maps {mean:.4}");
        assert!(mean > 0.9, "{network}: {mean}");

        // The summary is the mean of what the two networks' maps give one by one.
        let (full, quantized) = (session.network().unwrap(), session.quantized().unwrap());
        let rows = inputs(&session, Role::Evaluate).into_iter().zip(&compared.pictures);
        for (input, row) in rows {
            let run = full.model.run(input.value.clone()).unwrap();
            let target = top_1(&run.logits).unwrap();
            let map = |model: &Model| -> Attribution {
                GradCam.attribute(model, &model.run(input.value.clone()).unwrap(), target).unwrap()
            };
            let (a, b) = (map(&full.model), map(&quantized.model().definition().unwrap()));
            let found = row.attribution.as_ref().unwrap();
            assert_eq!(found.spearman, spearman(&a.map, &b.map));
            assert_eq!(found.kendall_tau_b, kendall_tau_b(&a.map, &b.map));
        }
    }
}

/// Gradients go straight through all codes, also of scales that are found while running: with respect to
/// the picture itself they point where full precision's do.
#[test]
fn gradients_of_codes_point_where_those_of_full_precision_do() {
    let dynamic = Recipe::default().with("activationRange", "dynamic").unwrap();
    for network in SAMPLES {
        let mut session = sample_session(network);
        let full = session.network().unwrap();
        let input = inputs(&session, Role::Evaluate).remove(0).value;
        let of = |model: &Model, class: Option<usize>| {
            let run = whole_run(model, input.clone());
            let class = class.unwrap_or_else(|| top_1(&run.logits).unwrap());
            (class, gradient(model, &run, (class, model.executor.graph().inputs()[0])))
        };
        let (class, expected) = of(&full.model, None);
        for recipe in [bits(8, 8), dynamic.clone()] {
            quantize(&mut session, &recipe);
            let definition = session.quantized().unwrap().model().definition().unwrap();
            let (_, found) = of(&definition, Some(class));
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let cosine = dot(&found, &expected) / (dot(&found, &found) * dot(&expected, &expected)).sqrt();
            println!("{network} {:?}: cosine {cosine:.3}", recipe.activation_range);
            assert!(cosine > 0.8, "{network} {:?}: {cosine:.3}", recipe.activation_range);
        }
    }
}

/// The gradient of one logit with respect to a value of the run.
fn gradient(model: &Model, run: &Run, (class, wanted): (usize, ValueId)) -> Vec<f32> {
    let mut seed = vec![0.0_f32; run.logits.len()];
    seed[class] = 1.0;
    let shape = run.recording.get(model.logits).unwrap().shape();
    let seed = Value::from_vec(shape, seed).unwrap();
    let found = gradients(&model.executor, &run.recording, (model.logits, seed), &[wanted]).unwrap();
    found[0].as_ref().unwrap().as_slice::<f32>().unwrap().to_vec()
}

/// The logits when the elements of `tensor` are moved by `step · direction`; everything behind it is
/// computed anew.
fn moved_logits(
    graph: &Graph,
    (logits, tensor): (ValueId, ValueId),
    start: &Value,
    (input, direction, step): (&Value, &[f32], f32),
) -> Vec<f32> {
    let moved = start.as_slice::<f32>().unwrap().iter().zip(direction).map(|(v, d)| v + step * d);
    let moved = Value::from_vec(start.shape(), moved.collect()).unwrap();
    let is_input = graph.inputs().contains(&tensor);
    let given = if is_input { moved.clone() } else { input.clone() };
    let table = replay(graph, &[given], &mut |_, id, made| if id == tensor { moved.clone() } else { made });
    table[logits.index()].as_ref().unwrap().as_slice::<f32>().unwrap().to_vec()
}

#[test]
fn gradients_of_the_pooled_head_are_central_differences() {
    for network in SAMPLES {
        let session = sample_session(network);
        let full = session.network().unwrap();
        let model = &full.model;
        for input in inputs(&session, Role::Evaluate).into_iter().step_by(7) {
            let run = model.run(input.value.clone()).unwrap();
            let tensor = last_spatial(model, &run);
            let start = run.recording.get(tensor).unwrap();
            let class = top_1(&run.logits).unwrap();
            let gradient = gradient(model, &run, (class, tensor));
            // Pooling and a linear layer: any step gives the derivative, up to the rounding of logits.
            let step = 64.0_f32;
            let largest = run.logits.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
            for at in (0..gradient.len()).step_by(gradient.len() / 9) {
                let mut direction = vec![0.0_f32; gradient.len()];
                direction[at] = 1.0;
                let logit = |step: f32| {
                    let by = (&input.value, &direction[..], step);
                    moved_logits(full.graph(), (model.logits, tensor), start, by)[class]
                };
                let difference = (logit(step) - logit(-step)) / (2.0 * step);
                // Sums of some hundreds of terms of at most the size of logits and moved element.
                let bound = 256.0 * f32::EPSILON * (largest + step * gradient[at].abs()) / step;
                let off = (difference - gradient[at]).abs();
                assert!(off <= bound, "{network}, element {at}: {difference} against {}", gradient[at]);
            }
        }
    }
}

#[test]
fn gradients_of_whole_networks_are_central_differences() {
    for network in SAMPLES {
        let session = sample_session(network);
        let full = session.network().unwrap();
        let (model, graph) = (&full.model, full.graph());
        for input in inputs(&session, Role::Evaluate).into_iter().step_by(9) {
            let run = whole_run(model, input.value.clone());
            let class = top_1(&run.logits).unwrap();
            let tensor = graph.inputs()[0];
            let gradient = gradient(model, &run, (class, tensor));
            let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let steepest: Vec<f32> = gradient.iter().map(|g| (f64::from(*g) / norm) as f32).collect();
            let slope = |direction: &[f32], step: f32| {
                let logit = |step: f32| {
                    let by = (&input.value, direction, step);
                    f64::from(moved_logits(graph, (model.logits, tensor), &input.value, by)[class])
                };
                (logit(step) - logit(-step)) / (2.0 * f64::from(step))
            };
            // Between the kinks of its clamps the network is linear, so a step that meets no kink
            // gives the derivative up to the rounding of logits. Long steps meet kinks and short ones
            // drown in rounding, so the best of a few counts; a wrong gradient is off at all of them.
            let closest = |direction: &[f32], expected: f64| {
                let slopes = [8e-3, 4e-3, 2e-3, 1e-3, 5e-4].map(|step| slope(direction, step));
                slopes
                    .into_iter()
                    .min_by(|a, b| (a - expected).abs().total_cmp(&(b - expected).abs()))
                    .unwrap()
            };
            let found = closest(&steepest, norm);
            println!("{network}, picture {}: |gradient| {norm:.5}, difference {found:.5}", input.picture);
            assert!((found - norm).abs() <= 0.005 * norm, "{network}: {found} against {norm}");

            // And by itself at the places where most depends on it.
            let mut places: Vec<usize> = (0..gradient.len()).collect();
            places.sort_by(|&a, &b| gradient[b].abs().total_cmp(&gradient[a].abs()));
            for &at in places.iter().take(3) {
                let mut direction = vec![0.0_f32; gradient.len()];
                direction[at] = 1.0;
                let expected = f64::from(gradient[at]);
                let found = closest(&direction, expected);
                let off = (found - expected).abs();
                assert!(off <= 0.05 * expected.abs(), "{network}, element {at}: {found} against {expected}");
            }
        }
    }
}

/// The golden cases that PyTorch exported.
fn exported() -> impl Iterator<Item = Golden> {
    Golden::all()
        .into_iter()
        .filter(|case| ["_torchscript", "_dynamo"].iter().any(|e| case.name.ends_with(e)))
}

/// The first picture of a golden case.
fn first_picture(case: &Golden) -> Value {
    let pictures = case.inputs().remove(0);
    let shape = [&[1], &pictures.shape()[1..]].concat();
    let count = shape.iter().product();
    Value::from_vec(&shape, pictures.as_slice::<f32>().unwrap()[..count].to_vec()).unwrap()
}

/// Grad-CAM of a tensor `[…, places, channels]` with some tokens in front of the places, by its
/// definition, with differences for derivatives: all places of a channel are moved together.
fn map_by_differences(
    (model, run): (&Model, &Run),
    (tensor, class): (ValueId, usize),
    input: &Value,
) -> Vec<f64> {
    let start = run.recording.get(tensor).unwrap();
    let channels = *start.shape().last().unwrap();
    let (places, step) = (16, 0.02_f32);
    let extra = start.len() / channels - places;
    let data = start.as_slice::<f32>().unwrap();
    let mut map = vec![0.0; places];
    for channel in 0..channels {
        let mut direction = vec![0.0_f32; start.len()];
        direction[extra * channels..].iter_mut().skip(channel).step_by(channels).for_each(|d| *d = 1.0);
        let logit = |step: f32| {
            let by = (input, &direction[..], step);
            f64::from(moved_logits(model.executor.graph(), (model.logits, tensor), start, by)[class])
        };
        let weight = (logit(step) - logit(-step)) / (2.0 * f64::from(step)) / places as f64;
        for (place, sum) in map.iter_mut().enumerate() {
            *sum += weight * f64::from(data[(extra + place) * channels + channel]);
        }
    }
    map.into_iter().map(|v: f64| v.max(0.0)).collect()
}

#[test]
fn tokens_and_images_with_channels_last_have_maps_of_their_places() {
    let families = ["vit", "deit", "swin"];
    let cases: Vec<Golden> =
        exported().filter(|case| families.iter().any(|f| case.name.split('_').next() == Some(f))).collect();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let network = Network::load(&case.name, case.model(), Isa::best()).unwrap();
        let (model, input) = (&network.model, first_picture(&case));
        let run = model.run(input.clone()).unwrap();
        let class = top_1(&run.logits).unwrap();
        let (layer, gradient) = GradCam::layer(model, &run, class).unwrap();
        let map = GradCam.attribute(model, &run, class).unwrap();
        assert_eq!((map.height, map.width), (4, 4), "{}", case.name);
        // Places that no token looks at would leave the gradient of all but the class token at 0.
        let gradient = gradient.unwrap();
        assert!(
            gradient.as_slice::<f32>().unwrap().iter().filter(|g| **g != 0.0).count() > gradient.len() / 2
        );

        let expected = map_by_differences((model, &run), (layer.value, class), &input);
        let largest = expected.iter().copied().fold(0.0, f64::max);
        let off = map.map.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        println!("{}: off by {:.1e} of the largest element", case.name, off / largest);
        // Central differences miss step² of the third derivative, and the rounding of logits over it.
        assert!(largest > 0.0 && off <= 0.01 * largest, "{}: {:?} {expected:?}", case.name, map.map);
    }
}

#[test]
fn exported_architectures_are_quantized_and_explained() {
    for case in exported() {
        let mut session = bitlens::session::Session::new(Isa::best());
        session.load_model(&format!("{}.onnx", case.name), case.model()).unwrap();
        open_sample_pictures(&mut session);
        quantize(&mut session, &bits(8, 8));
        let compared = session.compare().unwrap().run(&mut |_| ()).unwrap();
        let summary = compared.summary;
        let sqnr = summary.sqnr_db.unwrap();
        println!("{}: {sqnr:.1} dB, maps of {}", case.name, summary.attribution.images);
        // Wrong integers would give 0 dB or less. Maps that are constant are not compared.
        assert!(sqnr > 6.0, "{}: {sqnr} dB", case.name);
        assert!(summary.images == 20 && summary.attribution.images > 0, "{}", case.name);
    }
}
