//! Operators that say they are in proportion to each channel of their input, held to it; and clamps
//! that are fused, taken out again.

use super::{Known, Slot, assert_close, describe, values};
use crate::ops::{Clamp, Context, Inputs, Isa, Op, TypeInputs};
use crate::tensor::{DType, Value};

/// The factor of a channel: powers of two, so that nothing is rounded.
fn factor(channel: usize) -> f32 {
    [1.0, 4.0, 0.5][channel % 3]
}

/// Every channel (axis 1) times its factor; `parts` neighbours share one.
fn scaled(x: &Value, parts: usize) -> Value {
    let inner: usize = x.shape()[2..].iter().product();
    let channels = x.shape()[1];
    let each = x.as_slice::<f32>().unwrap().iter().enumerate();
    let data = each.map(|(i, v)| v * factor(i / inner.max(1) % channels / parts)).collect();
    Value::from_vec(x.shape(), data).unwrap()
}

/// What [`Op::scaled_channels`] says of an operator and its inputs, held against runs of it.
pub(super) fn check_channels(op: &Op, slots: &[Slot], outputs: &[Value]) {
    let described: Vec<_> = slots.iter().map(|slot| describe(slot, Known::Everything)).collect();
    let types =
        TypeInputs::new(described.iter().map(|d| d.as_ref().map(|(ty, value)| (ty, *value))).collect());
    let Some(parts) = op.scaled_channels(&types) else { return };
    let mut inputs = values(slots);
    let Some(x) = inputs[0].take().filter(|x| x.dtype() == DType::F32 && x.rank() >= 2) else { return };
    inputs[0] = Some(scaled(&x, 1));
    let made = op.forward(&Context::new(Isa::Portable), Inputs::new(inputs)).unwrap();
    assert_eq!(outputs[0].shape()[1], x.shape()[1] * parts, "{op:?}: channels");
    assert_close(&made[0], &scaled(&outputs[0], parts), 0.0, &format!("{op:?} of scaled channels"));
}

/// A clamp that an operator can do itself, taken out of it again.
pub(super) fn check_clamp(op: &Op) {
    let clamp = Clamp { min: -1.0, max: 2.0 };
    let Some(limited) = op.fuse_clamp(clamp) else {
        assert_eq!(op.without_clamp(), None, "{op:?}");
        return;
    };
    let (free, had) = limited.without_clamp().unwrap();
    match op.without_clamp() {
        None => assert_eq!((&free, had), (op, clamp)),
        Some((own, before)) => assert_eq!((free, had), (own, before.then(clamp))),
    }
}
