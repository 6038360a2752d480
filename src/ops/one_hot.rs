//! `OneHot` (ONNX opsets 9–11): one value where an index points to, another everywhere else.
//!
//! Indices count from the end where they are negative; those beyond the depth point nowhere. The
//! values have no gradient.

use super::convert::convert;
use super::runs::{Runs, pick};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// Inputs: `indices`, `depth` (one number), `values` (off, on).
#[derive(Debug, Clone, PartialEq)]
pub struct OneHot {
    /// Axis of the result that the indices point along.
    pub axis: i64,
}

impl Operator for OneHot {
    const OP_TYPE: &'static str = "OneHot";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axis: node.attrs.take_int("axis")?.unwrap_or(-1) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new().with("axis", Attr::Int(self.axis)))])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (indices, values) = (inputs.shape(0)?, inputs.ty(2)?);
        inputs.ty(1)?;
        let shape = match indices.dims() {
            Some(dims) => {
                let axis = index::axis(self.axis, dims.len() + 1)?;
                let mut dims = dims.to_vec();
                dims.insert(
                    axis,
                    inputs.constant(1).map(depth).transpose()?.map_or(Dim::Unknown, Dim::Fixed),
                );
                Shape::Ranked(dims)
            }
            None => Shape::Unranked,
        };
        Ok(vec![TensorType::new(values.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (indices, values) = (inputs.get(0)?, inputs.get(2)?);
        let depth = depth(inputs.get(1)?)?;
        let axis = index::axis(self.axis, indices.rank() + 1)?;
        let mut shape = indices.shape().to_vec();
        shape.insert(axis, depth);
        if values.shape() != [2] {
            let got = format!("{:?}", values.shape());
            return Err(OpError::Shape { what: "the values", expected: "two, off and on".into(), got });
        }
        // Which of the two values each element is.
        let mut chosen = index::zeros::<i64>(&shape)?.into_vec::<i64>()?;
        let inner = shape[axis + 1..].iter().fold(1_usize, |n, &d| n.saturating_mul(d));
        let indices = convert(indices.clone(), DType::I64)?;
        for (at, &i) in indices.as_slice::<i64>()?.iter().enumerate() {
            let i = if i < 0 { i.saturating_add(depth as i64) } else { i };
            if let Some(i) = usize::try_from(i).ok().filter(|&i| i < depth) {
                chosen[(at / inner * depth + i) * inner + at % inner] = 1;
            }
        }
        let runs = Runs::single(chosen.into_iter().map(|on| on as usize).collect());
        Ok(vec![pick(values, &runs, &shape)?])
    }
}

/// The depth, which a file may state as any type of number.
fn depth(value: &Value) -> Result<usize, OpError> {
    index::only_size(&convert(value.clone(), DType::I64)?, "the depth")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for OneHot {
        fn samples() -> Vec<Sample> {
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            vec![
                Sample::new(Attrs::new())
                    .opset(9)
                    .input(integers(&[0, -1, 2, 5, -4]))
                    .constant(Value::scalar(3_i64))
                    .constant(tensor(&[2], &[0.5, 2.0]))
                    .gives(vec![tensor(
                        &[5, 3],
                        &[2.0, 0.5, 0.5, 0.5, 0.5, 2.0, 0.5, 0.5, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
                    )]),
                Sample::new(axis(0))
                    .input(tensor(&[2], &[1.0, 0.0]))
                    .input(tensor(&[1], &[2.0]))
                    .constant(integers(&[0, 1]))
                    .gives(vec![integers(&[0, 1, 1, 0]).reshaped(&[2, 2]).unwrap()]),
            ]
        }
    }

    #[test]
    fn an_enormous_depth_is_refused_before_it_is_made() {
        let (op, _) = import_node("OneHot", Attrs::new(), 11, &[]).unwrap();
        let run = |depth: i64| try_run(&op, &[integers(&[0, 1]), integers(&[depth]), integers(&[0, 1])]);
        assert!(run(1 << 40).unwrap_err().to_string().ends_with("is too large for this machine"));
        assert!(run(-1).is_err());
        assert_eq!(run(0).unwrap()[0].shape(), [2, 0]);
    }
}
