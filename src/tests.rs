//! The golden cases: small networks with what onnxruntime makes of them. They run wherever the crate
//! does, with the kernels of that build: natively, in Node and in a browser's worker.

#[path = "../tests/golden/mod.rs"]
mod golden;

use crate::ir::GraphError;
use crate::onnx::{self, ExportOptions, ImportError};
use crate::ops::Graph;
use crate::passes::{self, Dequantized, PassError};
use crate::tensor::Value;
use golden::{Golden, relative_difference, run, same_bits};
use wasm_bindgen_test::wasm_bindgen_test;

/// Largest difference from onnxruntime, relative to the largest output. Two orders of summation of n
/// products differ by at most 2·n·2⁻²⁴ of the sum of their magnitudes, and the longest sums here
/// have some hundreds of terms.
const FLOAT_BOUND: f64 = 1e-4;

/// The same for a network that onnxruntime runs in half precision, where every node rounds its
/// result to 11 bits: 2⁻¹¹ for each of its four nodes, and as much for what Gemm sums.
const HALF_BOUND: f64 = 5.0 / 2048.0;

/// Cases of which onnxruntime computes nodes in half precision, or whose outputs are.
const HALF_NETWORKS: [&str; 3] = ["half_network", "half_edges", "half_island"];

/// Cases that cannot be imported, each with the reason. One that can be fails the run.
const NOT_SUPPORTED: &[(&str, &str)] = &[];

/// Operators that hand elements on as they are, or choose among them: no rounding, so nothing to
/// forgive.
const WITHOUT_ARITHMETIC: &[&str] = &[
    "Clip",
    "Concat",
    "Constant",
    "Dropout",
    "Flatten",
    "Gather",
    "GlobalMaxPool",
    "Identity",
    "MaxPool",
    "Pad",
    "Relu",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

fn supported() -> impl Iterator<Item = Golden> {
    Golden::all().into_iter().filter(|case| NOT_SUPPORTED.iter().all(|(name, _)| *name != case.name))
}

fn import(case: &Golden) -> Graph {
    case.import().unwrap_or_else(|error| panic!("{}: {error}", case.name)).graph
}

fn bound(case: &Golden) -> f64 {
    if HALF_NETWORKS.contains(&case.name.as_str()) {
        HALF_BOUND
    } else if case.operators.iter().all(|op| WITHOUT_ARITHMETIC.contains(&op.as_str())) {
        0.0
    } else {
        FLOAT_BOUND
    }
}

/// Compares and returns the largest difference, or what is wrong.
fn compare(case: &Golden, form: &str, got: &[Value]) -> Result<f64, String> {
    let expected = case.outputs();
    if got.len() != expected.len() {
        return Err(format!("{} {form}: {} outputs instead of {}", case.name, got.len(), expected.len()));
    }
    let worst = got.iter().zip(&expected).map(|(g, e)| relative_difference(g, e)).fold(0.0, f64::max);
    if worst > bound(case) {
        return Err(format!("{} {form}: differs by {worst:.1e} of the largest output", case.name));
    }
    Ok(worst)
}

#[wasm_bindgen_test(unsupported = test)]
fn every_case_gives_what_onnxruntime_gives() {
    let (mut wrong, mut worst, mut count) = (Vec::new(), (0.0, String::new()), 0);
    for case in supported() {
        let raw = import(&case);
        let simple = passes::simplify(&raw).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for (form, graph) in [("as imported", &raw), ("simplified", &simple)] {
            match compare(&case, form, &run(graph, &case.inputs())) {
                Err(message) => wrong.push(message),
                Ok(difference) if difference > worst.0 && !HALF_NETWORKS.contains(&case.name.as_str()) => {
                    worst = (difference, case.name.clone());
                }
                Ok(_) => {}
            }
        }
        count += 1;
    }
    println!("{count} cases; the largest difference is {:.1e} ({})", worst.0, worst.1);
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_not_supported_is_listed_and_says_so() {
    let cases = Golden::all();
    for (name, reason) in NOT_SUPPORTED {
        let case = cases.iter().find(|case| case.name == *name).expect("the case exists");
        let error = case.import().expect_err("it is supported now: take it off the list");
        let ImportError::UnsupportedOperator { op_type, .. } = error.reason() else {
            panic!("{name}: {error}")
        };
        assert!(reason.starts_with(op_type), "{name}: {op_type} is missing, not {reason}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn networks_with_channels_last_keep_only_the_transpositions_at_their_edges() {
    for (name, before, left) in [("nhwc_chain", 4, 1), ("nhwc_residual", 8, 2), ("nhwc_padded", 2, 2)] {
        let case = Golden::all().into_iter().find(|case| case.name == name).expect("the case exists");
        let count = |graph: &Graph| graph.nodes().filter(|(_, n)| n.op.permutation().is_some()).count();
        let graph = import(&case);
        assert_eq!((count(&graph), count(&passes::simplify(&graph).unwrap())), (before, left), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn each_pass_leaves_the_outputs_as_they_are() {
    type Pass = fn(&Graph) -> Result<Graph, PassError>;
    // In the order of `passes::simplify`. Folding an affine operator into weights rounds them, and what
    // is summed over other axes is summed in another order; no other pass may change a bit.
    let pipeline: [(&str, f64, Pass); 10] = [
        ("remove_identities", 0.0, |g| passes::remove_identities(g)),
        ("fold_constants", 0.0, |g| passes::fold_constants(g, Dequantized::Keep)),
        ("infer_types", 0.0, |g| passes::infer_types(g)),
        ("sink_transposes", f64::from(f32::EPSILON), |g| passes::infer_types(&passes::sink_transposes(g)?)),
        ("fold_affine", FLOAT_BOUND, |g| passes::fold_affine(g)),
        ("fuse_clamps", 0.0, |g| passes::fuse_clamps(g)),
        ("eliminate_dead", 0.0, |g| passes::eliminate_dead(g)),
        ("move_real_numbers", 0.0, |g| passes::move_real_numbers(g)),
        ("infer_types again", 0.0, |g| passes::infer_types(&g.compacted()?)),
        ("settle_forms", 0.0, |g| passes::settle_forms(g)),
    ];
    let mut wrong = Vec::new();
    for case in supported() {
        let inputs = case.inputs();
        let mut graph = import(&case);
        let mut before = run(&graph, &inputs);
        for (name, bound, pass) in &pipeline {
            graph = pass(&graph).unwrap_or_else(|error| panic!("{}: {name}: {error}", case.name));
            graph.verify().unwrap_or_else(|error: GraphError| panic!("{}: {name}: {error}", case.name));
            let after = run(&graph, &inputs);
            let worst = after.iter().zip(&before).map(|(a, b)| relative_difference(a, b)).fold(0.0, f64::max);
            if worst > *bound || (*bound == 0.0 && !same_bits(&after, &before)) {
                wrong.push(format!("{}: {name} changes the outputs by {worst:.1e}", case.name));
            }
            before = after;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[wasm_bindgen_test(unsupported = test)]
fn networks_on_codes_run_on_integers() {
    let cases: Vec<Golden> =
        supported().filter(|case| case.operators.iter().any(|op| op == "QuantizeLinear")).collect();
    assert!(cases.len() >= 4);
    for case in cases {
        let graph = passes::simplify(&import(&case)).unwrap();
        let lowered = passes::lower_int8(&passes::unsigned_codes(&graph).unwrap()).unwrap();
        assert_eq!(lowered.float_nodes, [""; 0], "{}", case.name);
        let worst = compare(&case, "on integers", &run(&lowered.graph, &case.inputs()));
        worst.unwrap_or_else(|message| panic!("{message}"));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_network_survives_being_written_and_read() {
    let mut wrong = Vec::new();
    for case in supported() {
        let inputs = case.inputs();
        let raw = import(&case);
        let simple = passes::simplify(&raw).unwrap();
        for (form, graph) in [("as imported", &raw), ("simplified", &simple)] {
            let written = onnx::export(graph, &ExportOptions::default());
            let written = written.unwrap_or_else(|error| panic!("{} {form}: {error}", case.name));
            let read = onnx::import(&written).unwrap_or_else(|error| panic!("{} {form}: {error}", case.name));
            if !same_bits(&run(&read.graph, &inputs), &run(graph, &inputs)) {
                wrong.push(format!("{} {form}: other outputs", case.name));
            }
            let again = passes::simplify(&read.graph).unwrap();
            if form == "simplified" && !same_bits(&run(&again, &inputs), &run(graph, &inputs)) {
                wrong.push(format!("{} {form}: other outputs when simplified again", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
