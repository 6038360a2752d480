//! What operators share that move elements and compute none: axes, sizes, and [`IndexMap`].
//!
//! An index map says for each axis of the result which axis of the source it reads and at which
//! positions. Slice, Pad, Gather, Transpose and Split are all such maps, so one pair of loops serves
//! them forwards (read) and backwards (scatter and add). Trailing axes that are read whole and in
//! order are copied as one run.

use super::{ImportNode, Inputs, OpError, Tape};
use crate::ir::AttrError;
use crate::tensor::{DType, Dim, Element, Shape, TensorError, TensorType, Value};

/// The most bytes that one result of an operator may take: what a 32-bit address space, the page's,
/// can hold in one piece.
const LARGEST_TENSOR_BYTES: usize = i32::MAX as usize;

/// The most positions along one axis of a result: far more than any network has, and a list of them
/// still fits in memory.
const MOST_POSITIONS: usize = 1 << 28;

/// A position along an axis that reads nothing: the result has the fill value there.
pub(super) const FILL: u32 = u32::MAX;

/// Evaluates an expression with `$T` the unsigned integer that is as wide as elements of a type, and
/// gives the tensor that it makes that type: for operators that move elements and do not look at
/// them. The tensors in the expression are seen through [`Value::into_bits`].
macro_rules! with_bits {
    ($dtype:expr, $T:ident => $body:expr) => {{
        let dtype: crate::tensor::DType = $dtype;
        let moved: crate::tensor::Value = match dtype.size_bytes() {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        };
        moved.reinterpreted(dtype)?
    }};
}
pub(super) use with_bits;

/// As [`Value::zeros`], refused above [`LARGEST_TENSOR_BYTES`] before anything is allocated: for
/// results whose size an input decides.
pub(super) fn zeros<T: Element>(shape: &[usize]) -> Result<Value, TensorError> {
    check_size(shape, size_of::<T>())?;
    Value::zeros::<T>(shape)
}

/// Refuses a result of more than [`LARGEST_TENSOR_BYTES`], also when other sizes are 0.
pub(super) fn check_size(shape: &[usize], element_bytes: usize) -> Result<(), TensorError> {
    let bytes = shape.iter().try_fold(element_bytes, |n, &d| n.checked_mul(d.max(1)));
    match bytes {
        Some(bytes) if bytes <= LARGEST_TENSOR_BYTES => Ok(()),
        _ => Err(TensorError::TooLarge { shape: shape.to_vec() }),
    }
}

/// The position of an axis that may be counted from the end, for `rank` dimensions.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let at = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(at).ok().filter(|&at| at < rank).ok_or_else(|| OpError::Range {
        what: "axis",
        expected: format!("within the {rank} dimensions"),
        got: axis.to_string(),
    })
}

/// As [`axis()`], for several different ones.
pub(super) fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut found = Vec::new();
    for &one in list {
        let at = axis(one, rank)?;
        if found.contains(&at) {
            let expected = "different from the others".into();
            return Err(OpError::Range { what: "axis", expected, got: one.to_string() });
        }
        found.push(at);
    }
    Ok(found)
}

/// Makes input 1 of what was the attribute `axes` before opset 13.
pub(super) fn axes_to_input(node: &mut ImportNode<'_>) -> Result<(), AttrError> {
    if node.opset.0 < 13
        && let Some(axes) = node.attrs.take_ints("axes")?
    {
        node.set_input(1, list(&axes));
    }
    Ok(())
}

/// A constant list of numbers, as ONNX has for shapes, axes and pads.
pub(super) fn list(numbers: &[i64]) -> Value {
    Value::from_array(ndarray::arr1(numbers).into_dyn())
}

/// Sizes, axes or indices, of either integer type.
pub(super) fn integers(value: &Value, what: &'static str) -> Result<Vec<i64>, OpError> {
    match value.dtype() {
        DType::I64 => Ok(value.as_slice::<i64>()?.to_vec()),
        DType::I32 => Ok(value.as_slice::<i32>()?.iter().map(|&v| v.into()).collect()),
        got => Err(OpError::DType { what, expected: "int64 or int32", got }),
    }
}

/// As [`integers`], for an input that may be left out.
pub(super) fn optional_integers(
    value: Option<&Value>,
    what: &'static str,
) -> Result<Option<Vec<i64>>, OpError> {
    value.map(|value| integers(value, what)).transpose()
}

/// Sizes that must not be negative.
pub(super) fn sizes(value: &Value, what: &'static str) -> Result<Vec<usize>, OpError> {
    let size = |v: i64| {
        let refused = || OpError::Range { what, expected: "0 or more".into(), got: v.to_string() };
        usize::try_from(v).map_err(|_| refused())
    };
    integers(value, what)?.into_iter().map(size).collect()
}

/// A size that is an input of its own: one number.
pub(super) fn only_size(value: &Value, what: &'static str) -> Result<usize, OpError> {
    match sizes(value, what)?.as_slice() {
        &[only] => Ok(only),
        several => Err(count_error(what, 1, several.len())),
    }
}

/// A whole number that is an input of its own.
pub(super) fn only_integer(value: &Value, what: &'static str) -> Result<i64, OpError> {
    match integers(value, what)?.as_slice() {
        &[only] => Ok(only),
        several => Err(count_error(what, 1, several.len())),
    }
}

/// An attribute or input has another number of entries than needed.
pub(super) fn count_error(what: &'static str, expected: usize, got: usize) -> OpError {
    OpError::Shape { what, expected: expected.to_string(), got: got.to_string() }
}

/// The size of dimensions laid together: a name survives beside ones.
pub(super) fn product(dims: &[Dim]) -> Dim {
    let fixed = dims.iter().filter_map(Dim::fixed).try_fold(1_usize, usize::checked_mul);
    let open: Vec<&Dim> = dims.iter().filter(|d| d.fixed().is_none()).collect();
    match (fixed, open.as_slice()) {
        (Some(n), []) => Dim::Fixed(n),
        (Some(0), _) => Dim::Fixed(0),
        (Some(1), [only]) => (*only).clone(),
        _ => Dim::Unknown,
    }
}

/// A shape of which only the number of dimensions is known.
pub(super) fn unknown(rank: usize) -> Shape {
    Shape::Ranked(vec![Dim::Unknown; rank])
}

/// The first input under another shape: nothing is copied.
pub(super) fn reshape(mut inputs: Inputs, shape: &[usize]) -> Result<Vec<Value>, OpError> {
    Ok(vec![inputs.take(0)?.reshaped(shape)?])
}

/// See [`Operator::scaled_channels`](super::Operator::scaled_channels), of an operator that only changes
/// the shape: where the batch stays, each channel is a row of elements that stay together.
pub(super) fn reshaped_channels(input: &TensorType, output: &TensorType) -> Option<usize> {
    let [batch, channels, ..] = input.shape.dims()? else { return None };
    let [same_batch, parts, ..] = output.shape.dims()? else { return None };
    let (channels, parts) = (channels.fixed()?, parts.fixed()?);
    let is_divided = batch == same_batch && *batch != Dim::Unknown && channels > 0 && parts % channels == 0;
    is_divided.then(|| parts / channels).filter(|&parts| parts > 0)
}

/// The gradient of an operator that only changes the shape of its first input.
pub(super) fn reshape_gradient(tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
    first_gradient(tape, |g| Ok(g.clone().reshaped(tape.input(0)?.shape())?))
}

/// One entry per input, of which only the first has a gradient, made by `of` where it is wanted.
pub(super) fn first_gradient<'a>(
    tape: &Tape<'a>,
    of: impl FnOnce(&'a Value) -> Result<Value, OpError>,
) -> Result<Vec<Option<Value>>, OpError> {
    let mut found = vec![None; tape.inputs.len().max(1)];
    found[0] = tape.wanted_gradient().map(of).transpose()?;
    Ok(found)
}

/// Which elements of a source make up a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexMap {
    source: Vec<usize>,
    result: Vec<usize>,
    /// Step in the source and positions read, for each axis of the result but those in a run.
    axes: Vec<(usize, Vec<u32>)>,
    /// Elements that are copied as they stand.
    run: usize,
}

impl IndexMap {
    /// A map from a source of shape `source`; for each axis of the result, the axis of the source
    /// that it reads and the positions there ([`FILL`] for none).
    ///
    /// # Errors
    /// Axes or positions that the source does not have, results that are too large.
    pub(super) fn new(source: &[usize], axes: Vec<(usize, Vec<u32>)>) -> Result<Self, OpError> {
        let result: Vec<usize> = axes.iter().map(|(_, positions)| positions.len()).collect();
        check_size(&result, 1)?;
        let mut outer = Vec::with_capacity(axes.len());
        for (axis, positions) in axes {
            let Some(&size) = source.get(axis) else {
                return Err(count_error("axes of the source", source.len(), axis + 1));
            };
            if let Some(beyond) = positions.iter().find(|&&at| at != FILL && at as usize >= size) {
                let expected = format!("below {size}");
                return Err(OpError::Range { what: "position", expected, got: beyond.to_string() });
            }
            let step = source[axis + 1..].iter().fold(1_usize, |n, &d| n.saturating_mul(d));
            outer.push((step, positions));
        }
        let mut run = 1;
        while let Some((stride, positions)) = outer.last()
            && positions
                .iter()
                .enumerate()
                .all(|(i, &at)| at != FILL && (at as usize).saturating_mul(*stride) == i * run)
        {
            run *= positions.len();
            outer.pop();
        }
        Ok(Self { source: source.to_vec(), result, axes: outer, run })
    }

    /// The positions `0..size`, read in order.
    pub(super) fn all(size: usize) -> Result<Vec<u32>, OpError> {
        Self::positions(size, |at| at as u32)
    }

    /// `count` positions, the one at `i` being `at(i)`.
    ///
    /// # Errors
    /// [`TensorError::TooLarge`] above [`MOST_POSITIONS`].
    pub(super) fn positions(count: usize, at: impl Fn(usize) -> u32) -> Result<Vec<u32>, OpError> {
        if count > MOST_POSITIONS {
            return Err(TensorError::TooLarge { shape: vec![count] }.into());
        }
        Ok((0..count).map(at).collect())
    }

    /// Calls `copy(first element of the result, first element of the source, elements)` for each
    /// run that is read.
    fn for_each_run(&self, mut copy: impl FnMut(usize, usize, usize)) {
        if self.result.contains(&0) {
            return;
        }
        let Some(((stride, inner), outer)) = self.axes.split_last() else {
            return copy(0, 0, self.run);
        };
        // Where the innermost loop starts in the source, for each turn; `None` in the fill.
        let mut starts = vec![Some(0_usize)];
        for (stride, positions) in outer {
            let step = |start: Option<usize>, &at: &u32| {
                start.filter(|_| at != FILL).map(|s| s + at as usize * stride)
            };
            starts =
                starts.iter().flat_map(|&start| positions.iter().map(move |at| step(start, at))).collect();
        }
        let mut to = 0;
        for start in starts {
            for &at in inner {
                if let Some(start) = start.filter(|_| at != FILL) {
                    copy(to, start + at as usize * stride, self.run);
                }
                to += self.run;
            }
        }
    }

    /// The result, with `fill` where nothing is read: one element of the source's type, or zero where
    /// it is left out.
    pub(super) fn take(&self, source: &Value, fill: Option<&Value>) -> Result<Value, OpError> {
        if let Some(fill) = fill {
            if fill.dtype() != source.dtype() {
                return Err(TensorError::DType { expected: source.dtype(), got: fill.dtype() }.into());
            }
            if fill.len() != 1 {
                return Err(count_error("number of values to fill with", 1, fill.len()));
            }
        }
        let fill = fill.map(|fill| fill.clone().into_bits());
        let bits = source.clone().into_bits();
        Ok(with_bits!(source.dtype(), B => {
            let fill = fill.as_ref().and_then(|fill| fill.as_slice::<B>().ok()?.first().copied());
            self.read::<B>(&bits, fill.unwrap_or_default())?
        }))
    }

    /// As [`IndexMap::take`], for an element type that is known.
    pub(super) fn read<T: Element>(&self, source: &Value, fill: T) -> Result<Value, OpError> {
        check_shape("the source", &self.source, source)?;
        let mut result = zeros::<T>(&self.result)?.into_vec::<T>()?;
        if fill != T::default() {
            result.fill(fill);
        }
        let source = source.as_slice::<T>()?;
        if self.run == 1 {
            self.for_each_run(|to, from, _| result[to] = source[from]);
        } else {
            self.for_each_run(|to, from, run| {
                result[to..to + run].copy_from_slice(&source[from..from + run]);
            });
        }
        Ok(Value::from_vec(&self.result, result)?)
    }

    /// The gradient with respect to the source: each element of `gradient` is added where it was
    /// read.
    pub(super) fn scatter(&self, gradient: &Value) -> Result<Value, OpError> {
        check_shape("the gradient", &self.result, gradient)?;
        let mut sums = zeros::<f32>(&self.source)?.into_vec::<f32>()?;
        let gradient = gradient.as_slice::<f32>()?;
        self.for_each_run(|from, to, run| {
            let pairs = sums[to..to + run].iter_mut().zip(&gradient[from..from + run]);
            pairs.for_each(|(sum, g)| *sum += g);
        });
        Ok(Value::from_vec(&self.source, sums)?)
    }
}

fn check_shape(what: &'static str, expected: &[usize], got: &Value) -> Result<(), OpError> {
    if got.shape() == expected {
        return Ok(());
    }
    Err(OpError::Shape { what, expected: format!("{expected:?}"), got: format!("{:?}", got.shape()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, tensor};

    #[test]
    fn whole_trailing_axes_are_one_run() {
        let map =
            IndexMap::new(&[4, 3, 5], vec![(0, vec![3, FILL]), (1, vec![0, 1, 2]), (2, vec![0, 1, 2, 3, 4])]);
        let map = map.unwrap();
        assert_eq!((map.run, map.axes.len()), (15, 1));
        let x = Random::new(1).uniform(&[4, 3, 5], 1.0, 2.0);
        assert!(map.take(&x, Some(&Value::scalar(1_u32))).is_err());
        let y = map.take(&x, Some(&Value::scalar(-1.0_f32))).unwrap();
        assert_eq!(y.as_slice::<f32>().unwrap()[..15], x.as_slice::<f32>().unwrap()[45..]);
        assert!(y.as_slice::<f32>().unwrap()[15..].iter().all(|&v| v == -1.0));
    }

    #[test]
    fn what_is_read_twice_gets_both_gradients() {
        let map = IndexMap::new(&[2], vec![(0, vec![1, 1, 0, FILL])]).unwrap();
        assert_eq!(map.scatter(&tensor(&[4], &[1.0, 2.0, 4.0, 8.0])).unwrap(), tensor(&[2], &[4.0, 3.0]));
    }

    #[test]
    fn positions_beyond_the_source_are_refused() {
        let error = IndexMap::new(&[2], vec![(0, vec![2])]).unwrap_err();
        assert_eq!(error.to_string(), "position = 2, but it must be below 2");
    }

    #[test]
    fn names_survive_products_with_one() {
        let batch = Dim::Symbolic("batch".into());
        assert_eq!(product(&[batch.clone(), Dim::Fixed(1)]), batch);
        assert_eq!(product(&[batch.clone(), Dim::Fixed(2)]), Dim::Unknown);
        assert_eq!(product(&[batch, Dim::Unknown, Dim::Fixed(0)]), Dim::Fixed(0));
        assert_eq!(product(&[]), Dim::Fixed(1));
    }

    #[test]
    fn axes_count_from_either_end_and_differ() {
        assert_eq!(axes(&[-1, 0], 3).unwrap(), [2, 0]);
        assert!(axes(&[-1, 2], 3).is_err());
        assert!(axis(i64::MIN, 3).is_err());
        assert!(axis(0, 0).is_err());
    }
}
