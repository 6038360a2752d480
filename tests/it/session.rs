//! What a session remembers, and what it says of files that were quantized before.

use std::cell::Cell;
use std::fs;

use bitlens::data::Preprocess;
use bitlens::data::preprocess::Resize;
use bitlens::metrics::sqnr_db;
use bitlens::ops::Isa;
use bitlens::quant::{Recipe, Statistics, affine};
use bitlens::session::view::{
    LayerPath, LayerView, LensView, NodeTime, NodeTimes, PictureComparison, Summary,
};
use bitlens::session::{ComparedPicture, Job as _, Network, Opening, QuantizedNetwork, Session, Share, Step};

use bitlens::tensor::Value;

use crate::support::{
    Golden, SAMPLES, bits, data_folder, quantize, quantized_sample, run, sample, sample_session,
};

/// An idx file: pictures of 2 × 1 pixels, or labels.
fn idx(axes: &[u32], values: &[u8]) -> Vec<u8> {
    let sizes = axes.iter().flat_map(|axis| axis.to_be_bytes());
    [0, 0, 8, axes.len() as u8].into_iter().chain(sizes).chain(values.iter().copied()).collect()
}

/// What becomes of files that are added together: the labels of all pictures, and what is refused.
fn labels_of(session: &mut Session, files: &[(&str, &[u8])]) -> (Vec<Option<usize>>, Vec<String>) {
    let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    let (pictures, refused) = session.add_pictures(files);
    let refused = refused.into_iter().map(|refused| refused.error.message).collect();
    (pictures.into_iter().map(|picture| picture.label).collect(), refused)
}

#[test]
fn pictures_divided_between_sessions_come_to_the_same() {
    let of = 3;
    let mut whole = sample_session(SAMPLES[0]);
    quantize(&mut whole, &Recipe::default());
    let compared = whole.compare().unwrap().run(&mut |_| ()).unwrap();

    let mut sessions: Vec<Session> = (0..of).map(|_| sample_session(SAMPLES[0])).collect();
    let part = |session: &Session, part| {
        session.calibrate_share(Share { part, of }).unwrap().run(&mut |_| ()).unwrap()
    };
    let parts: Vec<Statistics> = sessions.iter().enumerate().map(|(i, session)| part(session, i)).collect();
    assert!(parts.iter().all(|part| part.runs() > 0));
    for session in &mut sessions {
        session.learn_statistics(&parts).unwrap();
        let mut seen = 0;
        let quantized = session.quantize(&Recipe::default()).unwrap().run(&mut |_| seen += 1).unwrap();
        assert_eq!(seen, 0, "nothing is left to calibrate on");
        assert_eq!(quantized.file(), whole.quantized().unwrap().file());
        session.set_quantized(quantized);
    }

    let mut rows = Vec::new();
    for (i, session) in sessions.iter_mut().enumerate() {
        let job = session.compare_share(Share { part: i, of }).unwrap();
        let share = { job }.run(&mut |_| ()).unwrap();
        rows.extend(share.rows.iter().map(|row| ComparedPicture::clone(row)));
    }
    assert_eq!(rows.len(), compared.pictures.len());
    let first = &mut sessions[0];
    first.learn_comparisons(rows);
    let again = first.compare().unwrap().run(&mut |_| ()).unwrap();
    assert_eq!((again.summary, again.pictures), (compared.summary, compared.pictures));
}

#[test]
fn what_was_found_with_another_network_is_refused() {
    let (resnet, mut mobilenet) = (sample_session(SAMPLES[0]), sample_session(SAMPLES[1]));
    let found = resnet.calibrate_share(Share { part: 0, of: 20 }).unwrap().run(&mut |_| ()).unwrap();
    let error = mobilenet.learn_statistics(&[found]).unwrap_err();
    assert!(error.to_string().contains("values were given for a network that has"), "{error}");
    let none = mobilenet.learn_statistics(&[]).unwrap_err();
    assert!(none.to_string().contains("no picture was given"), "{none}");
    let share = Share { part: 2, of: 2 };
    assert_eq!(mobilenet.calibrate_share(share).unwrap_err().to_string(), "There is no part 2 of 2.");
    assert!(mobilenet.compare_share(Share { part: 0, of: 0 }).is_err());
}

#[test]
fn every_node_is_timed_in_both_networks() {
    thread_local! {
        static TICKS: Cell<f64> = const { Cell::new(0.0) };
    }
    // Whatever lies between two looks at this clock takes a millisecond.
    fn counting_clock() -> f64 {
        TICKS.set(TICKS.get() + 1.0);
        TICKS.get()
    }
    let mut session = sample_session(SAMPLES[1]);
    quantize(&mut session, &Recipe::default());
    let profile = session.profile(counting_clock).unwrap().run(&mut |_| ()).unwrap();
    let all = |pick: fn(&NodeTimes) -> &Option<NodeTime>| -> Vec<NodeTime> {
        profile.nodes.iter().filter_map(|node| pick(node).clone()).collect()
    };
    let (full, codes) = (all(|node| &node.full), all(|node| &node.quantized));
    let network = session.network().unwrap();
    let model = session.quantized().unwrap();
    // A pointwise convolution and the sum behind it run as one.
    let sums = profile.nodes.iter().filter(|node| has_op(node.full.as_ref(), "Conv + Add")).count();
    assert!(sums > 2);
    assert_eq!(full.len() + sums, network.model.executor.kernels().count());
    assert_eq!(codes.len() + sums, model.model().integer.executor.kernels().count());
    assert!(full.iter().chain(&codes).all(|node| (node.ms - 1.0).abs() < 1e-9));
    // The input is seen as well, a millisecond after the run began.
    assert!((profile.full_ms - full.len() as f64 - 1.0).abs() < 1e-9, "{}", profile.full_ms);
    let convolutions: Vec<_> =
        profile.nodes.iter().filter(|node| has_op(node.full.as_ref(), "Conv")).collect();
    assert!(convolutions.len() > 10);
    for node in convolutions {
        let kernels = [&node.full, &node.quantized].map(|time| time.as_ref().unwrap().kernel.as_deref());
        let depthwise = kernels.map(|kernel| kernel.unwrap().starts_with("depthwise"));
        assert_eq!(depthwise, [node.name.contains("depthwise"); 2], "{}: {kernels:?}", node.name);
        assert!(has_op(node.quantized.as_ref(), "bitlens.QConv"), "{node:?}");
    }
    for node in profile.nodes.iter().filter(|node| has_op(node.full.as_ref(), "Conv + Add")) {
        assert!(has_op(node.quantized.as_ref(), "bitlens.QConv + bitlens.QAdd"), "{node:?}");
        assert!(node.name.contains(" + ") && !node.name.contains("depthwise"), "{node:?}");
    }
}

fn has_op(time: Option<&NodeTime>, op: &str) -> bool {
    time.is_some_and(|time| time.op == op)
}

#[test]
fn a_network_that_takes_more_memory_than_it_may_is_refused_and_the_one_before_stays() {
    let mut session = Session::new(Isa::best());
    let bytes = || sample("sample_resnet.onnx");
    let (model, _) = session.load_model("before.onnx", bytes()).unwrap();
    let needed = model.memory_bytes;
    let opening = |limit| Opening { memory_limit: Some(limit), ..Opening::default() };
    let error = session.load_model_with("net.onnx", bytes(), opening(needed - 1)).unwrap_err();
    assert_eq!((error.code().as_str(), error.needed_bytes()), ("session/memory", Some(needed)));
    assert_eq!(session.network().unwrap().file, "before.onnx");
    session.load_model_with("net.onnx", bytes(), opening(needed)).unwrap();
    assert_eq!(session.network().unwrap().file, "net.onnx");
}

#[test]
fn labels_of_idx_files_find_their_pictures() {
    let new = || Session::new(Isa::best());
    let three = idx(&[3, 1, 2], &[9; 6]);
    let (of_three, others, of_two) = (idx(&[3], &[7, 8, 9]), idx(&[3], &[4, 5, 6]), idx(&[2], &[4, 5]));
    let named: &[(&str, &[u8])] = &[
        ("set/train-labels-idx1-ubyte", &of_three),
        ("set/t10k-labels-idx1-ubyte", &others),
        ("set/train-images-idx3-ubyte", &three),
        ("set/t10k-images-idx3-ubyte", &three),
    ];
    let all = [7, 8, 9, 4, 5, 6].map(Some).to_vec();
    assert_eq!(labels_of(&mut new(), named), (all, vec![]));

    // Later, and by their number alone.
    let mut session = new();
    assert_eq!(labels_of(&mut session, &[("pictures.idx", &three)]), (vec![None; 3], vec![]));
    let (_, refused) = labels_of(&mut session, &[("classes.idx", &of_two)]);
    assert!(refused[0].contains("classes.idx") && refused[0].contains("drop it together"), "{refused:?}");
    let labelled = vec![Some(7), Some(8), Some(9)];
    assert_eq!(labels_of(&mut session, &[("classes.idx", &of_three)]), (labelled.clone(), vec![]));
    let (labels, refused) = labels_of(&mut session, &[("more.idx", &of_three)]);
    assert_eq!((labels, refused.len()), (labelled, 1), "they have their labels");

    let wrong: &[(&str, &[u8])] = &[("images-idx3-ubyte", &three), ("labels-idx1-ubyte", &of_two)];
    let (labels, refused) = labels_of(&mut new(), wrong);
    assert_eq!(labels, vec![None; 3]);
    assert!(refused[0].contains("2 labels") && refused[0].contains("are 3"), "{refused:?}");
}

/// A clock on which 0.4 ms pass between two looks and that shows whole milliseconds.
fn coarse_clock() -> f64 {
    thread_local!(static LOOKS: Cell<u32> = const { Cell::new(0) });
    LOOKS.set(LOOKS.get() + 1);
    (0.4 * f64::from(LOOKS.get())).floor()
}

#[test]
fn a_run_that_is_shorter_than_a_tick_of_the_clock_has_a_time() {
    let (session, _) = quantized_sample(SAMPLES[0], &bits(8, 8));
    let latency = session.measure_latency(1, coarse_clock).unwrap().run(&mut |_| ()).unwrap();
    for median in [latency.full.median_ms, latency.quantized.median_ms] {
        assert!((median - 0.4).abs() < 0.4 * 0.1, "{median} ms");
    }
}

/// The layers of a file that is opened as the network itself.
fn layers_of_file(bytes: Vec<u8>) -> Vec<LayerView> {
    let network = Network::load("quantized.onnx", bytes, Isa::best()).unwrap();
    assert!(network.view().quantized);
    QuantizedNetwork::opened(&network).unwrap().layers().to_vec()
}

#[test]
fn a_file_opened_again_lists_the_layers_it_was_made_of() {
    for network in SAMPLES {
        for recipe in [bits(8, 8), bits(4, 8), bits(8, 3), bits(2, 2)] {
            let (_, quantized) = quantized_sample(network, &recipe);
            let mut before = quantized.layers().to_vec();
            assert!(before.len() > 10 && before.iter().any(|layer| layer.weight_sqnr_db.is_some()));
            // What the weights were in full precision is not in the file.
            for layer in &mut before {
                layer.weight_sqnr_db = None;
            }
            let after = layers_of_file(quantized.file().to_vec());
            assert_eq!(after, before, "{network} {}", recipe.label());
        }
    }
}

#[test]
fn signal_of_weights_is_that_of_their_codes() {
    for recipe in [bits(8, 8), bits(3, 8)] {
        let (session, quantized) = quantized_sample(SAMPLES[0], &recipe);
        let network = session.network().unwrap();
        let (graph, layers) = (network.graph(), quantized.layers());
        for layer in layers {
            let node = graph.nodes().map(|(_, node)| node).find(|node| node.name == layer.name).unwrap();
            let weight = graph.value(node.inputs[1].unwrap());
            let quant = &quantized.plan().weights[&weight.name];
            let weight = weight.constant.as_ref().unwrap();
            let real = affine::dequantized(&affine::weight_codes(weight, quant).unwrap(), quant).unwrap();
            assert_eq!(
                layer.weight_sqnr_db,
                sqnr_db(weight.as_slice::<f32>().unwrap(), &real),
                "{}",
                layer.name
            );
        }
        assert!(layers.len() > 10);
    }
}

#[test]
fn bytes_of_layers_are_those_of_the_file() {
    for network in SAMPLES {
        let (session, quantized) = quantized_sample(network, &bits(8, 8));
        assert!(!session.network().unwrap().view().quantized);
        let sum: usize = quantized.layers().iter().map(|layer| layer.size_bytes.quantized).sum();
        // What remains is structure: names, shapes, scales of activations.
        let nodes = quantized.graph().node_count();
        assert!(
            sum < quantized.file().len() && sum + 400 * nodes > quantized.file().len(),
            "{network}: {sum}"
        );
    }
}

#[test]
fn a_file_that_others_quantized_lists_its_layers() {
    let Some(data) = data_folder() else { return };
    for (name, layers) in [("resnet20_qdq", 20), ("mobilenet_v1_0.25_224_qdq", 28)] {
        let bytes = fs::read(data.join(format!("models/quantized/{name}.onnx"))).unwrap();
        let found = layers_of_file(bytes);
        assert_eq!(found.len(), layers, "{name}");
        for layer in &found {
            assert_eq!((layer.weight_bits, layer.activation_bits), (8, 8), "{name}: {}", layer.name);
            assert!(layer.size_bytes.quantized < layer.size_bytes.full, "{name}: {}", layer.name);
        }
        let on_integers = found.iter().filter(|layer| layer.path == LayerPath::Int8).count();
        assert!(2 * on_integers > layers, "{name}: {on_integers} layers on integers");
        let ranged = found.iter().filter_map(|layer| layer.output_range);
        assert!(
            ranged.clone().count() + 1 >= layers && ranged.clone().all(|[low, high]| low < high),
            "{name}"
        );
    }
}

/// A picture of that size, with another colour everywhere, as a file.
fn bmp(width: usize, height: usize) -> Vec<u8> {
    let row = (3 * width).next_multiple_of(4);
    let mut file = vec![0; 54 + row * height];
    file[..2].copy_from_slice(b"BM");
    for (at, number) in [(2, file.len()), (10, 54), (14, 40), (18, width), (22, height), (34, row * height)] {
        file[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
    }
    (file[26], file[28]) = (1, 24);
    file.iter_mut().enumerate().skip(54).for_each(|(at, byte)| *byte = (at * 7 / 4) as u8);
    file
}

#[test]
fn a_network_with_open_sizes_runs_at_the_size_that_pictures_are_prepared_to() {
    let cases = Golden::all();
    for name in ["dynamic_named_sizes", "dynamic_unknown_sizes"] {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let mut session = Session::new(Isa::best());
        let (model, guessed) = session.load_model("open.onnx", case.model()).unwrap();
        assert_eq!((model.input_size, model.attribution_layer.is_some()), (None, true), "{name}");
        assert_eq!(guessed.preprocess.output_size(500, 400), (224, 224));
        let pictures =
            vec![("cup_0.png".to_owned(), sample("cup_0.png")), ("ramp.bmp".to_owned(), bmp(30, 21))];
        assert!(session.add_pictures(pictures).1.is_empty());
        let exact = Resize::Exact { height: 23, width: 36 };
        let own = Preprocess { resize: None, ..Preprocess::default() };
        let sizes = [([36, 23], [36, 23]), ([64, 64], [30, 21])];
        for (preprocess, sizes) in
            [Preprocess { resize: Some(exact), ..own.clone() }, own].into_iter().zip(sizes)
        {
            session.set_preprocess(preprocess);
            quantize(&mut session, &Recipe::default());
            assert_eq!(session.quantized().unwrap().layers()[0].path, LayerPath::Int8, "{name}");
            assert_eq!(session.compare().unwrap().run(&mut |_| ()).unwrap().summary.images, 2);
            for (picture, [width, height]) in [sizes.0, sizes.1].into_iter().enumerate() {
                let logits = session.logits(picture).unwrap();
                assert_eq!(logits.input_shape, [1, 3, height, width], "{name}");
                let input = Value::from_vec(&logits.input_shape, logits.input).unwrap();
                let whole = run(session.network().unwrap().graph(), &[input]);
                assert_eq!(whole[0].as_slice::<f32>().unwrap(), logits.full, "{name}");
                assert!(session.lens(picture, None).unwrap().map.is_some(), "{name}");
            }
        }
    }
}

fn compare(session: &mut Session) -> (Summary, Vec<PictureComparison>) {
    let compared = session.compare().unwrap().run(&mut |_| ()).unwrap();
    session.keep_known(compared.known);
    (compared.summary, compared.pictures)
}

/// Compares some pictures and stops.
fn compare_some(session: &mut Session, pictures: usize) {
    let mut job = session.compare().unwrap();
    for _ in 0..pictures {
        assert!(matches!(job.step().unwrap(), Step::Running(_)));
    }
    session.keep_known(job.into_known());
}

#[test]
fn a_comparison_that_was_stopped_goes_on_where_it_was() {
    let mut session = sample_session(SAMPLES[0]);
    quantize(&mut session, &bits(4, 4));
    let whole = compare(&mut session);
    quantize(&mut session, &bits(4, 4));
    assert_eq!(compare(&mut session), whole);

    let mut session = sample_session(SAMPLES[0]);
    quantize(&mut session, &bits(4, 4));
    compare_some(&mut session, 7);
    let known = session.compare().unwrap().into_known();
    assert_eq!((0..40).filter(|&picture| known.explained(picture).is_some()).count(), 7);
    assert_eq!(compare(&mut session), whole);
}

#[test]
fn what_is_remembered_is_never_of_another_network_or_of_other_labels() {
    let mut session = sample_session(SAMPLES[0]);
    quantize(&mut session, &bits(8, 8));
    compare_some(&mut session, 7);
    quantize(&mut session, &bits(3, 3));
    let (summary, pictures) = compare(&mut session);
    let (mut fresh, _) = quantized_sample(SAMPLES[0], &bits(3, 3));
    assert_eq!((summary, pictures.clone()), compare(&mut fresh));

    session.set_labels("labels.txt", b"zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine").unwrap();
    let (_, renamed) = compare(&mut session);
    assert_ne!(renamed[0].full[0].name, pictures[0].full[0].name);
    assert_eq!(renamed[0].full[0].class, pictures[0].full[0].class);

    session.load_model("sample_mobilenet.onnx", sample("sample_mobilenet.onnx")).unwrap();
    session.read_preprocess("preprocessor_config.json", &sample("preprocessor_config.json")).unwrap();
    quantize(&mut session, &bits(3, 3));
    let (mut other, _) = quantized_sample(SAMPLES[1], &bits(3, 3));
    assert_eq!(compare(&mut session).0, compare(&mut other).0);
}

#[test]
fn a_picture_that_is_remembered_takes_a_new_label() {
    let (mut session, _) = quantized_sample(SAMPLES[0], &bits(8, 8));
    let before = look(&mut session, 20, None);
    let other = (before.expected.unwrap() + 1) % 10;
    let labels = format!("{{\"{}\": {other}}}", session.pictures().view()[20].name);
    session.set_labels("labels.json", labels.as_bytes()).unwrap();
    assert_eq!(look(&mut session, 20, None), LensView { expected: Some(other), ..before });
}

fn look(session: &mut Session, picture: usize, target: Option<usize>) -> LensView {
    session.lens(picture, target).unwrap()
}

/// A look by a session that remembers nothing.
fn fresh_look(recipe: &Recipe, picture: usize, target: Option<usize>) -> LensView {
    look(&mut quantized_sample(SAMPLES[0], recipe).0, picture, target)
}

#[test]
fn a_look_is_the_same_whatever_was_looked_at_or_compared_before() {
    let mut session = sample_session(SAMPLES[0]);
    quantize(&mut session, &bits(8, 8));
    let first = look(&mut session, 20, None);
    assert_eq!(first, fresh_look(&bits(8, 8), 20, None));
    assert!(first.layer_sqnr_db.len() > 10);
    compare(&mut session);
    for picture in [21, 20] {
        assert_eq!(look(&mut session, picture, None), fresh_look(&bits(8, 8), picture, None));
    }
    quantize(&mut session, &bits(4, 4));
    assert_eq!(look(&mut session, 20, None), fresh_look(&bits(4, 4), 20, None));
    let other = (first.target.class + 1) % 10;
    assert_eq!(look(&mut session, 20, Some(other)), fresh_look(&bits(4, 4), 20, Some(other)));
    assert_eq!(look(&mut session, 20, None), fresh_look(&bits(4, 4), 20, None));
}
