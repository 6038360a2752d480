//! `TensorProto` ↔ [`Value`].
//!
//! A tensor in a file says its shape and, apart from that, its elements: as raw little-endian bytes
//! or in a field for their type. The two are compared before anything is allocated, so a shape of
//! a million million elements without any costs nothing but an error. Memory is bounded by what the
//! file really holds (at most eight times its size, for float4).
//!
//! Floats of 16 bits and fewer are widened to float32; every other type stays as it is. Elements
//! narrower than a byte lie side by side in a file.

use super::ImportError;
use super::external::{self, ExternalFiles};
use super::proto::{TensorProto, data_type};
use crate::ops::FileType;
use crate::tensor::{DType, Element, FloatFormat, I2, I4, TensorError, U2, U4, Value};
use prost::bytes::Bytes;

/// The type of that code, unless tensors cannot hold it.
pub(super) fn type_of(code: i32) -> Option<FileType> {
    FileType::from_code(code.into())
}

/// The code of an element type.
pub(super) fn code_of(dtype: DType) -> i32 {
    i32::try_from(FileType::from(dtype).code()).unwrap_or_default()
}

/// Reads a tensor. `what` names it at the beginning of a sentence ("Initializer `w`").
///
/// Elements that are not finite are refused: NaN everywhere, infinities in tensors of more than one
/// element (a single one can be the bound of a Clip or the filling of a Pad).
///
/// # Errors
/// What [`external::elements`] says of elements in another file, [`ImportError::ElementType`],
/// [`ImportError::TensorLength`], [`ImportError::ElementRange`], [`ImportError::NonFinite`],
/// [`ImportError::Tensor`].
pub(super) fn read(
    proto: &TensorProto,
    what: &str,
    files: &ExternalFiles,
) -> Result<(Value, FileType), ImportError> {
    let code = proto.data_type.unwrap_or_default();
    let element = type_of(code)
        .ok_or_else(|| ImportError::ElementType { value: what.to_owned(), got: data_type::name(code) })?;
    if external::is_external(proto.data_location, &proto.external_data) {
        let needed = file_bytes(&shape_of(proto, what)?, element);
        let (bytes, file) = external::elements(proto, needed, what, files)?;
        let (dims, data_type) = (proto.dims.clone(), proto.data_type);
        let whole = TensorProto { dims, data_type, raw_data: Some(bytes), ..TensorProto::default() };
        return read(&whole, &format!("{what} (in `{file}`)"), files);
    }
    let reader = Reader { proto, what, shape: shape_of(proto, what)?, type_name: data_type::name(code) };
    let value = match element {
        FileType::Same(dtype) => reader.same(dtype),
        FileType::Widened(format) => reader.widened(format),
    };
    Ok((value?, element))
}

/// Bytes that a tensor of that shape takes in a file, where memory can have as many.
fn file_bytes(shape: &[usize], element: FileType) -> Option<usize> {
    let bits = match element {
        FileType::Same(dtype) => dtype.file_bits(),
        FileType::Widened(format) => usize::try_from(format.bits()).ok()?,
    };
    let count = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size))?;
    Some(count.checked_mul(bits)?.div_ceil(8))
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
    let bits = value.clone().into_bits();
    match value.dtype().size_bytes() {
        2 => bytes_of(&bits, u16::to_le_bytes),
        4 => bytes_of(&bits, u32::to_le_bytes),
        8 => bytes_of(&bits, u64::to_le_bytes),
        _ => match value.dtype().file_bits() {
            width @ (2 | 4) => pack(bits.as_slice::<u8>().unwrap_or_default(), width),
            _ => bits.as_slice::<u8>().unwrap_or_default().to_vec(),
        },
    }
}

/// Elements narrower than a byte side by side, the first in the lowest bits.
fn pack(elements: &[u8], width: usize) -> Vec<u8> {
    let byte = |group: &[u8]| {
        let mask = (1_u8 << width) - 1;
        group.iter().rev().fold(0, |byte, element| byte << width | element & mask)
    };
    elements.chunks(8 / width).map(byte).collect()
}

/// The patterns of elements narrower than a byte.
fn unpack(bytes: impl Iterator<Item = u8>, width: usize) -> impl Iterator<Item = u8> {
    let mask = (1_u8 << width) - 1;
    bytes.flat_map(move |byte| (0..8 / width).map(move |i| byte >> (i * width) & mask))
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
    /// A tensor of a type that tensors have here, too.
    fn same(&self, dtype: DType) -> Result<Value, ImportError> {
        let words = &self.proto.int32_data;
        match dtype {
            DType::F32 => self.finite(self.read(f32::from_le_bytes, &self.proto.float_data, Ok)?),
            DType::F64 => self.finite(self.read(f64::from_le_bytes, &self.proto.double_data, Ok)?),
            DType::I64 => self.value(self.read(i64::from_le_bytes, &self.proto.int64_data, Ok)?),
            DType::I32 => self.value(self.read(i32::from_le_bytes, words, Ok)?),
            DType::I16 => self.value(self.read(i16::from_le_bytes, words, |v| self.narrow(v))?),
            DType::I8 => self.value(self.read(i8::from_le_bytes, words, |v| self.narrow(v))?),
            DType::U64 => self.value(self.read(u64::from_le_bytes, &self.proto.uint64_data, Ok)?),
            DType::U32 => {
                self.value(self.read(u32::from_le_bytes, &self.proto.uint64_data, |v| self.narrow(v))?)
            }
            DType::U16 => self.value(self.read(u16::from_le_bytes, words, |v| self.narrow(v))?),
            DType::U8 => self.value(self.read(u8::from_le_bytes, words, |v| self.narrow(v))?),
            DType::Bool => self.value(self.read(|[byte]: [u8; 1]| byte != 0, words, |v| Ok(v != 0))?),
            DType::I4 => self.value(self.packed(4, |v| I4::wrapping(v.into()))?),
            DType::I2 => self.value(self.packed(2, |v| I2::wrapping(v.into()))?),
            DType::U4 => self.value(self.packed(4, |v| U4::wrapping(v.into()))?),
            DType::U2 => self.value(self.packed(2, |v| U2::wrapping(v.into()))?),
        }
    }

    /// A tensor of a format that is widened to float32.
    fn widened(&self, format: FloatFormat) -> Result<Value, ImportError> {
        let words = &self.proto.int32_data;
        let elements = match format.bits() {
            16 => self.read(
                |bytes| format.decode(u16::from_le_bytes(bytes)),
                words,
                |bits| Ok(format.decode(self.narrow(bits)?)),
            )?,
            8 => self.read(
                |[byte]: [u8; 1]| format.decode(byte.into()),
                words,
                |bits| Ok(format.decode(self.narrow::<u8, _>(bits)?.into())),
            )?,
            _ => self.packed(4, |pattern| format.decode(pattern.into()))?,
        };
        self.finite(elements)
    }

    /// The elements of a type narrower than a byte: from raw bytes, or from `int32_data`, of which
    /// each holds one byte.
    fn packed<T>(&self, width: usize, from_pattern: impl Fn(u8) -> T) -> Result<Vec<T>, ImportError> {
        let count = self.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let expected = count.map(|count| count.div_ceil(8 / width));
        let words = &self.proto.int32_data;
        let bytes: Vec<u8> = match self.proto.raw_data.as_ref().filter(|_| words.is_empty()) {
            Some(raw) => raw.to_vec(),
            None => words.iter().map(|&word| self.narrow(word)).collect::<Result<_, _>>()?,
        };
        let Some(count) = count.filter(|_| expected == Some(bytes.len())) else {
            return Err(self.length_error(expected, bytes.len(), "byte"));
        };
        let mut elements = self.reserve(count)?;
        elements.extend(unpack(bytes.into_iter(), width).map(from_pattern).take(count));
        Ok(elements)
    }

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
                return Err(self.length_error(count, typed.len(), "element"));
            }
            let mut elements = self.reserve(typed.len())?;
            for &element in typed {
                elements.push(convert(element)?);
            }
            return Ok(elements);
        };
        let bytes = count.and_then(|n| n.checked_mul(N));
        if bytes != Some(raw.len()) {
            return Err(self.length_error(bytes, raw.len(), "byte"));
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

    /// An element of a typed field as the narrower type that it stands for.
    fn narrow<T: TryFrom<S>, S: Copy + Into<i128>>(&self, element: S) -> Result<T, ImportError> {
        T::try_from(element).map_err(|_| ImportError::ElementRange {
            value: self.what.to_owned(),
            expected: self.type_name,
            got: element.into(),
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
            expected: expected.map_or_else(|| "more than memory can hold".to_owned(), |n| counted(n, unit)),
            got: counted(got, unit),
        }
    }
}

/// "1 byte", "2 bytes".
fn counted(count: usize, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
