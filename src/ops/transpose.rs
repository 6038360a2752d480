//! `Transpose` (ONNX opsets 1–25): the axes in another order.

use super::index::IndexMap;
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Shape, TensorType, Value};

/// Axis `i` of the result is axis `permutation[i]` of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Transpose {
    /// The order; the reverse of all axes where it is absent.
    pub permutation: Option<Vec<i64>>,
}

impl Operator for Transpose {
    const OP_TYPE: &'static str = "Transpose";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { permutation: node.attrs.take_ints("perm")? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let step = ExportStep::new(Self::OP_TYPE, Attrs::new());
        Some(vec![match &self.permutation {
            Some(order) => step.with("perm", Attr::Ints(order.clone())),
            None => step,
        }])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        let shape = match ty.shape.dims() {
            Some(dims) => {
                Shape::Ranked(self.order(dims.len())?.into_iter().map(|axis| dims[axis].clone()).collect())
            }
            None => self.permutation.as_ref().map_or(Shape::Unranked, |order| index::unknown(order.len())),
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let map = self.map(x.shape())?;
        Ok(vec![map.take(x, None)?])
    }

    fn permutation(&self) -> Option<Vec<usize>> {
        self.order(self.permutation.as_ref()?.len()).ok()
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| self.map(tape.input(0)?.shape())?.scatter(g))
    }
}

impl Transpose {
    fn order(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        let Some(order) = &self.permutation else { return Ok((0..rank).rev().collect()) };
        if order.len() != rank {
            return Err(index::count_error("axes to permute", rank, order.len()));
        }
        index::axes(order, rank)
    }

    fn map(&self, shape: &[usize]) -> Result<IndexMap, OpError> {
        let order = self.order(shape.len())?.into_iter();
        let axes = order.map(|axis| Ok((axis, IndexMap::all(shape[axis])?)));
        IndexMap::new(shape, axes.collect::<Result<_, OpError>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor};

    impl Sampled for Transpose {
        fn samples() -> Vec<Sample> {
            let random = Random::new(1).uniform(&[2, 3, 2, 2], -1.0, 1.0);
            let nhwc = Attrs::new().with("perm", Attr::Ints(vec![0, 2, 3, 1]));
            let codes = Value::from_vec(&[1, 2, 1, 2], vec![1_u8, 2, 3, 4]).unwrap();
            let moved = Value::from_vec(&[1, 1, 2, 2], vec![1_u8, 3, 2, 4]).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                    .gives(vec![tensor(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])]),
                Sample::new(nhwc.clone()).input(codes).gives(vec![moved]),
                Sample::new(nhwc).input(random.clone()).gradients(&[0]),
                Sample::new(Attrs::new().with("perm", Attr::Ints(vec![1, 0, 2, 3])))
                    .input(random)
                    .gradients(&[0]),
            ]
        }
    }
}
