//! Weights in files beside the network's.

use super::fixtures::{TestFile, node, tensor, tensor_attribute, with};
use crate::onnx::proto::{
    self, DATA_LOCATION_EXTERNAL, FunctionProto, NodeProto, StringStringEntryProto, TensorProto, data_type,
};
use crate::onnx::{ExternalFiles, ImportError, Imported, import, import_with};
use crate::tensor::Value;

fn external(code: i32, name: &str, dims: &[i64], entries: &[(&str, &str)]) -> TensorProto {
    let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
        key: Some((*key).to_owned()),
        value: Some((*value).to_owned()),
    };
    TensorProto {
        external_data: entries.iter().map(entry).collect(),
        data_location: Some(DATA_LOCATION_EXTERNAL),
        ..tensor(code, name, dims)
    }
}

/// The small network with `w` in another file.
fn with_weight(weight: &TensorProto) -> TestFile {
    let mut file = TestFile::small();
    file.graph.initializer.clear();
    file.initializer(weight)
}

fn floats(elements: &[f32]) -> Vec<u8> {
    elements.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn files(named: &[(&str, Vec<u8>)]) -> ExternalFiles {
    let mut files = ExternalFiles::new();
    for (name, bytes) in named {
        files.insert(*name, bytes.clone());
    }
    files
}

fn weight(imported: &Imported, name: &str) -> Value {
    let graph = &imported.graph;
    graph.constant(graph.find_value(name).unwrap()).unwrap().clone()
}

#[test]
fn elements_are_taken_from_where_the_network_says() {
    let data = floats(&[9.0, 1.5, -2.0, 7.0]);
    let entries: [&[(&str, &str)]; 3] = [
        &[("location", "net.onnx.data"), ("offset", "4"), ("length", "8")],
        &[("location", "./net.onnx.data"), ("offset", "4"), ("checksum", "whatever")],
        &[("length", "8"), ("location", "net.onnx.data"), ("offset", "4")],
    ];
    for entries in entries {
        let file = with_weight(&external(data_type::FLOAT, "w", &[2], entries)).bytes();
        let size = file.len() + data.len() + 3;
        // Dropped in a folder, beside a file that has nothing to do with it.
        let mut given = files(&[("drop/net.onnx.data", data.clone())]);
        given.insert("other.bin", vec![0; 100]);
        let imported = import_with(file, &given).unwrap();
        assert_eq!(weight(&imported, "w"), Value::from_vec(&[2], vec![1.5_f32, -2.0]).unwrap());
        assert_eq!(imported.info.external_files, ["drop/net.onnx.data"]);
        assert_eq!(imported.info.size_bytes, size - 3);
    }
}

#[test]
fn every_tensor_may_have_a_file_of_its_own() {
    let value = external(data_type::INT64, "", &[1], &[("location", "sub/k")]);
    let constant = |name: &str, output: &str| {
        with(node("Constant", name, &[], &[output]), &tensor_attribute("value", &value))
    };
    let function = FunctionProto {
        name: Some("F".to_owned()),
        domain: Some("own".to_owned()),
        output: vec!["f".to_owned()],
        node: vec![proto::encode(&constant("", "f"))],
        ..FunctionProto::default()
    };
    let call = NodeProto { domain: Some("own".to_owned()), ..node("F", "call", &[], &["g"]) };
    let half = external(data_type::FLOAT16, "w", &[2], &[("location", "w"), ("offset", "2")]);
    let mut file =
        with_weight(&half).node(&constant("c", "k")).node(&call).output("k", &["1"]).output("g", &["1"]);
    file.model.functions.push(proto::encode(&function));
    let bytes = file.bytes();
    let given = files(&[("w", vec![0, 0, 0x00, 0x3e, 0x00, 0xc0]), ("sub/k", 7_i64.to_le_bytes().to_vec())]);
    let imported = import_with(bytes.clone(), &given).unwrap();
    assert_eq!(weight(&imported, "w"), Value::from_vec(&[2], vec![1.5_f32, -2.0]).unwrap());
    assert_eq!(weight(&imported, "k").as_slice::<i64>().unwrap(), [7]);
    assert_eq!(weight(&imported, "g").as_slice::<i64>().unwrap(), [7]);
    assert_eq!(imported.info.external_files, ["w", "sub/k"]);
    assert!(imported.info.widened.contains("float16"));

    let error = import_with(bytes, &files(&[("w", vec![0; 6])])).unwrap_err();
    let ImportError::ExternalData { value, files: missing } = error else { panic!("{error}") };
    assert_eq!((value.as_str(), missing), ("Attribute `value` of node `c`", vec!["sub/k".to_owned()]));
}

#[test]
fn all_missing_files_are_named_at_once() {
    let part = |name: &str, file: &str| external(data_type::FLOAT, name, &[2], &[("location", file)]);
    let file = with_weight(&part("w", "a.bin"))
        .initializer(&part("v", "b.bin"))
        .initializer(&part("u", "a.bin"))
        .initializer(&part("t", "c.bin"))
        .node(&node("Add", "more", &["y", "v"], &["z"]));
    let bytes = file.bytes();
    let error = import_with(bytes.clone(), &files(&[("c.bin", vec![0; 8])])).unwrap_err();
    let ImportError::ExternalData { files: missing, .. } = &error else { panic!("{error}") };
    assert_eq!(missing, &["a.bin", "b.bin"]);
    assert_eq!(error.code(), "onnx/external-data");
    let error = import(&bytes).unwrap_err();
    let ImportError::ExternalData { files: missing, .. } = &error else { panic!("{error}") };
    assert_eq!(missing, &["a.bin", "b.bin", "c.bin"]);
}

/// Entries about a file, and the sizes of the tensor in it.
type Place<'a> = (&'a [(&'a str, &'a str)], &'a [i64]);

#[test]
fn places_that_cannot_be_are_refused() {
    let refused = |entries: &[(&str, &str)], dims: &[i64]| {
        let file = with_weight(&external(data_type::FLOAT, "w", dims, entries)).bytes();
        import_with(file, &files(&[("d", vec![0; 12])]))
            .expect_err("the file should have been refused")
            .code()
    };
    for path in ["../d", "/d", "a/../d", "C:\\d", "c:d", "", "a//d", ".", "..", "a\\d", "d/"] {
        assert_eq!(refused(&[("location", path)], &[2]), "onnx/external-path", "{path}");
    }
    for number in ["-4", "four", "", "99999999999999999999999"] {
        let entries = [("location", "d"), ("offset", number)];
        assert_eq!(refused(&entries, &[2]), "onnx/external-number", "{number}");
    }
    let ranges: [Place; 3] = [
        (&[("offset", "8"), ("length", "8")], &[2]),
        (&[("offset", "18446744073709551615")], &[2]),
        (&[], &[1 << 40]),
    ];
    let lengths: [Place; 3] =
        [(&[("length", "12")], &[2]), (&[("length", "12")], &[1 << 40]), (&[], &[i64::MAX, i64::MAX])];
    let cases = ranges.map(|case| (case, "onnx/external-range"));
    for ((entries, dims), code) in cases.into_iter().chain(lengths.map(|case| (case, "onnx/tensor-length"))) {
        let entries = [&[("location", "d")], entries].concat();
        assert_eq!(refused(&entries, dims), code, "{entries:?} {dims:?}");
    }
}
