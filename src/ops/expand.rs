//! `Expand` (ONNX opsets 8–13): repeated along dimensions of size 1, to what the tensor and a shape
//! broadcast to.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs, broadcast, index,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{Shape, TensorType, Value, broadcast_shapes, broadcast_types};

/// Inputs: `x`, `shape`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expand;

impl Operator for Expand {
    const OP_TYPE: &'static str = "Expand";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        inputs.ty(1)?;
        let shape = match inputs.constant(1) {
            Some(shape) => broadcast_types(&ty.shape, &Shape::fixed(&index::sizes(shape, "the shape")?))?,
            None => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let shape = broadcast_shapes(x.shape(), &index::sizes(inputs.get(1)?, "the shape")?)?;
        Ok(vec![broadcast::repeat(x, &shape)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| broadcast::reduce_to(g.clone(), tape.input(0)?.shape()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Expand {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[3, 1], -1.0, 1.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(8)
                    .input(tensor(&[2, 1], &[1.0, 2.0]))
                    .constant(integers(&[1, 2]))
                    .gives(vec![tensor(&[2, 2], &[1.0, 1.0, 2.0, 2.0])]),
                Sample::new(Attrs::new()).input(x.clone()).constant(integers(&[2, 1, 4])).gradients(&[0]),
                Sample::new(Attrs::new()).input(x).input(integers(&[])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn an_enormous_shape_is_refused_before_it_is_made() {
        let run = |shape: &[i64]| try_run(&Op::from(Expand), &[tensor(&[1], &[0.0]), integers(shape)]);
        let error = run(&[1 << 20, 1 << 20]).unwrap_err();
        assert!(error.to_string().ends_with("is too large for this machine"));
        assert!(run(&[-1]).is_err());
    }
}
