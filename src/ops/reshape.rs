//! `Reshape` (ONNX opsets 5–25): the same elements under another shape.
//!
//! In the shape, 0 stands for the input's size at that place (unless `allowzero`), and one −1 for
//! what is left. The shape may be computed by the network.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs, index,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: `x`, `shape`.
#[derive(Debug, Clone, PartialEq)]
pub struct Reshape {
    /// A 0 in the shape means a size of 0 instead of the input's size.
    pub allow_zero: bool,
}

impl Operator for Reshape {
    const OP_TYPE: &'static str = "Reshape";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(5, "the shape was an attribute before opset 5")?;
        Ok(Self { allow_zero: node.attrs.take_bool("allowzero", false)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let step = ExportStep::new(Self::OP_TYPE, Attrs::new());
        let allow_zero = self.allow_zero;
        Some(vec![if allow_zero { step.with("allowzero", Attr::Int(1)) } else { step }])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let x = inputs.ty(0)?;
        let target_shape = inputs.shape(1)?.to_fixed();
        let shape = match (inputs.constant(1), target_shape.as_deref()) {
            (Some(target), _) => self.resolve(x.shape.dims(), &index::integers(target, "the shape")?)?,
            (None, Some(&[rank])) if rank <= MOST_DIMENSIONS => index::unknown(rank),
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn scaled_channels(&self, inputs: &TypeInputs<'_>) -> Option<usize> {
        index::reshaped_channels(inputs.ty(0).ok()?, self.infer(inputs).ok()?.first()?)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let dims: Vec<Dim> = x.shape().iter().copied().map(Dim::Fixed).collect();
        let target = index::integers(inputs.get(1)?, "the shape")?;
        let shape = self.resolve(Some(&dims), &target)?;
        let sizes = shape.to_fixed().ok_or_else(|| mismatch(&target, x.shape()))?;
        if sizes.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)) != Some(x.len()) {
            return Err(mismatch(&target, x.shape()));
        }
        index::reshape(inputs, &sizes)
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::reshape_gradient(tape)
    }
}

/// A shape of more dimensions than any network has is not written down before a run.
const MOST_DIMENSIONS: usize = 64;

impl Reshape {
    /// The shape that `target` asks of an input with these dimensions, as far as it is known.
    fn resolve(&self, input: Option<&[Dim]>, target: &[i64]) -> Result<Shape, OpError> {
        let mut open = None;
        let mut dims = Vec::with_capacity(target.len());
        for (at, &size) in target.iter().enumerate() {
            dims.push(match usize::try_from(size) {
                Ok(0) if !self.allow_zero => match input {
                    None => Dim::Unknown,
                    Some(input) => {
                        input.get(at).cloned().ok_or_else(|| refused(size, "a size of the input"))?
                    }
                },
                Ok(size) => Dim::Fixed(size),
                Err(_) if size == -1 && open.is_none() => {
                    open = Some(at);
                    Dim::Fixed(1)
                }
                Err(_) => return Err(refused(size, "0 or more, or −1 once")),
            });
        }
        if let Some(open) = open {
            dims[open] = match input {
                None => Dim::Unknown,
                Some(input) => rest(input, &dims)?,
            };
        }
        Ok(Shape::Ranked(dims))
    }
}

/// The size that makes `dims`, in which it counts as 1, hold as many elements as `input`.
fn rest(input: &[Dim], dims: &[Dim]) -> Result<Dim, OpError> {
    // Names on both sides cancel.
    let mut left = input.to_vec();
    let mut right = Vec::new();
    for dim in dims {
        match left.iter().position(|d| d == dim && matches!(d, Dim::Symbolic(_))) {
            Some(at) => drop(left.remove(at)),
            None => right.push(dim.clone()),
        }
    }
    let product = |dims: &[Dim]| dims.iter().filter_map(Dim::fixed).try_fold(1_usize, usize::checked_mul);
    let (Some(have), Some(need)) = (product(&left), product(&right)) else { return Ok(Dim::Unknown) };
    left.retain(|d| d.fixed().is_none());
    right.retain(|d| d.fixed().is_none());
    match (left.as_slice(), right.as_slice()) {
        ([], []) if need != 0 && have % need == 0 => Ok(Dim::Fixed(have / need)),
        ([], []) => Err(OpError::Shape {
            what: "number of elements",
            expected: format!("a multiple of {need}"),
            got: have.to_string(),
        }),
        ([only], []) if have == need && need != 0 => Ok(only.clone()),
        _ => Ok(Dim::Unknown),
    }
}

fn refused(size: i64, expected: &str) -> OpError {
    OpError::Range { what: "a size of the shape", expected: expected.into(), got: size.to_string() }
}

fn mismatch(target: &[i64], input: &[usize]) -> OpError {
    OpError::Shape {
        what: "number of elements",
        expected: format!("as many as {target:?} holds"),
        got: format!("{input:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Reshape {
        fn samples() -> Vec<Sample> {
            let x = Random::new(1).uniform(&[2, 3, 4], -1.0, 1.0);
            let to = |target: &[i64], shape: &[usize]| {
                let y = x.clone().reshaped(shape).unwrap();
                Sample::new(Attrs::new()).input(x.clone()).constant(integers(target)).gives(vec![y])
            };
            vec![
                to(&[0, -1], &[2, 12]).opset(7).gradients(&[0]),
                to(&[-1, 12], &[2, 12]),
                to(&[4, 0, 2], &[4, 3, 2]),
                to(&[24], &[24]),
                Sample::new(Attrs::new()).input(x.clone()).input(integers(&[4, -1])),
                Sample::new(Attrs::new().with("allowzero", Attr::Int(1)))
                    .input(tensor(&[0, 3], &[]))
                    .constant(integers(&[3, 0]))
                    .gives(vec![tensor(&[3, 0], &[])]),
            ]
        }
    }

    #[test]
    fn the_batch_is_found_behind_minus_one() {
        let batch = Dim::Symbolic("batch".into());
        let input = [batch.clone(), Dim::Fixed(16), Dim::Fixed(5), Dim::Fixed(5)];
        let resolve = |target: &[i64]| Reshape { allow_zero: false }.resolve(Some(&input), target).unwrap();
        assert_eq!(resolve(&[-1, 400]), Shape::Ranked(vec![batch.clone(), Dim::Fixed(400)]));
        assert_eq!(resolve(&[0, -1]), Shape::Ranked(vec![batch.clone(), Dim::Fixed(400)]));
        assert_eq!(resolve(&[0, 4, -1, 5]).to_string(), "batch×4×20×5");
        assert_eq!(resolve(&[-1, 200]), Shape::Ranked(vec![Dim::Unknown, Dim::Fixed(200)]));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let run = |target: &[i64]| {
            try_run(&Op::from(Reshape { allow_zero: false }), &[tensor(&[6], &[0.0; 6]), integers(target)])
        };
        let error = run(&[4, -1]).unwrap_err();
        assert_eq!(error.to_string(), "number of elements: expected a multiple of 4, got 6");
        assert!(run(&[-1, -1]).is_err() && run(&[5]).is_err() && run(&[1 << 40, 1 << 40]).is_err());
        assert!(run(&[3, 0]).is_err());
    }
}
