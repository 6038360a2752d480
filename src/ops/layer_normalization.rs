//! `LayerNormalization` (ONNX opset 17): the last axes of each element of the first ones brought to
//! mean 0 and variance 1, then scaled and shifted by parameters per place.
//!
//! `scale` and `bias` have the shape of the normalized axes. Mean and inverse deviation are further
//! outputs.

use super::normalize::{Blocks, Moments, Normalize, no_moments, take_stash_type};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// `y = (x − mean) / √(variance + epsilon) · scale + bias`. Inputs: `x`, `scale`, `bias` (optional).
/// Outputs: `y`, and where they are wanted the means and `1 / √(variance + epsilon)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNormalization {
    /// The first of the axes that are normalized together; negative ones count from the end.
    pub axis: i64,
    /// Keeps the divisor away from zero.
    pub epsilon: f32,
    /// Number of outputs, 1 to 3.
    pub outputs: usize,
}

/// The blocks of a tensor whose axes from `axis` on are normalized together.
pub(super) fn trailing_blocks(axis: i64, shape: &[usize], scale: &Value) -> Result<Blocks, OpError> {
    let axis = index::axis(axis, shape.len())?;
    let normalized = &shape[axis..];
    if without_ones(scale.shape()) != without_ones(normalized) {
        let (expected, got) = (format!("{normalized:?}"), format!("{:?}", scale.shape()));
        return Err(OpError::Shape { what: "scale", expected, got });
    }
    Ok(Blocks { len: normalized.iter().product(), run: 1, period: 1 })
}

/// A shape from the first size on that is not 1.
fn without_ones(shape: &[usize]) -> &[usize] {
    &shape[shape.iter().take_while(|&&size| size == 1).count()..]
}

impl LayerNormalization {
    fn normalize(&self) -> Normalize {
        Normalize { epsilon: self.epsilon, centred: true }
    }
}

impl Operator for LayerNormalization {
    const OP_TYPE: &'static str = "LayerNormalization";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        take_stash_type(&mut node.attrs)?;
        Ok(Self {
            axis: node.attrs.take_int("axis")?.unwrap_or(-1),
            epsilon: Normalize::import_epsilon(&mut node.attrs)?,
            outputs: node.output_count.clamp(1, 3),
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs =
            Attrs::new().with("axis", Attr::Int(self.axis)).with("epsilon", Attr::Float(self.epsilon));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.float(0, "input")?;
        inputs.float(1, "scale")?;
        if inputs.optional(2).is_some() {
            inputs.float(2, "bias")?;
        }
        let moments = match &input.shape {
            Shape::Unranked => Shape::Unranked,
            Shape::Ranked(dims) => {
                let axis = index::axis(self.axis, dims.len())?;
                let kept = dims[..axis].iter().cloned();
                Shape::Ranked(kept.chain(dims[axis..].iter().map(|_| Dim::Fixed(1))).collect())
            }
        };
        let mut types = vec![TensorType::new(input.dtype, moments); self.outputs];
        types[0] = input.clone();
        Ok(types)
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let (scale, bias) = (inputs.get(1)?, inputs.optional(2));
        let blocks = trailing_blocks(self.axis, &shape, scale)?;
        let mut x = input.into_vec::<f32>()?;
        let bias = bias.map(Value::as_slice::<f32>).transpose()?;
        let moments = self.normalize().forward(&mut x, blocks, scale.as_slice()?, bias)?;
        let mut outputs = vec![Value::from_vec(&shape, x)?];
        let axis = index::axis(self.axis, shape.len())?;
        let kept: Vec<usize> = shape.iter().enumerate().map(|(i, &n)| if i < axis { n } else { 1 }).collect();
        let parts: [fn(&Moments) -> f64; 2] = [|m| m.mean, |m| m.inverse_deviation];
        for part in parts.iter().take(self.outputs - 1) {
            let data = moments.iter().map(|m| part(m) as f32).collect();
            outputs.push(Value::from_vec(&kept, data)?);
        }
        Ok(outputs)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let blocks = trailing_blocks(self.axis, tape.input(0)?.shape(), tape.input(1)?)?;
        let outer = |output: usize| tape.gradient(output).map(Value::as_slice::<f32>).transpose();
        let (means, deviations) = (outer(1)?, outer(2)?);
        if means.is_none() && deviations.is_none() {
            return self.normalize().backward(tape, blocks, &no_moments);
        }
        let at = |list: Option<&[f32]>, block: usize| {
            list.and_then(|list| list.get(block)).map_or(0.0, |&g| f64::from(g))
        };
        self.normalize().backward(tape, blocks, &|block| Moments {
            mean: at(means, block),
            inverse_deviation: at(deviations, block),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, pattern, tensor, try_run};

    impl Sampled for LayerNormalization {
        fn samples() -> Vec<Sample> {
            let axis = |axis: i64| Attrs::new().with("axis", Attr::Int(axis));
            let mut random = Random::new(45);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            // Twice [−1, 1] around 3 and 5 with a deviation of 1 and of 2.
            let x = tensor(&[2, 2], &[2.0, 4.0, 3.0, 7.0]);
            let plain = || {
                Sample::new(axis(-1).with("epsilon", Attr::Float(0.0)))
                    .opset(17)
                    .input(x.clone())
                    .constant(tensor(&[2], &[1.0, 10.0]))
                    .constant(tensor(&[2], &[0.5, 0.0]))
            };
            let y = tensor(&[2, 2], &[-0.5, 10.0, -0.5, 10.0]);
            let moments = [tensor(&[2, 1], &[3.0, 5.0]), tensor(&[2, 1], &[1.0, 0.5])];
            // onnxruntime 1.31
            let from_elsewhere = [
                1.888_949_4,
                -2.0,
                -3.015_864_4,
                -7.298_468_6,
                -2.606_345_7,
                -4.212_691_3,
                -11.733_189,
                -2.0,
                -1.905_230_3,
                -5.189_539_4,
                -3.149_626_5,
                -3.653_362_3,
            ];
            vec![
                Sample::new(axis(1).with("epsilon", Attr::Float(0.25)))
                    .input(pattern(&[2, 3, 2], 7, 11))
                    .constant(pattern(&[3, 2], 5, 7))
                    .constant(pattern(&[3, 2], 3, 5))
                    .gives_about(1e-6, vec![tensor(&[2, 3, 2], &from_elsewhere)]),
                plain().gives(vec![y.clone()]),
                plain().output_count(3).gives(vec![y, moments[0].clone(), moments[1].clone()]),
                Sample::new(axis(1))
                    .input(random(&[2, 2, 3]))
                    .constant(random(&[2, 3]))
                    .constant(random(&[2, 3]))
                    .gradients(&[0, 1, 2]),
                Sample::new(axis(-1)).input(random(&[3, 4])).constant(random(&[1, 4])).gradients(&[0, 1]),
                Sample::new(axis(1).with("epsilon", Attr::Float(0.1)))
                    .input(random(&[2, 4]))
                    .input(random(&[4]))
                    .absent()
                    .output_count(3)
                    .gradients(&[0, 1]),
                Sample::new(axis(0))
                    .input(random(&[2, 3]))
                    .constant(random(&[2, 3]))
                    .output_count(2)
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn parameters_of_another_shape_are_refused() {
        let op = Op::from(LayerNormalization { axis: -1, epsilon: 1e-5, outputs: 1 });
        let error = try_run(&op, &[pattern(&[2, 3], 7, 11), pattern(&[2], 1, 2)]).unwrap_err();
        assert_eq!(error.to_string(), "scale: expected [3], got [2]");
        let inputs = [pattern(&[2, 3], 7, 11), pattern(&[3], 1, 2), pattern(&[2], 1, 2)];
        assert_eq!(try_run(&op, &inputs).unwrap_err().to_string(), "bias: expected 3 numbers, got 2");
    }
}
