//! `ValueInfoProto` ↔ [`TensorType`].

use super::proto::{DimensionProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type};
use super::tensor::{code_of, type_of};
use crate::ops::FileType;
use crate::tensor::{Dim, Shape, TensorType};

/// What a file declares about a value.
#[derive(Debug)]
pub(super) enum Declared {
    /// A tensor, and its element type in the file, which may be widened here (float16).
    Tensor(TensorType, FileType),
    /// A tensor of a type that no tensor here has.
    ElementType(&'static str),
    /// Not a tensor, or nothing.
    Other,
}

/// Reads a declaration.
pub(super) fn read(info: &ValueInfoProto) -> Declared {
    let Some(tensor) = info.r#type.as_ref().and_then(|ty| ty.tensor_type.as_ref()) else {
        return Declared::Other;
    };
    let code = tensor.elem_type.unwrap_or_default();
    let Some(element) = type_of(code) else {
        return Declared::ElementType(data_type::name(code));
    };
    let shape = tensor.shape.as_ref().map_or(Shape::Unranked, read_shape);
    Declared::Tensor(TensorType::new(element.dtype(), shape), element)
}

/// Writes a declaration.
pub(super) fn write(name: &str, ty: &TensorType) -> ValueInfoProto {
    let shape = ty.shape.dims().map(|dims| TensorShapeProto { dim: dims.iter().map(write_dim).collect() });
    let tensor = TensorTypeProto { elem_type: Some(code_of(ty.dtype)), shape };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn read_shape(shape: &TensorShapeProto) -> Shape {
    Shape::Ranked(shape.dim.iter().map(read_dim).collect())
}

/// Exporters write 0 or −1 where they do not know a size.
fn read_dim(dim: &DimensionProto) -> Dim {
    if let Some(name) = dim.dim_param.as_deref().filter(|name| !name.is_empty()) {
        return Dim::Symbolic(name.into());
    }
    let size = dim.dim_value.and_then(|size| usize::try_from(size).ok());
    size.filter(|&size| size > 0).map_or(Dim::Unknown, Dim::Fixed)
}

fn write_dim(dim: &Dim) -> DimensionProto {
    match dim {
        // A size that memory can have fits in 63 bits.
        Dim::Fixed(size) => {
            DimensionProto { dim_value: Some(i64::try_from(*size).unwrap_or(i64::MAX)), dim_param: None }
        }
        Dim::Symbolic(name) => DimensionProto { dim_value: None, dim_param: Some(name.to_string()) },
        Dim::Unknown => DimensionProto::default(),
    }
}
