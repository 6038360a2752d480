//! `TensorProto` ↔ [`Value`].
//!
//! A tensor in a file says its shape and, apart from that, its elements: as raw little-endian bytes
//! or in a field for their type. The two are compared before anything is allocated, so a shape of
//! a million million elements without any costs nothing but an error. Memory is bounded by what the
//! file really holds (at most twice its size, for float16).
//!
//! float16 and bfloat16 are widened to float32; every other type stays as it is.

use super::ImportError;
use super::proto::{DATA_LOCATION_EXTERNAL, TensorProto, data_type};
use crate::tensor::{DType, Element, TensorError, Value};
use half::{bf16, f16};
use prost::bytes::Bytes;

/// An element type in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    /// A type that tensors have here, too.
    Same(DType),
    /// IEEE 754 binary16, read as float32.
    Float16,
    /// The upper half of a binary32, read as float32.
    BFloat16,
}

impl ElementType {
    /// The type of that code, unless tensors cannot hold it.
    pub(super) fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            data_type::FLOAT => Self::Same(DType::F32),
            data_type::DOUBLE => Self::Same(DType::F64),
            data_type::INT64 => Self::Same(DType::I64),
            data_type::INT32 => Self::Same(DType::I32),
            data_type::UINT8 => Self::Same(DType::U8),
            data_type::INT8 => Self::Same(DType::I8),
            data_type::BOOL => Self::Same(DType::Bool),
            data_type::FLOAT16 => Self::Float16,
            data_type::BFLOAT16 => Self::BFloat16,
            _ => return None,
        })
    }

    /// The type that its tensors have here.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::Same(dtype) => dtype,
            Self::Float16 | Self::BFloat16 => DType::F32,
        }
    }

    /// The name of the type in the file, where it is widened when read.
    pub(super) fn widened(self) -> Option<&'static str> {
        match self {
            Self::Same(_) => None,
            Self::Float16 => Some("float16"),
            Self::BFloat16 => Some("bfloat16"),
        }
    }
}

/// The code of an element type.
pub(super) fn code_of(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => data_type::FLOAT,
        DType::F64 => data_type::DOUBLE,
        DType::I64 => data_type::INT64,
        DType::I32 => data_type::INT32,
        DType::U8 => data_type::UINT8,
        DType::I8 => data_type::INT8,
        DType::Bool => data_type::BOOL,
    }
}

/// Reads a tensor. `what` names it at the beginning of a sentence ("Initializer `w`").
///
/// Elements that are not finite are refused: NaN everywhere, infinities in tensors of more than one
/// element (a single one can be the bound of a Clip or the filling of a Pad).
///
/// # Errors
/// [`ImportError::ExternalData`], [`ImportError::ElementType`], [`ImportError::TensorLength`],
/// [`ImportError::ElementRange`], [`ImportError::NonFinite`], [`ImportError::Tensor`].
pub(super) fn read(proto: &TensorProto, what: &str) -> Result<(Value, ElementType), ImportError> {
    if proto.data_location == Some(DATA_LOCATION_EXTERNAL) || !proto.external_data.is_empty() {
        let location = proto.external_data.iter().find(|entry| entry.key.as_deref() == Some("location"));
        let file = location.and_then(|entry| entry.value.clone()).unwrap_or_default();
        return Err(ImportError::ExternalData { value: what.to_owned(), file });
    }
    let code = proto.data_type.unwrap_or_default();
    let element = ElementType::from_code(code)
        .ok_or_else(|| ImportError::ElementType { value: what.to_owned(), got: data_type::name(code) })?;
    let reader = Reader { proto, what, shape: shape_of(proto, what)?, type_name: data_type::name(code) };
    let value = match element {
        ElementType::Same(DType::F32) => {
            reader.finite(reader.read(f32::from_le_bytes, &proto.float_data, Ok)?)
        }
        ElementType::Same(DType::F64) => {
            reader.finite(reader.read(f64::from_le_bytes, &proto.double_data, Ok)?)
        }
        ElementType::Float16 => reader.finite(reader.read(
            |bytes| f16::from_le_bytes(bytes).to_f32(),
            &proto.int32_data,
            |bits| Ok(f16::from_bits(reader.narrow(bits)?).to_f32()),
        )?),
        ElementType::BFloat16 => reader.finite(reader.read(
            |bytes| bf16::from_le_bytes(bytes).to_f32(),
            &proto.int32_data,
            |bits| Ok(bf16::from_bits(reader.narrow(bits)?).to_f32()),
        )?),
        ElementType::Same(DType::I64) => {
            reader.value(reader.read(i64::from_le_bytes, &proto.int64_data, Ok)?)
        }
        ElementType::Same(DType::I32) => {
            reader.value(reader.read(i32::from_le_bytes, &proto.int32_data, Ok)?)
        }
        ElementType::Same(DType::U8) => {
            reader.value(reader.read(u8::from_le_bytes, &proto.int32_data, |v| reader.narrow(v))?)
        }
        ElementType::Same(DType::I8) => {
            reader.value(reader.read(i8::from_le_bytes, &proto.int32_data, |v| reader.narrow(v))?)
        }
        ElementType::Same(DType::Bool) => {
            reader.value(reader.read(|[byte]: [u8; 1]| byte != 0, &proto.int32_data, |v| Ok(v != 0))?)
        }
    };
    Ok((value?, element))
}

/// Writes a tensor, its elements as raw bytes.
pub(super) fn write(name: Option<String>, value: &Value) -> TensorProto {
    TensorProto {
        // A size that a Vec has fits in 63 bits.
        dims: value.shape().iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX)).collect(),
        data_type: Some(code_of(value.dtype())),
        name,
        raw_data: Some(Bytes::from(raw_bytes(value))),
        ..TensorProto::default()
    }
}

fn raw_bytes(value: &Value) -> Vec<u8> {
    // The slice has the type that was just asked for, so the fallback is never taken.
    fn bytes_of<T: Element, const N: usize>(value: &Value, to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        let elements = value.as_slice::<T>().unwrap_or_default();
        let mut bytes = Vec::with_capacity(elements.len() * N);
        for &element in elements {
            bytes.extend_from_slice(&to_bytes(element));
        }
        bytes
    }
    match value.dtype() {
        DType::F32 => bytes_of(value, f32::to_le_bytes),
        DType::F64 => bytes_of(value, f64::to_le_bytes),
        DType::I64 => bytes_of(value, i64::to_le_bytes),
        DType::I32 => bytes_of(value, i32::to_le_bytes),
        DType::U8 => bytes_of(value, u8::to_le_bytes),
        DType::I8 => bytes_of(value, i8::to_le_bytes),
        DType::Bool => bytes_of(value, |v: bool| [u8::from(v)]),
    }
}

/// The sizes as numbers that memory can have.
fn shape_of(proto: &TensorProto, what: &str) -> Result<Vec<usize>, ImportError> {
    let sizes = proto.dims.iter().map(|&size| usize::try_from(size));
    sizes.collect::<Result<_, _>>().map_err(|_| ImportError::TensorLength {
        value: what.to_owned(),
        shape: proto.dims.clone(),
        expected: "sizes that are not negative".to_owned(),
        got: "a size that is".to_owned(),
    })
}

struct Reader<'a> {
    proto: &'a TensorProto,
    what: &'a str,
    shape: Vec<usize>,
    type_name: &'static str,
}

impl Reader<'_> {
    /// The elements: from raw bytes with `from_bytes`, or from the field `typed` with `convert`.
    fn read<T, S: Copy, const N: usize>(
        &self,
        from_bytes: impl Fn([u8; N]) -> T,
        typed: &[S],
        convert: impl Fn(S) -> Result<T, ImportError>,
    ) -> Result<Vec<T>, ImportError> {
        let count = self.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let Some(raw) = self.proto.raw_data.as_ref().filter(|_| typed.is_empty()) else {
            if count != Some(typed.len()) {
                return Err(self.length_error(count, typed.len(), "elements"));
            }
            let mut elements = self.reserve(typed.len())?;
            for &element in typed {
                elements.push(convert(element)?);
            }
            return Ok(elements);
        };
        let bytes = count.and_then(|n| n.checked_mul(N));
        if bytes != Some(raw.len()) {
            return Err(self.length_error(bytes, raw.len(), "bytes"));
        }
        let (chunks, _) = raw.as_chunks::<N>();
        let mut elements = self.reserve(chunks.len())?;
        elements.extend(chunks.iter().map(|&chunk| from_bytes(chunk)));
        Ok(elements)
    }

    fn value<T: Element>(&self, elements: Vec<T>) -> Result<Value, ImportError> {
        Value::from_vec(&self.shape, elements).map_err(|source| self.tensor_error(source))
    }

    fn finite<T: Element + Into<f64>>(&self, elements: Vec<T>) -> Result<Value, ImportError> {
        let refused = |v: f64| v.is_nan() || (v.is_infinite() && elements.len() > 1);
        let mut bad = elements.iter().map(|&v| v.into()).enumerate().filter(|&(_, v)| refused(v));
        if let Some((index, first)) = bad.next() {
            return Err(ImportError::NonFinite {
                value: self.what.to_owned(),
                got: first.to_string(),
                index,
                count: bad.count() + 1,
            });
        }
        self.value(elements)
    }

    /// An element of `int32_data` as the narrower type that it stands for.
    fn narrow<T: TryFrom<i32>>(&self, element: i32) -> Result<T, ImportError> {
        T::try_from(element).map_err(|_| ImportError::ElementRange {
            value: self.what.to_owned(),
            expected: self.type_name,
            got: element,
        })
    }

    fn reserve<T>(&self, count: usize) -> Result<Vec<T>, ImportError> {
        let mut elements = Vec::new();
        let too_large = |_| self.tensor_error(TensorError::TooLarge { shape: self.shape.clone() });
        elements.try_reserve_exact(count).map_err(too_large)?;
        Ok(elements)
    }

    fn tensor_error(&self, source: TensorError) -> ImportError {
        ImportError::Tensor { value: self.what.to_owned(), source }
    }

    fn length_error(&self, expected: Option<usize>, got: usize, unit: &str) -> ImportError {
        ImportError::TensorLength {
            value: self.what.to_owned(),
            shape: self.proto.dims.clone(),
            expected: expected
                .map_or_else(|| "more than memory can hold".to_owned(), |n| format!("{n} {unit}")),
            got: format!("{got} {unit}"),
        }
    }
}
