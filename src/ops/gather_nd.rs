//! `GatherND` (ONNX opsets 11–13): slices named by tuples of indices, the last axis of the indices
//! being such a tuple.

use super::runs::{Runs, add_back, pick, tuple_runs};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x`, `indices`.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherND {
    /// Leading axes that both inputs share, each of whose positions is a case of its own.
    pub batch_dims: usize,
}

impl Operator for GatherND {
    const OP_TYPE: &'static str = "GatherND";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let batch_dims = node.attrs.take_int("batch_dims")?.unwrap_or(0);
        let unsupported = || AttrError::Unsupported {
            name: "batch_dims".into(),
            value: batch_dims.to_string(),
            reason: "it is a number of axes",
        };
        Ok(Self { batch_dims: usize::try_from(batch_dims).map_err(|_| unsupported())? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("batch_dims", Attr::Int(self.batch_dims as i64));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (ty, indices) = (inputs.ty(0)?, inputs.shape(1)?);
        let shape = match (ty.shape.dims(), indices.dims().and_then(<[Dim]>::split_last)) {
            (Some(dims), Some((Dim::Fixed(tuple), leading))) => {
                let left = self.batch_dims.checked_add(*tuple).and_then(|at| dims.get(at..));
                let left =
                    left.ok_or_else(|| index::count_error("indices in a tuple", dims.len(), *tuple))?;
                Shape::Ranked([leading, left].concat())
            }
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (x, indices) = (inputs.get(0)?, inputs.get(1)?);
        let (runs, shape) = self.runs(x.shape(), indices)?;
        Ok(vec![pick(x, &runs, &shape)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| {
            let shape = tape.input(0)?.shape();
            add_back(g, &self.runs(shape, tape.input(1)?)?.0, shape)
        })
    }
}

impl GatherND {
    fn runs(&self, shape: &[usize], indices: &Value) -> Result<(Runs, Vec<usize>), OpError> {
        tuple_runs(shape, indices, self.batch_dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for GatherND {
        fn samples() -> Vec<Sample> {
            let batch = |count| Attrs::new().with("batch_dims", Attr::Int(count));
            let x = || tensor(&[2, 2], &[0.0, 1.0, 2.0, 3.0]);
            let indices = |shape: &[usize], data: &[i64]| integers(data).reshaped(shape).unwrap();
            let random = || Random::new(4).uniform(&[2, 3, 2], -1.0, 1.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(11)
                    .input(x())
                    .constant(indices(&[2, 2], &[0, 0, -1, 1]))
                    .gives(vec![tensor(&[2], &[0.0, 3.0])]),
                Sample::new(Attrs::new())
                    .input(x())
                    .input(indices(&[1, 2, 1], &[1, 0]))
                    .gives(vec![tensor(&[1, 2, 2], &[2.0, 3.0, 0.0, 1.0])]),
                Sample::new(batch(1))
                    .input(x())
                    .input(indices(&[2, 1], &[1, 0]))
                    .gives(vec![tensor(&[2], &[1.0, 2.0])]),
                Sample::new(batch(1))
                    .input(random())
                    .input(indices(&[2, 2, 1], &[2, 2, 0, -2]))
                    .gradients(&[0]),
                Sample::new(Attrs::new()).input(random()).input(indices(&[1, 2], &[1, 1])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn tuples_that_do_not_fit_are_refused() {
        let run = |batch_dims, shape: &[usize], data: &[i64]| {
            let x = tensor(&[2, 2], &[0.0; 4]);
            try_run(&Op::from(GatherND { batch_dims }), &[x, integers(data).reshaped(shape).unwrap()])
        };
        assert!(run(0, &[1, 3], &[0; 3]).is_err());
        assert!(run(1, &[1, 1], &[0]).is_err());
        assert!(run(2, &[2, 2], &[0; 4]).is_err());
        assert!(run(usize::MAX, &[1, 1], &[0]).is_err());
        assert!(run(0, &[1, 1], &[-3]).is_err());
        assert_eq!(run(0, &[2, 0], &[]).unwrap()[0].shape(), [2, 2, 2]);
    }
}
