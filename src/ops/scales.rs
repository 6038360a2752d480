//! Scales and zero points of QuantizeLinear and DequantizeLinear, and which elements they are for.
//!
//! ```text
//! one scale                 all elements
//! shape [D] along an axis   one per index of the axis
//! shape of x, but ⌈D/B⌉     blocks: one for B neighbours along the axis
//! along the axis
//! ```

use super::index::{self, axis as position_of};
use super::{EXPORT_OPSET, ExportStep, ImportNode, OpError, convert};
use crate::ir::{Attr, AttrError, Opset};
use crate::kernels::AffineParams;
use crate::tensor::{DType, TensorType, Value};
use std::ops::Range;

/// How scales are laid over a tensor: the attributes of both operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grain {
    /// Axis that the scales run over, when there are several.
    pub(super) axis: i64,
    /// Elements along the axis that share a scale; 0 without blocks.
    pub(super) block_size: usize,
}

impl Grain {
    /// Reads `axis` and `block_size`.
    pub(super) fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let axis = node.attrs.take_int("axis")?.unwrap_or(1);
        let block_size = node.attrs.take_int("block_size")?.unwrap_or(0);
        let refused = |_| AttrError::Unsupported {
            name: "block_size".into(),
            value: block_size.to_string(),
            reason: "a block has at least one element",
        };
        Ok(Self { axis, block_size: usize::try_from(block_size).map_err(refused)? })
    }

    /// The step with both as attributes.
    pub(super) fn export(self, step: ExportStep) -> ExportStep {
        let step = step.with("axis", Attr::Int(self.axis));
        // A size that memory can have fits in 63 bits.
        let block_size = i64::try_from(self.block_size).unwrap_or(i64::MAX);
        if block_size > 0 { step.with("block_size", Attr::Int(block_size)).since(21) } else { step }
    }
}

/// Scales checked against the shape that they apply to.
#[derive(Debug)]
pub(super) struct Scales {
    /// One for each index that [`Scales::for_each_run`] names.
    pub(super) scale: Vec<f32>,
    /// Sizes of what lies outside and inside the axis.
    outer: usize,
    inner: usize,
    /// Size of the axis, and how many neighbours along it share a scale.
    size: usize,
    block: usize,
    /// Whether neighbours inside the axis have scales of their own.
    is_blocked: bool,
}

impl Scales {
    pub(super) fn new(shape: &[usize], grain: Grain, scale: &Value) -> Result<Self, OpError> {
        let values = scale.as_slice::<f32>()?.to_vec();
        let len = shape.iter().product();
        if values.len() == 1 {
            return Ok(Self { scale: values, outer: 1, inner: len, size: 1, block: 1, is_blocked: false });
        }
        let axis = position_of(grain.axis, shape.len())?;
        let (size, is_blocked) = (shape[axis], grain.block_size > 0);
        let block = grain.block_size.max(1);
        if is_blocked {
            let mut expected = shape.to_vec();
            expected[axis] = size.div_ceil(block);
            if scale.shape() != expected {
                let (expected, got) = (format!("{expected:?}"), format!("{:?}", scale.shape()));
                return Err(OpError::Shape { what: "shape of the scales of blocks", expected, got });
            }
        } else if values.len() != size {
            return Err(index::count_error("scales along the axis", size, values.len()));
        }
        let outer = shape[..axis].iter().product();
        let inner = shape[axis + 1..].iter().product();
        Ok(Self { scale: values, outer, inner, size, block, is_blocked })
    }

    /// Zero points as numbers of `T`, one for each scale; one alone is for all.
    pub(super) fn zero_points<T: Copy + Default>(
        &self,
        zero_point: Option<&Value>,
        read: impl Fn(Value) -> Result<Vec<T>, OpError>,
    ) -> Result<Vec<T>, OpError> {
        let count = self.scale.len();
        let Some(zero_point) = zero_point else { return Ok(vec![T::default(); count]) };
        match read(zero_point.clone())?.as_slice() {
            &[only] => Ok(vec![only; count]),
            several if several.len() == count => Ok(several.to_vec()),
            several => Err(index::count_error("zero points per scale", count, several.len())),
        }
    }

    /// The parameters of each scale for integer codes in a range.
    pub(super) fn parameters(
        &self,
        zero_point: Option<&Value>,
        (qmin, qmax): (i32, i32),
    ) -> Result<Vec<AffineParams>, OpError> {
        let zero_points = self.zero_points(zero_point, integers)?;
        let pairs = self.scale.iter().zip(zero_points);
        Ok(pairs
            .map(|(&scale, zero)| AffineParams::new(scale, zero, qmin, qmax))
            .collect::<Result<_, _>>()?)
    }

    /// Calls `each(index of the scale, elements)` for all runs of elements that share a scale.
    pub(super) fn for_each_run(
        &self,
        mut each: impl FnMut(usize, Range<usize>) -> Result<(), OpError>,
    ) -> Result<(), OpError> {
        let blocks = self.size.div_ceil(self.block.max(1));
        for outer in 0..self.outer {
            for at in 0..self.size {
                let start = (outer * self.size + at) * self.inner;
                let scale = outer * blocks + at / self.block;
                match (self.is_blocked, self.inner) {
                    (false, _) => each(at, start..start + self.inner)?,
                    // Neighbours along the last axis are neighbours in memory.
                    (true, 1) if at % self.block != 0 => {}
                    (true, 1) => each(scale, start..start + self.block.min(self.size - at))?,
                    (true, _) => {
                        (0..self.inner)
                            .try_for_each(|i| each(scale * self.inner + i, start + i..start + i + 1))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether runs are short: kernels are for long ones.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked
    }
}

/// The opset that took codes of a type into both operators.
pub(super) fn file_opset(codes: Option<&TensorType>) -> Opset {
    match codes.map(|codes| codes.dtype) {
        Some(DType::U16 | DType::I16) => Opset(21),
        _ => EXPORT_OPSET,
    }
}

/// Codes as integers of 32 bits.
pub(super) fn integers(value: Value) -> Result<Vec<i32>, OpError> {
    if value.dtype().is_float() {
        return Err(OpError::DType {
            what: "the zero point",
            expected: "an integer type",
            got: value.dtype(),
        });
    }
    Ok(convert::convert(value, DType::I32)?.into_vec::<i32>()?)
}

/// Least and greatest code of a type that codes of activations and weights have.
pub(super) fn code_range(dtype: DType) -> Option<(i32, i32)> {
    let (least, greatest) = dtype.integer_range().filter(|_| dtype.file_bits() <= 16)?;
    Some((i32::try_from(least).ok()?, i32::try_from(greatest).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::tensor;

    fn runs(shape: &[usize], axis: i64, block_size: usize, scale: &[usize]) -> Vec<(usize, Range<usize>)> {
        let count = scale.iter().product();
        let scale = tensor(scale, &vec![1.0; count]);
        let scales = Scales::new(shape, Grain { axis, block_size }, &scale).unwrap();
        let mut found = Vec::new();
        scales
            .for_each_run(|scale, range| {
                found.push((scale, range));
                Ok(())
            })
            .unwrap();
        found
    }

    #[test]
    fn one_scale_is_for_all_and_several_run_along_the_axis() {
        assert_eq!(runs(&[2, 3], 1, 0, &[]), [(0, 0..6)]);
        assert_eq!(runs(&[2, 2, 2], -2, 0, &[2]), [(0, 0..2), (1, 2..4), (0, 4..6), (1, 6..8)]);
    }

    #[test]
    fn blocks_may_end_early_and_differ_within() {
        assert_eq!(runs(&[2, 3], 1, 2, &[2, 2]), [(0, 0..2), (1, 2..3), (2, 3..5), (3, 5..6)]);
        let columns = runs(&[3, 2], 0, 2, &[2, 2]);
        assert_eq!(columns.iter().map(|(scale, _)| *scale).collect::<Vec<_>>(), [0, 1, 0, 1, 2, 3]);
    }

    #[test]
    fn every_element_is_in_one_run() {
        for (shape, axis, block, scale) in
            [(vec![4, 5, 3], 1, 2, vec![4, 3, 3]), (vec![4, 5], 0, 3, vec![2, 5]), (vec![7], 0, 3, vec![3])]
        {
            let mut elements: Vec<usize> =
                runs(&shape, axis, block, &scale).into_iter().flat_map(|r| r.1).collect();
            elements.sort_unstable();
            assert_eq!(elements, (0..shape.iter().product()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn scales_of_another_shape_are_refused() {
        let grain = Grain { axis: 1, block_size: 2 };
        let error = Scales::new(&[2, 4], grain, &tensor(&[2, 4], &[1.0; 8])).unwrap_err();
        assert_eq!(error.to_string(), "shape of the scales of blocks: expected [2, 2], got [2, 4]");
    }
}
