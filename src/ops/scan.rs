//! What CumSum and CumProd share: running totals along an axis that is an input.

use super::convert::convert;
use super::reduce::Fold;
use super::softmax_rows::RowLayout;
use super::{ExportStep, ImportNode, OpError, TypeInputs, index, numbers};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Element, TensorType, Value};

/// Which elements a total is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// All before an element, without itself.
    pub exclusive: bool,
    /// From the end of the axis to its beginning.
    pub reverse: bool,
}

impl Scan {
    pub(super) fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let exclusive = node.attrs.take_bool("exclusive", false)?;
        Ok(Self { exclusive, reverse: node.attrs.take_bool("reverse", false)? })
    }

    pub(super) fn export(&self, op_type: &'static str) -> ExportStep {
        let flag = |set: bool| Attr::Int(set.into());
        let attrs = Attrs::new().with("exclusive", flag(self.exclusive));
        ExportStep::new(op_type, attrs.with("reverse", flag(self.reverse)))
    }

    /// The type of input 0, which is that of the result.
    pub(super) fn infer(inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        numbers::check("the input", ty.dtype)?;
        inputs.ty(1)?;
        if let (Some(axis), Some(rank)) = (inputs.constant(1), ty.shape.rank()) {
            index::axis(index::only_integer(axis, "the axis")?, rank)?;
        }
        Ok(vec![ty.clone()])
    }

    /// The rows that are run through.
    pub(super) fn rows(x: &Value, axis: &Value) -> Result<RowLayout, OpError> {
        let axis = index::axis(index::only_integer(axis, "the axis")?, x.rank())?;
        Ok(RowLayout::along(x.shape(), axis))
    }

    /// The positions of a row, in the order in which they are run through.
    pub(super) fn order(&self, rows: RowLayout, start: usize) -> Vec<usize> {
        let mut order: Vec<usize> = rows.row(start).collect();
        if self.reverse {
            order.reverse();
        }
        order
    }

    /// The totals that a fold makes of the elements along `axis`, in their type.
    pub(super) fn run(&self, x: &Value, axis: &Value, fold: &Fold) -> Result<Value, OpError> {
        let dtype = x.dtype();
        numbers::check("the input", dtype)?;
        let rows = Self::rows(x, axis)?;
        let totals = match fold.whole.filter(|_| !dtype.is_float()) {
            Some(step) => {
                let wide = numbers::widened(x.clone())?.into_bits().reinterpreted(DType::I64)?;
                self.totals(wide, rows, fold.start as i64, step)?
            }
            None => self.totals(convert(x.clone(), DType::F64)?, rows, fold.start, fold.step)?,
        };
        convert(totals, dtype)
    }

    fn totals<T: Element>(
        &self,
        x: Value,
        rows: RowLayout,
        start: T,
        step: fn(T, T) -> T,
    ) -> Result<Value, OpError> {
        let shape = x.shape().to_vec();
        let mut data = x.into_vec::<T>()?;
        for first in rows.starts(data.len()) {
            let mut total = start;
            for at in self.order(rows, first) {
                let next = step(total, data[at]);
                data[at] = if self.exclusive { total } else { next };
                total = next;
            }
        }
        Ok(Value::from_vec(&shape, data)?)
    }
}
