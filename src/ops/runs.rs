//! Elements picked out of a tensor, or put into one, by position.
//!
//! Where [`IndexMap`](super::index::IndexMap) says for each axis by itself what is read, a list of
//! runs says it for the tensor as a whole: each entry is where a run of elements starts. Operators
//! that are driven by tensors of indices make such a list and leave the rest to three loops: read
//! ([`pick`]), write ([`put`]), and add up gradients ([`add_back`]).

use super::OpError;
use super::index::{check_size, count_error, integers, with_bits, zeros};
use crate::tensor::{Element, TensorError, Value};

/// A start that reads nothing: the result is zero (false) there.
pub(super) const NOTHING: usize = usize::MAX;

/// Runs of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Runs {
    /// Position of the first element of each run, or [`NOTHING`].
    pub(super) starts: Vec<usize>,
    /// Elements of each run.
    pub(super) length: usize,
}

impl Runs {
    /// Runs of one element.
    pub(super) fn single(starts: Vec<usize>) -> Self {
        Self { starts, length: 1 }
    }

    /// The position of every element, run after run; for runs without [`NOTHING`] in them.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> {
        self.starts.iter().flat_map(|&start| start..start + self.length)
    }

    /// Refuses runs that do not lie within `count` elements or do not fill `shape`.
    pub(super) fn check(&self, count: usize, shape: &[usize]) -> Result<(), OpError> {
        let refused = |what, expected: usize, got: usize| OpError::Shape {
            what,
            expected: expected.to_string(),
            got: got.to_string(),
        };
        let filled = self.starts.len().checked_mul(self.length);
        let size = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        if filled.is_none() || filled != size {
            return Err(refused("elements that are moved", size.unwrap_or(0), filled.unwrap_or(0)));
        }
        let last = self.starts.iter().copied().filter(|&at| at != NOTHING).max();
        match last.and_then(|at| at.checked_add(self.length)) {
            Some(end) if end > count => Err(refused("elements to move from or to", end, count)),
            _ => Ok(()),
        }
    }
}

/// The runs of `source`, one behind the other, as a tensor of `shape`.
pub(super) fn pick(source: &Value, runs: &Runs, shape: &[usize]) -> Result<Value, OpError> {
    check_size(shape, source.dtype().size_bytes())?;
    runs.check(source.len(), shape)?;
    let bits = source.clone().into_bits();
    Ok(with_bits!(source.dtype(), B => read::<B>(&bits, runs, shape)?))
}

fn read<B: Element>(source: &Value, runs: &Runs, shape: &[usize]) -> Result<Value, TensorError> {
    let mut result = zeros::<B>(shape)?.into_vec::<B>()?;
    let source = source.as_slice::<B>()?;
    for (to, &at) in result.chunks_exact_mut(runs.length.max(1)).zip(&runs.starts) {
        if at != NOTHING {
            to.copy_from_slice(&source[at..at + runs.length]);
        }
    }
    Value::from_vec(shape, result)
}

/// `target` with the elements of `updates`, in order, written over its runs; where runs overlap, the
/// last one stays.
pub(super) fn put(target: Value, runs: &Runs, updates: &Value) -> Result<Value, OpError> {
    if target.dtype() != updates.dtype() {
        return Err(TensorError::DType { expected: target.dtype(), got: updates.dtype() }.into());
    }
    runs.check(target.len(), updates.shape())?;
    let (dtype, updates) = (target.dtype(), updates.clone().into_bits());
    Ok(with_bits!(dtype, B => write::<B>(target.into_bits(), runs, &updates)?))
}

fn write<B: Element>(target: Value, runs: &Runs, updates: &Value) -> Result<Value, TensorError> {
    let shape = target.shape().to_vec();
    let mut target = target.into_vec::<B>()?;
    for (from, &at) in updates.as_slice::<B>()?.chunks_exact(runs.length.max(1)).zip(&runs.starts) {
        if at != NOTHING {
            target[at..at + runs.length].copy_from_slice(from);
        }
    }
    Value::from_vec(&shape, target)
}

/// The gradient with respect to a tensor of `shape` whose runs were picked: what was read several
/// times gets the sum, what was not read gets zero.
pub(super) fn add_back(gradient: &Value, runs: &Runs, shape: &[usize]) -> Result<Value, OpError> {
    let mut sums = zeros::<f32>(shape)?.into_vec::<f32>()?;
    runs.check(sums.len(), gradient.shape())?;
    for (from, &at) in gradient.as_slice::<f32>()?.chunks_exact(runs.length.max(1)).zip(&runs.starts) {
        if at != NOTHING {
            sums[at..at + runs.length].iter_mut().zip(from).for_each(|(sum, g)| *sum += g);
        }
    }
    Ok(Value::from_vec(shape, sums)?)
}

/// Calls `visit(position, offset)` for every position of `shape` in row-major order; the offset is
/// the sum over all axes of index times step.
pub(super) fn for_each_offset(shape: &[usize], steps: &[usize], mut visit: impl FnMut(usize, usize)) {
    for_each_row(shape, steps, |position, offset, (size, step)| {
        for i in 0..size {
            visit(position + i, offset + i * step);
        }
    });
}

/// As [`for_each_offset`], for whole rows: `visit(position, offset, (size, step))` for the first
/// position of each, with the size and the step of the last axis.
pub(super) fn for_each_row(
    shape: &[usize],
    steps: &[usize],
    mut visit: impl FnMut(usize, usize, (usize, usize)),
) {
    if shape.contains(&0) {
        return;
    }
    let (&last_size, &last_step) = shape.last().zip(steps.last()).unwrap_or((&1, &0));
    let outer = &shape[..shape.len().saturating_sub(1)];
    let mut at = vec![0; outer.len()];
    let (mut position, mut offset) = (0, 0);
    loop {
        visit(position, offset, (last_size, last_step));
        position += last_size;
        let Some(axis) = (0..outer.len()).rev().find(|&axis| at[axis] + 1 < outer[axis]) else { return };
        for (at, step) in at.iter_mut().zip(steps).skip(axis + 1) {
            offset -= std::mem::take(at) * step;
        }
        at[axis] += 1;
        offset += steps[axis];
    }
}

/// Elements between neighbours along each axis of a tensor of `shape`.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// An index along an axis of `size`, negative ones counted from its end.
pub(super) fn wrapped(index: i64, size: usize) -> Result<usize, OpError> {
    let from_front = if index < 0 { index.saturating_add(size as i64) } else { index };
    let position = usize::try_from(from_front).ok().filter(|&at| at < size);
    position.ok_or_else(|| OpError::Range {
        what: "an index",
        expected: format!("within the {size} of the axis"),
        got: index.to_string(),
    })
}

/// The elements of a tensor of `shape` that a tensor of indices along one axis names, as
/// GatherElements and ScatterElements have them.
pub(super) fn element_runs(shape: &[usize], axis: usize, indices: &Value) -> Result<Runs, OpError> {
    if indices.rank() != shape.len() {
        return Err(count_error("dimensions of the indices", shape.len(), indices.rank()));
    }
    for (at, (&size, &own)) in shape.iter().zip(indices.shape()).enumerate() {
        if at != axis && own > size {
            let (expected, got) = (format!("at most {size}"), own.to_string());
            return Err(OpError::Shape { what: "size of the indices beside the axis", expected, got });
        }
    }
    let steps = strides(shape);
    let mut beside = steps.clone();
    beside[axis] = 0;
    let list = integers(indices, "the indices")?;
    let mut starts = Vec::with_capacity(list.len());
    let mut refused = None;
    for_each_offset(indices.shape(), &beside, |at, offset| match wrapped(list[at], shape[axis]) {
        Ok(index) => starts.push(offset + index * steps[axis]),
        Err(error) => refused = Some(error),
    });
    refused.map_or_else(|| Ok(Runs::single(starts)), Err)
}

/// The slices of a tensor of `shape` that tuples of indices name, as GatherND and ScatterND have
/// them, and the shape that they have together. The first `batch_dims` axes are shared by the tensor
/// and the indices.
pub(super) fn tuple_runs(
    shape: &[usize],
    indices: &Value,
    batch_dims: usize,
) -> Result<(Runs, Vec<usize>), OpError> {
    let Some((&tuple, leading)) = indices.shape().split_last() else {
        return Err(count_error("dimensions of the indices", 1, 0));
    };
    if batch_dims > leading.len() || batch_dims > shape.len() || leading[..batch_dims] != shape[..batch_dims]
    {
        let expected = format!("{:?}", shape.get(..batch_dims).unwrap_or(shape));
        return Err(OpError::Shape { what: "leading sizes", expected, got: format!("{leading:?}") });
    }
    let indexed = &shape[batch_dims..];
    if tuple > indexed.len() {
        return Err(count_error("indices in a tuple", indexed.len(), tuple));
    }
    let (indexed, slice) = indexed.split_at(tuple);
    let result = [leading, slice].concat();
    check_size(&result, size_of::<usize>())?; // a tuple may be empty, and then there may be any number
    let steps = strides(shape);
    let tuples: usize = product(leading);
    let in_each_batch = product(&leading[batch_dims..]).max(1);
    let whole_batch = product(&shape[batch_dims..]);
    let list = integers(indices, "the indices")?;
    let mut starts = Vec::with_capacity(tuples);
    for at in 0..tuples {
        let mut start = at / in_each_batch * whole_batch;
        for ((&index, &size), step) in
            list[at * tuple..(at + 1) * tuple].iter().zip(indexed).zip(&steps[batch_dims..])
        {
            start += wrapped(index, size)? * step;
        }
        starts.push(start);
    }
    Ok((Runs { starts, length: product(slice) }, result))
}

fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |n, &size| n.saturating_mul(size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{integers, tensor};

    #[test]
    fn runs_are_read_written_and_summed() {
        let runs = Runs { starts: vec![4, NOTHING, 1], length: 2 };
        let x = integers(&[0, 1, 2, 3, 4, 5]);
        let picked = pick(&x, &runs, &[3, 2]).unwrap();
        assert_eq!(picked.as_slice::<i64>().unwrap(), [4, 5, 0, 0, 1, 2]);
        let put = put(x, &runs, &integers(&[9, 8, 7, 6, 5, 4])).unwrap();
        assert_eq!(put, integers(&[0, 5, 4, 3, 9, 8]));
        let twice = Runs::single(vec![1, 1, 0]);
        let sums = add_back(&tensor(&[3], &[1.0, 2.0, 4.0]), &twice, &[2]).unwrap();
        assert_eq!(sums, tensor(&[2], &[4.0, 3.0]));
    }

    #[test]
    fn runs_outside_the_tensor_are_refused() {
        let x = integers(&[1, 2, 3]);
        assert!(pick(&x, &Runs::single(vec![3]), &[1]).is_err());
        assert!(pick(&x, &Runs { starts: vec![2], length: 2 }, &[2]).is_err());
        assert!(pick(&x, &Runs::single(vec![0]), &[2]).is_err());
        assert!(put(x, &Runs::single(vec![0]), &tensor(&[1], &[1.0])).is_err());
        assert!(add_back(&tensor(&[1], &[1.0]), &Runs::single(vec![5]), &[5]).is_err());
    }

    #[test]
    fn runs_of_no_elements_move_nothing() {
        let none = Runs { starts: vec![0, 0], length: 0 };
        assert_eq!(pick(&integers(&[]), &none, &[2, 0]).unwrap().shape(), [2, 0]);
    }

    #[test]
    fn offsets_follow_the_steps() {
        let mut found = Vec::new();
        for_each_offset(&[2, 1, 3], &[10, 5, 0], |position, offset| found.push((position, offset)));
        assert_eq!(found, [(0, 0), (1, 0), (2, 0), (3, 10), (4, 10), (5, 10)]);
        for_each_offset(&[2, 0], &[1, 1], |_, _| panic!("there is nothing"));
        for_each_offset(&[], &[], |position, offset| assert_eq!((position, offset), (0, 0)));
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
    }
}
