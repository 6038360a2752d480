//! `Split` (ONNX opsets 2–18): a tensor in parts along an axis.
//!
//! The sizes are input 1 (before opset 13 an attribute), or the parts are equal but for the last
//! one. A node whose last outputs are read by nobody is refused, because it could not be written
//! again with as many outputs as it has parts.

use super::index::{self, IndexMap};
use super::{
    Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x`, `sizes` (absent where the parts are equal).
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Axis that is cut.
    pub axis: i64,
    /// Number of parts.
    pub parts: usize,
    /// The parts are equal, but for the last one, which has what is left; there is no input 1.
    pub is_equal: bool,
}

impl Operator for Split {
    const OP_TYPE: &'static str = "Split";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(2, "the sizes could be an input and an attribute in opset 1")?;
        let axis = node.attrs.take_int("axis")?.unwrap_or(0);
        if node.output_count < node.named_outputs {
            return Err(refused("outputs", node.output_count as i64, "the last outputs are read by nobody"));
        }
        let mut has_sizes = !matches!(node.inputs.get(1), None | Some(ImportInput::Absent));
        if node.opset.0 < 13
            && let Some(sizes) = node.attrs.take_ints("split")?
        {
            node.set_input(1, index::list(&sizes));
            has_sizes = true;
        }
        let parts = node.named_outputs;
        if let Some(count) = node.attrs.take_int("num_outputs")?
            && usize::try_from(count) != Ok(parts)
        {
            return Err(refused("num_outputs", count, "the node has another number of outputs"));
        }
        Ok(Self { axis, parts, is_equal: !has_sizes })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let step = ExportStep::new(Self::OP_TYPE, Attrs::new()).with("axis", Attr::Int(self.axis));
        let parts = self.parts as i64;
        Some(vec![if self.is_equal { step.with("num_outputs", Attr::Int(parts)) } else { step }])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        let Some(dims) = ty.shape.dims() else { return Ok(vec![ty.clone(); self.parts]) };
        let axis = index::axis(self.axis, dims.len())?;
        let is_known = self.is_equal || inputs.constant(1).is_some();
        let sizes: Vec<Dim> = match dims[axis].fixed().filter(|_| is_known) {
            Some(size) => self.sizes(size, inputs.constant(1))?.into_iter().map(Dim::Fixed).collect(),
            None => vec![Dim::Unknown; self.parts],
        };
        let part = |size| {
            let mut dims = dims.to_vec();
            dims[axis] = size;
            TensorType::new(ty.dtype, Shape::Ranked(dims))
        };
        Ok(sizes.into_iter().map(part).collect())
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let maps = self.maps(x.shape(), inputs.optional(1))?;
        maps.iter().map(|map| map.take(x, None)).collect()
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut found = vec![None; tape.inputs.len().max(1)];
        if !tape.wants(0) {
            return Ok(found);
        }
        let sizes = tape.inputs.get(1).copied().flatten();
        for (at, map) in self.maps(tape.input(0)?.shape(), sizes)?.iter().enumerate() {
            let Some(gradient) = tape.gradient(at) else { continue };
            let part = map.scatter(gradient)?;
            found[0] = Some(match found[0].take() {
                None => part,
                Some(sum) => super::broadcast::combine::<f32>(sum, part, |a, b| a + b)?,
            });
        }
        Ok(found)
    }
}

impl Split {
    /// The sizes of the parts of an axis of `size`.
    fn sizes(&self, size: usize, sizes: Option<&Value>) -> Result<Vec<usize>, OpError> {
        let sizes = if self.is_equal {
            let equal = size.div_ceil(self.parts.max(1));
            (0..self.parts).map(|at| equal.min(size.saturating_sub(at.saturating_mul(equal)))).collect()
        } else {
            index::sizes(sizes.ok_or(OpError::MissingInput { index: 1 })?, "a size of a part")?
        };
        if sizes.len() != self.parts {
            return Err(index::count_error("number of sizes", self.parts, sizes.len()));
        }
        let total = sizes.iter().fold(0_usize, |n, &part| n.saturating_add(part));
        if total == size { Ok(sizes) } else { Err(index::count_error("size of all parts", size, total)) }
    }

    fn maps(&self, shape: &[usize], sizes: Option<&Value>) -> Result<Vec<IndexMap>, OpError> {
        let axis = index::axis(self.axis, shape.len())?;
        let mut maps = Vec::new();
        let mut first = 0;
        for part in self.sizes(shape[axis], sizes)? {
            let positions = |(at, &size): (usize, &usize)| {
                let taken = if at == axis {
                    IndexMap::positions(part, |i| (first + i) as u32)?
                } else {
                    IndexMap::all(size)?
                };
                Ok((at, taken))
            };
            let axes = shape.iter().enumerate().map(positions).collect::<Result<_, OpError>>()?;
            maps.push(IndexMap::new(shape, axes)?);
            first += part;
        }
        Ok(maps)
    }
}

fn refused(name: &str, value: i64, reason: &'static str) -> AttrError {
    AttrError::Unsupported { name: name.into(), value: value.to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Split {
        fn samples() -> Vec<Sample> {
            let row = |data: &[f32]| tensor(&[data.len()], data);
            let x = row(&[1.0, 2.0, 3.0, 4.0, 5.0]);
            let image = Random::new(1).uniform(&[2, 5, 2], -1.0, 1.0);
            let axis = Attrs::new().with("axis", Attr::Int(1));
            let sizes = axis.clone().with("split", Attr::Ints(vec![2, 3]));
            vec![
                Sample::new(axis.clone().with("num_outputs", Attr::Int(2)))
                    .input(image.clone())
                    .output_count(2)
                    .gradients(&[0]),
                Sample::new(sizes).opset(11).input(image.clone()).output_count(2).gradients(&[0]),
                Sample::new(Attrs::new())
                    .opset(13)
                    .input(x.clone())
                    .output_count(2)
                    .gives(vec![row(&[1.0, 2.0, 3.0]), row(&[4.0, 5.0])]),
                Sample::new(Attrs::new())
                    .input(x)
                    .constant(integers(&[4, 0, 1]))
                    .output_count(3)
                    .gives(vec![row(&[1.0, 2.0, 3.0, 4.0]), row(&[]), row(&[5.0])]),
            ]
        }
    }

    #[test]
    fn parts_that_do_not_make_up_the_axis_are_refused() {
        let run = |sizes: &[i64]| {
            try_run(
                &Op::from(Split { axis: 0, parts: 2, is_equal: false }),
                &[tensor(&[3], &[0.0; 3]), integers(sizes)],
            )
        };
        assert_eq!(run(&[1, 1]).unwrap_err().to_string(), "size of all parts: expected 3, got 2");
        assert!(run(&[4, -1]).is_err() && run(&[3]).is_err() && run(&[i64::MAX, i64::MAX]).is_err());
    }
}
