//! `DynamicQuantizeLinear` (ONNX opset 11): real numbers to `uint8` codes, with a scale and a zero point
//! from their own range.
//!
//! The range is widened to hold 0. Where it is empty the scale is 1, as in ONNX Runtime. Gradients go
//! straight through the codes, of which none saturates; scale and zero point count as constants.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::{AttrError, Attrs};
use crate::kernels::{self, AffineParams};
use crate::tensor::{DType, Shape, TensorType, Value};

/// Outputs: codes, scale, zero point.
#[derive(Debug, Clone, PartialEq)]
pub struct DynamicQuantizeLinear;

impl Operator for DynamicQuantizeLinear {
    const OP_TYPE: &'static str = "DynamicQuantizeLinear";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let x = inputs.float(0, "x")?;
        let scalar = |dtype: DType| TensorType::new(dtype, Shape::fixed(&[]));
        Ok(vec![TensorType::new(DType::U8, x.shape.clone()), scalar(DType::F32), scalar(DType::U8)])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let data = x.as_slice::<f32>()?;
        let low = data.iter().fold(0.0_f32, |low, &v| low.min(v));
        let high = data.iter().fold(0.0_f32, |high, &v| high.max(v));
        let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
        let zero = (0.0 - low / scale).clamp(0.0, 255.0).round_ties_even() as u8;
        let params = AffineParams::new(scale, zero.into(), 0, 255)?;
        let mut codes = vec![0_u8; data.len()];
        kernels::quantize_u8(context.isa, data, &params, &mut codes)?;
        Ok(vec![Value::from_vec(x.shape(), codes)?, Value::scalar(scale), Value::scalar(zero)])
    }

    /// The gradient with respect to codes is understood per real unit, so it passes unchanged.
    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        Ok(vec![tape.gradient(0).filter(|_| tape.wants(0)).cloned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, run, tensor, try_run};
    use crate::ops::{Isa, Op};

    impl Sampled for DynamicQuantizeLinear {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let x = tensor(&[2, 3], &[0.0, 2.0, -3.0, -2.5, 1.34, 0.5]);
            let codes = Value::from_vec(&[2, 3], vec![153_u8, 255, 0, 26, 221, 179]).unwrap();
            let outputs = vec![codes, Value::scalar(5.0_f32 / 255.0), Value::scalar(153_u8)];
            vec![Sample::new(Attrs::new()).opset(11).output_count(3).input(x).gives(outputs)]
        }
    }

    #[test]
    fn gradients_go_straight_through_to_the_ends_of_the_range() {
        let (x, gradient) =
            (tensor(&[2, 2], &[-1.0, 0.0, 0.4, 3.0]), tensor(&[2, 2], &[1.0, -2.0, 3.0, 0.5]));
        let op = Op::from(DynamicQuantizeLinear);
        let outputs = run(&op, std::slice::from_ref(&x));
        let found = |wanted: bool| {
            let outputs: Vec<&Value> = outputs.iter().collect();
            let gradients = [Some(&gradient), None, None];
            let tape =
                Tape { inputs: &[Some(&x)], outputs: &outputs, gradients: &gradients, wanted: &[wanted] };
            op.backward(&Context::new(Isa::best()), &tape).unwrap()
        };
        assert_eq!((found(true), found(false)), (vec![Some(gradient.clone())], vec![None]));
    }

    #[test]
    fn zeros_have_a_scale_and_what_is_not_finite_has_none() {
        let op = Op::from(DynamicQuantizeLinear);
        let y = run(&op, &[tensor(&[2], &[0.0, 0.0])]);
        assert_eq!((&y[1], &y[2]), (&Value::scalar(1.0_f32), &Value::scalar(0_u8)));
        assert!(try_run(&op, &[tensor(&[1], &[f32::INFINITY])]).is_err());
    }
}
