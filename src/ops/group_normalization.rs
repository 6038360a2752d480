//! `GroupNormalization` (ONNX opsets 18–21): groups of neighbouring channels of each image brought to
//! mean 0 and variance 1 over their positions, then scaled and shifted.
//!
//! Since opset 21 there is one scale and one bias per channel. Opset 18 had one per group, was soon
//! withdrawn, and is read, but cannot be written to a file.

use super::normalize::{Blocks, Normalize, no_moments, take_stash_type};
use super::pooling::global_shape;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// The first opset with parameters per channel.
const PER_CHANNEL_SINCE: u32 = 21;

/// `y = (x − mean) / √(variance + epsilon) · scale + bias`. Inputs: `x` `[N, C, …]`, `scale`, `bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupNormalization {
    /// Number of groups.
    pub groups: usize,
    /// Keeps the divisor away from zero.
    pub epsilon: f32,
    /// Whether scale and bias have one number per group instead of one per channel.
    pub per_group: bool,
}

impl GroupNormalization {
    fn normalize(&self) -> Normalize {
        Normalize { epsilon: self.epsilon, centred: true }
    }

    fn blocks(&self, shape: &[usize]) -> Result<Blocks, OpError> {
        let (_, cells) = global_shape(shape)?;
        let channels = shape[1] / self.groups;
        if channels == 0 || channels * self.groups != shape[1] {
            let expected = format!("a multiple of {}, the number of groups", self.groups);
            return Err(OpError::Shape { what: "channels", expected, got: shape[1].to_string() });
        }
        let len = channels.saturating_mul(cells);
        Ok(Blocks { len, run: if self.per_group { len } else { cells }, period: self.groups })
    }
}

impl Operator for GroupNormalization {
    const OP_TYPE: &'static str = "GroupNormalization";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        take_stash_type(&mut node.attrs)?;
        let name = "num_groups";
        let groups =
            node.attrs.take_int(name)?.ok_or_else(|| AttrError::Missing { name: name.to_owned() })?;
        let reason = "there must be at least one group";
        let refused = || AttrError::Unsupported { name: name.to_owned(), value: groups.to_string(), reason };
        Ok(Self {
            groups: usize::try_from(groups).ok().filter(|&groups| groups > 0).ok_or_else(refused)?,
            epsilon: Normalize::import_epsilon(&mut node.attrs)?,
            per_group: node.opset.0 < PER_CHANNEL_SINCE,
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new()
            .with("num_groups", Attr::Int(self.groups as i64))
            .with("epsilon", Attr::Float(self.epsilon));
        let step = ExportStep::new(Self::OP_TYPE, attrs).since(PER_CHANNEL_SINCE);
        (!self.per_group).then(|| vec![step])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        inputs.float(1, "scale")?;
        inputs.float(2, "bias")?;
        Ok(vec![inputs.float(0, "input")?.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let blocks = self.blocks(&shape)?;
        let (scale, bias) = (inputs.get(1)?.as_slice()?, inputs.get(2)?.as_slice()?);
        let mut x = input.into_vec::<f32>()?;
        self.normalize().forward(&mut x, blocks, scale, Some(bias))?;
        Ok(vec![Value::from_vec(&shape, x)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        self.normalize().backward(tape, self.blocks(tape.input(0)?.shape())?, &no_moments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, pattern, run, tensor, try_run};

    fn groups(count: i64) -> Attrs {
        Attrs::new().with("num_groups", Attr::Int(count)).with("epsilon", Attr::Float(0.0))
    }

    impl Sampled for GroupNormalization {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(48);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            // onnxruntime 1.31
            let from_elsewhere =
                [1.509_446_1, -7.603_778_4, -2.0, -2.0, -4.392_232_4, -1.254_374, -6.491_252, -0.215_535_46];
            vec![
                Sample::new(groups(2).with("epsilon", Attr::Float(0.25)))
                    .opset(21)
                    .input(pattern(&[1, 4, 2], 7, 11))
                    .constant(pattern(&[4], 5, 7))
                    .constant(pattern(&[4], 3, 5))
                    .gives_about(1e-6, vec![tensor(&[1, 4, 2], &from_elsewhere)]),
                Sample::new(groups(1))
                    .opset(21)
                    .input(tensor(&[1, 2, 1], &[2.0, 4.0]))
                    .constant(tensor(&[2], &[1.0, 10.0]))
                    .constant(tensor(&[2], &[0.5, 0.0]))
                    .gives(vec![tensor(&[1, 2, 1], &[-0.5, 10.0])]),
                Sample::new(groups(2))
                    .opset(21)
                    .input(random(&[2, 4, 3]))
                    .constant(random(&[4]))
                    .input(random(&[4]))
                    .gradients(&[0, 1, 2]),
            ]
        }
    }

    #[test]
    fn in_opset_18_scale_and_bias_are_per_group_and_stay_in_the_file() {
        let (op, _) = import_node("GroupNormalization", groups(2), 18, &[]).unwrap();
        let x = tensor(&[1, 4, 1], &[2.0, 4.0, 3.0, 7.0]);
        let y = run(&op, &[x, tensor(&[2], &[1.0, 10.0]), tensor(&[2], &[0.5, 0.0])]);
        assert_eq!(y[0], tensor(&[1, 4, 1], &[-0.5, 1.5, -10.0, 10.0]));
        assert_eq!(op.export(), None);
    }

    #[test]
    fn channels_that_the_groups_do_not_divide_are_refused() {
        let (op, _) = import_node("GroupNormalization", groups(2), 21, &[]).unwrap();
        let three = || tensor(&[3], &[1.0; 3]);
        let error = try_run(&op, &[tensor(&[1, 3, 1], &[0.0; 3]), three(), three()]).unwrap_err();
        assert_eq!(error.to_string(), "channels: expected a multiple of 2, the number of groups, got 3");
        assert!(import_node("GroupNormalization", groups(0), 21, &[]).is_err());
    }
}
