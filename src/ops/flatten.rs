//! `Flatten` (ONNX opsets 1–25): to two dimensions, those before `axis` and those from it on.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// `[d₀ … dₖ₋₁, dₖ …]` → `[d₀ · … · dₖ₋₁, dₖ · …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Flatten {
    /// `k`; negative counts from the end, and the rank itself is allowed.
    pub axis: i64,
}

impl Operator for Flatten {
    const OP_TYPE: &'static str = "Flatten";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { axis: node.attrs.take_int("axis")?.unwrap_or(1) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("axis", Attr::Int(self.axis))])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        let shape = match ty.shape.dims() {
            None => index::unknown(2),
            Some(dims) => {
                let (before, after) = dims.split_at(self.split(dims.len())?);
                Shape::Ranked(vec![index::product(before), index::product(after)])
            }
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn scaled_channels(&self, inputs: &TypeInputs<'_>) -> Option<usize> {
        index::reshaped_channels(inputs.ty(0).ok()?, self.infer(inputs).ok()?.first()?)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let dims: Vec<Dim> = inputs.get(0)?.shape().iter().copied().map(Dim::Fixed).collect();
        let (before, after) = dims.split_at(self.split(dims.len())?);
        let size = |dims| index::product(dims).fixed().unwrap_or(usize::MAX);
        index::reshape(inputs, &[size(before), size(after)])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::reshape_gradient(tape)
    }
}

impl Flatten {
    /// Number of dimensions in front.
    fn split(&self, rank: usize) -> Result<usize, OpError> {
        if self.axis == rank as i64 { Ok(rank) } else { index::axis(self.axis, rank) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled};

    impl Sampled for Flatten {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[2, 3, 4], -1.0, 1.0);
            let flat = |axis: i64, rows: usize| {
                let y = x.clone().reshaped(&[rows, 24 / rows]).unwrap();
                Sample::new(Attrs::new().with("axis", Attr::Int(axis))).input(x.clone()).gives(vec![y])
            };
            vec![
                flat(1, 2).opset(7).gradients(&[0]),
                flat(0, 1),
                flat(-1, 6),
                flat(3, 24),
                Sample::new(Attrs::new().with("axis", Attr::Int(0))).input(Value::scalar(7_i64)),
            ]
        }
    }

    #[test]
    fn a_symbolic_batch_survives() {
        let shape = [Dim::Symbolic("batch".into()), Dim::Fixed(64), Dim::Fixed(2), Dim::Fixed(2)];
        let x = TensorType::new(crate::tensor::DType::F32, Shape::Ranked(shape.to_vec()));
        let y = Flatten { axis: 1 }.infer(&TypeInputs::new(vec![Some((&x, None))])).unwrap();
        assert_eq!(y[0].to_string(), "float32 batch×256");
    }
}
