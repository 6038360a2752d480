//! `ReverseSequence` (ONNX opset 10): the first elements of each sequence of a batch in reverse, as
//! many as a length of its own says.

use super::runs::{Runs, add_back, pick};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, `sequence_lens`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReverseSequence {
    /// The batch is axis 0 and time axis 1, not the other way round.
    pub batch_first: bool,
}

impl Operator for ReverseSequence {
    const OP_TYPE: &'static str = "ReverseSequence";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let time = node.attrs.take_int("time_axis")?.unwrap_or(0);
        let batch = node.attrs.take_int("batch_axis")?.unwrap_or(1);
        match (batch, time) {
            (0, 1) => Ok(Self { batch_first: true }),
            (1, 0) => Ok(Self { batch_first: false }),
            _ => Err(AttrError::Unsupported {
                name: "time_axis".into(),
                value: format!("{time} (batch_axis = {batch})"),
                reason: "one of the two is axis 0 and the other axis 1",
            }),
        }
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let axis = |second: bool| Attr::Int(second.into());
        let attrs = Attrs::new().with("batch_axis", axis(!self.batch_first));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs.with("time_axis", axis(self.batch_first)))])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        inputs.ty(1)?;
        Ok(vec![inputs.ty(0)?.clone()])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        Ok(vec![pick(x, &self.runs(x.shape(), inputs.get(1)?)?, x.shape())?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| {
            let shape = tape.input(0)?.shape();
            add_back(g, &self.runs(shape, tape.input(1)?)?, shape)
        })
    }
}

impl ReverseSequence {
    fn runs(&self, shape: &[usize], lengths: &Value) -> Result<Runs, OpError> {
        let &[first, second, ref rest @ ..] = shape else {
            let got = format!("{} dimensions", shape.len());
            return Err(OpError::Shape { what: "input", expected: "at least two dimensions".into(), got });
        };
        let lengths = index::sizes(lengths, "the lengths")?;
        let (batch, time) = if self.batch_first { (first, second) } else { (second, first) };
        if lengths.len() != batch {
            return Err(index::count_error("number of lengths", batch, lengths.len()));
        }
        if let Some(long) = lengths.iter().find(|&&length| length > time) {
            let expected = format!("at most {time}");
            return Err(OpError::Range { what: "a length", expected, got: long.to_string() });
        }
        let length = rest.iter().fold(1_usize, |n, &d| n.saturating_mul(d));
        index::check_size(&[first, second], size_of::<usize>())?;
        let mut starts = Vec::with_capacity(first * second);
        for (i, j) in (0..first).flat_map(|i| (0..second).map(move |j| (i, j))) {
            let (own, at) = if self.batch_first { (lengths[i], j) } else { (lengths[j], i) };
            let from = if at < own { own - 1 - at } else { at };
            let (i, j) = if self.batch_first { (i, from) } else { (from, j) };
            starts.push((i * second + j) * length);
        }
        Ok(Runs { starts, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for ReverseSequence {
        fn samples() -> Vec<Sample> {
            let batch_first =
                || Attrs::new().with("batch_axis", Attr::Int(0)).with("time_axis", Attr::Int(1));
            let x = || tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let random = || Random::new(4).uniform(&[2, 3, 2], -1.0, 1.0);
            vec![
                Sample::new(batch_first())
                    .opset(10)
                    .input(x())
                    .constant(integers(&[3, 2]))
                    .gives(vec![tensor(&[2, 3], &[3.0, 2.0, 1.0, 5.0, 4.0, 6.0])]),
                Sample::new(Attrs::new())
                    .input(x())
                    .constant(integers(&[2, 1, 0]))
                    .gives(vec![tensor(&[2, 3], &[4.0, 2.0, 3.0, 1.0, 5.0, 6.0])]),
                Sample::new(batch_first()).input(random()).input(integers(&[3, 2])).gradients(&[0]),
                Sample::new(Attrs::new()).input(random()).input(integers(&[0, 1, 2])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn other_axes_and_long_sequences_are_refused() {
        let axes = Attrs::new().with("time_axis", Attr::Int(2));
        assert!(import_node("ReverseSequence", axes, 10, &[]).is_err());
        let (op, _) = import_node("ReverseSequence", Attrs::new(), 10, &[]).unwrap();
        let error = try_run(&op, &[tensor(&[1, 1], &[0.0]), integers(&[2])]).unwrap_err();
        assert_eq!(error.to_string(), "a length = 2, but it must be at most 1");
    }
}
