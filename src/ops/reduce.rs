//! What the reductions share: their axes, their shapes, and the walk over what they reduce.
//!
//! Since opset 18 (ReduceSum: 13) the axes are an input. Older files have them as an attribute,
//! which import turns into that input. The axes known at import are also kept in [`Axes`], because
//! [`Facts`](super::Facts) are asked without inputs; the input is what decides in a run.

use super::{ExportStep, ImportInput, ImportNode, OpError, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// Which axes a reduction takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes {
    /// The axes as the file states them, negative ones counted from the end; empty where there are
    /// none; `None` where the network computes them.
    pub known: Option<Vec<i64>>,
    /// Whether reduced axes stay, with size 1.
    pub keep_dims: bool,
    /// Without axes: keep the input as it is, instead of reducing all of it.
    pub noop_with_empty_axes: bool,
}

impl Axes {
    /// Takes `axes`, `keepdims` and `noop_with_empty_axes`; `axes_as_input` is the first opset that
    /// has the axes as an input.
    pub(super) fn import(node: &mut ImportNode<'_>, axes_as_input: u32) -> Result<Self, AttrError> {
        let keep_dims = node.attrs.take_bool("keepdims", true)?;
        if node.opset.0 < axes_as_input {
            let axes = node.attrs.take_ints("axes")?;
            if let Some(axes) = &axes {
                node.set_input(1, Value::from_array(ndarray::Array1::from(axes.clone()).into_dyn()));
            }
            return Ok(Self {
                known: Some(axes.unwrap_or_default()),
                keep_dims,
                noop_with_empty_axes: false,
            });
        }
        let noop_with_empty_axes = node.attrs.take_bool("noop_with_empty_axes", false)?;
        let known = match node.inputs.get(1) {
            None | Some(ImportInput::Absent) => Some(Vec::new()),
            Some(ImportInput::Constant(axes)) => axes.as_slice::<i64>().ok().map(<[i64]>::to_vec),
            Some(ImportInput::Computed) => None,
        };
        Ok(Self { known, keep_dims, noop_with_empty_axes })
    }

    pub(super) fn export(&self, op_type: &'static str) -> Vec<ExportStep> {
        let mut attrs = Attrs::new().with("keepdims", Attr::Int(i64::from(self.keep_dims)));
        if self.noop_with_empty_axes {
            attrs.insert("noop_with_empty_axes", Attr::Int(1));
        }
        vec![ExportStep::new(op_type, attrs)]
    }

    /// Whether exactly the two last axes of an `[N, C, H, W]` tensor are reduced.
    pub(super) fn are_spatial(&self) -> bool {
        let Some(axes) = &self.known else { return false };
        let mut from_start: Vec<i64> = axes.iter().map(|&a| if a < 0 { a + 4 } else { a }).collect();
        from_start.sort_unstable();
        from_start == [2, 3]
    }

    pub(super) fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        check_axes(inputs)?;
        let input = inputs.float(0, "input")?;
        let given = inputs.constant(1).map(Value::as_slice::<i64>).transpose()?;
        let shape = match (&input.shape, given.or(self.known.as_deref())) {
            (Shape::Ranked(dims), Some(axes)) => {
                let reduced = self.mask(axes, dims.len())?;
                Shape::Ranked(self.output(dims, &reduced, &Dim::Fixed(1)))
            }
            (Shape::Ranked(dims), None) if self.keep_dims => {
                Shape::Ranked(dims.iter().map(|_| Dim::Unknown).collect())
            }
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(input.dtype, shape)])
    }

    /// The reduction of a tensor of `shape`; `axes` is the input of that name.
    pub(super) fn plan(&self, shape: &[usize], axes: Option<&Value>) -> Result<Reduction, OpError> {
        let stated = axes.map(Value::as_slice::<i64>).transpose()?;
        let axes = stated.or(self.known.as_deref()).unwrap_or_default();
        let reduced = self.mask(axes, shape.len())?;
        let kept_sizes: Vec<usize> =
            shape.iter().zip(&reduced).map(|(&size, &gone)| if gone { 1 } else { size }).collect();
        let mut steps = vec![0; shape.len()];
        let mut step = 1_usize;
        for ((slot, &size), &gone) in steps.iter_mut().zip(&kept_sizes).zip(&reduced).rev() {
            *slot = if gone { 0 } else { step };
            step = step.saturating_mul(size.max(1));
        }
        Ok(Reduction { shape: shape.to_vec(), steps, output_shape: self.output(shape, &reduced, &1) })
    }

    /// For each axis whether it is reduced.
    fn mask(&self, axes: &[i64], rank: usize) -> Result<Vec<bool>, OpError> {
        if axes.is_empty() {
            return Ok(vec![!self.noop_with_empty_axes; rank]);
        }
        let mut reduced = vec![false; rank];
        for &axis in axes {
            let index = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
            let slot = usize::try_from(index).ok().and_then(|index| reduced.get_mut(index));
            *slot.ok_or_else(|| OpError::Range {
                what: "axes",
                expected: format!("between -{rank} and {rank} - 1"),
                got: axis.to_string(),
            })? = true;
        }
        Ok(reduced)
    }

    fn output<T: Clone>(&self, dims: &[T], reduced: &[bool], one: &T) -> Vec<T> {
        let pairs = dims.iter().zip(reduced);
        pairs
            .filter(|&(_, gone)| self.keep_dims || !gone)
            .map(|(dim, &gone)| if gone { one.clone() } else { dim.clone() })
            .collect()
    }
}

/// A reduction of one tensor: which output element each input element goes to.
#[derive(Debug)]
pub(super) struct Reduction {
    shape: Vec<usize>,
    /// For each input axis the distance between outputs, 0 where it is reduced.
    steps: Vec<usize>,
    /// Shape of the result.
    pub(super) output_shape: Vec<usize>,
}

impl Reduction {
    /// Calls `visit(input position, output position)` for every input element in row-major order.
    pub(super) fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        if self.shape.contains(&0) {
            return;
        }
        let (&last_size, &last_step) = match (self.shape.last(), self.steps.last()) {
            (Some(size), Some(step)) => (size, step),
            _ => (&1, &0),
        };
        let outer = &self.shape[..self.shape.len().saturating_sub(1)];
        let mut at = vec![0; outer.len()];
        let (mut from, mut to) = (0, 0);
        loop {
            for i in 0..last_size {
                visit(from + i, to + i * last_step);
            }
            from += last_size;
            let Some(axis) = (0..outer.len()).rev().find(|&axis| at[axis] + 1 < outer[axis]) else { return };
            for (at, step) in at.iter_mut().zip(&self.steps).skip(axis + 1) {
                to -= std::mem::take(at) * step;
            }
            at[axis] += 1;
            to += self.steps[axis];
        }
    }

    /// How many elements go to each output.
    pub(super) fn count(&self) -> usize {
        let reduced = self.shape.iter().zip(&self.steps).filter(|&(_, &step)| step == 0);
        reduced.fold(1_usize, |count, (&size, _)| count.saturating_mul(size))
    }

    /// The sum of what goes to each output, divided by `divisor`.
    pub(super) fn sum(&self, input: &[f32], divisor: f64) -> Result<Value, OpError> {
        let mut sums = Value::zeros::<f64>(&self.output_shape)?.into_vec::<f64>()?;
        self.for_each(|from, to| sums[to] += f64::from(input[from]));
        let results = sums.into_iter().map(|sum| (sum / divisor) as f32).collect();
        Ok(Value::from_vec(&self.output_shape, results)?)
    }

    /// For each output the position of the first largest element, or of the first NaN.
    pub(super) fn first_maxima(&self, input: &[f32]) -> Result<Vec<usize>, OpError> {
        if self.count() == 0 {
            let (expected, got) = ("at least one element to reduce".to_owned(), format!("{:?}", self.shape));
            return Err(OpError::Shape { what: "input", expected, got });
        }
        let mut best = Value::zeros::<f32>(&self.output_shape)?.into_vec::<f32>()?;
        let mut positions = vec![usize::MAX; best.len()];
        self.for_each(|from, to| {
            let value = input[from];
            let first = positions[to] == usize::MAX;
            if first || value > best[to] || (value.is_nan() && !best[to].is_nan()) {
                (best[to], positions[to]) = (value, from);
            }
        });
        Ok(positions)
    }

    /// The gradient of a sum divided by `divisor`: every element gets that of its output. Axes have
    /// no gradient.
    pub(super) fn spread(&self, tape: &Tape<'_>, divisor: f64) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.wanted_gradient() else { return Ok(gradients) };
        let gradient = super::pooling::check_gradient(gradient, &self.output_shape)?;
        let mut out = Value::zeros::<f32>(&self.shape)?.into_vec::<f32>()?;
        self.for_each(|from, to| out[from] = (f64::from(gradient[to]) / divisor) as f32);
        gradients[0] = Some(Value::from_vec(&self.shape, out)?);
        Ok(gradients)
    }
}

/// Refuses an axes tensor that is not int64.
fn check_axes(inputs: &TypeInputs<'_>) -> Result<(), OpError> {
    match inputs.optional(1) {
        Some(ty) if ty.dtype != DType::I64 => {
            Err(OpError::DType { what: "axes", expected: "int64", got: ty.dtype })
        }
        _ => Ok(()),
    }
}
