//! Every scheme that a recipe can ask for: integers against the definition, and the files of each in
//! onnxruntime's hands.

use bitlens::metrics::sqnr_db;
use bitlens::ops::{Isa, Kind, Op};
use bitlens::quant::recipe::{ActivationRange, BiasChoice, LayerKind, LayerRule, Offer, OptionKind};
use bitlens::quant::{Preset, Recipe};
use bitlens::session::view::{LayerPath, LayerView};
use bitlens::session::{Job as _, Network, QuantizedNetwork, Role, Session};
use bitlens::tensor::{DType, Value};

use crate::forced::{Agreement, node_by_node};
use crate::support::{
    SAMPLES, inputs, quantize, quantized_sample, sample_network, sample_session, scores, uncorrected,
};

/// The presets, and the preset `int8` with each option at each of its values by name; a name for each.
pub(crate) fn schemes() -> Vec<(String, Recipe)> {
    let mut all: Vec<(String, Recipe)> =
        Preset::ALL.iter().map(|&preset| (preset.name().to_owned(), Recipe::preset(preset))).collect();
    let mut add = |from: &Recipe, key: &str, text: &str| {
        let name = format!("{} {key}={text}", from.label());
        all.push((name, from.with(key, text).unwrap()));
    };
    for option in Offer::new().options {
        match option.kind {
            OptionKind::Choice { choices } => {
                // Learned codes differ from others by numbers only, and take long (tests/it/rounding.rs).
                for choice in choices.iter().filter(|choice| choice.name != "adaround") {
                    add(&Recipe::default(), option.key, choice.name);
                }
            }
            OptionKind::Switch => add(&Recipe::default(), option.key, "true"),
            OptionKind::Bits { others, .. } => {
                for bits in others {
                    add(&Recipe::default(), option.key, &bits.to_string());
                }
            }
        }
    }
    for bits in ["2", "3", "5"] {
        add(&uncorrected(Preset::W4a8), "weightBits", bits);
    }
    add(&uncorrected(Preset::W4a8), "weightGrid", "asymmetric");
    add(&uncorrected(Preset::W4a8), "weightGranularity", "group-32");
    add(&Recipe::preset(Preset::WeightOnly4), "weightRange", "mse");
    add(&uncorrected(Preset::W4a4), "activationGrid", "symmetric");
    for rounding in ["gptq", "comq", "hqq"] {
        add(&uncorrected(Preset::W4a8), "rounding", rounding);
    }
    add(&uncorrected(Preset::W4a8), "activationRange", "dynamic");
    add(&Recipe::preset(Preset::Int8Corrected), "activationRange", "dynamic");
    add(&uncorrected(Preset::W4a8).with("rounding", "gptq").unwrap(), "activationRange", "dynamic");
    add(&Recipe::default().with("weightGrid", "asymmetric").unwrap(), "activationRange", "dynamic");
    all
}

/// Whether a recipe leaves something to float: groups have no sum of one unit, and 16 bits have no kernel.
fn has_float_layers(recipe: &Recipe) -> bool {
    recipe.weight_granularity.group().is_some()
        || recipe.activation_bits > 8
        || recipe.ends == bitlens::quant::recipe::Ends::Float
}

/// Integers against the definition, and the file read back as it runs here, of every scheme.
fn every_scheme_holds(network: &str) {
    let mut session = sample_session(network);
    let pictures: Vec<Value> =
        inputs(&session, Role::Evaluate).into_iter().take(2).map(|input| input.value).collect();
    let mut all = Agreement::default();
    for (name, recipe) in schemes() {
        quantize(&mut session, &recipe);
        let quantized = session.quantized().unwrap();
        let model = quantized.model();
        let is_as_asked = model.runs_on_integers() != has_float_layers(&recipe);
        assert!(is_as_asked, "{network} {name}: {:?}", model.float_nodes);
        let found = node_by_node(model, &pictures[..1]);
        let what = format!("{network} {name}: `{}` of {found:?}", found.worst_tensor);
        // Without codes of activations there is nothing but the outputs.
        assert!(found.compared > 0 || recipe.activation_bits > 8, "{what}");
        assert!(found.worst <= 1 && (found.compared == 0 || found.share() >= 0.995), "{what}");
        assert!(found.outputs <= 1e-4, "{what}");
        assert!(quantized.verify_file(&pictures, session.isa()).unwrap(), "{what} is read back as another");
        all += found;
    }
    println!("{network}: {} codes, {:.4} % equal, worst {}", all.compared, 100.0 * all.share(), all.worst);
}

#[test]
fn integers_and_files_of_every_scheme_agree_with_their_definition() {
    every_scheme_holds(SAMPLES[0]);
}

#[test]
fn so_they_do_where_layers_are_depthwise() {
    every_scheme_holds(SAMPLES[1]);
}

/// Weights of 4 bits take half a byte in the file where that was asked for; bytes per layer say so.
#[test]
fn packed_weights_make_the_file_smaller() {
    let bytes = |recipe: &Recipe| {
        let (_, quantized) = quantized_sample(SAMPLES[0], recipe);
        let held: Vec<DType> = quantized
            .graph()
            .values()
            .filter(|(_, value)| value.name.ends_with("_quantized"))
            .filter_map(|(_, value)| value.constant.as_ref().map(Value::dtype))
            .collect();
        (quantized.sizes().quantized, held)
    };
    let plain = Recipe { weight_bits: 4, ..Recipe::default() };
    let (large, held) = bytes(&plain);
    assert!(held.iter().all(|&dtype| dtype != DType::I4));
    let (small, held) = bytes(&plain.with("storage", "packed").unwrap());
    assert!(held.contains(&DType::I4) && !held.contains(&DType::I8));
    let weights: usize =
        quantized_sample(SAMPLES[0], &plain).1.layers().iter().map(|layer| layer.weights).sum();
    // What else changes are names of types and padding.
    assert!(large - small > weights / 2 - 200, "{large} − {small} of {weights} weights");
}

/// Also of groups: each has a range of its own, and so less error than with its extremes.
#[test]
fn weights_are_nearer_with_the_range_of_least_error() {
    for granularity in ["tensor", "channel", "group-16"] {
        let recipe = uncorrected(Preset::W4a8).with("weightGranularity", granularity).unwrap();
        let losses = |range: &str| -> Vec<f64> {
            let (_, quantized) = quantized_sample(SAMPLES[0], &recipe.with("weightRange", range).unwrap());
            quantized.layers().iter().map(|layer| layer.weight_sqnr_db.unwrap()).collect()
        };
        let (max, mse) = (losses("max"), losses("mse"));
        assert!(max.iter().zip(&mse).all(|(max, mse)| mse >= max), "{granularity}: {max:?} {mse:?}");
        let gain = mse.iter().sum::<f64>() - max.iter().sum::<f64>();
        assert!(gain > 0.1 * max.len() as f64, "{granularity}: {gain} dB over {} layers", max.len());
    }
}

#[test]
fn layers_have_the_bits_that_their_rules_say() {
    let rule = |rule: LayerRule| Recipe { layers: vec![rule], ..Recipe::default() };
    let (_, all) = quantized_sample(SAMPLES[1], &Recipe::default());
    let first = all.layers()[0].name.clone();
    let (_, quantized) =
        quantized_sample(SAMPLES[1], &rule(LayerRule { weight_bits: Some(3), ..LayerRule::named(&first) }));
    let bits: Vec<u8> = quantized.layers().iter().map(|layer| layer.weight_bits).collect();
    assert_eq!((bits[0], bits[1..].iter().all(|&bits| bits == 8)), (3, true));
    let depthwise = LayerRule {
        kind: Some(LayerKind::Depthwise),
        weight_bits: Some(5),
        activation_bits: Some(6),
        ..LayerRule::default()
    };
    let (_, quantized) = quantized_sample(SAMPLES[1], &rule(depthwise));
    let found: Vec<_> = quantized.layers().iter().filter(|layer| layer.weight_bits == 5).collect();
    assert!(!found.is_empty() && found.len() < quantized.layers().len());
    let shapes: Vec<_> = found.iter().map(|layer| (&layer.weight_shape[..], layer.activation_bits)).collect();
    assert!(shapes.iter().all(|(shape, _)| shape.contains("×1×")), "{shapes:?}");
    // What another layer reads as well, with 8 bits, keeps them.
    assert_eq!(shapes.iter().map(|(_, bits)| *bits).collect::<Vec<_>>(), [8, 6, 6, 6, 6, 6, 6]);
    let (_, quantized) =
        quantized_sample(SAMPLES[1], &rule(LayerRule { float: true, ..LayerRule::named(&first) }));
    assert_eq!(quantized.layers()[0].weight_bits, 32);
    assert!(quantized.sizes().quantized > all.sizes().quantized);
}

#[test]
fn ends_of_a_network_keep_what_they_were_promised() {
    let (_, quantized) = quantized_sample(SAMPLES[0], &uncorrected(Preset::W4a4));
    let bits: Vec<_> =
        quantized.layers().iter().map(|layer| (layer.weight_bits, layer.activation_bits)).collect();
    assert_eq!((bits[0], bits[bits.len() - 1]), ((8, 8), (8, 8)));
    assert!(bits[1..bits.len() - 1].iter().all(|&bits| bits == (4, 4)), "{bits:?}");
}

/// Scales of the preset for fixed point are powers of two, bit for bit, those of biases included.
#[test]
fn scales_of_fixed_point_are_powers_of_two() {
    for network in SAMPLES {
        let (_, quantized) = quantized_sample(network, &Recipe::preset(Preset::FixedPoint));
        let mut scales = 0;
        for (_, value) in quantized.graph().values().filter(|(_, value)| value.name.ends_with("_scale")) {
            for scale in value.constant.as_ref().unwrap().as_slice::<f32>().unwrap() {
                assert_eq!(scale.to_bits() & 0x7f_ffff, 0, "{}: {scale}", value.name);
                scales += 1;
            }
        }
        assert!(scales > 20, "{network}: {scales}");
    }
}

/// Where both inputs of a sum have one scale, the layers before it say so.
#[test]
fn inputs_of_sums_share_a_scale_where_asked() {
    use bitlens::ops::Kind;
    let (_, quantized) =
        quantized_sample(SAMPLES[0], &Recipe::default().with("shareSumScales", "true").unwrap());
    let network_graph = sample_session(SAMPLES[0]).network().unwrap();
    let graph = network_graph.graph();
    let sums: Vec<_> = graph.nodes().filter(|(_, node)| node.op.facts().kind == Kind::Sum).collect();
    assert!(!sums.is_empty());
    for (_, node) in sums {
        let of =
            |slot: usize| &quantized.plan().activations[&graph.value(node.inputs[slot].unwrap()).name].params;
        assert_eq!(of(0), of(1), "{}", node.name);
    }
}

/// Scales found while running are of what layers read, once each; sums and averages read the real numbers.
#[test]
fn dynamic_codes_are_made_once_and_read_by_layers_alone() {
    for network in SAMPLES {
        // A session without pictures.
        let mut session = Session::new(Isa::best());
        session.load_model("model.onnx", sample_network(network)).unwrap();
        assert!(session.quantize(&Recipe::default()).is_err());
        quantize(&mut session, &Recipe::default().with("activationRange", "dynamic").unwrap());
        let quantized = session.quantized().unwrap();
        let before = session.network().unwrap();
        let (before, graph) = (before.graph(), quantized.graph());
        let mut read: Vec<_> =
            before.nodes().filter(|(_, n)| is_layer(&n.op)).map(|(_, n)| n.inputs[0].unwrap()).collect();
        let layers = read.len();
        read.sort_unstable();
        read.dedup();
        let makers: Vec<_> =
            graph.nodes().filter(|(_, n)| matches!(n.op, Op::DynamicQuantizeLinear(_))).collect();
        assert_eq!(makers.len(), read.len(), "{network}");
        // The residual network has two layers that read one tensor.
        assert!(read.len() < layers || network != SAMPLES[0]);
        let (producers, consumers) = (graph.producers(), graph.consumers());
        for (_, maker) in makers {
            let [reader] = consumers[maker.outputs[0].index()][..] else { panic!("{network}: one reader") };
            let real = graph.node(reader).unwrap().outputs[0];
            for &layer in &consumers[real.index()] {
                assert!(is_layer(&graph.node(layer).unwrap().op), "{network}");
            }
            // It reads what the network makes, not what another node has quantized.
            let made_by = producers[maker.inputs[0].unwrap().index()].and_then(|id| graph.node(id));
            assert!(made_by.is_none_or(|n| n.op.facts().kind != Kind::Dequantize), "{network}");
        }
        let is_int8 = |layer: &LayerView| (layer.activation_bits, layer.path) == (8, LayerPath::Int8);
        assert!(quantized.layers().len() == layers && quantized.layers().iter().all(is_int8), "{network}");
        // In the file they are operators on integers, which are read as layers again.
        let file = bitlens::onnx::import(quantized.file()).unwrap().graph;
        let integers = |op: &Op| matches!(op, Op::ConvInteger(_) | Op::MatMulInteger(_));
        assert_eq!(file.nodes().filter(|(_, n)| integers(&n.op)).count(), layers, "{network}");
        assert!(!file.nodes().any(|(_, n)| is_layer(&n.op)), "{network}");
        let again = Network::load("q.onnx", quantized.file().to_vec(), Isa::best()).unwrap();
        let again = QuantizedNetwork::opened(&again).unwrap();
        assert!(again.layers().len() == layers && again.layers().iter().all(is_int8), "{network}");
    }
}

fn is_layer(op: &Op) -> bool {
    matches!(op.facts().kind, Kind::Linear(_))
}

/// A rule can leave a layer float next to one that reads the same tensor's codes.
#[test]
fn a_float_layer_reads_real_numbers_beside_dynamic_codes() {
    let dynamic = Recipe::default().with("activationRange", "dynamic").unwrap();
    let (_, all) = quantized_sample(SAMPLES[1], &dynamic);
    let first = &all.layers()[0].name;
    let rule = LayerRule { float: true, ..LayerRule::named(first) };
    let (_, quantized) = quantized_sample(SAMPLES[1], &Recipe { layers: vec![rule], ..dynamic });
    let count = |quantized: &QuantizedNetwork| {
        quantized.graph().nodes().filter(|(_, n)| matches!(n.op, Op::DynamicQuantizeLinear(_))).count()
    };
    assert_eq!(count(&all), count(&quantized) + 1);
    assert_eq!((quantized.layers()[0].weight_bits, quantized.layers()[0].activation_bits), (32, 32));
}

/// The phases of quantizing, each once, in order.
fn phases(session: &mut bitlens::session::Session, recipe: &Recipe) -> Vec<&'static str> {
    let mut seen = Vec::new();
    let mut job = session.quantize(recipe).unwrap();
    let quantized = job
        .run(&mut |progress| {
            assert!(progress.done <= progress.total, "{}: {}", progress.phase, progress.done);
            if seen.last() != Some(&progress.phase) {
                seen.push(progress.phase);
            }
        })
        .unwrap();
    session.set_quantized(quantized);
    seen
}

#[test]
fn what_was_found_for_one_recipe_is_not_looked_for_again() {
    let mut session = sample_session(SAMPLES[0]);
    let corrected = Recipe::preset(Preset::Int8Corrected);
    let equalized = Recipe { bias_correction: BiasChoice::None, ..corrected.clone() };
    assert_eq!(phases(&mut session, &corrected), ["calibrating", "choosing ranges", "correcting biases"]);
    // Another estimator and other bits, with layers equalized as before.
    let other = Recipe { activation_range: ActivationRange::Mse, weight_bits: 4, ..equalized };
    assert!(phases(&mut session, &other).is_empty());
    // The network as it is was not watched yet.
    assert_eq!(phases(&mut session, &Recipe::default()), ["calibrating"]);
    assert!(
        phases(&mut session, &Recipe { activation_range: ActivationRange::Kl, ..Recipe::default() })
            .is_empty()
    );
    assert!(phases(&mut session, &other).is_empty());
    assert!(phases(&mut session, &Recipe::preset(Preset::WeightOnly4)).is_empty());
    // Nor said to have been used where it was not.
    assert_eq!(session.quantized().unwrap().view().calibration_pictures, 0);
    assert!(phases(&mut session, &Recipe::default()).is_empty());
    // And it is not watched in vain where no activation is quantized.
    let mut session = sample_session(SAMPLES[0]);
    assert!(phases(&mut session, &Recipe::preset(Preset::WeightOnly4)).is_empty());
    let dynamic = Recipe { activation_range: ActivationRange::Dynamic, ..Recipe::default() };
    assert!(phases(&mut session, &dynamic).is_empty());
    assert_eq!(phases(&mut session, &Recipe::default()), ["calibrating"]);
}

/// Channels of an equalized layer have other sizes than the network's own, so it is the equalized network
/// in full precision that tells how much of a layer's signal is left.
#[test]
fn layers_of_an_equalized_network_are_compared_with_its_own() {
    for network in SAMPLES {
        let mut session = sample_session(network);
        let of = |session: &mut bitlens::session::Session, equalize: bool| {
            quantize(session, &Recipe { equalize, ..Recipe::default() });
            session.lens(0, None).unwrap().layer_sqnr_db
        };
        let (plain, equalized) = (of(&mut session, false), of(&mut session, true));
        assert_eq!(plain.len(), equalized.len());
        for (plain, equalized) in plain.iter().zip(&equalized) {
            let (plain, found) = (plain.sqnr_db.unwrap(), equalized.sqnr_db.unwrap());
            assert!(found > 15.0 && found > plain - 15.0, "{network} {}: {found} dB", equalized.layer);
        }
    }
}

/// Weights of 4 bits shift the means of channels and stretch them, which is what corrections take back.
#[test]
fn corrected_layers_bring_integers_nearer_to_full_precision() {
    let calibrated = uncorrected(Preset::W4a8);
    let dynamic = calibrated.with("activationRange", "dynamic").unwrap();
    for (network, plain) in SAMPLES.into_iter().flat_map(|n| [(n, calibrated.clone()), (n, dynamic.clone())])
    {
        let mut session = sample_session(network);
        let pictures: Vec<Value> =
            inputs(&session, Role::Evaluate).into_iter().map(|input| input.value).collect();
        let full = scores(&session.network().unwrap().model, &pictures).concat();
        let mut sqnr = |recipe: &Recipe| {
            quantize(&mut session, recipe);
            let made = session.quantized().unwrap();
            sqnr_db(&full, &scores(&made.model().integer, &pictures).concat()).unwrap()
        };
        let before = sqnr(&plain);
        for &bias_correction in BiasChoice::ALL.iter().filter(|&&choice| choice != BiasChoice::None) {
            let after = sqnr(&Recipe { bias_correction, ..plain.clone() });
            println!("{network} w4a8: {before:.2} dB, {} {after:.2} dB", bias_correction.name());
            assert!(
                after > before,
                "{network} {}: {after:.2} instead of {before:.2}",
                bias_correction.name()
            );
        }
        let weights = Recipe { weight_moments: true, bias_correction: BiasChoice::Analytic, ..plain.clone() };
        let after = sqnr(&weights);
        println!("{network} w4a8: {before:.2} dB, with deviations of weights {after:.2} dB");
        assert!(after > before, "{network}: {after:.2} instead of {before:.2}");
    }
}

/// What is measured on which pictures, in the order of the work.
#[test]
fn each_correction_measures_what_it_needs() {
    let mut session = sample_session(SAMPLES[1]);
    let plain = Recipe::default();
    let absorbing = Recipe { absorb: true, ..plain.clone() };
    assert_eq!(phases(&mut session, &absorbing), ["measuring channels", "calibrating"]);
    assert!(phases(&mut session, &absorbing).is_empty());
    let both = Recipe { equalize: true, ..absorbing };
    assert_eq!(phases(&mut session, &both), ["equalizing layers", "measuring channels", "calibrating"]);
    let of = |bias_correction| Recipe { bias_correction, ..plain.clone() };
    assert_eq!(phases(&mut session, &of(BiasChoice::Analytic)), ["calibrating", "measuring channels"]);
    assert_eq!(phases(&mut session, &of(BiasChoice::LeastSquares)), ["fitting layers"]);
    let weights = Recipe { weight_moments: true, ..of(BiasChoice::Empirical) };
    assert_eq!(phases(&mut session, &weights), ["measuring channels", "correcting biases"]);
}
