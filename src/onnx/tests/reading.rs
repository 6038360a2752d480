//! What a good file becomes.

use super::fixtures::{TestFile, floats, info, int_attribute, node, raw, tensor, tensor_attribute, with};
use crate::onnx::proto::{self, StringStringEntryProto, TensorProto, data_type};
use crate::onnx::{Imported, import};
use crate::ops::Graph;
use crate::tensor::{DType, Dim, Element, I2, I4, Shape, U2, U4, Value};

fn read(file: TestFile) -> Imported {
    import(&file.bytes()).unwrap()
}

fn constant<'a>(graph: &'a Graph, name: &str) -> &'a Value {
    graph.constant(graph.find_value(name).unwrap()).unwrap()
}

fn shape(graph: &Graph, name: &str) -> Shape {
    graph.value(graph.find_value(name).unwrap()).ty.clone().unwrap().shape
}

#[test]
fn names_types_and_header_are_kept() {
    let mut file = TestFile::small();
    file.model.producer_version = Some("1.2".to_owned());
    file.model.metadata_props =
        vec![StringStringEntryProto { key: Some("k".to_owned()), value: Some("v".to_owned()) }];
    let declared = proto::encode(&info(data_type::FLOAT, "s", &["batch", "2"]));
    file.graph.value_info.push(declared);
    let size = file_size(&file);
    let Imported { graph, info } = read(file);
    assert_eq!(
        graph.to_string(),
        "graph net (x: float32 batch×2)\n  \
         s: float32 batch×2 = Add(x, w)  # sum\n  \
         y: float32 batch×2 = Relu(s)  # act\n  \
         -> y: float32 batch×2\n"
    );
    assert_eq!((info.producer.as_str(), info.ir_version, info.opset.0), ("tests 1.2", 8, 17));
    assert_eq!((info.parameter_count, info.size_bytes), (2, size));
    assert_eq!(info.metadata, [("k".to_owned(), "v".to_owned())]);
    assert!(info.widened.is_empty());
}

fn file_size(file: &TestFile) -> usize {
    TestFile { model: file.model.clone(), graph: file.graph.clone() }.bytes().len()
}

#[test]
fn every_element_type_reads_raw_and_typed() {
    let check = |code, raw_bytes: &[u8], typed: TensorProto, expected: &Value| {
        for tensor in [raw(code, "k", &[2], raw_bytes), TensorProto { data_type: Some(code), ..typed }] {
            let file = TestFile::small().initializer(&tensor).output("k", &["2"]);
            assert_eq!(constant(&read(file).graph, "k"), expected, "code {code}");
        }
    };
    let base = || tensor(0, "k", &[2]);
    let ints = |a, b| TensorProto { int32_data: vec![a, b], ..base() };
    let value = Value::from_vec(&[2], vec![1.5_f32, -2.0]).unwrap();
    let bytes = [[0, 0, 0xc0, 0x3f], [0, 0, 0, 0xc0]].concat();
    check(data_type::FLOAT, &bytes, TensorProto { float_data: vec![1.5, -2.0], ..base() }, &value);
    // 1.5 and −2 in float16 and bfloat16: both widen exactly.
    check(data_type::FLOAT16, &[0x00, 0x3e, 0x00, 0xc0], ints(0x3e00, 0xc000), &value);
    check(data_type::BFLOAT16, &[0xc0, 0x3f, 0x00, 0xc0], ints(0x3fc0, 0xc000), &value);
    let value = Value::from_vec(&[2], vec![0.1_f64, -2.0]).unwrap();
    let bytes = [0.1_f64.to_le_bytes(), (-2.0_f64).to_le_bytes()].concat();
    check(data_type::DOUBLE, &bytes, TensorProto { double_data: vec![0.1, -2.0], ..base() }, &value);
    let value = Value::from_vec(&[2], vec![i64::MIN, 7]).unwrap();
    let bytes = [i64::MIN.to_le_bytes(), 7_i64.to_le_bytes()].concat();
    check(data_type::INT64, &bytes, TensorProto { int64_data: vec![i64::MIN, 7], ..base() }, &value);
    let value = Value::from_vec(&[2], vec![-2_i32, 258]).unwrap();
    check(data_type::INT32, &[0xfe, 0xff, 0xff, 0xff, 2, 1, 0, 0], ints(-2, 258), &value);
    check(data_type::UINT8, &[255, 1], ints(255, 1), &Value::from_vec(&[2], vec![255_u8, 1]).unwrap());
    check(data_type::INT8, &[255, 1], ints(-1, 1), &Value::from_vec(&[2], vec![-1_i8, 1]).unwrap());
    check(data_type::UINT16, &[255, 255, 1, 0], ints(65535, 1), &pair(65535_u16, 1));
    check(data_type::INT16, &[255, 255, 1, 0], ints(-1, 1), &pair(-1_i16, 1));
    let longs = |a, b| TensorProto { uint64_data: vec![a, b], ..base() };
    check(
        data_type::UINT32,
        &[255, 255, 255, 255, 1, 0, 0, 0],
        longs(u32::MAX.into(), 1),
        &pair(u32::MAX, 1),
    );
    let bytes = [u64::MAX.to_le_bytes(), 1_u64.to_le_bytes()].concat();
    check(data_type::UINT64, &bytes, longs(u64::MAX, 1), &pair(u64::MAX, 1));
    check(data_type::FLOAT8E4M3FN, &[0x7e, 0x81], ints(0x7e, 0x81), &pair(448.0_f32, -0.001_953_125));
    check(data_type::BOOL, &[0, 1], ints(0, 1), &Value::from_vec(&[2], vec![false, true]).unwrap());
}

fn list<T: Element>(elements: [i64; 3], of: impl Fn(i64) -> T) -> Value {
    Value::from_vec(&[3], elements.map(of).to_vec()).unwrap()
}

fn pair<T: Element>(a: T, b: T) -> Value {
    Value::from_vec(&[2], vec![a, b]).unwrap()
}

#[test]
fn elements_narrower_than_a_byte_read_from_the_low_bits_up() {
    let check = |code, raw_bytes: &[u8], expected: &Value| {
        let words = raw_bytes.iter().map(|&byte| byte.into()).collect();
        let typed = TensorProto { int32_data: words, ..tensor(code, "k", &[3]) };
        for tensor in [raw(code, "k", &[3], raw_bytes), typed] {
            let file = TestFile::small().initializer(&tensor).output("k", &["3"]);
            assert_eq!(constant(&read(file).graph, "k"), expected, "code {code}");
        }
    };
    check(data_type::INT4, &[0x8f, 0x07], &list([-1, -8, 7], I4::wrapping));
    check(data_type::UINT4, &[0x8f, 0x07], &list([15, 8, 7], U4::wrapping));
    check(data_type::INT2, &[0b01_10_11], &list([-1, -2, 1], I2::wrapping));
    check(data_type::UINT2, &[0b01_10_11], &list([3, 2, 1], U2::wrapping));
    let floats = Value::from_vec(&[3], vec![-6.0_f32, 0.5, 1.0]).unwrap();
    check(data_type::FLOAT4E2M1, &[0x1f, 0x02], &floats);
}

#[test]
fn empty_and_scalar_tensors_read() {
    let file = TestFile::small()
        .initializer(&raw(data_type::INT64, "none", &[0], &[]))
        .initializer(&floats("one", &[], &[3.0]))
        .output("none", &["0"])
        .output("one", &[]);
    let graph = read(file).graph;
    assert_eq!(constant(&graph, "none").shape(), &[0]);
    assert_eq!(constant(&graph, "one"), &Value::scalar(3.0_f32));
}

#[test]
fn initializers_listed_as_inputs_are_constants_even_when_nobody_reads_them() {
    let file = TestFile::small().initializer(&floats("idle", &[1], &[0.0]));
    let graph = read(file.input("w", &["2"]).input("idle", &["1"])).graph;
    assert_eq!(graph.inputs(), [graph.find_value("x").unwrap()]);
    assert!(graph.constant(graph.find_value("w").unwrap()).is_some());
}

#[test]
fn initializers_that_nobody_reads_are_left_away() {
    let Imported { graph, info } = read(TestFile::small().initializer(&floats("idle", &[3], &[0.0; 3])));
    assert!(graph.find_value("idle").is_none());
    assert_eq!(info.parameter_count, 2);
}

#[test]
fn constant_nodes_become_constants_even_behind_their_readers() {
    let value = tensor_attribute("value", &floats("", &[2], &[4.0, 5.0]));
    let file = TestFile::small()
        .node(&node("Add", "late", &["y", "k"], &["z"]))
        .node(&with(node("Constant", "c", &[], &["k"]), &value))
        .node(&with(node("Constant", "i", &[], &["n"]), &int_attribute("value_int", 9)))
        .output("z", &["batch", "2"])
        .output("n", &[]);
    let graph = read(file).graph;
    assert_eq!(constant(&graph, "k").as_slice::<f32>().unwrap(), &[4.0, 5.0]);
    assert_eq!(constant(&graph, "n"), &Value::scalar(9_i64));
    assert_eq!(graph.node_count(), 3);
}

#[test]
fn nodes_get_names_that_are_unique_and_given_names_win() {
    let file = TestFile::small()
        .node(&node("Relu", "", &["y"], &["a"]))
        .node(&node("Relu", "Relu_0", &["a"], &["b"]))
        .node(&node("Relu", "act", &["b"], &["c"]))
        .node(&node("Relu", "", &["c"], &["d"]))
        .output("d", &["batch", "2"]);
    let graph = read(file).graph;
    let names: Vec<&str> = graph.nodes().map(|(_, node)| node.name.as_str()).collect();
    assert_eq!(names, ["sum", "act", "Relu_1", "Relu_0", "act_2", "Relu_2"]);
}

#[test]
fn dimensions_keep_names_and_unknown_stays_unknown() {
    let graph = read(TestFile::small().input("in", &["n", "0", "-1", "", "4"])).graph;
    let dims = [Dim::Symbolic("n".into()), Dim::Unknown, Dim::Unknown, Dim::Unknown, Dim::Fixed(4)].to_vec();
    assert_eq!(shape(&graph, "in"), Shape::Ranked(dims));
}

#[test]
fn half_precision_is_widened_everywhere_and_said() {
    let mut file = TestFile::empty()
        .input_of(data_type::FLOAT16, "x", &["2"])
        .initializer(&raw(data_type::BFLOAT16, "w", &[1], &[0x80, 0x3f]))
        .node(&node("Add", "sum", &["x", "w"], &["y"]));
    file.graph.output.push(proto::encode(&info(data_type::FLOAT16, "y", &["2"])));
    let Imported { graph, info } = read(file);
    assert_eq!(info.widened.iter().copied().collect::<Vec<_>>(), ["bfloat16", "float16"]);
    assert_eq!(constant(&graph, "w").as_slice::<f32>().unwrap(), &[1.0]);
    for (_, value) in graph.values() {
        assert_eq!(value.ty.as_ref().unwrap().dtype, DType::F32, "{}", value.name);
    }
}

#[test]
fn outputs_that_nobody_reads_are_left_away() {
    let graph = read(TestFile::small().node(&node("Relu", "r", &["y"], &["z", "mask", ""]))).graph;
    let (_, node) = graph.nodes().last().unwrap();
    assert_eq!(node.outputs.len(), 1);
    assert!(graph.find_value("mask").is_none());
}

#[test]
fn domains_that_no_node_uses_do_no_harm() {
    let mut file = TestFile::small().opset("ai.onnx", 13);
    let foreign = TestFile::empty().opset("com.microsoft", 1).model.opset_import;
    file.model.opset_import.extend(foreign);
    assert_eq!(read(file).info.opset.0, 13);
}
