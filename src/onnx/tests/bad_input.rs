//! Files that are wrong in ways that `tests/bad_networks` cannot hold. What is said about each kind of
//! bad file stands in the table there.

use super::fixtures::{TestFile, floats, int_attribute, node, with};
use crate::onnx::proto::{self, NodeProto, TensorProto};
use crate::onnx::{ImportError, import};

fn refusal(bytes: &[u8]) -> ImportError {
    import(bytes).expect_err("the file should have been refused")
}

#[test]
fn a_file_cut_anywhere_is_refused_for_what_it_lacks() {
    let whole = TestFile::small().bytes();
    for cut in 1..whole.len() {
        let error = refusal(&whole[..cut]);
        let codes = ["onnx/truncated", "onnx/no-graph", "onnx/no-opset"];
        assert!(codes.contains(&error.code()), "cut at {cut}: {error}");
    }
}

#[test]
fn all_missing_operators_are_listed_at_once() {
    let file = TestFile::small()
        .node(&node("Foo", "x", &["y"], &["a"]))
        .node(&node("Bar", "b0", &["a"], &["b"]))
        .node(&node("Foo", "x2", &["b"], &["c"]))
        .node(&node("Bar", "", &["c"], &["d"]))
        .node(&NodeProto { domain: Some("com.microsoft".to_owned()), ..node("Gelu", "g", &["d"], &["e"]) })
        .node(&node("Bar", "b0", &["e"], &["f"]));
    let error = refusal(&file.bytes());
    let ImportError::UnsupportedOperator { more_nodes, others, .. } = error.reason() else {
        panic!("{error}")
    };
    assert_eq!(more_nodes, &["x2"]);
    assert_eq!(others[0].nodes, ["b0", "Bar_0", "b0_2"]);
    assert_eq!(error.node(), Some("x"));
}

#[test]
fn a_report_says_what_stands_in_the_way_and_what_does_not() {
    let odd = |name: &str, input: &str, output: &str| {
        with(node("Softmax", name, &[input], &[output]), &int_attribute("colour", 3))
    };
    let file = TestFile::small()
        .node(&node("Relu", "beside", &["y"], &["a"]))
        .node(&odd("odd", "a", "b"))
        .node(&node("Relu", "behind", &["b"], &["c"]))
        .node(&node("Foo", "unknown", &["c"], &["d"]))
        .node(&node("Softmax", "fine", &["a"], &["e"]))
        .output("d", &["batch", "2"])
        .output("e", &["batch", "2"]);
    let error = refusal(&file.bytes());
    let support = error.support().expect("everything but some nodes is in order");
    // The network before these nodes, `beside` and `fine`.
    let before = support.nodes - 5;
    assert_eq!(support.computable, before + 2);
    let of = |op_type: &str| support.operators.iter().find(|o| o.op_type == op_type).unwrap();
    let softmax = of("Softmax");
    assert_eq!((softmax.nodes, softmax.refused.len()), (2, 1));
    assert_eq!(softmax.refused[0].node, "odd");
    assert!(softmax.refused[0].reason.to_string().contains("`colour`"), "{}", softmax.refused[0].reason);
    assert_eq!(of("Foo").refused[0].reason.node(), Some("unknown"));
    assert!(of("Relu").refused.is_empty());
    assert_eq!(support.operators.iter().map(|o| o.nodes).sum::<usize>(), support.nodes);
}

/// The small network with `w` replaced.
fn with_weight(weight: &TensorProto) -> TestFile {
    let mut file = TestFile::small();
    file.graph.initializer.clear();
    file.initializer(weight)
}

#[test]
fn a_single_infinity_is_a_bound_and_not_a_weight() {
    import(&with_weight(&floats("w", &[], &[f32::INFINITY])).bytes()).unwrap();
}

#[test]
fn many_equal_names_take_no_quadratic_time() {
    let mut file = TestFile::small();
    let twin = proto::encode(&node("Relu", "twin", &["x"], &["z"]));
    file.graph.node.extend(std::iter::repeat_n(twin, 100_000));
    let started = std::time::Instant::now();
    assert_eq!(refusal(&file.bytes()).code(), "onnx/duplicate-value");
    // Quadratic would be five thousand million steps.
    assert!(started.elapsed().as_secs() < 30);
}
