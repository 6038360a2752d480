//! `SpaceToDepth` (ONNX opsets 1–13): positions become channels, `[N, C, H · b, W · b]` to
//! `[N, C · b², H, W]`.

use super::depth_to_space::{Blocks, infer, take_block};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// Positions to channels.
#[derive(Debug, Clone, PartialEq)]
pub struct SpaceToDepth {
    /// Rows and columns of a block.
    pub block: usize,
}

impl Operator for SpaceToDepth {
    const OP_TYPE: &'static str = "SpaceToDepth";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { block: take_block(&mut node.attrs)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("blocksize", Attr::Int(self.block as i64));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        infer(inputs, self.block, |shape| Blocks::to_depth(shape, self.block))
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        Ok(vec![Blocks::to_depth(x.shape(), self.block)?.read(x)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let shape = tape.input(0)?.shape();
        index::first_gradient(tape, |g| Blocks::to_depth(shape, self.block)?.scatter(g, shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor, try_run};

    impl Sampled for SpaceToDepth {
        fn samples() -> Vec<Sample> {
            let two = || Attrs::new().with("blocksize", Attr::Int(2));
            let x = tensor(&[1, 2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
            let y = tensor(&[1, 8, 1, 1], &[1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
            let random = Random::new(51).uniform(&[2, 1, 2, 4], -1.0, 1.0);
            vec![
                Sample::new(two()).opset(7).input(x).gives(vec![y]),
                Sample::new(two()).input(random).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn rows_that_make_no_whole_blocks_are_refused() {
        let error = try_run(&SpaceToDepth { block: 2 }.into(), &[tensor(&[1, 1, 3, 2], &[0.0; 6])]);
        assert_eq!(error.unwrap_err().to_string(), "height: expected a multiple of 2, got 3");
    }
}
