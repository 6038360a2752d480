//! What the reductions share: their axes, their shapes, and the walk over what they reduce.
//!
//! Since opset 18 (ReduceSum: 13) the axes are an input. Older files have them as an attribute,
//! which import turns into that input. The axes known at import are also kept in [`Axes`], because
//! [`Facts`](super::Facts) are asked without inputs; the input is what decides in a run.
//!
//! A reduction that combines its elements one by one is a [`Fold`] and its derivative, of which
//! [`fold_operator`] makes the operator. Real numbers are combined in f64, integers in 64 bits,
//! where they wrap around.

use super::convert::convert;
use super::ranks::{Ranks, limit, rankable};
use super::runs::{Runs, for_each_offset, for_each_row, pick};
use super::{ExportStep, ImportInput, ImportNode, Op, OpError, Reordered, Tape, TypeInputs, numbers};
use crate::ir::{Attr, AttrError, Attrs, Opset};
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
        let is_named = |axis: i64| axes.iter().any(|&a| a == axis || a == axis - 4);
        axes.len() == 2 && is_named(2) && is_named(3)
    }

    /// The type of the result, for a reduction of numbers.
    pub(super) fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        numbers::check("the input", inputs.ty(0)?.dtype)?;
        self.infer_any(inputs)
    }

    /// As [`Axes::infer`], for any type that has an order.
    pub(super) fn infer_any(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        check_axes(inputs)?;
        let input = inputs.ty(0)?;
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

    /// The operator that `with` makes of axes, on a tensor as it was before a transposition by `order`.
    pub(super) fn before_permutation<O: Into<Op>>(
        &self,
        order: &[usize],
        inputs: &TypeInputs<'_>,
        with: impl FnOnce(Self) -> O,
    ) -> Option<Reordered> {
        let is_input = inputs.optional(1).is_some();
        let stated = inputs.constant(1).map(Value::as_slice::<i64>).transpose().ok()?;
        let axes = stated.or(self.known.as_deref().filter(|_| !is_input))?;
        let reduced = self.mask(axes, order.len()).ok()?;
        let kept: Vec<usize> =
            order.iter().zip(&reduced).filter(|(_, gone)| !**gone).map(|(&a, _)| a).collect();
        let behind = if self.keep_dims {
            order.to_vec()
        } else {
            kept.iter().map(|axis| kept.iter().filter(|other| *other < axis).count()).collect()
        };
        if !is_input || axes.is_empty() {
            return Some(Reordered { op: with(self.clone()).into(), constants: Vec::new(), order: behind });
        }
        let is_gone = |axis: &usize| order.iter().zip(&reduced).any(|(a, &gone)| gone && a == axis);
        let named: Vec<i64> = (0..order.len()).filter(is_gone).map(|axis| axis as i64).collect();
        let constants = vec![(1, super::index::list(&named))];
        let op = with(Self { known: Some(named), ..self.clone() }).into();
        Some(Reordered { op, constants, order: behind })
    }

    /// The opset that knows the largest and smallest element of the input's type.
    pub(super) fn extreme_opset(inputs: &TypeInputs<'_>) -> Opset {
        let is_bool = inputs.optional(0).is_some_and(|ty| ty.dtype == DType::Bool);
        if is_bool { Opset(20) } else { super::EXPORT_OPSET }
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
    pub(super) fn for_each(&self, visit: impl FnMut(usize, usize)) {
        for_each_offset(&self.shape, &self.steps, visit);
    }

    /// How many elements go to each output.
    pub(super) fn count(&self) -> usize {
        let reduced = self.shape.iter().zip(&self.steps).filter(|&(_, &step)| step == 0);
        reduced.fold(1_usize, |count, (&size, _)| count.saturating_mul(size))
    }

    /// The sum of what goes to each output, divided by `divisor`.
    pub(super) fn sum(&self, input: &[f32], divisor: f64) -> Result<Value, OpError> {
        let mut sums = Value::zeros::<f64>(&self.output_shape)?.into_vec::<f64>()?;
        for_each_row(&self.shape, &self.steps, |from, to, (size, step)| {
            let row = &input[from..from + size];
            if step == 0 {
                sums[to] += row.iter().map(|&x| f64::from(x)).sum::<f64>();
            } else {
                sums[to..to + size].iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
            }
        });
        let results = sums.into_iter().map(|sum| (sum / divisor) as f32).collect();
        Ok(Value::from_vec(&self.output_shape, results)?)
    }

    /// What a fold makes of numbers of any type, in that type.
    pub(super) fn fold(&self, input: &Value, fold: &Fold) -> Result<Value, OpError> {
        let dtype = input.dtype();
        numbers::check("the input", dtype)?;
        let whole = if dtype == DType::U64 { fold.natural.or(fold.whole) } else { fold.whole };
        if let Some(step) = whole.filter(|_| !dtype.is_float()) {
            let wide = numbers::widened(input.clone())?.into_bits().reinterpreted(DType::I64)?;
            let wide = wide.as_slice::<i64>()?;
            let mut results = Value::zeros::<i64>(&self.output_shape)?.into_vec::<i64>()?;
            results.fill(fold.start as i64);
            self.for_each(|from, to| results[to] = step(results[to], wide[from]));
            return convert(Value::from_vec(&self.output_shape, results)?, dtype);
        }
        let mut results = self.fold_reals(input, fold)?;
        let count = self.count();
        for result in &mut results {
            *result = (fold.finish)(*result, count);
        }
        convert(Value::from_vec(&self.output_shape, results)?, dtype)
    }

    /// The folded real numbers before they are finished.
    pub(super) fn fold_reals(&self, input: &Value, fold: &Fold) -> Result<Vec<f64>, OpError> {
        let wide = convert(input.clone(), DType::F64)?;
        let wide = wide.as_slice::<f64>()?;
        let mut results = Value::zeros::<f64>(&self.output_shape)?.into_vec::<f64>()?;
        results.fill(fold.start);
        self.for_each(|from, to| results[to] = (fold.step)(results[to], wide[from]));
        Ok(results)
    }

    /// For each output the position of the first largest (or smallest) element, or of the first NaN.
    fn extremes(&self, input: &Value, largest: bool) -> Result<Vec<usize>, OpError> {
        let wide = rankable(input)?;
        let ranks = Ranks::new(&wide, largest)?;
        let outputs = Value::zeros::<i64>(&self.output_shape)?.len();
        let mut best: Vec<Option<(i64, usize)>> = vec![None; outputs];
        self.for_each(|from, to| {
            let rank = ranks.at(from);
            if best[to].is_none_or(|(highest, _)| rank > highest) {
                best[to] = Some((rank, from));
            }
        });
        Ok(best.into_iter().flatten().map(|(_, position)| position).collect())
    }

    /// The largest (or smallest) of the elements that go to each output; of no elements, what is
    /// less (or greater) than all others of the type.
    pub(super) fn extreme(&self, input: &Value, largest: bool) -> Result<Value, OpError> {
        if self.count() == 0 {
            let outputs = Value::zeros::<u8>(&self.output_shape)?.len();
            return pick(
                &limit(input.dtype(), !largest)?,
                &Runs::single(vec![0; outputs]),
                &self.output_shape,
            );
        }
        pick(input, &Runs::single(self.extremes(input, largest)?), &self.output_shape)
    }

    /// The gradient of [`Reduction::extreme`]: the element that was taken gets that of its output.
    pub(super) fn extreme_gradient(
        &self,
        tape: &Tape<'_>,
        largest: bool,
    ) -> Result<Vec<Option<Value>>, OpError> {
        super::index::first_gradient(tape, |gradient| {
            super::pooling::check_gradient(gradient, &self.output_shape)?;
            let input = tape.input(0)?;
            if self.count() == 0 {
                return Ok(Value::zeros::<f32>(input.shape())?);
            }
            super::runs::add_back(gradient, &Runs::single(self.extremes(input, largest)?), input.shape())
        })
    }

    /// The gradient of a sum divided by `divisor`: every element gets that of its output.
    pub(super) fn spread(&self, tape: &Tape<'_>, divisor: f64) -> Result<Vec<Option<Value>>, OpError> {
        self.gradient(tape, &|gradient, _, _| gradient / divisor)
    }

    /// The gradient of an element where that of its output is the first number: a function of that,
    /// of the positions of the element and of its output. Axes have no gradient.
    pub(super) fn gradient(
        &self,
        tape: &Tape<'_>,
        of: &dyn Fn(f64, usize, usize) -> f64,
    ) -> Result<Vec<Option<Value>>, OpError> {
        super::index::first_gradient(tape, |gradient| {
            let gradient = super::pooling::check_gradient(gradient, &self.output_shape)?;
            let mut out = Value::zeros::<f32>(&self.shape)?.into_vec::<f32>()?;
            self.for_each(|from, to| out[from] = of(gradient[to].into(), from, to) as f32);
            Ok(Value::from_vec(&self.shape, out)?)
        })
    }

    /// The gradient where the derivative of an output `y` with respect to an element `x` is a
    /// function of these two.
    pub(super) fn chain(
        &self,
        tape: &Tape<'_>,
        slope: fn(f64, f64) -> f64,
    ) -> Result<Vec<Option<Value>>, OpError> {
        if tape.wanted_gradient().is_none() {
            return Ok(vec![None; tape.inputs.len().max(1)]);
        }
        let (x, y) = (tape.input(0)?.as_slice::<f32>()?, tape.output(0)?.as_slice::<f32>()?);
        self.gradient(tape, &|gradient, from, to| gradient * slope(x[from].into(), y[to].into()))
    }
}

/// How a reduction combines its elements one by one.
#[derive(Debug)]
pub(super) struct Fold {
    /// What no elements come to.
    pub(super) start: f64,
    /// So far and one element more.
    pub(super) step: fn(f64, f64) -> f64,
    /// What is made of it at the end, which is also told how many elements there were.
    pub(super) finish: fn(f64, usize) -> f64,
    /// The same on integers; where there is none, they are real numbers in between.
    pub(super) whole: Option<fn(i64, i64) -> i64>,
    /// The same on the bits of unsigned integers, where that is another function.
    pub(super) natural: Option<fn(i64, i64) -> i64>,
}

impl Fold {
    /// The sum.
    pub(super) const SUM: Self = Self {
        start: 0.0,
        step: |sum, x| sum + x,
        finish: |sum, _| sum,
        whole: Some(i64::wrapping_add),
        natural: None,
    };

    /// The product.
    pub(super) const PRODUCT: Self =
        Self { start: 1.0, step: |product, x| product * x, whole: Some(i64::wrapping_mul), ..Self::SUM };

    /// The sum of squares.
    pub(super) const SQUARES: Self = Self {
        step: |sum, x| sum + x * x,
        whole: Some(|sum, x| sum.wrapping_add(x.wrapping_mul(x))),
        ..Self::SUM
    };
}

/// Makes the operator of a [`Fold`] and the derivative of its result `y` with respect to an element
/// `x`; it has its axes as an input since opset 18.
macro_rules! fold_operator {
    ($(#[$doc:meta])* $name:ident, $fold:expr, |$x:ident, $y:ident| $slope:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            /// What is reduced.
            pub axes: $crate::ops::Axes,
        }

        impl $crate::ops::Operator for $name {
            const OP_TYPE: &'static str = stringify!($name);

            fn import(node: &mut $crate::ops::ImportNode<'_>) -> Result<Self, $crate::ir::AttrError> {
                Ok(Self { axes: $crate::ops::Axes::import(node, 18)? })
            }

            fn export(&self) -> Option<Vec<$crate::ops::ExportStep>> {
                Some(self.axes.export(Self::OP_TYPE))
            }

            fn infer(
                &self,
                inputs: &$crate::ops::TypeInputs<'_>,
            ) -> Result<Vec<$crate::tensor::TensorType>, $crate::ops::OpError> {
                self.axes.infer(inputs)
            }

            fn forward(
                &self,
                _: &$crate::ops::Context<'_>,
                inputs: $crate::ops::Inputs,
            ) -> Result<Vec<$crate::tensor::Value>, $crate::ops::OpError> {
                let input = inputs.get(0)?;
                Ok(vec![self.axes.plan(input.shape(), inputs.optional(1))?.fold(input, &$fold)?])
            }

            fn backward(
                &self,
                _: &$crate::ops::Context<'_>,
                tape: &$crate::ops::Tape<'_>,
            ) -> Result<Vec<Option<$crate::tensor::Value>>, $crate::ops::OpError> {
                let axes = tape.inputs.get(1).copied().flatten();
                self.axes.plan(tape.input(0)?.shape(), axes)?.chain(tape, |$x, $y| $slope)
            }
        }
    };
}
pub(super) use fold_operator;

/// Refuses an axes tensor that is not int64.
fn check_axes(inputs: &TypeInputs<'_>) -> Result<(), OpError> {
    match inputs.optional(1) {
        Some(ty) if ty.dtype != DType::I64 => {
            Err(OpError::DType { what: "axes", expected: "int64", got: ty.dtype })
        }
        _ => Ok(()),
    }
}
