//! What the scattering operators share: updates that are put into a copy of a tensor, or combined
//! with what stands there.

use super::convert::convert;
use super::index::zeros;
use super::numbers::{self, Wide, with_wide};
use super::pooling::check_gradient;
use super::runs::{Runs, put};
use super::{ImportNode, OpError, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorError, TensorType, Value};

/// What becomes of an element that an update meets; updates of one element come one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScatterReduction {
    /// The update takes its place.
    None,
    /// The sum.
    Add,
    /// The product.
    Mul,
    /// The larger one.
    Max,
    /// The smaller one.
    Min,
}

/// The names that files have for them.
const NAMES: [(&str, ScatterReduction); 5] = [
    ("none", ScatterReduction::None),
    ("add", ScatterReduction::Add),
    ("mul", ScatterReduction::Mul),
    ("max", ScatterReduction::Max),
    ("min", ScatterReduction::Min),
];

impl ScatterReduction {
    /// Takes the attribute `reduction`.
    pub(super) fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let Some(name) = node.attrs.take_string("reduction")? else { return Ok(Self::None) };
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|&(_, reduction)| reduction);
        found.ok_or(AttrError::Unsupported {
            name: "reduction".into(),
            value: name,
            reason: "only none, add, mul, max and min are",
        })
    }

    /// The attributes that say it.
    pub(super) fn export(self) -> Attrs {
        let name = NAMES.iter().find(|(_, known)| *known == self).map_or("none", |&(name, _)| name);
        Attrs::new().with("reduction", Attr::String(name.to_owned()))
    }

    /// The type of the result: that of the tensor, which the updates share.
    pub(super) fn infer(self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (ty, updates) = (inputs.ty(0)?, inputs.ty(2)?);
        inputs.ty(1)?;
        numbers::check_same(ty.dtype, updates.dtype)?;
        if self != Self::None {
            numbers::check("the input", ty.dtype)?;
        }
        Ok(vec![ty.clone()])
    }

    /// `target` with the updates worked in.
    pub(super) fn scatter(self, target: Value, runs: &Runs, updates: &Value) -> Result<Value, OpError> {
        if self == Self::None {
            return put(target, runs, updates);
        }
        let dtype = target.dtype();
        numbers::check("the input", dtype)?;
        numbers::check_same(dtype, updates.dtype())?;
        runs.check(target.len(), updates.shape())?;
        let (target, updates) = (numbers::widened(target)?, numbers::widened(updates.clone())?);
        let made = with_wide!(dtype, T => self.combine::<T>(target, runs, &updates)?);
        convert(made, dtype)
    }

    fn combine<T: Wide>(self, target: Value, runs: &Runs, updates: &Value) -> Result<Value, TensorError> {
        let shape = target.shape().to_vec();
        let mut target = target.into_vec::<T>()?;
        for (at, &update) in runs.positions().zip(updates.as_slice::<T>()?) {
            target[at] = self.of(target[at], update);
        }
        Value::from_vec(&shape, target)
    }

    /// NaN stays NaN, from either side.
    fn of<T: Wide>(self, old: T, update: T) -> T {
        match self {
            Self::None => update,
            Self::Add => old.plus(update),
            Self::Mul => old.times(update),
            #[allow(clippy::eq_op, reason = "NaN is what is not equal to itself")]
            Self::Max if update > old || update != update => update,
            #[allow(clippy::eq_op, reason = "NaN is what is not equal to itself")]
            Self::Min if update < old || update != update => update,
            Self::Max | Self::Min => old,
        }
    }

    /// The gradients with respect to the tensor (input 0) and the updates (input 2): the updates are
    /// gone through once more, and then backwards with what stood there before each.
    pub(super) fn gradients(self, tape: &Tape<'_>, runs: &Runs) -> Result<Vec<Option<Value>>, OpError> {
        let mut found = vec![None; tape.inputs.len().max(3)];
        let (target, updates) = (tape.input(0)?, tape.input(2)?);
        let Some(gradient) = tape.gradient(0).filter(|_| tape.wants(0) || tape.wants(2)) else {
            return Ok(found);
        };
        runs.check(target.len(), updates.shape())?;
        let mut state = target.as_slice::<f32>()?.to_vec();
        let mut before = Vec::with_capacity(updates.len());
        let steps: Vec<(usize, f32)> = runs.positions().zip(updates.as_slice::<f32>()?.to_vec()).collect();
        for &(at, update) in &steps {
            before.push(state[at]);
            state[at] = self.of(state[at], update);
        }
        let mut left = check_gradient(gradient, target.shape())?.to_vec();
        let mut back = zeros::<f32>(updates.shape())?.into_vec::<f32>()?;
        for ((&(at, update), &old), to) in steps.iter().zip(&before).zip(&mut back).rev() {
            let (of_old, of_update) = self.slopes(old, update);
            *to = left[at] * of_update;
            left[at] *= of_old;
        }
        found[0] = tape.wants(0).then(|| Value::from_vec(target.shape(), left)).transpose()?;
        found[2] = tape.wants(2).then(|| Value::from_vec(updates.shape(), back)).transpose()?;
        Ok(found)
    }

    /// The derivatives with respect to what stood there and to the update.
    fn slopes(self, old: f32, update: f32) -> (f32, f32) {
        let is_taken = match self {
            Self::None => true,
            Self::Add => return (1.0, 1.0),
            Self::Mul => return (update, old),
            Self::Max => update > old,
            Self::Min => update < old,
        };
        if is_taken { (0.0, 1.0) } else { (1.0, 0.0) }
    }
}
