//! `BitwiseNot` (ONNX opset 18): every bit of an integer the other way. Not differentiable.

use super::{
    Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, elementwise, index::with_bits,
    pairwise::of_integers,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = ¬x`, bit by bit.
#[derive(Debug, Clone, PartialEq)]
pub struct BitwiseNot;

impl Operator for BitwiseNot {
    const OP_TYPE: &'static str = "BitwiseNot";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(18, "it was added in opset 18")?;
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        of_integers(ty.dtype)?;
        Ok(vec![ty.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.take(0)?;
        let dtype = of_integers(x.dtype())?;
        let bits = x.into_bits();
        Ok(vec![with_bits!(dtype, B => {
            let function: &dyn Fn(B) -> B = &|x| !x;
            elementwise::map_value::<B>(bits, function)?
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, integers};

    impl Sampled for BitwiseNot {
        fn samples() -> Vec<Sample> {
            let bytes = |data: &[u8]| Value::from_vec(&[2], data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .input(bytes(&[0, 0b1010_0001]))
                    .gives(vec![bytes(&[255, 0b101_1110])]),
                Sample::new(Attrs::new()).input(integers(&[0, -1, 7])).gives(vec![integers(&[-1, 0, -8])]),
            ]
        }
    }
}
