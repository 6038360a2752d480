//! `Add` (ONNX opsets 7–14): elementwise sum with multidirectional broadcasting.
//!
//! Also of integers, which wrap around. A clamp can be fused into it.

use super::broadcast::{self, ChannelConstant};
use super::numbers::{self, Wide};
use super::{
    ChannelAffine, Clamp, Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered,
    OpError, Operator, Tape, TypeInputs, q_add,
};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// `y = lhs + rhs`, limited to `clamp` where one was fused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Add {
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

impl Operator for Add {
    const OP_TYPE: &'static str = "Add";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        Ok(Self::default())
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut steps = vec![ExportStep::new(Self::OP_TYPE, Attrs::new())];
        steps.extend(self.clamp.map(Clamp::export));
        Some(steps)
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Sum)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![broadcast::infer_numbers(inputs)?])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let is_float = inputs.get(0)?.dtype() == DType::F32;
        if let Some(c) = self.clamp.filter(|_| is_float) {
            // In the same loop: a sum is memory-bound.
            let (lhs, rhs) = (inputs.take(0)?, inputs.take(1)?);
            return Ok(vec![broadcast::combine::<f32>(lhs, rhs, |a, b| c.apply(a + b))?]);
        }
        Ok(vec![numbers::arithmetic!(inputs, T => T::plus)])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let gradient = broadcast::unclamped_gradient(tape, self.clamp)?;
        broadcast::gradients(tape, gradient, Ok, Ok)
    }

    fn channel_affine(&self, inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
        if self.clamp.is_some() {
            return None;
        }
        ChannelConstant::find(inputs)?.affine(|_| 1.0, |c| c)
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        q_add::lower(context, 1.0, self.clamp)
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        Some(Self { clamp: Some(self.clamp.map_or(clamp, |first| first.then(clamp))) })
    }

    fn without_clamp(&self) -> Option<(Self, Clamp)> {
        Some((Self { clamp: None }, self.clamp?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, check_gradients, integers, run, tensor, try_run};

    impl Sampled for Add {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(11);
            let mut float = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            let sum = tensor(&[2, 2], &[11.0, 22.0, 13.0, 24.0]);
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                    .constant(tensor(&[2], &[10.0, 20.0]))
                    .gives(vec![sum]),
                Sample::new(Attrs::new())
                    .input(integers(&[1, i64::MAX]))
                    .input(integers(&[1]))
                    .gives(vec![integers(&[2, i64::MIN])]),
                Sample::new(Attrs::new())
                    .input(float(&[2, 3, 4]))
                    .input(float(&[2, 3, 4]))
                    .gradients(&[0, 1]),
                Sample::new(Attrs::new())
                    .input(float(&[2, 3, 2, 2]))
                    .input(float(&[3, 1, 1]))
                    .gradients(&[0, 1]),
                Sample::new(Attrs::new()).input(float(&[4, 1])).input(float(&[2, 1, 3])).gradients(&[0, 1]),
                Sample::new(Attrs::new()).input(float(&[])).input(float(&[2, 2])).gradients(&[0, 1]),
            ]
        }
    }

    #[test]
    fn a_fused_clamp_limits_the_sum_and_stops_gradients() {
        let clamp = Clamp { min: 0.0, max: 6.0 };
        let op = Op::from(Add::default().fuse_clamp(Clamp::RELU).unwrap().fuse_clamp(clamp).unwrap());
        assert_eq!(op, Op::from(Add { clamp: Some(clamp) }));
        let (lhs, rhs) = (tensor(&[4], &[-3.0, 1.0, 4.0, f32::NAN]), tensor(&[4], &[1.0, 1.0, 4.0, 0.0]));
        let y = run(&op, &[lhs.clone(), rhs.clone()]).remove(0).into_vec::<f32>().unwrap();
        assert_eq!(&y[..3], &[0.0, 2.0, 6.0]);
        assert!(y[3].is_nan());
        let finite = |v: &Value| tensor(&[3], &v.as_slice::<f32>().unwrap()[..3]);
        check_gradients(&op, &[finite(&lhs), finite(&rhs)], &[0, 1]);
        assert_eq!(op.export().unwrap().iter().map(|s| s.op_type).collect::<Vec<_>>(), ["Add", "Clip"]);
    }

    #[test]
    fn shapes_that_do_not_broadcast_are_refused_with_both() {
        let error = try_run(&Op::from(Add::default()), &[tensor(&[2], &[0.0; 2]), tensor(&[3], &[0.0; 3])]);
        assert_eq!(error.unwrap_err().to_string(), "shapes 2 and 3 cannot be broadcast together");
    }
}
