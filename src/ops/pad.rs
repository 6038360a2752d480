//! `Pad` (ONNX opsets 2–25): more elements before and after, or fewer where a pad is negative.
//!
//! Modes: a constant, the mirror image without the edge itself (`reflect`), the nearest element
//! (`edge`), the tensor once more (`wrap`, since opset 19). Pads, value and axes are inputs; before opset 11 pads and
//! value were attributes. The value has no gradient.

use super::index::{self, FILL, IndexMap};
use super::{
    Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, Layout, LowerContext, LowerInput,
    Lowered, OpError, Operator, Reordered, Tape, TypeInputs, lower,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// What new elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PadMode {
    /// Input 2, or zero.
    Constant {
        /// The value is known to be zero.
        is_zero: bool,
    },
    /// Mirrored at the first and last element.
    Reflect,
    /// The first or last element.
    Edge,
    /// The tensor again and again.
    Wrap,
}

/// Inputs: `x`, `pads` (all begins, then all ends), `value`, `axes`; the last two are optional.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    /// What new elements are.
    pub mode: PadMode,
}

impl Operator for Pad {
    const OP_TYPE: &'static str = "Pad";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(2, "pads had another name in opset 1")?;
        let mode = node.attrs.take_string("mode")?;
        let mut is_zero = match node.inputs.get(2) {
            None | Some(ImportInput::Absent) => true,
            Some(ImportInput::Constant(value)) => is_zero(value),
            Some(ImportInput::Computed) => false,
        };
        if node.opset.0 < 11 {
            let pads = node.attrs.take_ints("pads")?.ok_or(AttrError::Missing { name: "pads".into() })?;
            node.set_input(1, index::list(&pads));
            let value = node.attrs.take_float("value")?.unwrap_or(0.0);
            is_zero = value == 0.0;
            if !is_zero {
                node.set_input(2, Value::scalar(value));
            }
        }
        let mode = match mode.as_deref() {
            None | Some("constant") => PadMode::Constant { is_zero },
            Some("reflect") => PadMode::Reflect,
            Some("edge") => PadMode::Edge,
            Some("wrap") => PadMode::Wrap,
            Some(other) => {
                return Err(AttrError::Unsupported {
                    name: "mode".into(),
                    value: other.into(),
                    reason: "only constant, reflect, edge and wrap are",
                });
            }
        };
        Ok(Self { mode })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mode = match self.mode {
            PadMode::Constant { .. } => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Edge => "edge",
            PadMode::Wrap => "wrap",
        };
        let step = ExportStep::new(Self::OP_TYPE, Attrs::new()).with("mode", Attr::String(mode.into()));
        Some(vec![if self.mode == PadMode::Wrap { step.since(19) } else { step }])
    }

    fn facts(&self) -> Facts {
        // A value other than zero may lie outside the range of the input.
        let computes = self.mode == PadMode::Constant { is_zero: false };
        Facts::of(if computes { Kind::Other } else { Kind::Rearrange })
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        let Some(dims) = ty.shape.dims() else { return Ok(vec![ty.clone()]) };
        let axes_known = inputs.constant(3).is_some() || inputs.optional(3).is_none();
        let shape = match inputs.constant(1).filter(|_| axes_known) {
            None => index::unknown(dims.len()),
            Some(pads) => {
                let mut result = dims.to_vec();
                for (axis, amount) in amounts(pads, inputs.constant(3), dims.len())? {
                    result[axis] = match &dims[axis] {
                        Dim::Fixed(size) => Dim::Fixed(amount.check(self.mode, *size)?),
                        open if amount == Amount::default() => open.clone(),
                        _ => Dim::Unknown,
                    };
                }
                Shape::Ranked(result)
            }
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn scaled_channels(&self, inputs: &TypeInputs<'_>) -> Option<usize> {
        let rank = inputs.ty(0).ok()?.shape.rank()?;
        if self.mode == (PadMode::Constant { is_zero: false })
            || inputs.optional(3).is_some() != inputs.constant(3).is_some()
        {
            return None;
        }
        let mut amounts = amounts(inputs.constant(1)?, inputs.constant(3), rank).ok()?.into_iter();
        amounts.all(|(axis, amount)| axis != 1 || amount == Amount::default()).then_some(1)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let map = self.map(x.shape(), inputs.get(1)?, inputs.optional(3))?;
        Ok(vec![map.take(x, inputs.optional(2))?])
    }

    fn own_before_permutation(&self, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
        if inputs.optional(3).is_some() && inputs.constant(3).is_none() {
            return None;
        }
        let mut pads = vec![0; 2 * order.len()];
        for (axis, amount) in amounts(inputs.constant(1)?, inputs.constant(3), order.len()).ok()? {
            pads[order[axis]] = amount.before;
            pads[order.len() + order[axis]] = amount.after;
        }
        let mut constants = vec![(1, index::list(&pads))];
        if inputs.optional(3).is_some() {
            constants.push((3, index::list(&(0..order.len() as i64).collect::<Vec<_>>())));
        }
        Some(Reordered { op: self.clone().into(), constants, order: order.to_vec() })
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let codes = context.activation(0)?;
        let lowered = context.rearranged(self.clone().into())?;
        let lowered = match self.mode {
            PadMode::Constant { .. } => lowered.reading(2).with_constant(2, Value::scalar(codes.zero_point)),
            PadMode::Reflect | PadMode::Edge | PadMode::Wrap => lowered,
        };
        if context.rank(0) != Some(4) {
            return Some(lowered);
        }
        let LowerInput::Constant(pads) = context.inputs.get(1)? else { return Some(lowered) };
        let axes = lower::nhwc_axes(context.inputs.get(3), pads.len() / 2)?;
        Some(lowered.reading(3).in_layout(Layout::Nhwc).with_constant(3, axes))
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let axes = tape.inputs.get(3).copied().flatten();
        index::first_gradient(tape, |g| self.map(tape.input(0)?.shape(), tape.input(1)?, axes)?.scatter(g))
    }
}

impl Pad {
    fn map(&self, shape: &[usize], pads: &Value, axes: Option<&Value>) -> Result<IndexMap, OpError> {
        let amounts = amounts(pads, axes, shape.len())?;
        let amount = |axis| amounts.iter().find(|(at, _)| *at == axis).map(|(_, amount)| *amount);
        let mut found = Vec::with_capacity(shape.len());
        for (axis, &size) in shape.iter().enumerate() {
            let amount = amount(axis).unwrap_or_default();
            let count = amount.check(self.mode, size)?;
            let last = size as i64 - 1;
            let position = |i: usize| {
                let at = i as i64 - amount.before;
                match self.mode {
                    PadMode::Constant { .. } if at < 0 || at > last => FILL,
                    PadMode::Constant { .. } => at as u32,
                    PadMode::Edge => at.clamp(0, last) as u32,
                    PadMode::Wrap => at.rem_euclid(last + 1) as u32,
                    PadMode::Reflect => (last - (last - at.abs()).abs()) as u32,
                }
            };
            found.push((axis, IndexMap::positions(count, position)?));
        }
        IndexMap::new(shape, found)
    }
}

/// Elements more at either end of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Amount {
    before: i64,
    after: i64,
}

impl Amount {
    /// The size afterwards.
    fn check(self, mode: PadMode, size: usize) -> Result<usize, OpError> {
        let refused = |expected: String| OpError::Range {
            what: "pads",
            expected,
            got: format!("{} and {}", self.before, self.after),
        };
        let most = match mode {
            PadMode::Edge | PadMode::Wrap if size == 0 => 0,
            PadMode::Constant { .. } | PadMode::Edge | PadMode::Wrap => i64::MAX,
            PadMode::Reflect => size as i64 - 1,
        };
        if self.before.max(self.after) > most.max(0) {
            return Err(refused(format!("at most {} in this mode", most.max(0))));
        }
        let after = (size as i64).checked_add(self.before).and_then(|n| n.checked_add(self.after));
        // Neither end may take away more than there is, so that what is left lies in the input.
        let left = after.filter(|_| self.before.min(self.after) >= -(size as i64));
        let left = left.and_then(|n| usize::try_from(n).ok());
        left.ok_or_else(|| refused(format!("such that some of the {size} elements are left")))
    }
}

/// The pads of each axis that has any.
fn amounts(pads: &Value, axes: Option<&Value>, rank: usize) -> Result<Vec<(usize, Amount)>, OpError> {
    let axes = match index::optional_integers(axes, "the axes")? {
        Some(axes) => index::axes(&axes, rank)?,
        None => (0..rank).collect(),
    };
    let pads = index::integers(pads, "the pads")?;
    if pads.len() != 2 * axes.len() {
        return Err(index::count_error("number of pads", 2 * axes.len(), pads.len()));
    }
    let (before, after) = pads.split_at(axes.len());
    let amounts = before.iter().zip(after).map(|(&before, &after)| Amount { before, after });
    Ok(axes.into_iter().zip(amounts).collect())
}

fn is_zero(value: &Value) -> bool {
    Value::zeros_of(value.dtype(), &[]).is_ok_and(|zero| value.clone().reshaped(&[]) == Ok(zero))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, tensor, try_run};

    fn mode(name: &str) -> Attrs {
        Attrs::new().with("mode", Attr::String(name.into()))
    }

    impl Sampled for Pad {
        fn samples() -> Vec<Sample> {
            let row = |data: &[f32]| tensor(&[data.len()], data);
            let x = row(&[1.0, 2.0, 3.0]);
            let pad = |name, pads: [i64; 2], wanted: &[f32]| {
                Sample::new(mode(name)).input(x.clone()).constant(integers(&pads)).gives(vec![row(wanted)])
            };
            let image = Random::new(1).uniform(&[1, 2, 3, 3], -1.0, 1.0);
            let pads = integers(&[0, 1, 2, -1, 0, 1, -1, 2]);
            let attrs = mode("constant")
                .with("pads", Attr::Ints(vec![1, 1]))
                .with("value", Attr::Float(f32::NEG_INFINITY));
            vec![
                pad("constant", [2, -1], &[0.0, 0.0, 1.0, 2.0]),
                pad("reflect", [2, 2], &[3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]),
                pad("edge", [1, 2], &[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]),
                pad("edge", [-1, 1], &[2.0, 3.0, 3.0]),
                pad("wrap", [1, 4], &[3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]).opset(19),
                pad("wrap", [-1, 2], &[2.0, 3.0, 1.0, 2.0]).opset(19),
                pad("reflect", [-1, 1], &[2.0, 3.0, 2.0]),
                pad("constant", [-2, -1], &[]),
                Sample::new(attrs).opset(7).input(x.clone()).gives(vec![row(&[
                    f32::NEG_INFINITY,
                    1.0,
                    2.0,
                    3.0,
                    f32::NEG_INFINITY,
                ])]),
                Sample::new(Attrs::new())
                    .opset(11)
                    .input(image.clone())
                    .constant(pads.clone())
                    .gradients(&[0]),
                Sample::new(mode("reflect"))
                    .input(image.clone())
                    .constant(integers(&[0, 1, 2, -1, 0, 1, -1, 2]))
                    .gradients(&[0]),
                Sample::new(mode("edge")).input(image.clone()).constant(pads).gradients(&[0]),
                Sample::new(Attrs::new())
                    .input(image)
                    .constant(integers(&[1, 0]))
                    .constant(Value::scalar(7.0_f32))
                    .constant(integers(&[-1]))
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn only_padding_with_zero_keeps_the_range() {
        let kind = |value: f32| {
            let (pads, value) = (integers(&[1, 1]), Value::scalar(value));
            import_node("Pad", Attrs::new(), 13, &[None, Some(&pads), Some(&value)]).unwrap().0.facts().kind
        };
        assert_eq!((kind(0.0), kind(1.0)), (Kind::Rearrange, Kind::Other));
    }

    #[test]
    fn pads_that_cannot_be_are_refused() {
        let run =
            |mode, pads: &[i64]| try_run(&Op::from(Pad { mode }), &[tensor(&[3], &[0.0; 3]), integers(pads)]);
        let constant = PadMode::Constant { is_zero: true };
        assert!(run(constant, &[i64::MAX, i64::MAX]).is_err());
        assert!(run(constant, &[1 << 40, 0]).is_err());
        assert!(run(constant, &[-4, 2]).is_err());
        assert!(run(constant, &[1]).is_err());
        assert!(run(PadMode::Reflect, &[3, 0]).is_err());
        let error = import_node("Pad", mode("mirror"), 19, &[]).unwrap_err();
        assert!(error.to_string().contains("only constant, reflect, edge and wrap are"));
    }
}
