//! What ArgMax and ArgMin share: everything but which element they look for.

use super::index;
use super::ranks::{Ranks, rankable};
use super::softmax_rows::RowLayout;
use super::{ExportStep, ImportNode, Inputs, OpError, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// How positions are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgSearch {
    /// Axis along which elements are compared.
    pub axis: i64,
    /// Whether the axis stays, with size 1.
    pub keep_dims: bool,
    /// Of equal elements the last one is meant, not the first.
    pub select_last: bool,
}

impl ArgSearch {
    pub(super) fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self {
            axis: node.attrs.take_int("axis")?.unwrap_or(0),
            keep_dims: node.attrs.take_bool("keepdims", true)?,
            select_last: node.attrs.take_bool("select_last_index", false)?,
        })
    }

    pub(super) fn export(&self, op_type: &'static str) -> Vec<ExportStep> {
        let flag = |set: bool| Attr::Int(set.into());
        let attrs = Attrs::new().with("axis", Attr::Int(self.axis)).with("keepdims", flag(self.keep_dims));
        vec![ExportStep::new(op_type, attrs.with("select_last_index", flag(self.select_last)))]
    }

    pub(super) fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let shape = match inputs.shape(0)?.dims() {
            Some(dims) => {
                let axis = index::axis(self.axis, dims.len())?;
                Shape::Ranked(self.output(dims, axis, Dim::Fixed(1)))
            }
            None => Shape::Unranked,
        };
        Ok(vec![TensorType::new(DType::I64, shape)])
    }

    /// The position of the largest (or smallest) element of each row.
    pub(super) fn forward(&self, inputs: &Inputs, largest: bool) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let axis = index::axis(self.axis, x.rank())?;
        let rows = RowLayout::along(x.shape(), axis);
        let shape = self.output(x.shape(), axis, 1);
        if rows.len == 0 && !shape.contains(&0) {
            let got = format!("{:?}", x.shape());
            return Err(OpError::Shape {
                what: "input",
                expected: "at least one element to find".into(),
                got,
            });
        }
        let wide = rankable(x)?;
        let ranks = Ranks::new(&wide, largest)?;
        let found = rows.starts(x.len()).filter_map(|start| {
            let position = ranks.highest(rows.row(start), self.select_last)?;
            Some(((position - start) / rows.step.max(1)) as i64)
        });
        Ok(vec![Value::from_vec(&shape, found.collect())?])
    }

    fn output<T: Clone>(&self, dims: &[T], axis: usize, one: T) -> Vec<T> {
        let mut left = dims.to_vec();
        if self.keep_dims {
            left[axis] = one;
        } else {
            left.remove(axis);
        }
        left
    }
}
