//! `Tile` (ONNX opsets 6–13): a tensor repeated along each axis.

use super::index::{self, IndexMap};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorError, TensorType, Value};

/// Inputs: `x`, `repeats` (one number for each axis).
#[derive(Debug, Clone, PartialEq)]
pub struct Tile;

impl Operator for Tile {
    const OP_TYPE: &'static str = "Tile";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(6, "opset 1 repeated one axis only")?;
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
        let shape = match (ty.shape.dims(), inputs.constant(1)) {
            (Some(dims), Some(repeats)) => {
                let repeats = repeats_of(repeats, dims.len())?;
                let pairs = dims.iter().zip(repeats);
                let sizes = pairs.map(|(dim, count)| index::product(&[dim.clone(), Dim::Fixed(count)]));
                Shape::Ranked(sizes.collect())
            }
            (Some(dims), None) => index::unknown(dims.len()),
            (None, _) => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        Ok(vec![map(x.shape(), inputs.get(1)?)?.take(x, None)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| map(tape.input(0)?.shape(), tape.input(1)?)?.scatter(g))
    }
}

fn repeats_of(repeats: &Value, rank: usize) -> Result<Vec<usize>, OpError> {
    let repeats = index::sizes(repeats, "the repeats")?;
    if repeats.len() != rank {
        return Err(index::count_error("number of repeats", rank, repeats.len()));
    }
    Ok(repeats)
}

fn map(shape: &[usize], repeats: &Value) -> Result<IndexMap, OpError> {
    let repeats = repeats_of(repeats, shape.len())?;
    let mut axes = Vec::with_capacity(shape.len());
    for (axis, (&size, count)) in shape.iter().zip(repeats).enumerate() {
        let too_large = || TensorError::TooLarge { shape: vec![size, count] };
        let total = size.checked_mul(count).ok_or_else(too_large)?;
        axes.push((axis, IndexMap::positions(total, |i| (i % size.max(1)) as u32)?));
    }
    IndexMap::new(shape, axes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Tile {
        fn samples() -> Vec<Sample> {
            let x = || tensor(&[1, 2], &[1.0, 2.0]);
            let random = || Random::new(4).uniform(&[2, 3, 2], -1.0, 1.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(x())
                    .constant(integers(&[2, 2]))
                    .gives(vec![tensor(&[2, 4], &[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0])]),
                Sample::new(Attrs::new())
                    .input(x())
                    .constant(integers(&[0, 3]))
                    .gives(vec![tensor(&[0, 6], &[])]),
                Sample::new(Attrs::new()).input(random()).constant(integers(&[2, 1, 3])).gradients(&[0]),
                Sample::new(Attrs::new()).input(random()).input(integers(&[1, 2, 1])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn repeats_that_cannot_be_are_refused() {
        let run = |repeats: &[i64]| try_run(&Op::from(Tile), &[tensor(&[2], &[0.0; 2]), integers(repeats)]);
        assert!(run(&[1 << 40]).is_err());
        assert!(run(&[-1]).is_err());
        assert_eq!(run(&[1, 1]).unwrap_err().to_string(), "number of repeats: expected 1, got 2");
    }
}
