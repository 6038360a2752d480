//! `Unique` (ONNX opset 11): the distinct elements of a tensor, or the distinct slices along an axis.
//!
//! Sorted, or in the order of their first appearance. Not differentiable.

use super::index::{self, IndexMap};
use super::ranks::{Ranks, rankable};
use super::softmax_rows::RowLayout;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value, ordered};
use std::cmp::Ordering;

/// Outputs: what is distinct; where each appears first; which of them each of the input is; how
/// often each appears.
#[derive(Debug, Clone, PartialEq)]
pub struct Unique {
    /// Axis of the slices; the elements of the flattened tensor where there is none.
    pub axis: Option<i64>,
    /// In ascending order, not in that of first appearance.
    pub sorted: bool,
}

impl Operator for Unique {
    const OP_TYPE: &'static str = "Unique";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let axis = node.attrs.take_int("axis")?;
        Ok(Self { axis, sorted: node.attrs.take_bool("sorted", true)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("sorted", Attr::Int(self.sorted.into()));
        let attrs = self.axis.iter().fold(attrs, |attrs, &axis| attrs.with("axis", Attr::Int(axis)));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        let (shape, count) = match (self.axis, ty.shape.dims()) {
            (None, _) => (index::unknown(1), Dim::Unknown),
            (Some(axis), Some(dims)) => {
                let (axis, mut dims) = (index::axis(axis, dims.len())?, dims.to_vec());
                let count = std::mem::replace(&mut dims[axis], Dim::Unknown);
                (Shape::Ranked(dims), count)
            }
            (Some(_), None) => (Shape::Unranked, Dim::Unknown),
        };
        let list = |size| TensorType::new(DType::I64, Shape::Ranked(vec![size]));
        Ok(vec![TensorType::new(ty.dtype, shape), list(Dim::Unknown), list(count), list(Dim::Unknown)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?.clone();
        let x = if self.axis.is_some() { x } else { x.clone().reshaped(&[x.len()])? };
        let axis = index::axis(self.axis.unwrap_or(0), x.rank())?;
        let groups = self.groups(&x, axis)?;
        let mut inverse = vec![0_i64; x.shape()[axis]];
        for (number, group) in (0..).zip(&groups) {
            for &at in group {
                inverse[at] = number;
            }
        }
        let first: Vec<usize> = groups.iter().filter_map(|group| group.first().copied()).collect();
        let mut axes = Vec::with_capacity(x.rank());
        for (at, &size) in x.shape().iter().enumerate() {
            let all = || IndexMap::all(size);
            axes.push((at, if at == axis { first.iter().map(|&i| i as u32).collect() } else { all()? }));
        }
        let distinct = IndexMap::new(x.shape(), axes)?.take(&x, None)?;
        let list = |numbers: Vec<i64>| index::list(&numbers);
        let counts = groups.iter().map(|group| group.len() as i64).collect();
        Ok(vec![distinct, list(first.iter().map(|&i| i as i64).collect()), list(inverse), list(counts)])
    }
}

impl Unique {
    /// Indices along the axis of slices that are equal, each list ascending, in the order of the
    /// result.
    fn groups(&self, x: &Value, axis: usize) -> Result<Vec<Vec<usize>>, OpError> {
        let wide = rankable(x)?;
        let ranks = Ranks::new(&wide, true)?;
        let rows = RowLayout::along(x.shape(), axis);
        let starts: Vec<usize> = rows.starts(x.len()).collect();
        let compare = |a: usize, b: usize| {
            let pairs = starts.iter().map(|s| (ranks.at(s + a * rows.step), ranks.at(s + b * rows.step)));
            pairs.map(|(a, b)| a.cmp(&b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        let order = ordered(x.shape()[axis], &compare); // equal slices stay in their order
        let groups = order.chunk_by(|&a, &b| compare(a, b).is_eq());
        let groups: Vec<Vec<usize>> = groups.map(<[usize]>::to_vec).collect();
        if self.sorted {
            return Ok(groups);
        }
        let by_first = ordered(groups.len(), &|a, b| groups[a].first().cmp(&groups[b].first()));
        Ok(by_first.into_iter().map(|group| groups[group].clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for Unique {
        fn samples() -> Vec<Sample> {
            let attrs = |sorted: i64| Attrs::new().with("sorted", Attr::Int(sorted));
            let of = |attrs| Sample::new(attrs).opset(11).output_count(4);
            vec![
                of(attrs(0)).input(tensor(&[2, 3], &[2.0, 1.0, 1.0, 3.0, -0.0, 0.0])).gives(vec![
                    tensor(&[4], &[2.0, 1.0, 3.0, -0.0]),
                    integers(&[0, 1, 3, 4]),
                    integers(&[0, 1, 1, 2, 3, 3]),
                    integers(&[1, 2, 1, 2]),
                ]),
                of(attrs(1).with("axis", Attr::Int(-2)))
                    .input(tensor(&[3, 2], &[5.0, 0.0, 1.0, 7.0, 5.0, 0.0]))
                    .gives(vec![
                        tensor(&[2, 2], &[1.0, 7.0, 5.0, 0.0]),
                        integers(&[1, 0]),
                        integers(&[1, 0, 1]),
                        integers(&[1, 2]),
                    ]),
                of(attrs(1).with("axis", Attr::Int(1)))
                    .input(integers(&[2, 1, 2]).reshaped(&[1, 3]).unwrap()),
                of(attrs(1)).input(integers(&[])),
            ]
        }
    }
}
