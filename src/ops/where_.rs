//! `Where` (ONNX opsets 9–16): one of two tensors, element by element, with multidirectional
//! broadcasting. The condition has no gradient.

use super::{
    Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, broadcast, index::with_bits,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorError, TensorType, Value, broadcast_shapes, broadcast_types};

/// Inputs: `condition`, `x` (where it is true), `y` (where it is false).
#[derive(Debug, Clone, PartialEq)]
pub struct Where;

impl Operator for Where {
    const OP_TYPE: &'static str = "Where";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (condition, x, y) = (inputs.ty(0)?, inputs.ty(1)?, inputs.ty(2)?);
        if condition.dtype != DType::Bool {
            return Err(OpError::DType { what: "the condition", expected: "bool", got: condition.dtype });
        }
        if x.dtype != y.dtype {
            return Err(TensorError::DType { expected: x.dtype, got: y.dtype }.into());
        }
        let shape = broadcast_types(&condition.shape, &broadcast_types(&x.shape, &y.shape)?)?;
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (condition, x, y) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        Ok(vec![select(condition, x, y)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let condition = tape.input(0)?;
        let mut found = vec![None; 3];
        let Some(gradient) = tape.gradient(0) else { return Ok(found) };
        for (at, side) in [(1, true), (2, false)] {
            if tape.wants(at) {
                let masked = broadcast::apply::<f32, bool>(gradient.clone(), condition, |g, c| {
                    if c != side {
                        *g = 0.0;
                    }
                })?;
                found[at] = Some(broadcast::reduce_to(masked, tape.input(at)?.shape())?);
            }
        }
        Ok(found)
    }
}

fn select(condition: &Value, x: &Value, y: &Value) -> Result<Value, OpError> {
    if x.dtype() != y.dtype() {
        return Err(TensorError::DType { expected: x.dtype(), got: y.dtype() }.into());
    }
    let shape = broadcast_shapes(condition.shape(), &broadcast_shapes(x.shape(), y.shape())?)?;
    let condition = broadcast::expand::<bool>(condition, &shape)?;
    let dtype = x.dtype();
    let (x, y) = (x.clone().into_bits(), y.clone().into_bits());
    Ok(with_bits!(dtype, B => {
        let (x, y) = (broadcast::expand::<B>(&x, &shape)?, broadcast::expand::<B>(&y, &shape)?);
        let pairs = x.as_slice::<B>()?.iter().zip(y.as_slice::<B>()?);
        let chosen = condition.as_slice::<bool>()?.iter().zip(pairs).map(|(&c, (&x, &y))| if c { x } else { y });
        Value::from_vec(&shape, chosen.collect())?
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers};

    impl Sampled for Where {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(1);
            let mut float = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            let condition = Value::from_vec(&[2, 1, 2], vec![true, false, false, false]).unwrap();
            vec![
                // How exporters replace −1 in a shape.
                Sample::new(Attrs::new())
                    .opset(9)
                    .input(Value::from_vec(&[2], vec![true, false]).unwrap())
                    .constant(Value::scalar(1_i64))
                    .input(integers(&[-1, 8]))
                    .gives(vec![integers(&[1, 8])]),
                Sample::new(Attrs::new())
                    .input(condition)
                    .input(float(&[3, 2]))
                    .input(float(&[]))
                    .gradients(&[1, 2]),
            ]
        }
    }
}
