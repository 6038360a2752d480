//! `Concat` (ONNX opsets 4–13): tensors one behind another along an axis.

use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator,
    Reordered, Tape, TypeInputs,
    index::{self, with_bits},
    lower, permute,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Element, Shape, TensorError, TensorType, Value};

/// Inputs: one or more tensors that differ in size along `axis` only.
#[derive(Debug, Clone, PartialEq)]
pub struct Concat {
    /// Axis along which they are laid.
    pub axis: i64,
}

impl Operator for Concat {
    const OP_TYPE: &'static str = "Concat";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(4, "the axis could be left out before opset 4")?;
        let axis = node.attrs.take_int("axis")?;
        Ok(Self { axis: axis.ok_or(AttrError::Missing { name: "axis".into() })? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new()).with("axis", Attr::Int(self.axis))])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let first = inputs.ty(0)?;
        let mut shape = first.shape.clone();
        for at in 1..inputs.len() {
            let next = inputs.ty(at)?;
            if next.dtype != first.dtype {
                return Err(TensorError::DType { expected: first.dtype, got: next.dtype }.into());
            }
            shape = self.join(&shape, &next.shape)?;
        }
        Ok(vec![TensorType::new(first.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let parts: Vec<&Value> = inputs.iter().collect();
        let layout = self.layout(&parts)?;
        let dtype = inputs.get(0)?.dtype();
        if let Some(other) = parts.iter().find(|part| part.dtype() != dtype) {
            return Err(TensorError::DType { expected: dtype, got: other.dtype() }.into());
        }
        let parts: Vec<Value> = parts.into_iter().map(|part| part.clone().into_bits()).collect();
        Ok(vec![with_bits!(dtype, B => layout.join::<B>(&parts)?)])
    }

    fn own_before_permutation(&self, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
        let axis = order[index::axis(self.axis, order.len()).ok()?];
        let constants = (0..inputs.len()).filter_map(|at| Some((at, inputs.constant(at)?)));
        let constants = constants.map(|(at, value)| Some((at, permute::before(value, order)?)));
        let (op, constants) = (Self { axis: axis as i64 }.into(), constants.collect::<Option<_>>()?);
        Some(Reordered { op, constants, order: order.to_vec() })
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        if context.rank(0) != Some(4) {
            return context.rearranged(self.clone().into());
        }
        let op = Self { axis: lower::nhwc_axis(self.axis) };
        Some(context.rearranged(op.into())?.in_layout(lower::Layout::Nhwc))
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.gradient(0) else { return Ok(vec![None; tape.inputs.len()]) };
        let parts: Vec<&Value> = tape.inputs.iter().copied().flatten().collect();
        self.layout(&parts)?.split(gradient, &parts, |at| tape.wants(at))
    }
}

impl Concat {
    /// The type of two tensors laid together.
    fn join(&self, lhs: &Shape, rhs: &Shape) -> Result<Shape, OpError> {
        let (a, b) = match (lhs.dims(), rhs.dims()) {
            (Some(a), Some(b)) => (a, b),
            (known, other) => {
                return Ok(known.or(other).map_or(Shape::Unranked, |dims| index::unknown(dims.len())));
            }
        };
        if a.len() != b.len() {
            return Err(index::count_error("number of dimensions", a.len(), b.len()));
        }
        let axis = index::axis(self.axis, a.len())?;
        let pair = |(at, (a, b)): (usize, (&Dim, &Dim))| match (a, b) {
            (Dim::Fixed(a), Dim::Fixed(b)) if at == axis => a
                .checked_add(*b)
                .map(Dim::Fixed)
                .ok_or_else(|| TensorError::TooLarge { shape: vec![*a, *b] }.into()),
            _ if at == axis => Ok(Dim::Unknown),
            (Dim::Fixed(a), Dim::Fixed(b)) if a != b => {
                Err(index::count_error("size beside the axis", *a, *b))
            }
            (Dim::Fixed(n), _) | (_, Dim::Fixed(n)) => Ok(Dim::Fixed(*n)),
            (a, b) => Ok(if a == b || *b == Dim::Unknown { a.clone() } else { b.clone() }),
        };
        Ok(Shape::Ranked(a.iter().zip(b).enumerate().map(pair).collect::<Result<_, _>>()?))
    }

    fn layout(&self, parts: &[&Value]) -> Result<Layout, OpError> {
        let first = parts.first().ok_or(OpError::MissingInput { index: 0 })?;
        let axis = index::axis(self.axis, first.rank())?;
        let mut shape = Shape::fixed(first.shape());
        for part in &parts[1..] {
            shape = self.join(&shape, &Shape::fixed(part.shape()))?;
        }
        let shape = shape.to_fixed().unwrap_or_default();
        Ok(Layout { outer: shape[..axis].iter().fold(1, |n: usize, &d| n.saturating_mul(d)), shape })
    }
}

/// How the parts lie in the whole.
struct Layout {
    shape: Vec<usize>,
    /// Rows of the whole, each made of one row of each part.
    outer: usize,
}

impl Layout {
    fn join<T: Element>(&self, parts: &[Value]) -> Result<Value, OpError> {
        let mut whole = index::zeros::<T>(&self.shape)?.into_vec::<T>()?;
        let width = whole.len() / self.outer.max(1);
        let mut at = 0;
        for part in parts {
            let data = part.as_slice::<T>()?;
            let own = data.len() / self.outer.max(1);
            if own > 0 {
                for (to, from) in whole.chunks_exact_mut(width).zip(data.chunks_exact(own)) {
                    to[at..at + own].copy_from_slice(from);
                }
            }
            at += own;
        }
        Ok(Value::from_vec(&self.shape, whole)?)
    }

    fn split(
        &self,
        gradient: &Value,
        parts: &[&Value],
        wants: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<Value>>, OpError> {
        let whole = gradient.clone().reshaped(&self.shape)?;
        let whole = whole.as_slice::<f32>()?;
        let width = whole.len() / self.outer.max(1);
        let mut found = Vec::with_capacity(parts.len());
        let mut at = 0;
        for (i, part) in parts.iter().enumerate() {
            let own = part.len() / self.outer.max(1);
            found.push(if wants(i) {
                let rows = whole.chunks_exact(width.max(1)).flat_map(|row| &row[at..at + own]);
                Some(Value::from_vec(part.shape(), rows.copied().collect())?)
            } else {
                None
            });
            at += own;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for Concat {
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(1);
            let mut float = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            let axis = |axis| Attrs::new().with("axis", Attr::Int(axis));
            vec![
                Sample::new(axis(-1))
                    .opset(7)
                    .input(tensor(&[2, 1], &[1.0, 2.0]))
                    .input(tensor(&[2, 2], &[3.0, 4.0, 5.0, 6.0]))
                    .gives(vec![tensor(&[2, 3], &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0])]),
                Sample::new(axis(0))
                    .input(integers(&[1]))
                    .constant(integers(&[2, 3]))
                    .gives(vec![integers(&[1, 2, 3])]),
                Sample::new(axis(1))
                    .input(float(&[2, 1, 3]))
                    .input(float(&[2, 0, 3]))
                    .input(float(&[2, 2, 3]))
                    .gradients(&[0, 1, 2]),
                Sample::new(axis(0)).input(float(&[2, 3])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn a_symbolic_batch_survives_and_sizes_must_match() {
        let shape =
            |c: usize, h: usize| Shape::Ranked(vec![Dim::Symbolic("batch".into()), c.into(), h.into()]);
        let concat = Concat { axis: 1 };
        assert_eq!(concat.join(&shape(2, 4), &shape(3, 4)).unwrap().to_string(), "batch×5×4");
        let error = concat.join(&shape(2, 4), &shape(3, 5)).unwrap_err();
        assert_eq!(error.to_string(), "size beside the axis: expected 4, got 5");
        let ranks = [tensor(&[1, 1], &[0.0]), tensor(&[1], &[0.0])];
        assert!(try_run(&Op::from(Concat { axis: 0 }), &ranks).is_err());
    }
}
