//! `TensorScatter` (ONNX opset 24): a cache, as Attention has one for keys and values, into which
//! new positions are written from an index of each batch on.

use super::runs::Runs;
use super::scatter::ScatterReduction;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index, numbers};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// Inputs: `past_cache`, `update`, `write_indices` (optional: 0).
#[derive(Debug, Clone, PartialEq)]
pub struct TensorScatter {
    /// Axis of the positions; never that of the batch, 0.
    pub axis: i64,
    /// Writing goes on at the beginning when it comes to the end of the cache.
    pub circular: bool,
}

impl Operator for TensorScatter {
    const OP_TYPE: &'static str = "TensorScatter";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let axis = node.attrs.take_int("axis")?.unwrap_or(-2);
        let circular = match node.attrs.take_string("mode")?.as_deref() {
            None | Some("linear") => false,
            Some("circular") => true,
            Some(other) => {
                return Err(AttrError::Unsupported {
                    name: "mode".into(),
                    value: other.into(),
                    reason: "only linear and circular are",
                });
            }
        };
        Ok(Self { axis, circular })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mode = if self.circular { "circular" } else { "linear" };
        let attrs = Attrs::new().with("axis", Attr::Int(self.axis)).with("mode", Attr::String(mode.into()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs).since(24)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (cache, update) = (inputs.ty(0)?, inputs.ty(1)?);
        numbers::check_same(cache.dtype, update.dtype)?;
        Ok(vec![cache.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let cache = inputs.take(0)?;
        let update = inputs.get(1)?;
        let runs = self.runs(cache.shape(), update.shape(), inputs.optional(2))?;
        Ok(vec![ScatterReduction::None.scatter(cache, &runs, update)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let (cache, update) = (tape.input(0)?, tape.input(1)?);
        let write = tape.inputs.get(2).copied().flatten();
        let runs = self.runs(cache.shape(), update.shape(), write)?;
        // As ScatterElements has them: the tensor, its indices, the updates.
        let as_scatter = Tape {
            inputs: &[Some(cache), None, Some(update)],
            wanted: &[tape.wants(0), false, tape.wants(1)],
            ..*tape
        };
        let [of_cache, _, of_update] =
            ScatterReduction::None.gradients(&as_scatter, &runs)?.try_into().unwrap_or_default();
        let mut found = vec![None; tape.inputs.len().max(2)];
        (found[0], found[1]) = (of_cache, of_update);
        Ok(found)
    }
}

impl TensorScatter {
    fn runs(&self, cache: &[usize], update: &[usize], write: Option<&Value>) -> Result<Runs, OpError> {
        let axis = index::axis(self.axis, cache.len())?;
        let mut expected = cache.to_vec();
        expected[axis] = update.get(axis).copied().unwrap_or(0);
        if axis == 0 || update != expected || expected[axis] > cache[axis] {
            let got = format!("{update:?} along axis {axis}");
            return Err(OpError::Shape { what: "the update", expected: format!("a part of {cache:?}"), got });
        }
        let write = match write {
            Some(write) => index::sizes(write, "the indices to write at")?,
            None => vec![0; cache[0]],
        };
        if write.len() != cache[0] {
            return Err(index::count_error("indices to write at", cache[0], write.len()));
        }
        let (size, count) = (cache[axis], update[axis]);
        let product = |sizes: &[usize]| sizes.iter().fold(1_usize, |n, &d| n.saturating_mul(d));
        let (outer, length) = (product(&cache[1..axis]), product(&cache[axis + 1..]));
        let mut starts = Vec::new();
        for (batch, first) in write.into_iter().enumerate() {
            let last = first.saturating_add(count);
            if !self.circular && last > size {
                let expected = format!("at most {}", size - count);
                return Err(OpError::Range {
                    what: "an index to write at",
                    expected,
                    got: first.to_string(),
                });
            }
            for row in 0..if length == 0 { 0 } else { outer } {
                let row = (batch * outer + row) * size;
                starts.extend((0..count).map(|i| (row + (first % size + i) % size) * length));
            }
        }
        Ok(Runs { starts, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for TensorScatter {
        fn samples() -> Vec<Sample> {
            let mode = |mode: &str| Attrs::new().with("mode", Attr::String(mode.into()));
            let cache = || integers(&[1, 2, 3, 4, 5, 6]).reshaped(&[2, 3, 1]).unwrap();
            let update = || integers(&[7, 8, 9, 0]).reshaped(&[2, 2, 1]).unwrap();
            let shaped = |data: &[i64]| integers(data).reshaped(&[2, 3, 1]).unwrap();
            let random = |seed, shape: &[usize]| Random::new(seed).uniform(shape, -1.0, 1.0);
            vec![
                Sample::new(mode("linear"))
                    .opset(24)
                    .input(cache())
                    .input(update())
                    .constant(integers(&[1, 0]))
                    .gives(vec![shaped(&[1, 7, 8, 9, 0, 6])]),
                Sample::new(mode("circular"))
                    .opset(24)
                    .input(cache())
                    .input(update())
                    .constant(integers(&[2, 7]))
                    .gives(vec![shaped(&[8, 2, 7, 4, 9, 0])]),
                Sample::new(Attrs::new())
                    .opset(24)
                    .input(random(1, &[2, 2, 3, 2]))
                    .input(random(2, &[2, 2, 1, 2]))
                    .gradients(&[0, 1]),
                Sample::new(mode("circular").with("axis", Attr::Int(1)))
                    .opset(24)
                    .input(random(1, &[2, 3, 2]))
                    .input(random(2, &[2, 2, 2]))
                    .input(integers(&[2, 1]))
                    .gradients(&[0, 1]),
            ]
        }
    }

    #[test]
    fn what_does_not_fit_into_the_cache_is_refused() {
        let (op, _) = import_node("TensorScatter", Attrs::new(), 24, &[]).unwrap();
        let run = |update: &[usize], write: i64| {
            let update = Value::zeros::<f32>(update).unwrap();
            try_run(&op, &[tensor(&[1, 3, 1], &[0.0; 3]), update, integers(&[write])])
        };
        assert!(run(&[1, 2, 1], 1).is_ok());
        let error = run(&[1, 2, 1], 2).unwrap_err();
        assert_eq!(error.to_string(), "an index to write at = 2, but it must be at most 1");
        assert!(run(&[1, 4, 1], 0).is_err());
        assert!(run(&[2, 2, 1], 0).is_err());
        assert!(run(&[1, 2, 1], i64::MAX).is_err());
    }
}
