//! Numbers from one element type to another.
//!
//! Floats become integers towards 0, NaN as 0. Where the type ends they saturate, or, for types
//! narrower than a byte, lose their high bits, as NumPy's do; ONNX leaves it open. Integers are cut to
//! fewer bits; truth values are 0 and 1, and everything but 0 is true. Every conversion passes through a block of the
//! widest integers or floats, which hold the numbers of all types exactly: so there is one loop for
//! each type that is read and one for each that is written, not one for each pair.

use super::OpError;
use super::index::check_size;
use crate::tensor::{DType, Element, FloatFormat, FloatRounding, I2, I4, U2, U4, Value, with_element};

/// Numbers on their way: enough that choosing the loops costs nothing, few enough to stay in cache.
const BLOCK: usize = 512;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integers,
    /// Unsigned 64-bit integers, as the signed ones of the same bits.
    Naturals,
    Reals,
}

struct Block {
    kind: Kind,
    integers: Vec<i64>,
    reals: Vec<f64>,
}

/// An element type as numbers.
trait Number: Element {
    const KIND: Kind;
    /// The number, where [`Number::KIND`] is not [`Kind::Reals`].
    fn integer(self) -> i64;
    /// The number, where it is.
    fn real(self) -> f64;
    fn from_integer(value: i64) -> Self;
    fn from_natural(value: u64) -> Self;
    fn from_real(value: f64) -> Self;
}

macro_rules! numbers {
    ($($type:ty: $kind:ident),*) => { $(
        impl Number for $type {
            const KIND: Kind = Kind::$kind;
            fn integer(self) -> i64 {
                self as i64
            }
            fn real(self) -> f64 {
                self as f64
            }
            fn from_integer(value: i64) -> Self {
                value as Self
            }
            fn from_natural(value: u64) -> Self {
                value as Self
            }
            fn from_real(value: f64) -> Self {
                value as Self
            }
        }
    )* };
}

macro_rules! narrow_numbers {
    ($($type:ty),*) => { $(
        impl Number for $type {
            const KIND: Kind = Kind::Integers;
            fn integer(self) -> i64 {
                self.get().into()
            }
            fn real(self) -> f64 {
                self.get().into()
            }
            fn from_integer(value: i64) -> Self {
                Self::wrapping(value)
            }
            fn from_natural(value: u64) -> Self {
                Self::wrapping(value as i64)
            }
            fn from_real(value: f64) -> Self {
                Self::wrapping(value as i64)
            }
        }
    )* };
}

numbers! {
    f32: Reals, f64: Reals, i64: Integers, i32: Integers, i16: Integers, i8: Integers,
    u64: Naturals, u32: Integers, u16: Integers, u8: Integers
}
narrow_numbers! { I4, I2, U4, U2 }

impl Number for bool {
    const KIND: Kind = Kind::Integers;

    fn integer(self) -> i64 {
        self.into()
    }

    fn real(self) -> f64 {
        self.into()
    }

    fn from_integer(value: i64) -> Self {
        value != 0
    }

    fn from_natural(value: u64) -> Self {
        value != 0
    }

    fn from_real(value: f64) -> Self {
        value != 0.0
    }
}

impl Block {
    fn new(source: DType) -> Self {
        let kind = with_element!(source, T => <T as Number>::KIND);
        Self { kind, integers: Vec::with_capacity(BLOCK), reals: Vec::with_capacity(BLOCK) }
    }

    /// Reads the elements from `start` on, as many as fit.
    fn load(&mut self, source: &Value, start: usize) -> Result<(), OpError> {
        self.integers.clear();
        self.reals.clear();
        with_element!(source.dtype(), T => {
            let rest = source.as_slice::<T>()?.iter().skip(start).take(BLOCK);
            if self.kind == Kind::Reals {
                self.reals.extend(rest.map(|&v| v.real()));
            } else {
                self.integers.extend(rest.map(|&v| v.integer()));
            }
        });
        Ok(())
    }

    fn store<T: Number>(&self, result: &mut Vec<T>) {
        match self.kind {
            Kind::Integers => result.extend(self.integers.iter().map(|&v| T::from_integer(v))),
            Kind::Naturals => result.extend(self.integers.iter().map(|&v| T::from_natural(v as u64))),
            Kind::Reals => result.extend(self.reals.iter().map(|&v| T::from_real(v))),
        }
    }
}

fn convert_to<T: Number>(source: &Value) -> Result<Value, OpError> {
    let mut block = Block::new(source.dtype());
    let mut result: Vec<T> = Vec::with_capacity(source.len());
    for start in (0..source.len()).step_by(BLOCK) {
        block.load(source, start)?;
        block.store(&mut result);
    }
    Ok(Value::from_vec(source.shape(), result)?)
}

/// The same numbers in another type, as far as it has them.
pub(super) fn convert(source: Value, to: DType) -> Result<Value, OpError> {
    if source.dtype() == to {
        return Ok(source);
    }
    check_size(source.shape(), to.size_bytes())?;
    with_element!(to, T => convert_to::<T>(&source))
}

/// The numbers of a format that they are rounded to, as float32.
pub(super) fn round(source: Value, format: FloatFormat, rounding: FloatRounding) -> Result<Value, OpError> {
    if source.dtype() == DType::F32 {
        return super::elementwise::map_value(source, |x: f32| format.round(x.into(), rounding));
    }
    let wide = convert(source, DType::F64)?;
    let rounded = wide.as_slice::<f64>()?.iter().map(|&x| format.round(x, rounding)).collect();
    Ok(Value::from_vec::<f32>(wide.shape(), rounded)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{integers, tensor};

    fn to<T: Element>(source: &Value) -> Vec<T> {
        convert(source.clone(), T::DTYPE).unwrap().into_vec::<T>().unwrap()
    }

    #[test]
    fn floats_become_integers_towards_zero_and_saturate() {
        let x = tensor(&[5], &[-1.75, 2.5, f32::NAN, 300.0, -1e30]);
        assert_eq!(to::<i64>(&x), [-1, 2, 0, 300, i64::MIN]);
        assert_eq!(to::<u8>(&x), [0, 2, 0, 255, 0]);
        assert_eq!(to::<I4>(&x).iter().map(|v| v.get()).collect::<Vec<_>>(), [-1, 2, 0, -4, 0]);
        assert_eq!(to::<bool>(&x), [true, true, true, true, true]);
    }

    #[test]
    fn integers_are_cut_to_fewer_bits() {
        let x = integers(&[i64::MAX, -1, 300]);
        assert_eq!(to::<u8>(&x), [255, 255, 44]);
        assert_eq!(to::<u64>(&x), [i64::MAX as u64, u64::MAX, 300]);
        assert_eq!(to::<U2>(&x).iter().map(|v| v.get()).collect::<Vec<_>>(), [3, 3, 0]);
    }

    #[test]
    fn wide_integers_keep_their_value() {
        let x = Value::from_vec(&[2], vec![u64::MAX, (1 << 53) + 1]).unwrap();
        assert_eq!(to::<f32>(&x), [u64::MAX as f32, ((1_u64 << 53) + 1) as f32]);
        assert_eq!(to::<i64>(&x), [-1, (1 << 53) + 1]);
        // Through a double this would be rounded twice.
        assert_eq!(
            to::<f32>(&integers(&[(1 << 54) + (1 << 30) + 1])),
            [((1_i64 << 54) + (1 << 30) + 1) as f32]
        );
    }

    #[test]
    fn every_block_is_converted() {
        let count = 3 * BLOCK + 7;
        let x = integers(&(0..count as i64).collect::<Vec<_>>());
        assert_eq!(to::<f32>(&x), (0..count).map(|i| i as f32).collect::<Vec<_>>());
    }
}
