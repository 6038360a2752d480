//! `Shape` (ONNX opsets 1–25): the sizes of a tensor, as a list.
//!
//! Since opset 15 a range of dimensions can be asked for. Known sizes are folded to a constant.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape as TensorShape, TensorType, Value};
use std::ops::Range;

/// The sizes of dimensions `start .. end`, each counted from the end where it is negative and moved
/// into range where it is beyond.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// First dimension.
    pub start: i64,
    /// Dimension behind the last; absent for all.
    pub end: Option<i64>,
}

impl Operator for Shape {
    const OP_TYPE: &'static str = "Shape";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { start: node.attrs.take_int("start")?.unwrap_or(0), end: node.attrs.take_int("end")? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let step = ExportStep::new(Self::OP_TYPE, Attrs::new()).with("start", Attr::Int(self.start));
        Some(vec![match self.end {
            Some(end) => step.with("end", Attr::Int(end)),
            None => step,
        }])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let shape = match inputs.shape(0)?.rank() {
            Some(rank) => TensorShape::fixed(&[self.range(rank).len()]),
            None => index::unknown(1),
        };
        Ok(vec![TensorType::new(DType::I64, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let sizes: Vec<i64> = inputs.get(0)?.shape().iter().map(|&d| d as i64).collect();
        Ok(vec![index::list(&sizes[self.range(sizes.len())])])
    }

    fn fold(&self, inputs: &TypeInputs<'_>) -> Option<Vec<Value>> {
        let dims = inputs.shape(0).ok()?.dims()?;
        let sizes = dims.get(self.range(dims.len()))?.iter().map(Dim::fixed);
        let sizes: Vec<i64> = sizes.map(|size| Some(size? as i64)).collect::<Option<_>>()?;
        Some(vec![index::list(&sizes)])
    }
}

impl Shape {
    fn range(&self, rank: usize) -> Range<usize> {
        let count = rank as i64;
        let at = |v: i64| (if v < 0 { v.saturating_add(count) } else { v }).clamp(0, count) as usize;
        let (start, end) = (at(self.start), self.end.map_or(rank, at));
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers};

    impl Sampled for Shape {
        fn samples() -> Vec<Sample> {
            let x = Value::zeros::<f32>(&[2, 3, 4]).unwrap();
            let part = |start: i64, end: i64, sizes: &[i64]| {
                let attrs = Attrs::new().with("start", Attr::Int(start)).with("end", Attr::Int(end));
                Sample::new(attrs).input(x.clone()).gives(vec![integers(sizes)])
            };
            vec![
                Sample::new(Attrs::new()).opset(7).input(x.clone()).gives(vec![integers(&[2, 3, 4])]),
                part(1, 100, &[3, 4]),
                part(-2, -1, &[3]),
                part(2, 1, &[]),
                Sample::new(Attrs::new()).input(Value::scalar(1.0_f32)).gives(vec![integers(&[])]),
            ]
        }
    }

    #[test]
    fn known_sizes_fold_beside_a_symbolic_batch() {
        let dims = vec![Dim::Symbolic("batch".into()), Dim::Fixed(3)];
        let x = TensorType::new(DType::F32, TensorShape::Ranked(dims));
        let fold = |start| Shape { start, end: None }.fold(&TypeInputs::new(vec![Some((&x, None))]));
        assert_eq!(fold(1), Some(vec![integers(&[3])]));
        assert_eq!(fold(0), None);
    }
}
