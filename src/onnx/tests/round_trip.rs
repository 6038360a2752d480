//! `import(export(graph))` is the graph.

use super::fixtures::{TestFile, floats, node};
use crate::ir::{GraphBuilder, ValueId};
use crate::onnx::{ExportError, ExportOptions, export, import};
use crate::ops::{Add, Cast, Clamp, Graph, Node, Op, Relu};
use crate::tensor::{DType, Dim, FloatFormat, FloatRounding, I2, I4, Shape, TensorType, Value};

/// Fails where two graphs differ in names, operators, types of inputs and outputs, constants that
/// are read, or in how nodes are connected.
pub(super) fn assert_equivalent(a: &Graph, b: &Graph) {
    let (a, b) = (a.compacted().unwrap(), b.compacted().unwrap());
    let name = |graph: &Graph, id: ValueId| graph.value(id).name.clone();
    let ends = |graph: &Graph| {
        let describe = |ids: &[ValueId]| {
            ids.iter().map(|&id| (name(graph, id), graph.value(id).ty.clone())).collect::<Vec<_>>()
        };
        (describe(graph.inputs()), describe(graph.outputs()))
    };
    assert_eq!(ends(&a), ends(&b));
    assert_eq!(a.node_count(), b.node_count());
    for ((_, x), (_, y)) in a.nodes().zip(b.nodes()) {
        assert_eq!(x.name, y.name);
        // An operator that only its inputs' types bring into a file's form comes back in that form.
        assert!(x.op == y.op || x.op.export().is_none(), "{:?} came back as {:?}", x.op, y.op);
        let inputs = |graph: &Graph, node: &Node| {
            let describe = |id: ValueId| (name(graph, id), graph.constant(id).cloned());
            node.inputs.iter().map(|id| id.map(describe)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(&a, x), inputs(&b, y), "inputs of `{}`", x.name);
        let outputs =
            |graph: &Graph, node: &Node| node.outputs.iter().map(|&id| name(graph, id)).collect::<Vec<_>>();
        assert_eq!(outputs(&a, x), outputs(&b, y), "outputs of `{}`", x.name);
    }
}

fn written(graph: &Graph) -> Vec<u8> {
    export(graph, &ExportOptions::default()).unwrap()
}

/// x → Add(w) → [clamp] → Relu → y, with a symbolic, an unknown and a fixed dimension.
fn built(clamp: Option<Clamp>) -> Graph {
    let dims = vec![Dim::Symbolic("batch".into()), Dim::Unknown, Dim::Fixed(2)];
    let ty = TensorType::new(DType::F32, Shape::Ranked(dims));
    let mut builder = GraphBuilder::new("built");
    let x = builder.input("x", ty.clone());
    let w = builder.constant("w", Value::from_vec(&[2], vec![0.5_f32, -0.0]).unwrap());
    let s = builder.op("sum", Add { clamp }.into(), &[x, w]);
    let again = builder.op("again", Add::default().into(), &[s, w]);
    let y = builder.value("y", Some(ty));
    builder.node(Node { name: "act".into(), op: Relu.into(), inputs: vec![Some(again)], outputs: vec![y] });
    builder.output(y);
    builder.finish().unwrap()
}

#[test]
fn a_built_graph_survives() {
    let graph = built(None);
    let read = import(&written(&graph)).unwrap();
    assert_equivalent(&graph, &read.graph);
    assert_eq!((read.info.opset.0, read.info.ir_version), (18, 8));
    assert_eq!(read.info.producer, concat!("bitlens ", env!("CARGO_PKG_VERSION")));
    // The weight that two nodes read is in the file once.
    assert_eq!(read.info.parameter_count, 2);
}

#[test]
fn the_same_graph_gives_the_same_bytes() {
    let graph = built(Some(Clamp { min: 0.0, max: 6.0 }));
    let bytes = written(&graph);
    assert_eq!(bytes, written(&graph.clone()));
    let graph = built(None);
    assert_eq!(written(&graph), written(&import(&written(&graph)).unwrap().graph));
}

#[test]
fn every_element_type_survives() {
    let values = [
        Value::from_vec(&[2], vec![f32::MIN_POSITIVE, -0.0]).unwrap(),
        Value::from_vec(&[2], vec![f64::MAX, 1e-300]).unwrap(),
        Value::from_vec(&[1, 2], vec![i64::MIN, i64::MAX]).unwrap(),
        Value::from_vec(&[2], vec![i32::MIN, i32::MAX]).unwrap(),
        Value::from_vec(&[2], vec![0_u8, 255]).unwrap(),
        Value::from_vec(&[2], vec![-128_i8, 127]).unwrap(),
        Value::from_vec(&[2], vec![true, false]).unwrap(),
        Value::scalar(-1.5_f32),
        Value::from_vec::<i64>(&[0], Vec::new()).unwrap(),
    ];
    let mut builder = GraphBuilder::new("constants");
    for (i, value) in values.iter().enumerate() {
        let id = builder.constant(format!("c{i}"), value.clone());
        builder.output(id);
    }
    let read = import(&written(&builder.finish().unwrap())).unwrap().graph;
    for (value, &id) in values.iter().zip(read.outputs()) {
        assert_eq!(read.constant(id), Some(value));
    }
}

#[test]
fn a_fused_clamp_becomes_a_node_again() {
    let read = import(&written(&built(Some(Clamp::RELU)))).unwrap().graph;
    let names: Vec<&str> = read.nodes().map(|(_, node)| node.name.as_str()).collect();
    assert_eq!(names, ["sum", "sum_Relu", "again", "act"]);
    let (_, first) = read.nodes().next().unwrap();
    assert_eq!(read.value(first.outputs[0]).name, "sum_output_2");
    let (_, second) = read.nodes().nth(1).unwrap();
    assert_eq!(read.value(second.outputs[0]).name, "sum_output");
}

#[test]
fn metadata_survives_in_the_order_of_its_keys() {
    let entries = [("b", "2"), ("a", "{\"bits\": 8}")];
    let metadata = entries.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
    let bytes = export(&built(None), &ExportOptions { metadata }).unwrap();
    let read = import(&bytes).unwrap().info.metadata;
    let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(read, [("a", "{\"bits\": 8}"), ("b", "2")]);
}

#[test]
fn nodes_are_written_in_an_order_of_execution() {
    let file = TestFile::empty()
        .input("x", &["2"])
        .initializer(&floats("w", &[2], &[1.0, 2.0]))
        .node(&node("Relu", "last", &["s"], &["y"]))
        .node(&node("Add", "first", &["x", "w"], &["s"]))
        .output("y", &["2"]);
    let graph = import(&file.bytes()).unwrap().graph;
    let read = import(&written(&graph)).unwrap().graph;
    assert_equivalent(&graph, &read);
    let names: Vec<&str> = read.nodes().map(|(_, node)| node.name.as_str()).collect();
    assert_eq!(names, ["first", "last"]);
}

#[test]
fn a_file_has_the_opset_that_its_types_and_operators_need() {
    let written_with = |constant: Value, op: Op| {
        let shape = Shape::fixed(constant.shape());
        let (ty, constant_type) = (TensorType::new(DType::F32, shape.clone()), constant.dtype());
        let mut builder = GraphBuilder::new("g");
        let x = builder.input("x", ty.clone());
        let y = builder.value("y", Some(ty));
        builder.node(Node { name: "op".into(), op, inputs: vec![Some(x)], outputs: vec![y] });
        let constant = builder.constant("k", constant);
        builder.output(y);
        builder.output(constant);
        let graph = builder.finish().unwrap();
        assert_eq!(graph.value(constant).ty.as_ref().unwrap().dtype, constant_type);
        let read = import(&written(&graph)).unwrap();
        let id = read.graph.find_value("k").unwrap();
        assert_eq!(graph.constant(constant), read.graph.constant(id));
        (read.info.opset.0, read.info.ir_version)
    };
    let nibbles = Value::from_vec(&[5], [-8, 7, 0, -1, 3].map(I4::wrapping).to_vec()).unwrap();
    let float = Value::from_vec(&[1], vec![1.0_f32]).unwrap();
    let cast = Cast { to: FloatFormat::Float8E5M2.into(), rounding: FloatRounding::default() };
    assert_eq!(written_with(float.clone(), Relu.into()), (18, 8));
    assert_eq!(written_with(float, cast.into()), (19, 9));
    assert_eq!(written_with(nibbles, Relu.into()), (21, 10));
    let bits = Value::from_vec(&[5], [-2, 1, 0, -1, 1].map(I2::wrapping).to_vec()).unwrap();
    assert_eq!(written_with(bits, Relu.into()), (25, 13));
}

#[test]
fn an_output_without_a_type_is_refused() {
    let mut builder = GraphBuilder::new("g");
    let x = builder.input("x", TensorType::new(DType::F32, Shape::Unranked));
    let y = builder.op("act", Relu.into(), &[x]);
    builder.output(y);
    let error = export(&builder.finish().unwrap(), &ExportOptions::default()).unwrap_err();
    assert_eq!(error, ExportError::NoType { value: "act_output".to_owned() });
    assert_eq!(error.to_string(), "The type of `act_output` is not known: infer shapes before the export.");
}
