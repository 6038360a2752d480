//! Element types as files name them: the types of tensors here, and the floats that become float32.

use crate::tensor::{DType, FloatFormat};

/// An element type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileType {
    /// A type that tensors have here, too.
    Same(DType),
    /// A narrower float, whose tensors are of float32 here.
    Widened(FloatFormat),
}

/// The numbers of ONNX (`TensorProto.DataType`).
const CODES: [(i64, FileType); 23] = [
    (1, FileType::Same(DType::F32)),
    (2, FileType::Same(DType::U8)),
    (3, FileType::Same(DType::I8)),
    (4, FileType::Same(DType::U16)),
    (5, FileType::Same(DType::I16)),
    (6, FileType::Same(DType::I32)),
    (7, FileType::Same(DType::I64)),
    (9, FileType::Same(DType::Bool)),
    (10, FileType::Widened(FloatFormat::Float16)),
    (11, FileType::Same(DType::F64)),
    (12, FileType::Same(DType::U32)),
    (13, FileType::Same(DType::U64)),
    (16, FileType::Widened(FloatFormat::BFloat16)),
    (17, FileType::Widened(FloatFormat::Float8E4M3Fn)),
    (18, FileType::Widened(FloatFormat::Float8E4M3FnUz)),
    (19, FileType::Widened(FloatFormat::Float8E5M2)),
    (20, FileType::Widened(FloatFormat::Float8E5M2FnUz)),
    (21, FileType::Same(DType::U4)),
    (22, FileType::Same(DType::I4)),
    (23, FileType::Widened(FloatFormat::Float4E2M1)),
    (24, FileType::Widened(FloatFormat::Float8E8M0)),
    (25, FileType::Same(DType::U2)),
    (26, FileType::Same(DType::I2)),
];

impl FileType {
    /// The type of a number; `None` for text, complex numbers and numbers that ONNX does not know.
    pub fn from_code(code: i64) -> Option<Self> {
        CODES.iter().find(|(known, _)| *known == code).map(|&(_, ty)| ty)
    }

    /// Its number.
    pub fn code(self) -> i64 {
        CODES.iter().find(|(_, ty)| *ty == self).map_or(0, |&(code, _)| code)
    }

    /// The type that its tensors have here.
    pub fn dtype(self) -> DType {
        match self {
            Self::Same(dtype) => dtype,
            Self::Widened(_) => DType::F32,
        }
    }

    /// The format, where it is widened.
    pub fn format(self) -> Option<FloatFormat> {
        match self {
            Self::Same(_) => None,
            Self::Widened(format) => Some(format),
        }
    }

    /// The opset that brought it, where that is later than
    /// [`EXPORT_OPSET`](super::EXPORT_OPSET): a file that has it must be of that opset at least.
    pub fn since(self) -> u32 {
        match self {
            Self::Same(DType::I2 | DType::U2) => 25,
            Self::Same(DType::I4 | DType::U4) => 21,
            Self::Same(_) | Self::Widened(FloatFormat::Float16 | FloatFormat::BFloat16) => 13,
            Self::Widened(FloatFormat::Float4E2M1) => 23,
            Self::Widened(FloatFormat::Float8E8M0) => 24,
            Self::Widened(_) => 19,
        }
    }
}

impl From<DType> for FileType {
    fn from(dtype: DType) -> Self {
        Self::Same(dtype)
    }
}

impl From<FloatFormat> for FileType {
    fn from(format: FloatFormat) -> Self {
        Self::Widened(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_number_of_its_own() {
        for (code, ty) in CODES {
            assert_eq!((FileType::from_code(code), ty.code()), (Some(ty), code));
        }
        for format in FloatFormat::ALL {
            assert_ne!(FileType::from(format).code(), 0, "{format:?}");
        }
        assert_eq!(FileType::from_code(8), None);
    }
}
