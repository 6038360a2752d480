//! `Slice` (ONNX opsets 1–13): ranges of indices along some axes, with steps of either sign.
//!
//! Starts, ends, axes and steps are inputs; before opset 10 the first three were attributes. Bounds
//! beyond a dimension are moved to its end, as in numpy.

use super::index::{self, IndexMap};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, Layout, LowerContext, LowerInput, Lowered, OpError,
    Operator, Tape, TypeInputs, lower,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x`, `starts`, `ends`, `axes`, `steps`; the last two are optional.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice;

impl Operator for Slice {
    const OP_TYPE: &'static str = "Slice";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        if node.opset.0 < 10 {
            for (index, name) in [(1, "starts"), (2, "ends"), (3, "axes")] {
                match node.attrs.take_ints(name)? {
                    Some(numbers) => node.set_input(index, index::list(&numbers)),
                    None if index == 3 => {}
                    None => return Err(AttrError::Missing { name: name.into() }),
                }
            }
        }
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        let Some(dims) = ty.shape.dims() else { return Ok(vec![ty.clone()]) };
        let is_known = |at: usize| inputs.constant(at).is_some() || (at > 2 && inputs.optional(at).is_none());
        if !(1..5).all(is_known) {
            return Ok(vec![TensorType::new(ty.dtype, index::unknown(dims.len()))]);
        }
        let mut result = dims.to_vec();
        for (axis, range) in ranges(|at| inputs.constant(at), dims.len())? {
            result[axis] = match &dims[axis] {
                Dim::Fixed(size) => Dim::Fixed(range.resolve(*size).count),
                open if range.is_everything() => open.clone(),
                _ => Dim::Unknown,
            };
        }
        Ok(vec![TensorType::new(ty.dtype, Shape::Ranked(result))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let map = map(x.shape(), |at| inputs.optional(at))?;
        Ok(vec![map.take(x, None)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let lowered = context.rearranged(self.clone().into())?;
        if context.rank(0) != Some(4) {
            return Some(lowered);
        }
        let LowerInput::Constant(starts) = context.inputs.get(1)? else { return Some(lowered) };
        let axes = lower::nhwc_axes(context.inputs.get(3), starts.len())?;
        Some(lowered.reading(3).in_layout(Layout::Nhwc).with_constant(3, axes))
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let input = |at: usize| tape.inputs.get(at).copied().flatten();
        index::first_gradient(tape, |g| map(tape.input(0)?.shape(), input)?.scatter(g))
    }
}

/// What is taken along one axis, as the file says it.
#[derive(Debug, Clone, Copy)]
struct Range {
    start: i64,
    end: i64,
    /// Never 0.
    step: i64,
}

/// What is taken along an axis of known size.
#[derive(Debug, Clone, Copy)]
struct Taken {
    start: i64,
    step: i64,
    count: usize,
}

impl Range {
    /// Exporters write the greatest value of an integer type for "to the end".
    fn is_everything(self) -> bool {
        self.start == 0 && self.step == 1 && self.end >= i64::from(i32::MAX)
    }

    fn resolve(self, size: usize) -> Taken {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let from_front = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (least, most) = if self.step > 0 { (0, size) } else { (-1, size - 1) };
        let start = from_front(self.start).clamp(least.max(0).min(most), most);
        let end = from_front(self.end).clamp(least, most);
        let distance = if self.step > 0 { end - start } else { start - end };
        let count = u64::try_from(distance).unwrap_or(0).div_ceil(self.step.unsigned_abs());
        Taken { start, step: self.step, count: usize::try_from(count).unwrap_or(usize::MAX) }
    }
}

/// The range for each axis that is named.
fn ranges<'a>(
    input: impl Fn(usize) -> Option<&'a Value>,
    rank: usize,
) -> Result<Vec<(usize, Range)>, OpError> {
    let required =
        |at: usize, what| index::integers(input(at).ok_or(OpError::MissingInput { index: at })?, what);
    let (starts, ends) = (required(1, "the starts")?, required(2, "the ends")?);
    let axes = index::optional_integers(input(3), "the axes")?;
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = index::optional_integers(input(4), "the steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    for (what, list) in [("number of ends", &ends), ("number of axes", &axes), ("number of steps", &steps)] {
        if list.len() != starts.len() {
            return Err(index::count_error(what, starts.len(), list.len()));
        }
    }
    if steps.contains(&0) {
        return Err(OpError::Range { what: "a step", expected: "other than 0".into(), got: "0".into() });
    }
    let axes = index::axes(&axes, rank)?;
    let bounds = starts.iter().zip(&ends).zip(&steps);
    let ranges = bounds.map(|((&start, &end), &step)| Range { start, end, step });
    Ok(axes.into_iter().zip(ranges).collect())
}

fn map<'a>(shape: &[usize], input: impl Fn(usize) -> Option<&'a Value>) -> Result<IndexMap, OpError> {
    let ranges = ranges(input, shape.len())?;
    let positions = |(axis, &size): (usize, &usize)| {
        let range = ranges.iter().find(|(at, _)| *at == axis);
        let positions = match range.map(|(_, range)| range.resolve(size)) {
            None => IndexMap::all(size)?,
            Some(taken) => {
                IndexMap::positions(taken.count, |i| (taken.start + i as i64 * taken.step) as u32)?
            }
        };
        Ok((axis, positions))
    };
    IndexMap::new(shape, shape.iter().enumerate().map(positions).collect::<Result<_, OpError>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attr;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for Slice {
        fn samples() -> Vec<Sample> {
            let row = |data: &[f32]| tensor(&[data.len()], data);
            let digits = row(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
            let slice = |bounds: [i64; 3], wanted: &[f32]| {
                Sample::new(Attrs::new())
                    .input(digits.clone())
                    .constant(integers(&bounds[..1]))
                    .constant(integers(&bounds[1..2]))
                    .absent()
                    .constant(integers(&bounds[2..]))
                    .gives(vec![row(wanted)])
            };
            let image = Random::new(1).uniform(&[2, 3, 4, 4], -1.0, 1.0);
            let attrs = Attrs::new()
                .with("starts", Attr::Ints(vec![1]))
                .with("ends", Attr::Ints(vec![-1]))
                .with("axes", Attr::Ints(vec![0]));
            vec![
                // numpy: [0:inf:2], [-2:0:-2], [::-1], [4:2], [-100:3]
                slice([0, i64::MAX, 2], &[0.0, 2.0, 4.0]),
                slice([-2, 0, -2], &[4.0, 2.0]),
                slice([i64::MAX, i64::MIN, -1], &[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]),
                slice([4, 2, 1], &[]),
                slice([-100, 3, 1], &[0.0, 1.0, 2.0]),
                slice([5, -100, i64::MIN], &[5.0]),
                Sample::new(attrs).opset(7).input(digits.clone()).gives(vec![row(&[1.0, 2.0, 3.0, 4.0])]),
                Sample::new(Attrs::new())
                    .opset(10)
                    .input(image.clone())
                    .constant(integers(&[0, 3]))
                    .constant(integers(&[4, i64::MIN]))
                    .constant(integers(&[2, -1]))
                    .constant(integers(&[2, -2]))
                    .gradients(&[0]),
                Sample::new(Attrs::new())
                    .input(image)
                    .constant(integers(&[1]))
                    .constant(integers(&[2]))
                    .constant(integers(&[1]))
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn a_symbolic_batch_that_is_taken_whole_survives() {
        let batch = Shape::Ranked(vec![Dim::Symbolic("batch".into()), Dim::Fixed(8)]);
        let x = TensorType::new(crate::tensor::DType::F32, batch);
        let two = TensorType::new(crate::tensor::DType::I64, Shape::fixed(&[2]));
        let (starts, ends) = (integers(&[0, 2]), integers(&[i64::MAX, -1]));
        let slots = vec![Some((&x, None)), Some((&two, Some(&starts))), Some((&two, Some(&ends)))];
        assert_eq!(Slice.infer(&TypeInputs::new(slots)).unwrap()[0].to_string(), "float32 batch×5");
    }
}
