//! The rows that Softmax and LogSoftmax normalize, each by itself.
//!
//! Since opset 13 a row runs along one axis (the last, by default). Before, it ran over all axes from
//! a given one on (axis 1, by default), as if the tensor had been flattened to two dimensions. Both
//! give the same numbers where the axes behind the first have size 1, which networks ending in
//! `[N, classes, 1, 1]` or `[N, classes]` have. A node of the export opset has one axis; a row over
//! several is written as Reshape, the operator, and Reshape back, for which the sizes must be known.

use super::exponential::exp;
use super::{ExportStep, ImportNode, OpError, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, TensorType, Value};

/// First opset in which a row is one axis.
const ONE_AXIS_SINCE: u32 = 13;

/// Which elements make a row; a negative axis counts from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Along one axis.
    Along(i64),
    /// Over all axes from this one on.
    From(i64),
    /// Over all axes from the first one named on, which have those sizes.
    FromSized(usize, Vec<usize>),
}

/// Where the elements of a row lie: `start + k · step`, `k` in `0..len`.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowLayout {
    /// Elements of one row.
    pub(super) len: usize,
    /// Distance between them.
    pub(super) step: usize,
}

impl RowLayout {
    /// Rows along one axis of a tensor of `shape`, which has that axis.
    pub(super) fn along(shape: &[usize], axis: usize) -> Self {
        let behind = shape.get(axis + 1..).unwrap_or_default();
        Self { len: shape.get(axis).copied().unwrap_or(1), step: product(behind) }
    }

    /// Where the rows of a tensor of `count` elements start.
    pub(super) fn starts(self, count: usize) -> impl Iterator<Item = usize> {
        let block = self.len.saturating_mul(self.step).max(1);
        let blocks = if self.len == 0 { 0 } else { count / block };
        (0..blocks).flat_map(move |b| (0..self.step).map(move |i| b * block + i))
    }

    /// Positions of the elements of the row that starts there.
    pub(super) fn row(self, start: usize) -> impl Iterator<Item = usize> + Clone {
        (0..self.len).map(move |k| start + k * self.step)
    }

    /// The largest element of the row that starts there, `exp(x − largest)` of each, and their sum.
    pub(super) fn exponentials(self, x: &[f32], start: usize) -> (f32, Vec<f32>, f64) {
        let largest = self.row(start).fold(f32::NEG_INFINITY, |max, at| max.max(x[at]));
        let mut each: Vec<f32> = match x.get(start..start + self.len) {
            Some(row) if self.step == 1 => row.to_vec(),
            _ => self.row(start).map(|at| x[at]).collect(),
        };
        for x in &mut each {
            *x = exp(*x - largest);
        }
        let sum = each.iter().map(|&e| f64::from(e)).sum();
        (largest, each, sum)
    }
}

impl Rows {
    /// Takes `axis`, which means what the file's opset says.
    pub(super) fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let axis = node.attrs.take_int("axis")?;
        if node.opset.0 >= ONE_AXIS_SINCE {
            return Ok(Self::Along(axis.unwrap_or(-1)));
        }
        Ok(match axis.unwrap_or(1) {
            -1 => Self::Along(-1), // from the last axis on: the last axis
            axis => Self::From(axis),
        })
    }

    /// The nodes of a file; `None` where the sizes to reshape back to are not known.
    pub(super) fn export(&self, op_type: &'static str) -> Option<Vec<ExportStep>> {
        let along = |axis: i64| ExportStep::new(op_type, Attrs::new().with("axis", Attr::Int(axis)));
        match self {
            Self::Along(axis) => Some(vec![along(*axis)]),
            Self::From(_) => None,
            Self::FromSized(axis, sizes) => {
                let to = |tail: &[i64]| {
                    let shape = [vec![0; *axis], tail.to_vec()].concat(); // 0: as the input has it
                    let shape = Value::from_array(ndarray::Array1::from(shape).into_dyn());
                    ExportStep { extra_inputs: vec![Some(shape)], ..ExportStep::new("Reshape", Attrs::new()) }
                };
                let sizes: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
                Some(vec![to(&[-1]), along(-1), to(&sizes)])
            }
        }
    }

    /// The same rows in a form that a file can contain, where the input's type allows it.
    pub(super) fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
        let Self::From(axis) = *self else { return None };
        let dims = inputs.shape(0).ok()?.dims()?;
        let first = axis_index(axis, dims.len()).ok()?;
        if dims.iter().skip(first + 1).all(|dim| *dim == Dim::Fixed(1)) {
            return Some(Self::Along(axis));
        }
        let sizes: Option<Vec<usize>> = dims.iter().skip(first).map(Dim::fixed).collect();
        Some(Self::FromSized(first, sizes?))
    }

    /// The input's type, when the axis fits it.
    pub(super) fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.float(0, "input")?;
        if let Some(rank) = input.shape.rank() {
            self.axis(rank)?;
        }
        Ok(vec![input.clone()])
    }

    /// The rows of a tensor of `shape`.
    pub(super) fn layout(&self, shape: &[usize]) -> Result<RowLayout, OpError> {
        let axis = self.axis(shape.len())?;
        Ok(match self {
            Self::Along(_) => RowLayout::along(shape, axis),
            _ => RowLayout { len: product(shape.get(axis..).unwrap_or_default()), step: 1 },
        })
    }

    fn axis(&self, rank: usize) -> Result<usize, OpError> {
        match self {
            Self::Along(axis) | Self::From(axis) => axis_index(*axis, rank),
            Self::FromSized(axis, _) => axis_index(*axis as i64, rank),
        }
    }
}

fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |n, &size| n.saturating_mul(size))
}

/// The axis from the front; a scalar counts as one axis.
fn axis_index(axis: i64, rank: usize) -> Result<usize, OpError> {
    let rank = rank.max(1);
    let index = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(index).ok().filter(|&index| index < rank).ok_or_else(|| OpError::Range {
        what: "axis",
        expected: format!("between -{rank} and {}", rank - 1),
        got: axis.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{pattern, run};
    use crate::ops::{Op, Softmax};
    use crate::tensor::{DType, Shape};

    fn sized(rows: &Rows, dims: Vec<Dim>) -> Option<Rows> {
        let ty = TensorType::new(DType::F32, Shape::Ranked(dims));
        rows.with_sizes(&TypeInputs::new(vec![Some((&ty, None))]))
    }

    #[test]
    fn axes_of_size_1_behind_the_first_make_it_one_axis() {
        let batch = Dim::Symbolic("batch".into());
        let dims = vec![batch.clone(), Dim::Fixed(10), Dim::Fixed(1), Dim::Fixed(1)];
        assert_eq!(sized(&Rows::From(1), dims), Some(Rows::Along(1)));
        assert_eq!(sized(&Rows::From(1), vec![batch.clone(), Dim::Fixed(10)]), Some(Rows::Along(1)));
        assert_eq!(sized(&Rows::From(1), vec![batch.clone(), Dim::Fixed(2), batch]), None);
        assert_eq!(sized(&Rows::From(3), Vec::new()), None);
        assert_eq!(Rows::From(1).export("Softmax"), None);
    }

    #[test]
    fn several_axes_are_written_as_reshape_and_back() {
        let batch = Dim::Symbolic("batch".into());
        let rows = sized(&Rows::From(-2), vec![batch, Dim::Fixed(3), Dim::Fixed(2)]).unwrap();
        assert_eq!(rows, Rows::FromSized(1, vec![3, 2]));
        let steps = rows.export("Softmax").unwrap();
        let shape = |step: &ExportStep| {
            assert_eq!(step.op_type, "Reshape");
            step.extra_inputs[0].as_ref().unwrap().as_slice::<i64>().unwrap().to_vec()
        };
        assert_eq!((shape(&steps[0]), shape(&steps[2])), (vec![0, -1], vec![0, 3, 2]));
        assert_eq!(steps[1].attrs, Attrs::new().with("axis", Attr::Int(-1)));

        // What those nodes compute is what the operator computes.
        let x = pattern(&[2, 3, 2], 7, 11);
        let flat = Op::from(Softmax { rows: Rows::Along(-1) });
        let chain = run(&flat, &[x.clone().reshaped(&[2, 6]).unwrap()]).remove(0);
        let direct = run(&Op::from(Softmax { rows }), std::slice::from_ref(&x)).remove(0);
        assert_eq!(chain.reshaped(&[2, 3, 2]).unwrap(), direct);
    }

    #[test]
    fn an_axis_outside_the_tensor_is_an_error() {
        assert!(Rows::Along(3).layout(&[2, 3, 2]).is_err());
        assert!(Rows::From(-4).layout(&[2, 3, 2]).is_err());
        assert!(Rows::Along(i64::MIN).layout(&[2]).is_err());
        assert_eq!(Rows::Along(0).layout(&[]).unwrap().len, 1);
    }
}
