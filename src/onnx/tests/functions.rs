//! Functions that a file defines, and what becomes of their calls.

use super::fixtures::{TestFile, int_attribute, node, with};
use crate::onnx::import;
use crate::onnx::proto::{
    self, AttributeProto, FunctionProto, NodeProto, OperatorSetIdProto, attribute_type,
};

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: &[NodeProto]) -> FunctionProto {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    FunctionProto {
        name: Some(name.to_owned()),
        domain: Some("own".to_owned()),
        input: texts(inputs),
        output: texts(outputs),
        node: nodes.iter().map(proto::encode).collect(),
        ..FunctionProto::default()
    }
}

fn call(name: &str, node_name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { domain: Some("own".to_owned()), ..node(name, node_name, inputs, outputs) }
}

/// An attribute that is that of the function.
fn reference(name: &str, outer: &str) -> AttributeProto {
    AttributeProto { ref_attr_name: Some(outer.to_owned()), i: None, ..int_attribute(name, 0) }
}

/// `x` into one call, and its output `y`.
fn file(call: &NodeProto, functions: &[FunctionProto]) -> TestFile {
    let mut file = TestFile::empty().input("x", &["batch", "2"]).node(call).output("y", &[]);
    file.model.functions.extend(functions.iter().map(proto::encode));
    file
}

/// The nodes and values of what the file becomes, without types.
fn shape_of(file: TestFile) -> String {
    let graph = import(&file.bytes()).unwrap_or_else(|error| panic!("{error}")).graph;
    let name = |id: &crate::ir::ValueId| graph.value(*id).name.clone();
    let nodes = graph.nodes().map(|(_, node)| {
        let inputs: Vec<String> = node.inputs.iter().map(|id| id.as_ref().map_or("-".into(), name)).collect();
        let outputs: Vec<String> = node.outputs.iter().map(name).collect();
        let op_type = crate::ir::Operation::op_type(&node.op);
        format!("{}: {} = {op_type}({})\n", node.name, outputs.join(", "), inputs.join(", "))
    });
    nodes.collect()
}

#[test]
fn calls_become_the_nodes_of_the_function_under_names_of_their_own() {
    let twice = function(
        "Twice",
        &["a"],
        &["b"],
        &[
            node("Relu", "r", &["a"], &["x"]),
            node("Neg", "", &["x"], &["t"]),
            node("Exp", "", &["t"], &["b"]),
        ],
    );
    let file = file(&call("Twice", "first", &["x"], &["s"]), &[twice])
        .node(&call("Twice", "", &["s"], &["y"]))
        .node(&node("Relu", "first/r", &["y"], &["first/x"]))
        .output("first/x", &[]);
    assert_eq!(
        shape_of(file),
        "first/r_2: first/x_2 = Relu(x)\n\
         first/Neg_0: first/t = Neg(first/x_2)\n\
         first/Exp_0: s = Exp(first/t)\n\
         Twice_0/r: Twice_0/x = Relu(s)\n\
         Twice_0/Neg_0: Twice_0/t = Neg(Twice_0/x)\n\
         Twice_0/Exp_0: y = Exp(Twice_0/t)\n\
         first/r: first/x = Relu(y)\n"
    );
}

#[test]
fn functions_call_functions_and_hand_attributes_on() {
    let mut inner = function(
        "Inner",
        &["a"],
        &["b"],
        &[with(node("Softmax", "s", &["a"], &["b"]), &reference("axis", "at"))],
    );
    inner.attribute_proto.push(proto::encode(&int_attribute("at", 1)));
    let mut outer = function(
        "Outer",
        &["a"],
        &["c"],
        &[
            with(call("Inner", "given", &["a"], &["b"]), &reference("at", "axis")),
            call("Inner", "default", &["b"], &["c"]),
        ],
    );
    outer.attribute.push("axis".to_owned());
    let axes = |file: TestFile| -> Vec<String> {
        let graph = import(&file.bytes()).unwrap().graph;
        graph.nodes().map(|(_, node)| format!("{:?}", node.op)).collect()
    };
    let functions = [inner, outer];
    let given = with(call("Outer", "o", &["x"], &["y"]), &int_attribute("axis", 0));
    let softmax = |axis: i64| format!("Softmax(Softmax {{ rows: Along({axis}) }})");
    assert_eq!(axes(file(&given, &functions)), [softmax(0), softmax(1)]);
    // What nobody gives is left away: first Inner's own default counts, not Softmax's.
    assert_eq!(axes(file(&call("Outer", "o", &["x"], &["y"]), &functions)), [softmax(1), softmax(1)]);
}

#[test]
fn a_function_has_an_operator_set_of_its_own() {
    let softmax = |opset| {
        let mut function = function("F", &["a"], &["b"], &[node("Softmax", "s", &["a"], &["b"])]);
        function.opset_import = vec![OperatorSetIdProto { domain: None, version: Some(opset) }];
        file(&call("F", "f", &["x"], &["y"]), &[function])
    };
    let rows = |opset| {
        let graph = import(&softmax(opset).bytes()).unwrap().graph;
        graph.nodes().map(|(_, node)| format!("{:?}", node.op)).collect::<Vec<_>>().concat()
    };
    assert_eq!(rows(11), "Softmax(Softmax { rows: From(1) })");
    assert_eq!(rows(13), "Softmax(Softmax { rows: Along(-1) })");
}

#[test]
fn overloads_and_functions_that_replace_operators_are_told_apart() {
    let body = |op_type: &str| [node(op_type, "n", &["a"], &["b"])];
    let one =
        FunctionProto { overload: Some("1".to_owned()), ..function("F", &["a"], &["b"], &body("Relu")) };
    let two = FunctionProto { overload: Some("2".to_owned()), ..function("F", &["a"], &["b"], &body("Neg")) };
    let second = NodeProto { overload: Some("2".to_owned()), ..call("F", "f", &["x"], &["y"]) };
    assert_eq!(shape_of(file(&second, &[one, two])), "f/n: y = Neg(x)\n");
    let relu = FunctionProto {
        domain: Some("ai.onnx".to_owned()),
        ..function("Relu", &["a"], &["b"], &body("Neg"))
    };
    assert_eq!(shape_of(file(&node("Relu", "r", &["x"], &["y"]), &[relu])), "r/n: y = Neg(x)\n");
}

#[test]
fn inputs_may_be_left_out_or_handed_on_and_outputs_left_out() {
    let clip =
        || function("F", &["a", "low", "high"], &["b"], &[node("Clip", "c", &["a", "low", "high"], &["b"])]);
    assert_eq!(shape_of(file(&call("F", "f", &["x"], &["y"]), &[clip()])), "f/c: y = Clip(x)\n");
    let parts = || function("F", &["a"], &["a", "b", "b"], &[node("Neg", "n", &["a"], &["b"])]);
    assert_eq!(
        shape_of(
            file(&call("F", "f", &["x"], &["same", "y", "z"]), &[parts()])
                .output("same", &[])
                .output("z", &[])
        ),
        "f/Identity_0: same = Identity(x)\nf/Identity_1: z = Identity(y)\nf/n: y = Neg(x)\n"
    );
    assert_eq!(shape_of(file(&call("F", "f", &["x"], &["", "y"]), &[parts()])), "f/n: y = Neg(x)\n");
}

#[test]
fn functions_that_stand_for_far_more_than_the_file_are_refused() {
    // Each calls the next one twice and none does anything: 2⁴⁰ calls in a few hundred bytes.
    let bomb: Vec<FunctionProto> = (0..40)
        .map(|i| {
            let next = format!("F{}", i + 1);
            function(
                &format!("F{i}"),
                &["a"],
                &["c"],
                &[call(&next, "", &["a"], &["b"]), call(&next, "", &["b"], &["c"])],
            )
        })
        .chain([function("F40", &["a"], &["c"], &[])])
        .collect();
    let started = std::time::Instant::now();
    let error = import(&file(&call("F0", "f", &["x"], &["y"]), &bomb).bytes()).unwrap_err();
    assert_eq!((error.code(), error.node()), ("onnx/function", Some("f")));
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn long_texts_are_not_copied_without_end() {
    // One name of a megabyte, read two thousand times in one node.
    let long = "n".repeat(1 << 20);
    let many = vec!["a"; 2000];
    let sum = function("F", &["a"], &["b"], &[node("Sum", "s", &many, &["b"])]);
    let mut named =
        TestFile::empty().input(&long, &["2"]).node(&call("F", "f", &[&long], &["y"])).output("y", &[]);
    named.model.functions.push(proto::encode(&sum));
    let error = import(&named.bytes()).unwrap_err();
    assert!(error.to_string().contains("come to more than 134217728 bytes"), "{error}");
    // One attribute of a megabyte, referred to as often.
    let text = AttributeProto {
        name: "t".to_owned(),
        r#type: Some(attribute_type::STRING),
        s: Some(prost::bytes::Bytes::from(vec![b'n'; 1 << 20])),
        ..AttributeProto::default()
    };
    let references = (0..2000)
        .fold(node("Relu", "r", &["a"], &["b"]), |relu, i| with(relu, &reference(&format!("a{i}"), "t")));
    let mut relu = function("F", &["a"], &["b"], &[references]);
    relu.attribute.push("t".to_owned());
    let error = import(&file(&with(call("F", "f", &["x"], &["y"]), &text), &[relu]).bytes()).unwrap_err();
    assert!(error.to_string().contains("come to more than 134217728 bytes"), "{error}");
}
