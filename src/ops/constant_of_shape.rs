//! `ConstantOfShape` (ONNX opsets 9–25): one value in a shape that is an input. Not differentiable:
//! nothing it reads is a number of the network.

use super::{
    Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs,
    index::{self, with_bits},
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Shape, TensorType, Value};

/// Inputs: `shape`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConstantOfShape {
    /// The value and its type: one element, of shape `[1]`.
    pub value: Value,
}

impl Operator for ConstantOfShape {
    const OP_TYPE: &'static str = "ConstantOfShape";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let value = node.attrs.take_tensor("value")?.unwrap_or_else(|| Value::scalar(0.0_f32));
        let count = value.len();
        match value.reshaped(&[1]) {
            Ok(value) => Ok(Self { value }),
            Err(_) => Err(AttrError::Unsupported {
                name: "value".into(),
                value: format!("a tensor of {count} elements"),
                reason: "the definition asks for one element",
            }),
        }
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let value = Attr::Tensor(self.value.clone());
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("value", value)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        inputs.ty(0)?;
        let shape = match inputs.constant(0) {
            Some(shape) => Shape::fixed(&index::sizes(shape, "the shape")?),
            None => Shape::Unranked,
        };
        Ok(vec![TensorType::new(self.value.dtype(), shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let shape = index::sizes(inputs.get(0)?, "the shape")?;
        Ok(vec![filled(&shape, &self.value)?])
    }
}

fn filled(shape: &[usize], value: &Value) -> Result<Value, OpError> {
    let bits = value.clone().into_bits();
    Ok(with_bits!(value.dtype(), B => {
        let mut data = index::zeros::<B>(shape)?.into_vec::<B>()?;
        data.fill(bits.as_slice::<B>()?.first().copied().unwrap_or_default());
        Value::from_vec(shape, data)?
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for ConstantOfShape {
        fn samples() -> Vec<Sample> {
            let seven = Attrs::new().with("value", Attr::Tensor(integers(&[7])));
            vec![
                Sample::new(Attrs::new())
                    .opset(9)
                    .constant(integers(&[2, 1]))
                    .gives(vec![tensor(&[2, 1], &[0.0, 0.0])]),
                Sample::new(seven.clone()).input(integers(&[2])).gives(vec![integers(&[7, 7])]),
                Sample::new(seven).input(integers(&[])).gives(vec![Value::scalar(7_i64)]),
            ]
        }
    }

    #[test]
    fn enormous_shapes_and_lists_of_values_are_refused() {
        let (op, _) = import_node("ConstantOfShape", Attrs::new(), 9, &[]).unwrap();
        assert!(try_run(&op, &[integers(&[1 << 30, 4])]).is_err());
        assert!(try_run(&Op::from(ConstantOfShape { value: integers(&[1]) }), &[integers(&[-1])]).is_err());
        let two = Attrs::new().with("value", Attr::Tensor(integers(&[1, 2])));
        assert!(import_node("ConstantOfShape", two, 9, &[]).is_err());
    }
}
