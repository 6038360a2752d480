//! `AttributeProto` ↔ [`Attr`].

use super::proto::{self, AttributeProto, NodeProto, TensorProto, attribute_type};
use super::{ExternalFiles, ImportError, tensor};
use crate::ir::{Attr, Attrs};
use crate::ops::FileType;
use prost::bytes::Bytes;

/// Reads the attributes of a node.
///
/// # Errors
/// [`ImportError::Corrupt`], [`ImportError::Subgraph`], [`ImportError::AttributeKind`], and what
/// [`tensor::read`] says of a tensor.
pub(super) fn read_all(node: &NodeProto, name: &str, files: &ExternalFiles) -> Result<Attrs, ImportError> {
    let mut attrs = Attrs::new();
    for bytes in &node.attribute {
        let proto: AttributeProto = proto::decode(bytes).map_err(|error| ImportError::Corrupt {
            place: format!("an attribute of node `{name}`"),
            reason: error.to_string(),
        })?;
        let attr = Reader { node, name, proto: &proto, files }.read()?;
        attrs.insert(&proto.name, attr);
    }
    Ok(attrs)
}

/// The element type of the first tensor among a node's attributes, as the file names it.
pub(super) fn tensor_type(node: &NodeProto) -> Option<FileType> {
    let attributes = node.attribute.iter().filter_map(|bytes| proto::decode::<AttributeProto>(bytes).ok());
    let tensor: TensorProto =
        proto::decode(&attributes.into_iter().find_map(|attribute| attribute.t)?).ok()?;
    tensor::type_of(tensor.data_type?)
}

/// Writes attributes, in the order of their names.
pub(super) fn write_all(attrs: &Attrs) -> Vec<Bytes> {
    attrs.iter().map(|(name, attr)| proto::encode(&write(name, attr))).collect()
}

fn write(name: &str, attr: &Attr) -> AttributeProto {
    use attribute_type as ty;
    let base = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    match attr {
        Attr::Int(v) => AttributeProto { r#type: Some(ty::INT), i: Some(*v), ..base },
        Attr::Float(v) => AttributeProto { r#type: Some(ty::FLOAT), f: Some(*v), ..base },
        Attr::String(v) => AttributeProto { r#type: Some(ty::STRING), s: Some(bytes(v)), ..base },
        Attr::Ints(v) => AttributeProto { r#type: Some(ty::INTS), ints: v.clone(), ..base },
        Attr::Floats(v) => AttributeProto { r#type: Some(ty::FLOATS), floats: v.clone(), ..base },
        Attr::Strings(v) => {
            let strings = v.iter().map(|text| bytes(text)).collect();
            AttributeProto { r#type: Some(ty::STRINGS), strings, ..base }
        }
        Attr::Tensor(v) => {
            let t = Some(proto::encode(&tensor::write(None, v)));
            AttributeProto { r#type: Some(ty::TENSOR), t, ..base }
        }
    }
}

struct Reader<'a> {
    node: &'a NodeProto,
    name: &'a str,
    proto: &'a AttributeProto,
    files: &'a ExternalFiles,
}

impl Reader<'_> {
    fn read(&self) -> Result<Attr, ImportError> {
        let proto = self.proto;
        if proto.ref_attr_name.as_ref().is_some_and(|name| !name.is_empty()) {
            return Err(self.kind("a reference to a function's attribute"));
        }
        Ok(match proto.r#type.filter(|&code| code != 0).unwrap_or_else(|| self.guess_type()) {
            attribute_type::INT => Attr::Int(proto.i.unwrap_or_default()),
            attribute_type::FLOAT => Attr::Float(proto.f.unwrap_or_default()),
            attribute_type::STRING => Attr::String(self.text(&proto.s.clone().unwrap_or_default())?),
            attribute_type::INTS => Attr::Ints(proto.ints.clone()),
            attribute_type::FLOATS => Attr::Floats(proto.floats.clone()),
            attribute_type::STRINGS => {
                Attr::Strings(proto.strings.iter().map(|s| self.text(s)).collect::<Result<_, _>>()?)
            }
            attribute_type::TENSOR => Attr::Tensor(self.tensor()?),
            attribute_type::GRAPH | attribute_type::GRAPHS => {
                return Err(ImportError::Subgraph {
                    node: self.name.to_owned(),
                    op_type: self.node.op_type.clone(),
                    attribute: proto.name.clone(),
                });
            }
            attribute_type::TENSORS => return Err(self.kind("a list of tensors")),
            attribute_type::SPARSE_TENSOR | attribute_type::SPARSE_TENSORS => {
                return Err(self.kind("a sparse tensor"));
            }
            attribute_type::TYPE | attribute_type::TYPES => return Err(self.kind("a type")),
            _ => return Err(self.kind("of unknown kind")),
        })
    }

    /// Files of the first versions state no type: the field that is present tells it.
    fn guess_type(&self) -> i32 {
        let p = self.proto;
        let present = [
            (p.f.is_some(), attribute_type::FLOAT),
            (p.i.is_some(), attribute_type::INT),
            (p.s.is_some(), attribute_type::STRING),
            (p.t.is_some(), attribute_type::TENSOR),
            (p.g.is_some(), attribute_type::GRAPH),
            (!p.floats.is_empty(), attribute_type::FLOATS),
            (!p.ints.is_empty(), attribute_type::INTS),
            (!p.strings.is_empty(), attribute_type::STRINGS),
            (!p.graphs.is_empty(), attribute_type::GRAPHS),
        ];
        present.iter().find(|(is_present, _)| *is_present).map_or(0, |&(_, code)| code)
    }

    fn tensor(&self) -> Result<crate::tensor::Value, ImportError> {
        let what = format!("Attribute `{}` of node `{}`", self.proto.name, self.name);
        let bytes = self.proto.t.clone().unwrap_or_default();
        let proto: TensorProto = proto::decode(&bytes)
            .map_err(|error| ImportError::Corrupt { place: what.clone(), reason: error.to_string() })?;
        Ok(tensor::read(&proto, &what, self.files)?.0)
    }

    fn text(&self, bytes: &[u8]) -> Result<String, ImportError> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.kind("text that is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn kind(&self, got: &'static str) -> ImportError {
        ImportError::AttributeKind {
            node: self.name.to_owned(),
            op_type: self.node.op_type.clone(),
            attribute: self.proto.name.clone(),
            got,
        }
    }
}
