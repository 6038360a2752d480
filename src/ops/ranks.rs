//! The order of elements, whatever their type: for maxima, sorting and distinct values.

use super::{OpError, numbers};
use crate::tensor::{DType, TensorError, Value};

/// Elements as whole numbers that stand in the same order, so that one loop compares all types.
///
/// Made of a tensor in one of the types that [`numbers::widened`] gives. −0 equals 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranks<'a> {
    elements: Elements<'a>,
    largest_first: bool,
}

#[derive(Debug, Clone, Copy)]
enum Elements<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I64(&'a [i64]),
    U64(&'a [u64]),
}

impl<'a> Ranks<'a> {
    /// Ranks by which the largest element, or with `largest_first` false the smallest, ranks
    /// highest; NaN ranks above all others in either case, so that it does not vanish.
    pub(super) fn new(wide: &'a Value, largest_first: bool) -> Result<Self, TensorError> {
        let elements = match wide.dtype() {
            DType::F32 => Elements::F32(wide.as_slice()?),
            DType::F64 => Elements::F64(wide.as_slice()?),
            DType::U64 => Elements::U64(wide.as_slice()?),
            _ => Elements::I64(wide.as_slice()?),
        };
        Ok(Self { elements, largest_first })
    }

    /// The rank of one element.
    pub(super) fn at(&self, position: usize) -> i64 {
        let rank = match self.elements {
            Elements::F32(x) => float_rank(x[position].into()),
            Elements::F64(x) => float_rank(x[position]),
            Elements::I64(x) => x[position],
            Elements::U64(x) => (x[position] ^ (1 << 63)) as i64,
        };
        if self.largest_first || self.is_nan(position) { rank } else { !rank }
    }

    fn is_nan(&self, position: usize) -> bool {
        match self.elements {
            Elements::F32(x) => x[position].is_nan(),
            Elements::F64(x) => x[position].is_nan(),
            Elements::I64(_) | Elements::U64(_) => false,
        }
    }

    /// Of these positions the one of highest rank: the first such, or the last.
    pub(super) fn highest(
        &self,
        positions: impl Iterator<Item = usize>,
        last_of_equals: bool,
    ) -> Option<usize> {
        let mut best: Option<(i64, usize)> = None;
        for position in positions {
            let rank = self.at(position);
            let wins = best.is_none_or(|(highest, _)| rank > highest || (last_of_equals && rank == highest));
            if wins {
                best = Some((rank, position));
            }
        }
        best.map(|(_, position)| position)
    }
}

/// The bits of a float, read as an integer, stand in the order of the positive floats, and in the
/// opposite one for negative floats.
fn float_rank(x: f64) -> i64 {
    if x.is_nan() {
        return i64::MAX;
    }
    let bits = (x + 0.0).to_bits() as i64; // −0 + 0 is 0
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// One element of a type: its least or its greatest, infinite where it has infinities.
pub(super) fn limit(dtype: DType, greatest: bool) -> Result<Value, OpError> {
    if dtype.is_float() {
        let infinity = if greatest { f64::INFINITY } else { f64::NEG_INFINITY };
        return super::convert::convert(Value::scalar(infinity), dtype);
    }
    let (least, most) = dtype.integer_range().unwrap_or((0, 1)); // truth values
    let bits = (if greatest { most } else { least }) as u64;
    super::convert::convert(Value::scalar(bits), dtype)
}

/// A tensor in a type whose [`Ranks`] can be had.
pub(super) fn rankable(value: &Value) -> Result<Value, OpError> {
    numbers::widened(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::tensor;

    #[test]
    fn ranks_stand_in_the_order_of_the_elements() {
        let x = tensor(&[6], &[f32::NEG_INFINITY, -2.0, -0.0, 1e-40, 3.0, f32::INFINITY]);
        for largest_first in [true, false] {
            let ranks = Ranks::new(&x, largest_first).unwrap();
            let all: Vec<i64> = (0..6).map(|i| ranks.at(i)).collect();
            assert!(all.is_sorted_by(|a, b| (a < b) == largest_first && a != b), "{all:?}");
        }
        let zeros = tensor(&[2], &[-0.0, 0.0]);
        let ranks = Ranks::new(&zeros, true).unwrap();
        assert_eq!(ranks.at(0), ranks.at(1));
        let naturals = Value::from_vec(&[2], vec![u64::MAX, 1]).unwrap();
        assert_eq!(Ranks::new(&naturals, true).unwrap().highest(0..2, false), Some(0));
    }

    #[test]
    fn nan_ranks_highest_either_way_and_ties_go_where_they_should() {
        let x = tensor(&[4], &[1.0, f32::NAN, 1.0, 0.0]);
        for largest_first in [true, false] {
            assert_eq!(Ranks::new(&x, largest_first).unwrap().highest(0..4, false), Some(1));
        }
        let ranks = Ranks::new(&x, true).unwrap();
        assert_eq!(ranks.highest([0, 2, 3].into_iter(), false), Some(0));
        assert_eq!(ranks.highest([0, 2, 3].into_iter(), true), Some(2));
        assert_eq!(ranks.highest(std::iter::empty(), true), None);
    }

    #[test]
    fn limits_are_those_of_the_type() {
        assert_eq!(limit(DType::F32, false).unwrap(), Value::scalar(f32::NEG_INFINITY));
        assert_eq!(limit(DType::I8, false).unwrap(), Value::scalar(-128_i8));
        assert_eq!(limit(DType::U64, true).unwrap(), Value::scalar(u64::MAX));
        assert_eq!(limit(DType::I64, false).unwrap(), Value::scalar(i64::MIN));
        assert_eq!(limit(DType::Bool, true).unwrap(), Value::scalar(true));
    }
}
