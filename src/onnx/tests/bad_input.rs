//! Every way in which a file can be wrong, with the words that the user gets.

use super::fixtures::{TestFile, floats, info, int_attribute, node, raw, tensor, tensor_attribute, with};
use crate::onnx::proto::{
    self, AttributeProto, NodeProto, SparseTensorProto, TensorProto, attribute_type, data_type,
};
use crate::onnx::{ImportError, import};
use prost::bytes::Bytes;

fn refusal(bytes: &[u8]) -> ImportError {
    import(bytes).expect_err("the file should have been refused")
}

/// Checks code and message.
fn refuses(file: TestFile, code: &str, message: &str) -> ImportError {
    let error = refusal(&file.bytes());
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    error
}

#[test]
fn a_file_that_is_not_onnx_is_told_what_it_looks_like() {
    let cases: [(&[u8], &str); 14] = [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        (b"GIF89a\x01\0\x01\0", "a GIF picture"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP picture"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04\x14\0\0\0", "a zip archive (PyTorch checkpoints are zip archives too)"),
        (b"\x1f\x8b\x08\0\0\0", "a gzip archive"),
        (b"\x80\x02\x8a\nl\xfc\x9c", "a Python pickle (an older PyTorch checkpoint)"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file (a Keras network)"),
        (b"\x1c\0\0\0TFL3\x14\0 \0", "a TensorFlow Lite network"),
        (b"\x40\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\"}}", "a safetensors file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a Git LFS pointer, which stands for a file that was not downloaded",
        ),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"  {\"labels\": []}", "JSON"),
    ];
    for (bytes, what) in cases {
        let error = refusal(bytes);
        assert_eq!(error.to_string(), format!("This is not an ONNX file: it looks like {what}."));
        assert_eq!(error.code(), "onnx/not-onnx");
        assert!(error.hint().is_some());
    }
    assert_eq!(refusal(b"hello").to_string(), "This is not an ONNX file: it looks like text.");
    assert_eq!(refusal(&[0xfe; 40]).to_string(), "This is not an ONNX file.");
    assert_eq!(refusal(b"").to_string(), "This file is empty.");
}

#[test]
fn a_truncated_file_says_how_much_is_missing() {
    let whole = TestFile::small().bytes();
    let message = |got: usize, expected: usize| {
        format!("This ONNX file is cut off: it has {got} bytes, but its contents need at least {expected}.")
    };
    // The opset entry (two bytes of tag and length, two of content) comes last; cut in the graph,
    // the file knows where the graph should have ended.
    let graph_end = whole.len() - 4;
    let half = whole.len() / 2;
    assert_eq!(refusal(&whole[..half]).to_string(), message(half, graph_end));
    let but_one = whole.len() - 1;
    assert_eq!(refusal(&whole[..but_one]).to_string(), message(but_one, whole.len()));
    for cut in 1..whole.len() {
        let error = refusal(&whole[..cut]);
        let codes = ["onnx/truncated", "onnx/no-graph", "onnx/no-opset"];
        assert!(codes.contains(&error.code()), "cut at {cut}: {error}");
    }
}

#[test]
fn a_damaged_part_is_named() {
    let mut file = TestFile::small();
    file.graph.initializer.push(Bytes::from_static(b"\x08"));
    let error = refusal(&file.bytes());
    assert_eq!(error.code(), "onnx/corrupt");
    assert!(
        error.to_string().starts_with("This ONNX file is damaged: initializer 1 cannot be read ("),
        "{error}"
    );
}

#[test]
fn the_header_is_checked() {
    let mut file = TestFile::small();
    file.model.ir_version = Some(2);
    refuses(file, "onnx/ir-version", "This file has ONNX IR version 2; Bitlens reads 3 and later.");
    let mut file = TestFile::small();
    file.model.opset_import.clear();
    refuses(
        file,
        "onnx/no-opset",
        "This file does not say which version of the ONNX operators it uses (no opset_import).",
    );
    for got in [6, 28, i64::MAX] {
        let message = format!("This file uses ONNX opset {got}; Bitlens reads 7 to 27.");
        let error = refuses(TestFile::small().opset("", got), "onnx/opset", &message);
        assert!(error.hint().unwrap().contains("opset_version=17"));
    }
    let bytes = prost::Message::encode_to_vec(&TestFile::small().model);
    assert_eq!(refusal(&bytes).to_string(), "This ONNX file contains no network (it has no graph).");
}

#[test]
fn a_network_without_outputs_is_refused() {
    let mut file = TestFile::small();
    file.graph.output.clear();
    refuses(
        file,
        "onnx/no-output",
        "The network in this file has no output, so there is nothing to compute.",
    );
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
    let error = refuses(
        file,
        "onnx/unsupported-operator",
        "Node `x` uses operator `Foo`, which Bitlens does not support. \
         Also missing: Bar (3 nodes), com.microsoft.Gelu (1 node).",
    );
    let ImportError::UnsupportedOperator { more_nodes, others, .. } = error.reason() else {
        panic!("{error}")
    };
    assert_eq!(more_nodes, &["x2"]);
    assert_eq!(others[0].nodes, ["b0", "Bar_0", "b0_2"]);
    assert_eq!(error.node(), Some("x"));
    refuses(
        TestFile::small().node(&node("bitlens.Secret", "n", &["y"], &["z"])),
        "onnx/unsupported-operator",
        "Node `n` uses operator `bitlens.Secret`, which Bitlens does not support.",
    );
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
    let error = refuses(
        file,
        "onnx/unsupported-operator",
        "Node `unknown` uses operator `Foo`, which Bitlens does not support.",
    );
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

#[test]
fn networks_inside_nodes_are_refused() {
    let body = AttributeProto {
        name: "body".to_owned(),
        r#type: Some(attribute_type::GRAPH),
        g: Some(Bytes::from_static(b"whatever")),
        ..AttributeProto::default()
    };
    refuses(
        TestFile::small().node(&with(node("Relu", "loop", &["y"], &["z"]), &body)),
        "onnx/subgraph",
        "Node `loop` (Relu) has a network inside (attribute `body`), which Bitlens does not support.",
    );
}

#[test]
fn attributes_that_nobody_understands_are_refused() {
    refuses(
        TestFile::small().node(&with(node("Relu", "r", &["y"], &["z"]), &int_attribute("zoom", 2))),
        "onnx/attribute",
        "Node `r` (Relu): attribute `zoom` is not known to this operator in opset 17.",
    );
    let reference = AttributeProto { ref_attr_name: Some("outer".to_owned()), ..int_attribute("axis", 0) };
    refuses(
        TestFile::small().node(&with(node("Relu", "r", &["y"], &["z"]), &reference)),
        "onnx/attribute-kind",
        "Node `r` (Relu): attribute `axis` is a reference to a function's attribute, which Bitlens does not read.",
    );
}

#[test]
fn constant_nodes_need_one_value() {
    let constant = node("Constant", "c", &[], &["k"]);
    let message = |got: &str| format!("Node `c` (Constant) should have one value, but has {got}.");
    refuses(TestFile::small().node(&constant), "onnx/constant", &message("none"));
    let two = with(with(constant.clone(), &int_attribute("value_int", 1)), &int_attribute("x", 1));
    refuses(TestFile::small().node(&two), "onnx/constant", &message("several"));
    let text = AttributeProto {
        name: "value_string".to_owned(),
        r#type: Some(attribute_type::STRING),
        s: Some(Bytes::from_static(b"hi")),
        ..AttributeProto::default()
    };
    refuses(
        TestFile::small().node(&with(constant, &text)),
        "onnx/constant",
        &message("text, which Bitlens does not read"),
    );
}

/// The small network with `w` replaced.
fn with_weight(weight: &TensorProto) -> TestFile {
    let mut file = TestFile::small();
    file.graph.initializer.clear();
    file.initializer(weight)
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let one = |index: usize| {
        format!("Initializer `w` holds an element that is not a finite number (NaN, element {index}).")
    };
    let two = "Initializer `w` holds 2 elements that are not finite numbers (the first is -inf, element 0).";
    refuses(with_weight(&floats("w", &[2], &[1.0, f32::NAN])), "onnx/non-finite", &one(1));
    refuses(with_weight(&floats("w", &[2], &[f32::NEG_INFINITY, f32::INFINITY])), "onnx/non-finite", two);
    // 0x7e00 is NaN in float16, 0x7fc0 in bfloat16.
    let half = raw(data_type::FLOAT16, "w", &[2], &[0, 0, 0x00, 0x7e]);
    refuses(with_weight(&half), "onnx/non-finite", &one(1));
    let brain = raw(data_type::BFLOAT16, "w", &[2], &[0, 0, 0xc0, 0x7f]);
    refuses(with_weight(&brain), "onnx/non-finite", &one(1));
    let constant = tensor_attribute("value", &floats("", &[1], &[f32::NAN]));
    let file = TestFile::small().node(&with(node("Constant", "c", &[], &["k"]), &constant));
    refuses(
        file,
        "onnx/non-finite",
        "Attribute `value` of node `c` holds an element that is not a finite number (NaN, element 0).",
    );
}

#[test]
fn a_single_infinity_is_a_bound_and_not_a_weight() {
    import(&with_weight(&floats("w", &[], &[f32::INFINITY])).bytes()).unwrap();
}

#[test]
fn lengths_are_compared_before_anything_is_allocated() {
    let file = |weight: &TensorProto| with_weight(weight);
    let huge = 1_i64 << 40;
    refuses(
        file(&tensor(data_type::FLOAT, "w", &[huge])),
        "onnx/tensor-length",
        "Initializer `w` has shape [1099511627776], which needs 1099511627776 elements, but the file holds 0 elements.",
    );
    refuses(
        file(&raw(data_type::FLOAT, "w", &[huge], &[0; 4])),
        "onnx/tensor-length",
        "Initializer `w` has shape [1099511627776], which needs 4398046511104 bytes, but the file holds 4 bytes.",
    );
    refuses(
        file(&raw(data_type::FLOAT, "w", &[i64::MAX, i64::MAX], &[0; 4])),
        "onnx/tensor-length",
        "Initializer `w` has shape [9223372036854775807, 9223372036854775807], \
         which needs more than memory can hold, but the file holds 4 bytes.",
    );
    refuses(
        file(&floats("w", &[2], &[1.0])),
        "onnx/tensor-length",
        "Initializer `w` has shape [2], which needs 2 elements, but the file holds 1 elements.",
    );
    refuses(
        file(&floats("w", &[-1], &[1.0])),
        "onnx/tensor-length",
        "Initializer `w` has shape [-1], which needs sizes that are not negative, but the file holds a size that is.",
    );
    refuses(
        file(&TensorProto { int32_data: vec![3, 256], ..tensor(data_type::UINT8, "w", &[2]) }),
        "onnx/element-range",
        "Initializer `w` has an element 256 that does not fit its type uint8.",
    );
}

#[test]
fn types_that_no_tensor_has_are_named() {
    refuses(
        with_weight(&raw(8, "w", &[2], &[])),
        "onnx/element-type",
        "Initializer `w` has element type string, which Bitlens does not support.",
    );
    refuses(
        TestFile::small().input_of(14, "ids", &["2"]),
        "onnx/element-type",
        "Input `ids` has element type complex64, which Bitlens does not support.",
    );
    let mut file = TestFile::small();
    let untyped = proto::ValueInfoProto { r#type: None, ..info(1, "seq", &[]) };
    file.graph.input.push(proto::encode(&untyped));
    refuses(
        file,
        "onnx/not-a-tensor",
        "Input `seq` is not a tensor (or has no type); Bitlens takes tensors only.",
    );
    let mut file = TestFile::small();
    let sparse = SparseTensorProto { values: Some(tensor(data_type::FLOAT, "thin", &[1])) };
    file.graph.sparse_initializer.push(proto::encode(&sparse));
    refuses(file, "onnx/sparse-initializer", "Initializer `thin` is sparse, which Bitlens does not support.");
}

#[test]
fn values_are_defined_once_and_before_all_readers() {
    refuses(
        TestFile::small().node(&node("Relu", "again", &["x"], &["s"])),
        "onnx/duplicate-value",
        "The value `s` is defined twice: by node `sum` and again by node `again`.",
    );
    refuses(
        TestFile::small().node(&node("Relu", "shadow", &["x"], &["w"])),
        "onnx/duplicate-value",
        "The value `w` is defined twice: by an initializer and again by node `shadow`.",
    );
    refuses(
        TestFile::small().initializer(&floats("w", &[1], &[0.0])),
        "onnx/duplicate-value",
        "The value `w` is defined twice: by an initializer and again by an initializer.",
    );
    refuses(
        TestFile::small().input("x", &[]),
        "onnx/duplicate-value",
        "The value `x` is defined twice: by an input and again by an input.",
    );
    refuses(
        TestFile::small().node(&node("Relu", "lost", &["ghost"], &["z"])),
        "onnx/missing-value",
        "Node `lost` reads `ghost`, which no node, input or initializer of this file provides.",
    );
    refuses(
        TestFile::small().output("ghost", &[]),
        "onnx/missing-value",
        "The network's output reads `ghost`, which no node, input or initializer of this file provides.",
    );
}

#[test]
fn a_circle_names_a_node_on_it() {
    let file = TestFile::empty()
        .input("x", &["2"])
        .node(&node("Add", "first", &["x", "b"], &["a"]))
        .node(&node("Relu", "second", &["a"], &["b"]))
        .output("b", &["2"]);
    refuses(
        file,
        "onnx/cycle",
        "Node `first` needs its own result: the network goes in a circle, so it cannot run.",
    );
}

#[test]
fn things_without_names_are_refused() {
    refuses(
        TestFile::small().node(&node("", "n", &["x"], &["z"])),
        "onnx/incomplete",
        "This ONNX file is not valid: node `n` has no operator.",
    );
    refuses(
        TestFile::small().node(&node("Relu", "", &["x"], &[""])),
        "onnx/incomplete",
        "This ONNX file is not valid: node `2` has no output.",
    );
    refuses(
        TestFile::small().initializer(&floats("", &[], &[1.0])),
        "onnx/incomplete",
        "This ONNX file is not valid: initializer 1 has no name.",
    );
    refuses(
        TestFile::small().input("", &[]),
        "onnx/incomplete",
        "This ONNX file is not valid: input 1 has no name.",
    );
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
