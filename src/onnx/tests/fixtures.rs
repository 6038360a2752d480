//! Small files, good and bad, and the way to the real ones.

use crate::onnx::proto::{
    self, AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};
use prost::Message as _;
use prost::bytes::Bytes;
use std::path::PathBuf;

/// A file before it is encoded; the fields may be spoilt.
#[derive(Default)]
pub(super) struct TestFile {
    pub(super) model: ModelProto,
    pub(super) graph: GraphProto,
}

impl TestFile {
    /// A file of opset 17 whose graph has nothing in it.
    pub(super) fn empty() -> Self {
        let opset = OperatorSetIdProto { domain: None, version: Some(17) };
        Self {
            model: ModelProto {
                ir_version: Some(8),
                producer_name: Some("tests".to_owned()),
                opset_import: vec![opset],
                ..ModelProto::default()
            },
            graph: GraphProto { name: Some("net".to_owned()), ..GraphProto::default() },
        }
    }

    /// `y = Relu(x + w)` on `batch × 2`, nodes `sum` and `act`.
    pub(super) fn small() -> Self {
        Self::empty()
            .input("x", &["batch", "2"])
            .initializer(&floats("w", &[2], &[1.0, -2.0]))
            .node(&node("Add", "sum", &["x", "w"], &["s"]))
            .node(&node("Relu", "act", &["s"], &["y"]))
            .output("y", &["batch", "2"])
    }

    pub(super) fn opset(mut self, domain: &str, version: i64) -> Self {
        self.model.opset_import =
            vec![OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) }];
        self
    }

    pub(super) fn node(mut self, node: &NodeProto) -> Self {
        self.graph.node.push(proto::encode(node));
        self
    }

    pub(super) fn initializer(mut self, tensor: &TensorProto) -> Self {
        self.graph.initializer.push(proto::encode(tensor));
        self
    }

    pub(super) fn input(self, name: &str, dims: &[&str]) -> Self {
        self.input_of(data_type::FLOAT, name, dims)
    }

    pub(super) fn input_of(mut self, code: i32, name: &str, dims: &[&str]) -> Self {
        self.graph.input.push(proto::encode(&info(code, name, dims)));
        self
    }

    pub(super) fn output(mut self, name: &str, dims: &[&str]) -> Self {
        self.graph.output.push(proto::encode(&info(data_type::FLOAT, name, dims)));
        self
    }

    pub(super) fn bytes(mut self) -> Vec<u8> {
        self.model.graph = Some(proto::encode(&self.graph));
        self.model.encode_to_vec()
    }
}

/// A declaration; a dimension that is no number is a name, an empty one says nothing.
pub(super) fn info(code: i32, name: &str, dims: &[&str]) -> ValueInfoProto {
    let dim = dims.iter().map(|dim| match dim.parse() {
        Ok(size) => DimensionProto { dim_value: Some(size), dim_param: None },
        Err(_) => DimensionProto { dim_value: None, dim_param: Some((*dim).to_owned()) },
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor = TensorTypeProto { elem_type: Some(code), shape };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

pub(super) fn node(op_type: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        name: Some(name.to_owned()),
        op_type: op_type.to_owned(),
        ..NodeProto::default()
    }
}

pub(super) fn with(mut node: NodeProto, attribute: &AttributeProto) -> NodeProto {
    node.attribute.push(proto::encode(attribute));
    node
}

pub(super) fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: Some(attribute_type::INT),
        i: Some(value),
        ..AttributeProto::default()
    }
}

pub(super) fn tensor_attribute(name: &str, tensor: &TensorProto) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: Some(attribute_type::TENSOR),
        t: Some(proto::encode(tensor)),
        ..AttributeProto::default()
    }
}

/// A tensor with elements in the field for floats.
pub(super) fn floats(name: &str, dims: &[i64], elements: &[f32]) -> TensorProto {
    TensorProto { float_data: elements.to_vec(), ..tensor(data_type::FLOAT, name, dims) }
}

/// A tensor with raw elements.
pub(super) fn raw(code: i32, name: &str, dims: &[i64], elements: &[u8]) -> TensorProto {
    TensorProto { raw_data: Some(Bytes::copy_from_slice(elements)), ..tensor(code, name, dims) }
}

/// A tensor without elements.
pub(super) fn tensor(code: i32, name: &str, dims: &[i64]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(code),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    }
}

/// Real networks with full-precision weights, or `None` (said on standard error) without data.
pub(super) fn real_networks() -> Option<Vec<PathBuf>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("BITLENS_DATA").map_or_else(beside, PathBuf::from);
    let Ok(folders) = std::fs::read_dir(data.join("models")) else {
        eprintln!("skipped: no data");
        return None;
    };
    let folders = folders.flatten().map(|entry| entry.path()).filter(|path| !path.ends_with("quantized"));
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let mut paths: Vec<PathBuf> = files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .collect();
    paths.sort();
    Some(paths)
}
