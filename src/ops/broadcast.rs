//! Elementwise operators on two tensors, with ONNX's multidirectional broadcasting.
//!
//! The larger tensor is the result's buffer; the other one is read through a [`Walk`]: the result is
//! cut into runs along which the other tensor either advances element by element or stands still.
//! Neighbouring dimensions are merged first, so equal shapes are one run, a scalar is one run, and a
//! bias per channel is one run per plane. Each run is a plain loop over two slices of one length: what
//! stands still is repeated into a small buffer first. So an operator is one loop, and the walk is
//! compiled once per type and not once per operator.
//! The same walk backwards sums a gradient over what was broadcast.

use super::index::{with_bits, zeros};
use super::{ChannelAffine, Clamp, OpError, Tape, TypeInputs, numbers};
use crate::tensor::{DType, Element, TensorType, Value, broadcast_shapes, broadcast_types};

/// Times that an element which stands still is repeated: enough that choosing the loop costs nothing.
const REPEATED: usize = 512;

/// How a broadcast tensor is read while the result is written front to back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    /// Elements of the result in one run.
    run: usize,
    /// Whether the tensor stands still within a run.
    repeats: bool,
    /// Number of runs and step in the tensor for each dimension around the runs, outermost first.
    outer: Vec<(usize, usize)>,
}

impl Walk {
    /// A tensor of `shape` read for a result of shape `result`; `None` when it does not broadcast to
    /// it.
    fn new(shape: &[usize], result: &[usize]) -> Option<Self> {
        let missing = result.len().checked_sub(shape.len())?;
        // (size in the result, step in the tensor), outermost first, neighbours merged.
        let mut merged: Vec<(usize, usize)> = Vec::new();
        let mut step = 1_usize;
        for (axis, &size) in result.iter().enumerate().rev() {
            let own = axis.checked_sub(missing).map_or(1, |axis| shape[axis]);
            if own != size && own != 1 {
                return None;
            }
            let stride = if own == 1 { 0 } else { step };
            step = step.saturating_mul(own);
            match merged.last_mut() {
                _ if size == 1 => {}
                Some((inner, inner_stride)) if stride == inner_stride.saturating_mul(*inner) => {
                    *inner *= size;
                }
                _ => merged.push((size, stride)),
            }
        }
        let (run, stride) = if merged.is_empty() { (1, 0) } else { merged.remove(0) };
        merged.reverse();
        Some(Self { run, repeats: stride == 0, outer: merged })
    }

    /// Where each run starts in the tensor, in order.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let count: usize = self.outer.iter().map(|&(size, _)| size).product();
        let mut index = vec![0; self.outer.len()];
        let mut at = 0;
        (0..count).map(move |_| {
            let start = at;
            for (i, &(size, step)) in index.iter_mut().zip(&self.outer).rev() {
                *i += 1;
                at += step;
                if *i < size {
                    break;
                }
                at -= step * size;
                *i = 0;
            }
            start
        })
    }

    /// Calls `each` for parts of the result, in order, and as many elements of `other` that meet them.
    fn zip<A, B: Copy>(&self, result: &mut [A], other: &[B], each: &dyn Fn(&mut [A], &[B])) {
        if result.is_empty() {
            return;
        }
        let mut repeated = Vec::with_capacity(if self.repeats { self.run.min(REPEATED) } else { 0 });
        for (run, start) in result.chunks_exact_mut(self.run).zip(self.starts()) {
            if self.repeats {
                repeated.clear();
                repeated.resize(self.run.min(REPEATED), other[start]);
                run.chunks_mut(REPEATED).for_each(|part| each(part, &repeated[..part.len()]));
            } else {
                each(run, &other[start..start + self.run]);
            }
        }
    }
}

/// A walk of `shape` over `result`, which broadcasting has already accepted.
fn walk(shape: &[usize], result: &[usize]) -> Result<Walk, OpError> {
    Walk::new(shape, result).ok_or_else(|| OpError::Shape {
        what: "shape to broadcast to",
        expected: format!("{result:?}"),
        got: format!("{shape:?}"),
    })
}

/// `f(lhs, rhs)` element by element; written into `lhs` or `rhs` where that has the result's shape.
pub(super) fn combine<T: Element>(lhs: Value, rhs: Value, f: impl Fn(T, T) -> T) -> Result<Value, OpError> {
    let into_lhs = |a: &mut [T], b: &[T]| a.iter_mut().zip(b).for_each(|(a, &b)| *a = f(*a, b));
    let into_rhs = |b: &mut [T], a: &[T]| b.iter_mut().zip(a).for_each(|(b, &a)| *b = f(a, *b));
    combine_runs::<T>(lhs, rhs, &into_lhs, &into_rhs)
}

fn combine_runs<T: Element>(
    lhs: Value,
    rhs: Value,
    into_lhs: &dyn Fn(&mut [T], &[T]),
    into_rhs: &dyn Fn(&mut [T], &[T]),
) -> Result<Value, OpError> {
    let shape = broadcast_shapes(lhs.shape(), rhs.shape())?;
    if lhs.shape() != shape && rhs.shape() == shape {
        return apply_runs::<T, T>(rhs, &lhs, into_rhs);
    }
    let lhs = if lhs.shape() == shape { lhs } else { expand::<T>(&lhs, &shape)? };
    apply_runs::<T, T>(lhs, &rhs, into_lhs)
}

/// Calls `each` for every element of `result` and the one of `other` that meets it.
pub(super) fn apply<A: Element, B: Element>(
    result: Value,
    other: &Value,
    each: impl Fn(&mut A, B),
) -> Result<Value, OpError> {
    apply_runs::<A, B>(result, other, &|a: &mut [A], b: &[B]| {
        a.iter_mut().zip(b).for_each(|(a, &b)| each(a, b));
    })
}

fn apply_runs<A: Element, B: Element>(
    result: Value,
    other: &Value,
    each: &dyn Fn(&mut [A], &[B]),
) -> Result<Value, OpError> {
    let shape = result.shape().to_vec();
    let walk = walk(other.shape(), &shape)?;
    let mut data = result.into_vec::<A>()?;
    walk.zip(&mut data, other.as_slice::<B>()?, each);
    Ok(Value::from_vec(&shape, data)?)
}

/// `value` repeated to `shape`.
pub(super) fn expand<T: Element>(value: &Value, shape: &[usize]) -> Result<Value, OpError> {
    walk(value.shape(), shape)?;
    apply_runs::<T, T>(zeros::<T>(shape)?, value, &|a: &mut [T], b: &[T]| a.copy_from_slice(b))
}

/// As [`expand`], for tensors of any type.
pub(super) fn repeat(value: &Value, shape: &[usize]) -> Result<Value, OpError> {
    let bits = value.clone().into_bits();
    Ok(with_bits!(value.dtype(), B => expand::<B>(&bits, shape)?))
}

/// `test(lhs, rhs)` element by element.
pub(super) fn compare<T: Element>(
    lhs: &Value,
    rhs: &Value,
    test: &dyn Fn(T, T) -> bool,
) -> Result<Value, OpError> {
    let shape = broadcast_shapes(lhs.shape(), rhs.shape())?;
    let (lhs, rhs) = (expand::<T>(lhs, &shape)?, expand::<T>(rhs, &shape)?);
    let pairs = lhs.as_slice::<T>()?.iter().zip(rhs.as_slice::<T>()?);
    Ok(Value::from_vec(&shape, pairs.map(|(&a, &b)| test(a, b)).collect())?)
}

/// `gradient` summed over the axes along which a tensor of `shape` was repeated.
///
/// Sums run in f64: a bias may collect a gradient from every pixel of a batch.
pub(super) fn reduce_to(gradient: Value, shape: &[usize]) -> Result<Value, OpError> {
    if gradient.shape() == shape {
        return Ok(gradient);
    }
    let walk = walk(shape, gradient.shape())?;
    let data = gradient.as_slice::<f32>()?;
    let mut sums = zeros::<f64>(shape)?.into_vec::<f64>()?;
    if !data.is_empty() {
        for (run, start) in data.chunks_exact(walk.run).zip(walk.starts()) {
            if walk.repeats {
                sums[start] += run.iter().map(|&g| f64::from(g)).sum::<f64>();
            } else {
                let sums = &mut sums[start..start + walk.run];
                sums.iter_mut().zip(run).for_each(|(sum, &g)| *sum += f64::from(g));
            }
        }
    }
    Ok(Value::from_vec(shape, sums.into_iter().map(|sum| sum as f32).collect())?)
}

/// The type of `lhs` and `rhs` broadcast together: one of `allowed`, the same for both.
pub(super) fn infer(
    inputs: &TypeInputs<'_>,
    allowed: &'static str,
    is_allowed: impl Fn(DType) -> bool,
) -> Result<TensorType, OpError> {
    let (lhs, rhs) = (inputs.ty(0)?, inputs.ty(1)?);
    if !is_allowed(lhs.dtype) {
        return Err(OpError::DType { what: "the first input", expected: allowed, got: lhs.dtype });
    }
    numbers::check_same(lhs.dtype, rhs.dtype)?;
    Ok(TensorType::new(lhs.dtype, broadcast_types(&lhs.shape, &rhs.shape)?))
}

/// As [`infer`], for numbers of any type.
pub(super) fn infer_numbers(inputs: &TypeInputs<'_>) -> Result<TensorType, OpError> {
    infer(inputs, numbers::NUMBERS, numbers::is_number)
}

/// The gradient with respect to what was limited by `clamp` to the output.
pub(super) fn unclamped_gradient(tape: &Tape<'_>, clamp: Option<Clamp>) -> Result<Option<Value>, OpError> {
    let Some(gradient) = tape.gradient(0).filter(|_| tape.wants(0) || tape.wants(1)) else { return Ok(None) };
    let Some(clamp) = clamp else { return Ok(Some(gradient.clone())) };
    let masked = apply::<f32, f32>(gradient.clone(), tape.output(0)?, |g, y| {
        if !clamp.passes(y) {
            *g = 0.0;
        }
    })?;
    Ok(Some(masked))
}

/// Gradients of `f(lhs, rhs)`: `lhs` and `rhs` make those with respect to the broadcast inputs, if
/// they are wanted, and what was repeated is summed.
pub(super) fn gradients(
    tape: &Tape<'_>,
    gradient: Option<Value>,
    lhs: impl FnOnce(Value) -> Result<Value, OpError>,
    rhs: impl FnOnce(Value) -> Result<Value, OpError>,
) -> Result<Vec<Option<Value>>, OpError> {
    let Some(gradient) = gradient else { return Ok(vec![None; 2]) };
    let mut found = vec![None; 2];
    if tape.wants(0) {
        found[0] = Some(reduce_to(lhs(gradient.clone())?, tape.input(0)?.shape())?);
    }
    if tape.wants(1) {
        found[1] = Some(reduce_to(rhs(gradient)?, tape.input(1)?.shape())?);
    }
    Ok(found)
}

/// The constant operand of an elementwise operator, where there is exactly one and it has one value
/// per channel (axis 1) of the other, or one value in all.
pub(super) struct ChannelConstant {
    /// Input that is not a constant.
    pub(super) input: usize,
    /// The values.
    pub(super) values: Vec<f32>,
}

impl ChannelConstant {
    /// Looks for it.
    pub(super) fn find(inputs: &TypeInputs<'_>) -> Option<Self> {
        let (input, constant) = match (inputs.constant(0), inputs.constant(1)) {
            (None, Some(constant)) => (0, constant),
            (Some(constant), None) => (1, constant),
            _ => return None,
        };
        let values = constant.as_slice::<f32>().ok()?.to_vec();
        let x = inputs.shape(input).ok()?.dims()?;
        let leading = x.len().checked_sub(constant.rank()).filter(|_| x.len() >= 2)?;
        if values.len() != 1 {
            let channel_axis = 1_usize.checked_sub(leading)?;
            let others = constant.shape().iter().enumerate().filter(|&(axis, _)| axis != channel_axis);
            let per_channel = others.into_iter().all(|(_, &size)| size == 1);
            if !per_channel || x.get(1)?.fixed()? != values.len() {
                return None;
            }
        }
        Some(Self { input, values })
    }

    /// The operator as scale and shift per channel, where all of them are finite.
    pub(super) fn affine(
        self,
        scale: impl Fn(f32) -> f32,
        shift: impl Fn(f32) -> f32,
    ) -> Option<ChannelAffine> {
        let scale: Vec<f32> = self.values.iter().map(|&v| scale(v)).collect();
        let shift: Vec<f32> = self.values.iter().map(|&v| shift(v)).collect();
        let finite = scale.iter().chain(&shift).all(|v| v.is_finite());
        finite.then_some(ChannelAffine { input: self.input, scale, shift })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, tensor};
    use crate::tensor::{Shape, TensorError};

    /// Element by element, from the definition.
    fn slow(lhs: &Value, rhs: &Value) -> Vec<f32> {
        let shape = broadcast_shapes(lhs.shape(), rhs.shape()).unwrap();
        let at = |value: &Value, index: &[usize]| {
            let own = &index[shape.len() - value.rank()..];
            let flat =
                own.iter().zip(value.shape()).fold(0, |n, (&i, &d)| n * d + if d == 1 { 0 } else { i });
            value.as_slice::<f32>().unwrap()[flat]
        };
        let count: usize = shape.iter().product();
        let index = |flat: usize| {
            let mut rest = flat;
            let mut index: Vec<usize> = shape
                .iter()
                .rev()
                .map(|&d| {
                    let i = rest % d;
                    rest /= d;
                    i
                })
                .collect();
            index.reverse();
            index
        };
        (0..count).map(|i| 10.0 * at(lhs, &index(i)) - at(rhs, &index(i))).collect()
    }

    #[test]
    fn every_pair_of_shapes_meets_the_definition() {
        let mut random = Random::new(3);
        for _ in 0..500 {
            let rank = random.below(5);
            let result: Vec<usize> = (0..rank).map(|_| 1 + random.below(4)).collect();
            let mut side = || {
                let skip = random.below(rank + 1);
                let sizes = result[skip..].iter().map(|&d| if random.below(3) == 0 { 1 } else { d });
                let shape: Vec<usize> = sizes.collect();
                random.uniform(&shape, -1.0, 1.0)
            };
            let (lhs, rhs) = (side(), side());
            let found = combine::<f32>(lhs.clone(), rhs.clone(), |a, b| 10.0 * a - b).unwrap();
            assert_eq!(found.as_slice::<f32>().unwrap(), slow(&lhs, &rhs), "{lhs:?} {rhs:?}");
        }
    }

    #[test]
    fn a_bias_per_channel_is_one_run_per_plane() {
        let walk = Walk::new(&[8, 1, 1], &[2, 8, 5, 7]).unwrap();
        assert_eq!(walk, Walk { run: 35, repeats: true, outer: vec![(2, 0), (8, 1)] });
        assert_eq!(Walk::new(&[2, 8, 5], &[2, 8, 5]).unwrap().run, 80);
        assert_eq!(Walk::new(&[2], &[3]), None);
    }

    #[test]
    fn empty_tensors_broadcast() {
        let sum = combine::<f32>(tensor(&[0, 3], &[]), tensor(&[3], &[1.0; 3]), |a, b| a + b).unwrap();
        assert_eq!(sum.shape(), &[0, 3]);
        assert_eq!(reduce_to(sum, &[3]).unwrap(), tensor(&[3], &[0.0; 3]));
    }

    #[test]
    fn results_beyond_two_gigabytes_are_refused() {
        let long = Value::from_vec(&[1 << 16, 1], vec![0.0_f32; 1 << 16]).unwrap();
        let wide = long.clone().reshaped(&[1 << 16]).unwrap();
        assert!(matches!(
            combine::<f32>(long, wide, |a, b| a + b),
            Err(OpError::Tensor(TensorError::TooLarge { .. }))
        ));
    }

    #[test]
    fn a_constant_is_per_channel_only_along_axis_1() {
        let x = TensorType::new(DType::F32, Shape::fixed(&[1, 4, 5, 5]));
        let find = |constant: &Value| {
            let ty = TensorType::new(DType::F32, Shape::fixed(constant.shape()));
            let inputs = TypeInputs::new(vec![Some((&x, None)), Some((&ty, Some(constant)))]);
            ChannelConstant::find(&inputs).map(|c| c.values.len())
        };
        assert_eq!(find(&tensor(&[4, 1, 1], &[1.0; 4])), Some(4));
        assert_eq!(find(&tensor(&[1, 4, 1, 1], &[1.0; 4])), Some(4));
        assert_eq!(find(&tensor(&[], &[1.0])), Some(1));
        assert_eq!(find(&tensor(&[5], &[1.0; 5])), None);
        assert_eq!(find(&tensor(&[4, 1], &[1.0; 4])), None);
        assert_eq!(find(&tensor(&[1, 1, 1, 1, 1], &[1.0])), None);
    }
}
