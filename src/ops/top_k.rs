//! `TopK` (ONNX opsets 1–24): the k largest (or smallest) elements along an axis, and where they are.
//!
//! The largest comes first; of equal elements, the one with the lower index. That order is kept also
//! where the attribute `sorted` leaves it open. NaN counts as the largest, or smallest. Before
//! opset 10 k was an attribute. The gradient goes to the elements that were taken.

use super::ranks::{Ranks, rankable};
use super::runs::{Runs, add_back, pick};
use super::softmax_rows::RowLayout;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value, ordered};

/// Inputs: `x`, `k` (one number). Outputs: the elements, their indices along the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct TopK {
    /// Axis along which elements are compared.
    pub axis: i64,
    /// The largest are taken, not the smallest.
    pub largest: bool,
    /// The file asks for an order.
    pub sorted: bool,
}

impl Operator for TopK {
    const OP_TYPE: &'static str = "TopK";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        if node.opset.0 < 10 {
            let k = node.attrs.take_int("k")?.ok_or(AttrError::Missing { name: "k".into() })?;
            node.set_input(1, index::list(&[k]));
        }
        Ok(Self {
            axis: node.attrs.take_int("axis")?.unwrap_or(-1),
            largest: node.attrs.take_bool("largest", true)?,
            sorted: node.attrs.take_bool("sorted", true)?,
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let flag = |set: bool| Attr::Int(set.into());
        let attrs = Attrs::new().with("axis", Attr::Int(self.axis)).with("largest", flag(self.largest));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs.with("sorted", flag(self.sorted))).making(2)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        inputs.ty(1)?;
        let shape = match ty.shape.dims() {
            Some(dims) => {
                let axis = index::axis(self.axis, dims.len())?;
                let mut dims = dims.to_vec();
                dims[axis] = match inputs.constant(1) {
                    Some(k) => Dim::Fixed(index::only_size(k, "k")?),
                    None => Dim::Unknown,
                };
                Shape::Ranked(dims)
            }
            None => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape.clone()), TensorType::new(DType::I64, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let axis = index::axis(self.axis, x.rank())?;
        let k = index::only_size(inputs.get(1)?, "k")?;
        if k > x.shape()[axis] {
            let expected = format!("at most {}, the size of the axis", x.shape()[axis]);
            return Err(OpError::Range { what: "k", expected, got: k.to_string() });
        }
        let mut shape = x.shape().to_vec();
        shape[axis] = k;
        let indices = self.indices(x, axis, &shape)?;
        let values = pick(x, &runs(x.shape(), axis, &indices, &shape), &shape)?;
        Ok(vec![values, Value::from_vec(&shape, indices)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |gradient| {
            let (x, indices) = (tape.input(0)?, tape.output(1)?);
            let axis = index::axis(self.axis, x.rank())?;
            let runs = runs(x.shape(), axis, indices.as_slice()?, indices.shape());
            add_back(gradient, &runs, x.shape())
        })
    }
}

impl TopK {
    /// The indices of the elements taken, for a result of `shape`.
    fn indices(&self, x: &Value, axis: usize, shape: &[usize]) -> Result<Vec<i64>, OpError> {
        let wide = rankable(x)?;
        let ranks = Ranks::new(&wide, self.largest)?;
        let (from, to) = (RowLayout::along(x.shape(), axis), RowLayout::along(shape, axis));
        let mut indices = index::zeros::<i64>(shape)?.into_vec::<i64>()?;
        let targets: Vec<usize> = to.starts(indices.len()).collect();
        for (start, target) in from.starts(x.len()).zip(targets) {
            let own: Vec<i64> = from.row(start).map(|at| ranks.at(at)).collect();
            let order = ordered(own.len(), &|a, b| own[b].cmp(&own[a])); // of equals the first one first
            for (at, i) in to.row(target).zip(order) {
                indices[at] = i as i64;
            }
        }
        Ok(indices)
    }
}

/// Where the elements of a result of shape `taken` lie in a tensor of `shape`.
fn runs(shape: &[usize], axis: usize, indices: &[i64], taken: &[usize]) -> Runs {
    let (from, to) = (RowLayout::along(shape, axis), RowLayout::along(taken, axis));
    let count = shape.iter().fold(1_usize, |n, &d| n.saturating_mul(d));
    let mut starts = vec![0; indices.len()];
    let targets: Vec<usize> = to.starts(indices.len()).collect();
    for (start, target) in from.starts(count).zip(targets) {
        for at in to.row(target) {
            starts[at] = start + indices[at] as usize * from.step;
        }
    }
    Runs::single(starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for TopK {
        fn samples() -> Vec<Sample> {
            let x = || tensor(&[2, 4], &[1.0, 4.0, 4.0, 2.0, -1.0, f32::NAN, -5.0, 0.0]);
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            let smallest = axis(-1).with("largest", Attr::Int(0)).with("sorted", Attr::Int(0));
            let pairs = |data: &[i64]| integers(data).reshaped(&[2, 2]).unwrap();
            let random = || Random::new(5).spaced(&[3, 4, 2]);
            vec![
                Sample::new(axis(1))
                    .output_count(2)
                    .input(x())
                    .constant(integers(&[2]))
                    .gives(vec![tensor(&[2, 2], &[4.0, 4.0, f32::NAN, 0.0]), pairs(&[1, 2, 1, 3])]),
                Sample::new(smallest)
                    .output_count(2)
                    .input(x())
                    .constant(integers(&[2]))
                    .gives(vec![tensor(&[2, 2], &[1.0, 2.0, f32::NAN, -5.0]), pairs(&[0, 3, 1, 2])]),
                Sample::new(axis(0).with("k", Attr::Int(1)))
                    .opset(7)
                    .output_count(2)
                    .input(integers(&[3, i64::MAX, -4]))
                    .gives(vec![integers(&[i64::MAX]), integers(&[1])]),
                Sample::new(axis(0)).output_count(2).input(x()).constant(integers(&[0])),
                Sample::new(axis(1)).output_count(2).input(random()).input(integers(&[3])).gradients(&[0]),
                Sample::new(axis(0)).output_count(2).input(random()).constant(integers(&[2])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn more_than_there_are_is_refused() {
        let (op, _) = import_node("TopK", Attrs::new(), 11, &[]).unwrap();
        let error = try_run(&op, &[tensor(&[2], &[1.0, 2.0]), integers(&[3])]).unwrap_err();
        assert_eq!(error.to_string(), "k = 3, but it must be at most 2, the size of the axis");
        assert!(try_run(&op, &[tensor(&[2], &[1.0, 2.0]), integers(&[-1])]).is_err());
        assert!(try_run(&op, &[tensor(&[2], &[1.0, 2.0]), integers(&[1, 1])]).is_err());
    }
}
