//! The protobuf messages of ONNX (`onnx/onnx.proto`), as far as Bitlens reads and writes them.
//!
//! This is the only file that knows field numbers and enum codes. Fields that carry nothing for a
//! run (documentation strings, training information, device configurations, …) are left out; the
//! decoder skips them.
//!
//! Messages that a file can repeat freely or nest are declared as `bytes`, which have the same form
//! on the wire, and are decoded one at a time with [`decode`]. Two things follow. No message nests
//! on the stack, however deep a file goes. And a file of millions of two-byte messages costs a
//! slice for each, not a struct of some hundred bytes.
//! The price is that a singular message stated twice is replaced instead of merged, which no known
//! writer does.

use prost::bytes::Bytes;
use prost::{DecodeError, Message};

/// Decodes one message; `bytes` fields of the result share the memory of `from`.
pub(super) fn decode<M: Message + Default>(from: &Bytes) -> Result<M, DecodeError> {
    M::decode(from.clone())
}

/// Encodes one message for a field that is declared as `bytes`.
pub(super) fn encode<M: Message>(message: &M) -> Bytes {
    Bytes::from(message.encode_to_vec())
}

/// A file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) ir_version: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) producer_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) producer_version: Option<String>,
    /// A [`GraphProto`].
    #[prost(bytes = "bytes", optional, tag = "7")]
    pub(super) graph: Option<Bytes>,
    #[prost(message, repeated, tag = "8")]
    pub(super) opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    pub(super) metadata_props: Vec<StringStringEntryProto>,
    /// [`FunctionProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "25")]
    pub(super) functions: Vec<Bytes>,
}

/// Fields of [`ModelProto`] that hold a number; see [`is_model_field`].
const MODEL_NUMBERS: [u64; 2] = [1, 5];
/// Fields of [`ModelProto`] that hold bytes, text or a message, those that are skipped included.
const MODEL_BYTES: [u64; 10] = [2, 3, 4, 6, 7, 8, 14, 20, 25, 26];
/// Wire type of a number of variable length.
pub(super) const WIRE_VARINT: u64 = 0;
/// Wire type of bytes with their length in front.
pub(super) const WIRE_BYTES: u64 = 2;

/// The bits of a tag that are its wire type; the field's number stands above them.
pub(super) const WIRE_MASK: u64 = 7;

/// Whether a `ModelProto` has a field of that tag: what tells an ONNX file, which has no magic
/// number, from other files.
pub(super) fn is_model_field(tag: u64) -> bool {
    let number = tag >> 3;
    match tag & WIRE_MASK {
        WIRE_VARINT => MODEL_NUMBERS.contains(&number),
        WIRE_BYTES => MODEL_BYTES.contains(&number),
        _ => false,
    }
}

/// The version of one operator set.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSetIdProto {
    #[prost(string, optional, tag = "1")]
    pub(super) domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub(super) version: Option<i64>,
}

/// One entry of the metadata, or of the place of external data.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StringStringEntryProto {
    #[prost(string, optional, tag = "1")]
    pub(super) key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) value: Option<String>,
}

/// A function that the file defines.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FunctionProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, repeated, tag = "4")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub(super) output: Vec<String>,
    /// Names of attributes that have no default.
    #[prost(string, repeated, tag = "6")]
    pub(super) attribute: Vec<String>,
    /// [`NodeProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub(super) node: Vec<Bytes>,
    #[prost(message, repeated, tag = "9")]
    pub(super) opset_import: Vec<OperatorSetIdProto>,
    #[prost(string, optional, tag = "10")]
    pub(super) domain: Option<String>,
    /// [`AttributeProto`]s: attributes with their defaults.
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub(super) attribute_proto: Vec<Bytes>,
    /// Tells functions of one name apart.
    #[prost(string, optional, tag = "13")]
    pub(super) overload: Option<String>,
}

/// A network.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphProto {
    /// [`NodeProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) node: Vec<Bytes>,
    #[prost(string, optional, tag = "2")]
    pub(super) name: Option<String>,
    /// [`TensorProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(super) initializer: Vec<Bytes>,
    /// [`ValueInfoProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub(super) input: Vec<Bytes>,
    /// [`ValueInfoProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "12")]
    pub(super) output: Vec<Bytes>,
    /// [`ValueInfoProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "13")]
    pub(super) value_info: Vec<Bytes>,
    /// [`SparseTensorProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "15")]
    pub(super) sparse_initializer: Vec<Bytes>,
}

/// A node.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) output: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) name: Option<String>,
    #[prost(string, tag = "4")]
    pub(super) op_type: String,
    /// [`AttributeProto`]s.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(super) attribute: Vec<Bytes>,
    #[prost(string, optional, tag = "7")]
    pub(super) domain: Option<String>,
    /// Which function of that name is called.
    #[prost(string, optional, tag = "8")]
    pub(super) overload: Option<String>,
}

/// An attribute of a node.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AttributeProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(float, optional, tag = "2")]
    pub(super) f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub(super) i: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(super) s: Option<Bytes>,
    /// A [`TensorProto`].
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub(super) t: Option<Bytes>,
    /// A graph: only its presence matters.
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(super) g: Option<Bytes>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub(super) floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(super) ints: Vec<i64>,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub(super) strings: Vec<Bytes>,
    /// Graphs: only their presence matters.
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub(super) graphs: Vec<Bytes>,
    /// A code of [`attribute_type`].
    #[prost(int32, optional, tag = "20")]
    pub(super) r#type: Option<i32>,
    #[prost(string, optional, tag = "21")]
    pub(super) ref_attr_name: Option<String>,
}

/// Codes of `AttributeProto.AttributeType`.
pub(super) mod attribute_type {
    pub(in super::super) const FLOAT: i32 = 1;
    pub(in super::super) const INT: i32 = 2;
    pub(in super::super) const STRING: i32 = 3;
    pub(in super::super) const TENSOR: i32 = 4;
    pub(in super::super) const GRAPH: i32 = 5;
    pub(in super::super) const FLOATS: i32 = 6;
    pub(in super::super) const INTS: i32 = 7;
    pub(in super::super) const STRINGS: i32 = 8;
    pub(in super::super) const TENSORS: i32 = 9;
    pub(in super::super) const GRAPHS: i32 = 10;
    pub(in super::super) const SPARSE_TENSOR: i32 = 11;
    pub(in super::super) const SPARSE_TENSORS: i32 = 12;
    pub(in super::super) const TYPE: i32 = 13;
    pub(in super::super) const TYPES: i32 = 14;
}

/// A tensor with its elements.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(super) dims: Vec<i64>,
    /// A code of [`data_type`].
    #[prost(int32, optional, tag = "2")]
    pub(super) data_type: Option<i32>,
    #[prost(float, repeated, tag = "4")]
    pub(super) float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(super) int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub(super) int64_data: Vec<i64>,
    #[prost(string, optional, tag = "8")]
    pub(super) name: Option<String>,
    /// Elements in row-major order, little-endian.
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub(super) raw_data: Option<Bytes>,
    #[prost(double, repeated, tag = "10")]
    pub(super) double_data: Vec<f64>,
    /// Elements of uint64 and of uint32.
    #[prost(uint64, repeated, tag = "11")]
    pub(super) uint64_data: Vec<u64>,
    #[prost(message, repeated, tag = "13")]
    pub(super) external_data: Vec<StringStringEntryProto>,
    /// 0: in this file, [`DATA_LOCATION_EXTERNAL`]: in another.
    #[prost(int32, optional, tag = "14")]
    pub(super) data_location: Option<i32>,
}

/// A [`NodeProto`] of which only the attributes are read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeAttributes {
    /// [`AttributeTensor`]s.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(super) attribute: Vec<Bytes>,
}

/// An [`AttributeProto`] of which only the tensor is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AttributeTensor {
    /// A [`TensorPlace`].
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub(super) t: Option<Bytes>,
}

/// A [`TensorProto`] of which only is read where its elements are.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorPlace {
    #[prost(message, repeated, tag = "13")]
    pub(super) external_data: Vec<StringStringEntryProto>,
    #[prost(int32, optional, tag = "14")]
    pub(super) data_location: Option<i32>,
}

/// `TensorProto.DataLocation.EXTERNAL`.
pub(super) const DATA_LOCATION_EXTERNAL: i32 = 1;

/// `TensorProto.DataType`; [`FileType`](crate::ops::FileType) has the codes that become tensors.
pub(super) mod data_type {
    #[cfg(test)]
    pub(in super::super) const FLOAT: i32 = 1;
    #[cfg(test)]
    pub(in super::super) const UINT8: i32 = 2;
    #[cfg(test)]
    pub(in super::super) const INT8: i32 = 3;
    #[cfg(test)]
    pub(in super::super) const UINT16: i32 = 4;
    #[cfg(test)]
    pub(in super::super) const INT16: i32 = 5;
    #[cfg(test)]
    pub(in super::super) const INT32: i32 = 6;
    #[cfg(test)]
    pub(in super::super) const INT64: i32 = 7;
    #[cfg(test)]
    pub(in super::super) const BOOL: i32 = 9;
    #[cfg(test)]
    pub(in super::super) const FLOAT16: i32 = 10;
    #[cfg(test)]
    pub(in super::super) const DOUBLE: i32 = 11;
    #[cfg(test)]
    pub(in super::super) const UINT32: i32 = 12;
    #[cfg(test)]
    pub(in super::super) const UINT64: i32 = 13;
    #[cfg(test)]
    pub(in super::super) const BFLOAT16: i32 = 16;
    #[cfg(test)]
    pub(in super::super) const FLOAT8E4M3FN: i32 = 17;
    #[cfg(test)]
    pub(in super::super) const UINT4: i32 = 21;
    #[cfg(test)]
    pub(in super::super) const INT4: i32 = 22;
    #[cfg(test)]
    pub(in super::super) const FLOAT4E2M1: i32 = 23;
    #[cfg(test)]
    pub(in super::super) const UINT2: i32 = 25;
    #[cfg(test)]
    pub(in super::super) const INT2: i32 = 26;

    /// The name of any code, those that Bitlens does not read included.
    pub(in super::super) fn name(code: i32) -> &'static str {
        const NAMES: [&str; 27] = [
            "undefined",
            "float32",
            "uint8",
            "int8",
            "uint16",
            "int16",
            "int32",
            "int64",
            "string",
            "bool",
            "float16",
            "float64",
            "uint32",
            "uint64",
            "complex64",
            "complex128",
            "bfloat16",
            "float8e4m3fn",
            "float8e4m3fnuz",
            "float8e5m2",
            "float8e5m2fnuz",
            "uint4",
            "int4",
            "float4e2m1",
            "float8e8m0",
            "uint2",
            "int2",
        ];
        let index = usize::try_from(code).ok();
        index.and_then(|i| NAMES.get(i)).copied().unwrap_or("unknown")
    }
}

/// A tensor of which only the non-zero elements are stored; only its name is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SparseTensorProto {
    #[prost(message, optional, tag = "1")]
    pub(super) values: Option<TensorProto>,
}

/// Name and type of a value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfoProto {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(super) r#type: Option<TypeProto>,
}

/// A type; what is not a tensor (sequence, map, optional) reads as `None`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor_type: Option<TensorTypeProto>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorTypeProto {
    /// A code of [`data_type`].
    #[prost(int32, optional, tag = "1")]
    pub(super) elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShapeProto>,
}

/// A shape, possibly with names in it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) dim: Vec<DimensionProto>,
}

/// `TensorShapeProto.Dimension`: a number, a name or nothing.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) dim_param: Option<String>,
}
