//! Quantized networks: integer execution against its definition, and what a file carries away.

use std::sync::Arc;

use bitlens::exec::{Executor, NoProbe};
use bitlens::ir::Operation as _;
use bitlens::metrics::{sqnr_db, top_1};
use bitlens::onnx;
use bitlens::ops::{Graph, Isa, Kind, Node};
use bitlens::passes;
use bitlens::quant::{self, Calibrator, QuantError, Recipe};
use bitlens::session::{QuantizedModel, QuantizedNetwork, Role, Session, codes};
use bitlens::tensor::Value;

use crate::forced::{Agreement, node_by_node, whole_network};
use crate::support::{
    Golden, SAMPLES, bits, inputs, quantize, quantized_sample, same_bits, sample_network, sample_session,
};

/// Largest difference of real outputs between integers and the definition, relative to the largest:
/// the definition sums at most some hundreds of products in f32 where integers are exact.
const OUTPUT_BOUND: f64 = 1e-4;

/// Share of codes that must be the same when an operator gets the same codes (docs/numerics.md).
const LEAST_EQUAL: f64 = 0.995;

fn assert_agrees(what: &str, found: &Agreement) {
    assert!(found.compared > 0, "{what}: nothing was compared");
    assert!(found.worst <= 1, "{what}: `{}` differs by {} codes", found.worst_tensor, found.worst);
    assert!(found.share() >= LEAST_EQUAL, "{what}: only {:.4} % are equal", 100.0 * found.share());
    assert!(found.outputs <= OUTPUT_BOUND, "{what}: outputs differ by {:.1e}", found.outputs);
}

fn report(what: &str, found: &Agreement) {
    println!(
        "{what}: {} codes of {} tensors, {:.4} % equal, worst difference {}, outputs within {:.1e}",
        found.compared,
        found.tensors,
        100.0 * found.share(),
        found.worst,
        found.outputs
    );
}

#[test]
fn every_node_agrees_with_its_definition_on_all_sample_pictures() {
    for network in SAMPLES {
        let (session, quantized) = quantized_sample(network, &Recipe::default());
        assert!(quantized.model().runs_on_integers(), "{network}: {:?}", quantized.model().float_nodes);
        let mut found = Agreement::default();
        for input in inputs(&session, Role::Any) {
            found += node_by_node(quantized.model(), &[input.value]);
        }
        report(network, &found);
        assert_agrees(network, &found);
    }
}

#[test]
fn every_node_agrees_with_its_definition_at_any_number_of_bits() {
    for network in SAMPLES {
        let mut session = sample_session(network);
        let picture = inputs(&session, Role::Evaluate).swap_remove(0).value;
        let mut all = Agreement::default();
        for (weight_bits, activation_bits) in (2..=8).flat_map(|w| (2..=8).map(move |a| (w, a))) {
            quantize(&mut session, &bits(weight_bits, activation_bits));
            let model = Arc::clone(session.quantized().unwrap().model());
            assert!(model.runs_on_integers());
            let found = node_by_node(&model, std::slice::from_ref(&picture));
            assert_agrees(&format!("{network} w{weight_bits}a{activation_bits}"), &found);
            all += found;
        }
        report(&format!("{network}, 49 pairs of bits"), &all);
    }
}

#[test]
fn every_node_agrees_with_its_definition_on_the_golden_networks() {
    let (mut all, mut count) = (Agreement::default(), 0);
    for case in Golden::all() {
        let Ok(imported) = case.import() else { continue };
        let graph = passes::simplify(&imported.graph).unwrap();
        let Some(model) = quantized_graph(&graph, &case.inputs()) else { continue };
        let model = QuantizedModel::from_graph(&model, Isa::best()).unwrap();
        let found = node_by_node(&model, &case.inputs());
        assert!(found.worst <= 1, "{}: `{}` differs by {}", case.name, found.worst_tensor, found.worst);
        assert!(found.outputs <= OUTPUT_BOUND, "{}: outputs differ by {:.1e}", case.name, found.outputs);
        all += found;
        count += 1;
    }
    report(&format!("{count} golden networks"), &all);
    assert!(count >= 60, "only {count} golden networks can be quantized");
    assert_agrees("all golden networks", &all);
}

#[test]
fn differences_and_global_maxima_run_on_integers() {
    let case = Golden::all().into_iter().find(|case| case.name == "maxima_of_a_difference").unwrap();
    let graph = passes::simplify(&onnx::import_owned(case.model()).unwrap().graph).unwrap();
    let graph = quantized_graph(&graph, &case.inputs()).unwrap();
    let model = QuantizedModel::from_graph(&graph, Isa::best()).unwrap();
    // The sum of two real results is what is left.
    let in_float: Vec<&str> = model
        .float_nodes
        .iter()
        .map(|name| graph.nodes().find(|(_, node)| node.name == *name).unwrap().1.op.op_type())
        .collect();
    assert_eq!(in_float, ["Add"]);
}

/// A graph quantized to 8 bits, calibrated on one run; `None` where it has no layer to quantize.
fn quantized_graph(graph: &Graph, inputs: &[Value]) -> Option<Graph> {
    let mut calibrator = Calibrator::new(graph);
    Executor::new(graph.clone(), Isa::best()).unwrap().run(inputs, &mut calibrator).unwrap();
    calibrator.finish_run(0);
    let statistics = calibrator.finish(graph).unwrap();
    match quant::plan(graph, &statistics, &Recipe::default()) {
        Err(QuantError::NothingToQuantize) => None,
        plan => Some(quant::apply(graph, &plan.unwrap()).unwrap().graph),
    }
}

#[test]
fn integers_and_the_definition_give_the_same_first_answers() {
    for network in SAMPLES {
        let (session, quantized) = quantized_sample(network, &Recipe::default());
        let model = quantized.model();
        let mut found = Agreement::default();
        for input in inputs(&session, Role::Any) {
            let definition = model.definition().unwrap().run(input.value.clone()).unwrap().logits;
            let integer = model.integer.run(input.value.clone()).unwrap().logits;
            assert_eq!(top_1(&integer), top_1(&definition), "{network}, picture {}", input.picture);
            found += whole_network(model, &[input.value]);
        }
        println!(
            "{network}: without forcing {:.3} % of codes equal, worst {}",
            100.0 * found.share(),
            found.worst
        );
    }
}

#[test]
fn int8_keeps_the_answers_of_full_precision() {
    for network in SAMPLES {
        let (session, quantized) = quantized_sample(network, &Recipe::default());
        let full = session.network().unwrap();
        let pictures = inputs(&session, Role::Evaluate);
        assert_eq!(pictures.len(), 20);
        let same = pictures.iter().filter(|input| {
            let a = full.model.run(input.value.clone()).unwrap().logits;
            let b = quantized.model().integer.run(input.value.clone()).unwrap().logits;
            top_1(&a) == top_1(&b)
        });
        let same = same.count();
        println!("{network}: the same first answer on {same} of 20 pictures");
        assert!(same >= 19, "{network}: {same} of 20");
    }
}

#[test]
fn every_instruction_set_gives_the_same_integers() {
    let sets = Isa::available();
    for network in SAMPLES {
        for recipe in [bits(8, 8), bits(4, 6)] {
            let (session, quantized) = quantized_sample(network, &recipe);
            for input in inputs(&session, Role::Evaluate).into_iter().step_by(5) {
                let results = sets.iter().map(|&isa| {
                    let model = QuantizedModel::from_graph(quantized.graph(), isa).unwrap();
                    let run = model.integer.run(input.value.clone()).unwrap();
                    let bits: Vec<u32> = run.logits.iter().map(|v| v.to_bits()).collect();
                    let recording =
                        model.integer.executor.record(std::slice::from_ref(&input.value)).unwrap();
                    (codes(model.integer.executor.graph(), &recording), bits)
                });
                let results: Vec<_> = results.collect();
                for (isa, result) in sets.iter().zip(&results) {
                    assert!(*result == results[0], "{network}: {isa} differs from {}", sets[0]);
                }
            }
        }
    }
    println!("compared {sets:?}");
}

#[test]
fn a_file_read_back_gives_the_same_logits_bit_for_bit() {
    for network in SAMPLES {
        let mut session = sample_session(network);
        for recipe in [bits(8, 8), bits(4, 8), bits(8, 3), bits(2, 2)] {
            quantize(&mut session, &recipe);
            let quantized = session.quantized().unwrap();
            let again = QuantizedModel::open(quantized.file().to_vec(), Isa::best()).unwrap();
            assert!(again.runs_on_integers(), "{network} {}: {:?}", recipe.label(), again.float_nodes);
            for input in inputs(&session, Role::Evaluate) {
                let run = |model: &QuantizedModel| {
                    model.integer.executor.run(std::slice::from_ref(&input.value), &mut NoProbe).unwrap()
                };
                assert!(same_bits(&run(&again), &run(quantized.model())), "{network} {}", recipe.label());
            }
        }
    }
}

#[test]
fn a_file_says_what_it_was_made_by() {
    let (_, quantized) = quantized_sample(SAMPLES[0], &bits(5, 7));
    let info = onnx::import(quantized.file()).unwrap().info;
    let recipe = info.metadata.iter().find(|(key, _)| key == bitlens::session::RECIPE_KEY);
    assert_eq!(Recipe::from_json(&recipe.unwrap().1).unwrap(), bits(5, 7));
    assert!(info.opset.0 >= 13);
}

#[test]
fn quantizing_twice_gives_the_same_bytes() {
    for network in SAMPLES {
        for recipe in [bits(8, 8), bits(3, 5)] {
            let (_, first) = quantized_sample(network, &recipe);
            let (_, second) = quantized_sample(network, &recipe);
            assert!(first.file() == second.file(), "{network} {}", recipe.label());
        }
    }
}

#[test]
fn ranges_that_are_known_need_no_second_calibration() {
    let mut session = sample_session(SAMPLES[1]);
    quantize(&mut session, &bits(8, 8));
    quantize(&mut session, &bits(4, 4));
    let (_, fresh) = quantized_sample(SAMPLES[1], &bits(4, 4));
    assert!(session.quantized().unwrap().file() == fresh.file());
}

/// Signal-to-quantization-noise ratio of all logits of the evaluation pictures in dB.
fn logits_sqnr_db(session: &Session, quantized: &QuantizedNetwork) -> f64 {
    let network = session.network().unwrap();
    let (mut full, mut integer) = (Vec::new(), Vec::new());
    for input in inputs(session, Role::Evaluate) {
        full.extend(network.model.run(input.value.clone()).unwrap().logits);
        integer.extend(quantized.model().integer.run(input.value).unwrap().logits);
    }
    sqnr_db(&full, &integer).unwrap()
}

#[test]
fn more_bits_lose_less() {
    for network in SAMPLES {
        let mut session = sample_session(network);
        let ratios: Vec<f64> = (2..=8)
            .map(|both| {
                quantize(&mut session, &bits(both, both));
                logits_sqnr_db(&session, &session.quantized().unwrap())
            })
            .collect();
        println!("{network}: SQNR of the logits at 2 to 8 bits {ratios:.1?} dB");
        // A bit is worth 6.02 dB once the noise is small against the signal; half of that is asked
        // for from 5 bits on, and below only that nothing gets worse by more than 1 dB.
        for (at, pair) in ratios.windows(2).enumerate() {
            let least = if at + 2 >= 5 { 3.0 } else { -1.0 };
            assert!(pair[1] - pair[0] >= least, "{network}, {} to {} bits: {pair:?}", at + 2, at + 3);
        }
    }
}

/// The nodes with products, their weight's and bias' DequantizeLinear, and the one that they read.
struct LinearNode<'a> {
    node: &'a Node,
    input_scale: f32,
    weight: &'a Node,
    bias: Option<&'a Node>,
}

fn linear_nodes(graph: &Graph) -> Vec<LinearNode<'_>> {
    let producers = graph.producers();
    let maker = |node: &Node, slot: usize| {
        let id = node.inputs.get(slot).copied().flatten()?;
        graph.node(producers[id.index()]?)
    };
    let linear = graph.nodes().filter_map(|(_, node)| match node.op.facts().kind {
        Kind::Linear(linear) => Some((node, linear)),
        _ => None,
    });
    linear
        .map(|(node, linear)| LinearNode {
            node,
            input_scale: constant(graph, maker(node, 0).unwrap(), 1).as_slice::<f32>().unwrap()[0],
            weight: maker(node, linear.weight).unwrap(),
            bias: linear.bias.and_then(|slot| maker(node, slot)),
        })
        .collect()
}

fn constant<'a>(graph: &'a Graph, node: &Node, slot: usize) -> &'a Value {
    graph.constant(node.inputs[slot].unwrap()).unwrap_or_else(|| panic!("{}: input {slot}", node.name))
}

#[test]
fn the_scale_of_a_bias_is_that_of_its_products() {
    for network in SAMPLES {
        let (_, quantized) = quantized_sample(network, &Recipe::default());
        let graph = onnx::import(quantized.file()).unwrap().graph;
        let nodes = linear_nodes(&graph);
        let mut biases = 0;
        for LinearNode { node, input_scale, weight, bias } in nodes {
            assert_eq!(weight.op.op_type(), "DequantizeLinear", "{}: the weight is not quantized", node.name);
            assert!(constant(&graph, weight, 0).as_slice::<i8>().is_ok());
            let Some(bias) = bias else { continue };
            assert!(constant(&graph, bias, 0).as_slice::<i32>().is_ok());
            let weight_scales = constant(&graph, weight, 1).as_slice::<f32>().unwrap();
            let bias_scales = constant(&graph, bias, 1).as_slice::<f32>().unwrap();
            let products: Vec<f32> = weight_scales.iter().map(|s| s * input_scale).collect();
            assert_eq!(bias_scales, products, "{}", node.name);
            biases += 1;
        }
        assert!(biases > 10, "{network}: {biases} biases");
    }
}

#[test]
fn weights_that_are_zero_stay_zero() {
    // Every third weight of a layer is pruned, in the file itself.
    let mut bytes = sample_network("sample_resnet");
    let graph = onnx::import(&bytes).unwrap().graph;
    let (_, layer) = graph.nodes().find(|(_, node)| node.name == "stage1/block0/conv2").unwrap();
    let weight = constant(&graph, layer, 1).as_slice::<f32>().unwrap().to_vec();
    let raw: Vec<u8> = weight.iter().flat_map(|w| w.to_le_bytes()).collect();
    let at = bytes.windows(raw.len()).position(|window| window == raw).unwrap();
    for index in (0..weight.len()).step_by(3) {
        bytes[at + 4 * index..][..4].fill(0);
    }

    let mut session = sample_session("sample_resnet");
    let preprocess = session.preprocess().clone();
    session.load_model("pruned.onnx", bytes).unwrap();
    session.set_preprocess(preprocess);
    for recipe in [bits(8, 8), bits(2, 8)] {
        quantize(&mut session, &recipe);
        let file = session.quantized().unwrap().file().to_vec();
        let graph = onnx::import(&file).unwrap().graph;
        let node = linear_nodes(&graph).into_iter().find(|n| n.node.name == "stage1/block0/conv2").unwrap();
        let codes = constant(&graph, node.weight, 0).as_slice::<i8>().unwrap();
        assert_eq!(codes.len(), weight.len());
        assert!(codes.iter().step_by(3).all(|&code| code == 0), "{}", recipe.label());
        assert!(codes.iter().any(|&code| code != 0));
    }
}

#[test]
fn a_file_is_about_a_quarter_of_the_size() {
    for network in SAMPLES {
        let (_, quantized) = quantized_sample(network, &Recipe::default());
        let sizes = quantized.sizes();
        assert_eq!(sizes.full, sample_network(network).len());
        assert_eq!(sizes.quantized, quantized.file().len());
        let factor = sizes.full as f64 / sizes.quantized as f64;
        println!("{network}: {} → {} bytes, {factor:.2}×", sizes.full, sizes.quantized);
        assert!((2.0..4.0).contains(&factor), "{network}: {factor:.2}");
    }
}
