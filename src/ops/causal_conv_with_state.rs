//! `CausalConvWithState` (ONNX opset 27): a convolution of each channel by itself along a sequence,
//! which sees only what came before: `y[t] = Σ x[t − k] · w[last − k] + b`, then Swish where asked for.
//!
//! In front of the sequence stands what the run before left, or zeros. It is computed by parts
//! ([`ByParts`]).

use super::by_parts::{self, ByParts};
use super::composed::{Expansion, Source, integers};
use super::{
    Concat, Context, Conv, ExportStep, ImportNode, Inputs, OpError, Operator, Slice, Swish, Tape, TypeInputs,
    Window,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x` (`[batch, channels, length]`), the weight (`[channels, 1, taps]`), and optionally a
/// bias and the state (`[batch, channels, taps − 1]`). Outputs: `y` and the state behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CausalConvWithState {
    /// Whether Swish follows.
    pub swish: bool,
    /// Number of outputs, 1 or 2.
    pub outputs: usize,
}

impl Operator for CausalConvWithState {
    const OP_TYPE: &'static str = "CausalConvWithState";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let swish = match node.attrs.take_string("activation")?.as_deref() {
            None | Some("none") => false,
            Some("silu" | "swish") => true,
            Some(other) => {
                let (name, reason) = ("activation".to_owned(), "ONNX has none, silu and swish only");
                return Err(AttrError::Unsupported { name, value: other.to_owned(), reason });
            }
        };
        Ok(Self { swish, outputs: node.output_count.clamp(1, 2) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let activation = if self.swish { "swish" } else { "none" };
        let attrs = Attrs::new().with("activation", Attr::String(activation.to_owned()));
        // The state is no optional output.
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs).since(27).making(2)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (x, weight) = (inputs.float(0, "x")?, inputs.float(1, "weight")?);
        let state = match (x.shape.dims(), weight.shape.dims()) {
            (Some(x), Some(weight)) => {
                check(x, weight)?;
                let taps = match &weight[2] {
                    Dim::Fixed(taps) => Dim::Fixed(taps - 1),
                    _ => Dim::Unknown,
                };
                Shape::Ranked(vec![x[0].clone(), x[1].clone(), taps])
            }
            _ => Shape::Unranked,
        };
        let types = [x.clone(), TensorType::new(x.dtype, state)];
        Ok(types.into_iter().take(self.outputs).collect())
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        by_parts::forward(self, context, inputs)
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        by_parts::backward(self, context, tape)
    }
}

/// Three axes each, one filter per channel, at least one tap.
fn check(x: &[Dim], weight: &[Dim]) -> Result<(), OpError> {
    let is_filter = match (x, weight) {
        ([_, channels, _], [filters, one, taps]) => {
            let same = match (channels, filters) {
                (Dim::Fixed(channels), Dim::Fixed(filters)) => channels == filters,
                _ => true,
            };
            let is_one = !matches!(one, Dim::Fixed(count) if *count != 1);
            same && is_one && *taps != Dim::Fixed(0)
        }
        _ => false,
    };
    if is_filter {
        return Ok(());
    }
    let show = |dims: &[Dim]| Shape::Ranked(dims.to_vec()).to_string();
    let expected = "batch × channels × length and channels × 1 × taps".to_owned();
    let got = format!("{} and {}", show(x), show(weight));
    Err(OpError::Shape { what: "x and weight", expected, got })
}

impl ByParts for CausalConvWithState {
    fn parts(&self, inputs: &[Option<&Value>]) -> Result<Expansion, OpError> {
        let input = |slot: usize| inputs.get(slot).copied().flatten();
        let required = |slot: usize| input(slot).ok_or(OpError::MissingInput { index: slot });
        let dims = |value: &Value| value.shape().iter().copied().map(Dim::Fixed).collect::<Vec<_>>();
        let (x, weight) = (required(0)?, required(1)?);
        check(&dims(x), &dims(weight))?;
        let before = weight.shape()[2] - 1;
        let shape = [x.shape()[0], x.shape()[1], before];
        let state = match input(3) {
            Some(state) if state.shape() != shape => {
                let (expected, got) = (format!("{shape:?}"), format!("{:?}", state.shape()));
                return Err(OpError::Shape { what: "past_state", expected, got });
            }
            Some(_) => Source::Input(3),
            None => Source::Constant(super::index::zeros::<f32>(&shape)?),
        };
        let mut made = Expansion::default();
        let padded = made.add(Concat { axis: 2 }, vec![state, Source::Input(0)]);
        let conv = Conv { window: Window::default(), groups: x.shape()[1], clamp: None };
        let bias = if input(2).is_some() { Source::Input(2) } else { Source::Absent };
        let mut y = made.add(conv, vec![padded.clone(), Source::Input(1), bias]);
        if self.swish {
            y = made.add(Swish::default(), vec![y]);
        }
        let list = |number: usize| integers(&[number as i64]);
        let end = before + x.shape()[2];
        let inputs = vec![padded, list(x.shape()[2]), list(end), integers(&[2])];
        let state = made.add(Slice, inputs);
        made.outputs = [y, state]
            .iter()
            .take(self.outputs)
            .filter_map(|result| if let Source::Made(part) = result { Some(*part) } else { None })
            .collect();
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, tensor, try_run};

    impl Sampled for CausalConvWithState {
        fn samples() -> Vec<Sample> {
            let attrs = |name: &str| Attrs::new().with("activation", Attr::String(name.to_owned()));
            let mut random = Random::new(79);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            vec![
                Sample::new(Attrs::new())
                    .opset(27)
                    .output_count(2)
                    .input(tensor(&[1, 1, 3], &[1.0, 2.0, 3.0]))
                    .constant(tensor(&[1, 1, 3], &[100.0, 10.0, 1.0]))
                    .gives(vec![tensor(&[1, 1, 3], &[1.0, 12.0, 123.0]), tensor(&[1, 1, 2], &[2.0, 3.0])]),
                // A sequence shorter than the state.
                Sample::new(attrs("none"))
                    .opset(27)
                    .output_count(2)
                    .input(tensor(&[1, 1, 1], &[3.0]))
                    .constant(tensor(&[1, 1, 3], &[100.0, 10.0, 1.0]))
                    .constant(tensor(&[1], &[0.5]))
                    .input(tensor(&[1, 1, 2], &[1.0, 2.0]))
                    .gives(vec![tensor(&[1, 1, 1], &[123.5]), tensor(&[1, 1, 2], &[2.0, 3.0])]),
                Sample::new(attrs("silu"))
                    .opset(27)
                    .output_count(2)
                    .input(random(&[2, 3, 4]))
                    .input(random(&[3, 1, 2]))
                    .input(random(&[3]))
                    .input(random(&[2, 3, 1]))
                    .gradients(&[0, 1, 2, 3]),
            ]
        }
    }

    #[test]
    fn filters_over_several_channels_are_refused() {
        let op = CausalConvWithState { swish: false, outputs: 1 };
        let zeros = |shape: &[usize]| Value::zeros::<f32>(shape).unwrap();
        let error = try_run(&op.into(), &[zeros(&[1, 2, 3]), zeros(&[2, 2, 3])]).unwrap_err().to_string();
        assert!(error.contains("channels × 1 × taps"), "{error}");
    }
}
