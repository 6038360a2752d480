//! Element types.

use super::value::Storage;
use ndarray::ArcArray;
use ndarray::IxDyn;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The element type of a tensor.
///
/// float16 and bfloat16 files are widened to `F32` when they are read, so they have no type here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// Signed 64-bit integer: shapes, indices, axes.
    I64,
    /// Signed 32-bit integer: quantized biases, accumulators.
    I32,
    /// Unsigned 8-bit integer: quantized activations.
    U8,
    /// Signed 8-bit integer: quantized weights.
    I8,
    /// Truth values.
    Bool,
}

impl DType {
    /// Bytes that one element takes in memory.
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::U8 | Self::I8 | Self::Bool => 1,
        }
    }

    /// Whether arithmetic on it is floating point.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::Bool => "bool",
        })
    }
}

/// A Rust type that a [`Value`](super::Value) can hold. Sealed: the list is [`DType`]'s.
pub trait Element: Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static + sealed::Sealed {
    /// The element type that this Rust type stands for.
    const DTYPE: DType;
}

pub(super) mod sealed {
    use super::{ArcArray, IxDyn, Storage};

    pub trait Sealed: Sized {
        fn wrap(array: ArcArray<Self, IxDyn>) -> Storage;
        fn peek(storage: &Storage) -> Option<&ArcArray<Self, IxDyn>>;
        fn unwrap(storage: Storage) -> Result<ArcArray<Self, IxDyn>, Storage>;
    }
}

macro_rules! elements {
    ($($rust:ty => $variant:ident),* $(,)?) => { $(
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;
        }
        impl sealed::Sealed for $rust {
            fn wrap(array: ArcArray<Self, IxDyn>) -> Storage {
                Storage::$variant(array)
            }
            fn peek(storage: &Storage) -> Option<&ArcArray<Self, IxDyn>> {
                if let Storage::$variant(array) = storage { Some(array) } else { None }
            }
            fn unwrap(storage: Storage) -> Result<ArcArray<Self, IxDyn>, Storage> {
                if let Storage::$variant(array) = storage { Ok(array) } else { Err(storage) }
            }
        }
    )* };
}

elements! { f32 => F32, f64 => F64, i64 => I64, i32 => I32, u8 => U8, i8 => I8, bool => Bool }
