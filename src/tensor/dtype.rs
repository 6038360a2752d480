//! Element types.

use super::value::Carrier;
use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The element type of a tensor.
///
/// Floats narrower than float32 are widened to `F32` when a file is read, so they have no type
/// here; [`FloatFormat`](super::FloatFormat) has their names.
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
    /// Signed 16-bit integer: quantized activations.
    I16,
    /// Signed 8-bit integer: quantized weights.
    I8,
    /// Signed 4-bit integer: quantized weights. In memory each takes a byte.
    I4,
    /// Signed 2-bit integer, likewise.
    I2,
    /// Unsigned 64-bit integer.
    U64,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 16-bit integer: quantized activations.
    U16,
    /// Unsigned 8-bit integer: quantized activations.
    U8,
    /// Unsigned 4-bit integer: quantized weights. In memory each takes a byte.
    U4,
    /// Unsigned 2-bit integer, likewise.
    U2,
    /// Truth values.
    Bool,
}

impl DType {
    /// Bytes that one element takes in memory.
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I16 | Self::U16 => 2,
            Self::U8 | Self::I8 | Self::U4 | Self::I4 | Self::U2 | Self::I2 | Self::Bool => 1,
        }
    }

    /// Bits that one element takes in a file, where elements narrower than a byte lie side by side.
    pub const fn file_bits(self) -> usize {
        match self {
            Self::U4 | Self::I4 => 4,
            Self::U2 | Self::I2 => 2,
            _ => 8 * self.size_bytes(),
        }
    }

    /// Whether arithmetic on it is floating point.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Least and greatest number of an integer type; `None` for floats and truth values.
    pub const fn integer_range(self) -> Option<(i128, i128)> {
        let (bits, is_signed) = match self {
            Self::F32 | Self::F64 | Self::Bool => return None,
            Self::I64 | Self::I32 | Self::I16 | Self::I8 | Self::I4 | Self::I2 => (self.file_bits(), true),
            Self::U64 | Self::U32 | Self::U16 | Self::U8 | Self::U4 | Self::U2 => (self.file_bits(), false),
        };
        Some(if is_signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) })
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::I16 => "int16",
            Self::I8 => "int8",
            Self::I4 => "int4",
            Self::I2 => "int2",
            Self::U64 => "uint64",
            Self::U32 => "uint32",
            Self::U16 => "uint16",
            Self::U8 => "uint8",
            Self::U4 => "uint4",
            Self::U2 => "uint2",
            Self::Bool => "bool",
        })
    }
}

/// An integer narrower than a byte, in a byte of its own.
macro_rules! narrow_integer {
    ($(#[$doc:meta])* $name:ident: $held:ty, $bits:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name($held);

        impl $name {
            /// The number of which `value` has the low bits; higher ones are lost.
            pub const fn wrapping(value: i64) -> Self {
                Self((value as $held) << (8 - $bits) >> (8 - $bits))
            }

            /// The number.
            pub const fn get(self) -> $held {
                self.0
            }
        }
    };
}

narrow_integer! {
    /// A signed integer of 4 bits, −8 to 7.
    I4: i8, 4
}
narrow_integer! {
    /// A signed integer of 2 bits, −2 to 1.
    I2: i8, 2
}
narrow_integer! {
    /// An unsigned integer of 4 bits, 0 to 15.
    U4: u8, 4
}
narrow_integer! {
    /// An unsigned integer of 2 bits, 0 to 3.
    U2: u8, 2
}

/// A Rust type that a [`Value`](super::Value) can hold. Sealed: the list is [`DType`]'s.
pub trait Element:
    Copy + Default + Zeroable + PartialEq + fmt::Debug + Send + Sync + 'static + sealed::Sealed
{
    /// The element type that this Rust type stands for.
    const DTYPE: DType;
}

pub(super) mod sealed {
    use super::Carrier;

    /// How elements lie in the unsigned integers that hold them.
    pub trait Sealed: Sized {
        type Bits: Carrier;
        fn into_bits(elements: Vec<Self>) -> Vec<Self::Bits>;
        fn from_bits(bits: Vec<Self::Bits>) -> Vec<Self>;
        fn view(bits: &[Self::Bits]) -> &[Self];
    }
}

macro_rules! elements {
    ($($rust:ty => $variant:ident in $bits:ty),* $(,)?) => { $(
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;
        }
        impl sealed::Sealed for $rust {
            type Bits = $bits;
            fn into_bits(elements: Vec<Self>) -> Vec<$bits> {
                bytemuck::cast_vec(elements)
            }
            fn from_bits(bits: Vec<$bits>) -> Vec<Self> {
                bytemuck::cast_vec(bits)
            }
            fn view(bits: &[$bits]) -> &[Self] {
                bytemuck::cast_slice(bits)
            }
        }
    )* };
}

elements! {
    f32 => F32 in u32,
    f64 => F64 in u64,
    i64 => I64 in u64,
    i32 => I32 in u32,
    i16 => I16 in u16,
    i8 => I8 in u8,
    I4 => I4 in u8,
    I2 => I2 in u8,
    u64 => U64 in u64,
    u32 => U32 in u32,
    u16 => U16 in u16,
    u8 => U8 in u8,
    U4 => U4 in u8,
    U2 => U2 in u8,
}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
}

impl sealed::Sealed for bool {
    type Bits = u8;
    fn into_bits(elements: Vec<Self>) -> Vec<u8> {
        bytemuck::cast_vec(elements)
    }
    fn from_bits(bits: Vec<u8>) -> Vec<Self> {
        bits.into_iter().map(|byte| byte != 0).collect()
    }
    fn view(bits: &[u8]) -> &[Self] {
        // Truth values are made from `bool` only, so each is 0 or 1 and the fallback is never taken.
        bytemuck::checked::try_cast_slice(bits).unwrap_or_default()
    }
}

/// Evaluates an expression with `$T` the Rust type of a [`DType`].
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        $crate::tensor::with_element!(@ $dtype, $T, $body;
            F32 f32, F64 f64, I64 i64, I32 i32, I16 i16, I8 i8, I4 $crate::tensor::I4, I2 $crate::tensor::I2,
            U64 u64, U32 u32, U16 u16, U8 u8, U4 $crate::tensor::U4, U2 $crate::tensor::U2, Bool bool)
    };
    (@ $dtype:expr, $T:ident, $body:expr; $($variant:ident $rust:ty),*) => {
        match $dtype {
            $($crate::tensor::DType::$variant => {
                type $T = $rust;
                $body
            })*
        }
    };
}
pub(crate) use with_element;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_integers_keep_the_low_bits() {
        assert_eq!([9, -9, 7, -8].map(|v| I4::wrapping(v).get()), [-7, 7, 7, -8]);
        assert_eq!([17, -1, 3].map(|v| U4::wrapping(v).get()), [1, 15, 3]);
        assert_eq!([2, -3, 1].map(|v| I2::wrapping(v).get()), [-2, 1, 1]);
        assert_eq!([5, -1].map(|v| U2::wrapping(v).get()), [1, 3]);
    }

    #[test]
    fn ranges_are_those_of_the_rust_types() {
        assert_eq!(DType::I8.integer_range(), Some((-128, 127)));
        assert_eq!(DType::U64.integer_range(), Some((0, u64::MAX.into())));
        assert_eq!(DType::I64.integer_range(), Some((i64::MIN.into(), i64::MAX.into())));
        assert_eq!((DType::I2.integer_range(), DType::U4.integer_range()), (Some((-2, 1)), Some((0, 15))));
        assert_eq!(DType::Bool.integer_range(), None);
    }
}
