//! `Relu` (ONNX opsets 1–14): `y = max(x, 0)`, element by element.

use super::{
    Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = max(x, 0)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Relu;

impl Operator for Relu {
    const OP_TYPE: &'static str = "Relu";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.attrs.take("consumed_inputs"); // opset 1: a hint on buffers
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn facts(&self) -> Facts {
        Facts { clamp: Some(Clamp::RELU), ..Facts::of(Kind::Elementwise) }
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        Some(1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![inputs.float(0, "input")?.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let mut x = inputs.take(0)?.into_array::<f32>()?;
        x.mapv_inplace(|v| Clamp::RELU.apply(v));
        Ok(vec![Value::from_array(x)])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.gradient(0).filter(|_| tape.wants(0)) else { return Ok(vec![None]) };
        let mut gradient = gradient.clone().into_array::<f32>()?;
        let y = tape.output(0)?.view::<f32>()?;
        gradient.zip_mut_with(&y, |g, &y| {
            if y <= 0.0 {
                *g = 0.0;
            }
        });
        Ok(vec![Some(Value::from_array(gradient))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::ops::testing::{Random, Sample, Sampled};

    impl Sampled for Relu {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).avoiding(&[2, 3, 5], (-2.0, 2.0), &[0.0]);
            vec![Sample::new(Attrs::new()).input(x).gradients(&[0])]
        }
    }

    #[test]
    fn keeps_nan_and_zeroes_negatives() {
        let x = Value::from_vec(&[3], vec![-1.0_f32, 2.0, f32::NAN]).unwrap();
        let y = Relu.forward(&Context::new(Isa::Portable), Inputs::new(vec![Some(x)])).unwrap();
        let y = y[0].as_slice::<f32>().unwrap();
        assert_eq!(&y[..2], &[0.0, 2.0]);
        assert!(y[2].is_nan());
    }
}
