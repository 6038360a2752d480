//! The suite that every operator goes through, and what operators' own tests share.
//!
//! An operator's file states [`Sample`]s: a node as a file has it, with the tensors it reads and,
//! where they are worth stating, the tensors it makes. The suite at the end of this file takes every
//! sample of every operator in the list and checks that
//!
//! - reading what was written gives the same operator, and no attribute is left over;
//! - the inferred types hold for what is computed, also with a symbolic batch, hidden constants and
//!   unknown ranks;
//! - the result is the stated one, whether or not the inputs are shared and the constants prepared;
//! - gradients match central differences ([`check_gradients`]);
//! - inputs that do not fit are errors and never panics;
//! - what it says of the channels of its input holds, and a fused clamp can be taken out (`channels`);
//! - the form on codes, where there is one, makes the codes of its definition (`codes`).
//!
//! An operator that files can contain and that has no samples fails the suite; internal operators
//! (`bitlens.…`) may have some.

mod channels;
mod codes;
#[cfg(not(target_arch = "wasm32"))]
mod table;

use super::{
    Context, FileType, ImportInput, ImportNode, Inputs, Isa, Kind, Op, OpError, Prepared, Tape, TypeInputs,
};
use crate::ir::{AttrError, Attrs, Opset};
use crate::ops::EXPORT_OPSET;
use crate::tensor::{DType, Dim, Shape, TensorType, Value};
use std::collections::BTreeSet;

/// Relative error that a gradient may have against central differences in f32 (docs/numerics.md).
const GRADIENT_TOLERANCE: f64 = 1e-3;

/// What the suite needs from an operator's file; implemented in its `tests` module.
pub(super) trait Sampled {
    /// At least one sample for an operator that files can contain, and at least one with gradients
    /// when it has a backward computation.
    fn samples() -> Vec<Sample>;
}

/// One input of a sample.
#[derive(Debug, Clone)]
enum Slot {
    Absent,
    Computed(Value),
    Constant(Value),
}

/// A node as a file has it, and what it reads and makes.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    attrs: Attrs,
    opset: Opset,
    inputs: Vec<Slot>,
    output_count: usize,
    gradients: Vec<usize>,
    expected: Option<Vec<Value>>,
    tolerance: f32,
}

impl Sample {
    /// A node of [`EXPORT_OPSET`] with these attributes and no inputs yet.
    pub(super) fn new(attrs: Attrs) -> Self {
        Self {
            attrs,
            opset: EXPORT_OPSET,
            inputs: Vec::new(),
            output_count: 1,
            gradients: Vec::new(),
            expected: None,
            tolerance: 0.0,
        }
    }

    /// The node is from a file of that opset.
    pub(super) fn opset(self, opset: u32) -> Self {
        Self { opset: Opset(opset), ..self }
    }

    /// One more input, computed by the network.
    pub(super) fn input(mut self, value: Value) -> Self {
        self.inputs.push(Slot::Computed(value));
        self
    }

    /// One more input, a constant.
    pub(super) fn constant(mut self, value: Value) -> Self {
        self.inputs.push(Slot::Constant(value));
        self
    }

    /// One more input, left out.
    pub(super) fn absent(mut self) -> Self {
        self.inputs.push(Slot::Absent);
        self
    }

    /// The node has that many outputs instead of one.
    pub(super) fn output_count(self, output_count: usize) -> Self {
        Self { output_count, ..self }
    }

    /// Gradients with respect to these inputs are checked.
    pub(super) fn gradients(self, inputs: &[usize]) -> Self {
        Self { gradients: inputs.to_vec(), ..self }
    }

    /// The outputs, exactly.
    pub(super) fn gives(self, outputs: Vec<Value>) -> Self {
        Self { expected: Some(outputs), ..self }
    }

    /// The outputs, up to `tolerance` times their largest magnitude.
    pub(super) fn gives_about(self, tolerance: f32, outputs: Vec<Value>) -> Self {
        Self { expected: Some(outputs), tolerance, ..self }
    }

    /// Reads the node; the inputs are completed by what its operator made of attributes.
    fn import(&self, op_type: &str) -> (Op, Vec<Slot>) {
        let inputs = self.inputs.iter().map(Slot::as_import).collect();
        let (op, new_inputs) = import(op_type, self.attrs.clone(), self.opset, inputs, self.output_count)
            .unwrap_or_else(|e| panic!("{op_type}: {e}"));
        let mut slots = self.inputs.clone();
        for (index, value) in new_inputs {
            slots.resize(slots.len().max(index + 1), Slot::Absent);
            slots[index] = Slot::Constant(value);
        }
        (op, slots)
    }
}

impl Slot {
    fn as_import(&self) -> ImportInput<'_> {
        match self {
            Self::Absent => ImportInput::Absent,
            Self::Computed(_) => ImportInput::Computed,
            Self::Constant(value) => ImportInput::Constant(value),
        }
    }

    fn value(&self) -> Option<&Value> {
        match self {
            Self::Absent => None,
            Self::Computed(value) | Self::Constant(value) => Some(value),
        }
    }
}

fn values(slots: &[Slot]) -> Vec<Option<Value>> {
    slots.iter().map(|slot| slot.value().cloned()).collect()
}

/// Reads a node as the importer does: what is left of the attributes is refused.
fn import(
    op_type: &str,
    attrs: Attrs,
    opset: Opset,
    inputs: Vec<ImportInput<'_>>,
    output_count: usize,
) -> Result<(Op, Vec<(usize, Value)>), AttrError> {
    let named_outputs = output_count;
    let (formats, new_inputs) = (Vec::new(), Vec::new());
    let mut node = ImportNode { attrs, opset, inputs, formats, output_count, named_outputs, new_inputs };
    let op = Op::import(op_type, &mut node).expect("an operator of the list")?;
    node.attrs.finish(opset)?;
    Ok((op, node.new_inputs))
}

/// Reads a node of a file with constants as `inputs`, for tests of what is refused and what is moved to inputs.
pub(super) fn import_node(
    op_type: &str,
    attrs: Attrs,
    opset: u32,
    inputs: &[Option<&Value>],
) -> Result<(Op, Vec<(usize, Value)>), AttrError> {
    let slots = inputs.iter().map(|v| v.map_or(ImportInput::Absent, ImportInput::Constant)).collect();
    import(op_type, attrs, Opset(opset), slots, 1)
}

/// The outputs of `op` for `inputs`, all of them present.
///
/// # Panics
/// When the operator fails.
pub(super) fn run(op: &Op, inputs: &[Value]) -> Vec<Value> {
    try_run(op, inputs).unwrap_or_else(|e| panic!("{op:?}: {e}"))
}

/// As [`run`], for inputs that should be refused.
pub(super) fn try_run(op: &Op, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
    op.forward(&Context::new(Isa::Portable), Inputs::new(inputs.iter().cloned().map(Some).collect()))
}

/// A float tensor from numbers.
pub(super) fn tensor(shape: &[usize], data: &[f32]) -> Value {
    Value::from_vec(shape, data.to_vec()).unwrap()
}

/// A list of 64-bit integers, as shapes, axes and indices are given.
pub(super) fn integers(data: &[i64]) -> Value {
    Value::from_vec(&[data.len()], data.to_vec()).unwrap()
}

/// A float tensor of small whole numbers: element `i` is `i · factor mod modulus − 5`.
pub(super) fn pattern(shape: &[usize], factor: usize, modulus: usize) -> Value {
    let count: usize = shape.iter().product();
    let data = (0..count).map(|i| (i * factor % modulus) as f32 - 5.0).collect();
    Value::from_vec(shape, data).unwrap()
}

/// Reads a node, writes it, reads it again, and compares.
fn check_round_trip(op_type: &str, sample: &Sample) {
    let (op, slots) = sample.import(op_type);
    let steps = op.export().unwrap_or_else(|| panic!("{op_type} is not written to files"));
    let first = &steps[0];
    assert_eq!(first.op_type, op_type);
    assert!(first.extra_inputs.is_empty(), "{op_type}: what is imported as input stays an input");
    let inputs = slots.iter().map(Slot::as_import).collect();
    let described: Vec<_> = slots.iter().map(|slot| describe(slot, Known::Everything)).collect();
    let types = described.iter().map(|slot| slot.as_ref().map(|(ty, value)| (ty, *value))).collect();
    let since = slots.iter().filter_map(|slot| Some(Opset(FileType::from(slot.value()?.dtype()).since())));
    let opset = since.fold(first.opset.max(op.file_opset(&TypeInputs::new(types))), Opset::max);
    let again = import(op_type, first.attrs.clone(), opset, inputs, sample.output_count);
    let (again, new_inputs) = again.unwrap_or_else(|e| panic!("{op_type} written by us: {e}"));
    assert_eq!(again, op);
    assert!(new_inputs.is_empty(), "{op_type}: the form that is written has no attributes to move");
}

/// Compares the vector–Jacobian product with central differences, element by element, for each
/// input in `differentiable`; and checks that only what is wanted is computed.
///
/// With a seeded random cotangent `v`, the scalar `s(x) = Σ v·f(x)` is differentiated. The step is
/// `h = ε^⅓ · max(1, |x|)` with `ε = 2⁻²³`, where the truncation error `h²·|f‴|/6` and the rounding
/// error `u·|f|/h` are of one size, about `2·10⁻⁵`. An element may be off by 10⁻³ of the largest
/// gradient plus the rounding that four roundings in each changed output explain. Inputs must be
/// further than `2h` (about 0.01) from any kink.
///
/// # Panics
/// When they differ, or the operator fails.
pub(super) fn check_gradients(op: &Op, inputs: &[Value], differentiable: &[usize]) {
    let inputs: Vec<_> = inputs.iter().cloned().map(Some).collect();
    check_gradients_of(op, &inputs, differentiable, None);
}

fn check_gradients_of(
    op: &Op,
    inputs: &[Option<Value>],
    differentiable: &[usize],
    prepared: Option<&Prepared>,
) {
    let context = Context { isa: Isa::Portable, prepared };
    let outputs = op.forward(&context, Inputs::new(inputs.to_vec())).unwrap();
    let mut random = Random::new(0x5EED);
    let is_float = |v: &&Value| v.dtype() == DType::F32;
    let cotangents: Vec<Option<Value>> = outputs
        .iter()
        .map(|y| Some(y).filter(is_float).map(|y| random.uniform(y.shape(), -1.0, 1.0)))
        .collect();
    let backward = |wanted: &[bool]| {
        let tape = Tape {
            inputs: &inputs.iter().map(Option::as_ref).collect::<Vec<_>>(),
            outputs: &outputs.iter().collect::<Vec<_>>(),
            gradients: &cotangents.iter().map(Option::as_ref).collect::<Vec<_>>(),
            wanted,
        };
        op.backward(&context, &tape).unwrap_or_else(|e| panic!("{op:?}: {e}"))
    };

    let nothing = backward(&vec![false; inputs.len()]);
    assert!(nothing.iter().all(Option::is_none), "{op:?}: computes a gradient that nobody wants");
    let all: Vec<bool> = (0..inputs.len()).map(|i| differentiable.contains(&i)).collect();
    let all = backward(&all);
    for &index in differentiable {
        let only: Vec<bool> = (0..inputs.len()).map(|i| i == index).collect();
        let partial = backward(&only);
        assert_eq!(partial[index], all[index], "{op:?}: input {index} alone has another gradient");
        let others = partial.iter().enumerate().filter(|(i, _)| *i != index);
        assert!(others.map(|(_, g)| g).all(Option::is_none), "{op:?}: only input {index} was wanted");

        let gradient = all[index].as_ref().unwrap_or_else(|| panic!("{op:?}: input {index} has none"));
        let x = inputs[index].as_ref().unwrap();
        assert_eq!(gradient.shape(), x.shape(), "{op:?}: shape of gradient {index}");
        let gradient = gradient.as_slice::<f32>().unwrap();
        let largest = gradient.iter().fold(0.0, |m, g| f64::max(m, f64::from(g.abs())));
        for (element, &found) in gradient.iter().enumerate() {
            let numeric = difference(op, context, (inputs, index, element), &cotangents);
            let error = (f64::from(found) - numeric.slope).abs();
            assert!(
                error <= GRADIENT_TOLERANCE * largest + numeric.rounding,
                "{op:?}: gradient of input {index}[{element}] is {found}, differences give {numeric:?}"
            );
        }
    }
    // A gradient that does not reach the operator reaches none of its inputs.
    let tape = Tape {
        inputs: &inputs.iter().map(Option::as_ref).collect::<Vec<_>>(),
        outputs: &outputs.iter().collect::<Vec<_>>(),
        gradients: &vec![None; outputs.len()],
        wanted: &vec![true; inputs.len()],
    };
    let unreached = op.backward(&context, &tape).unwrap();
    for gradient in unreached.into_iter().flatten() {
        assert!(gradient.as_slice::<f32>().unwrap().iter().all(|&g| g == 0.0), "{op:?}: from nothing");
    }
}

#[derive(Debug)]
struct Slope {
    slope: f64,
    /// Bound on what rounding in the two forward computations adds to `slope`.
    rounding: f64,
}

/// `(s(x + h) − s(x − h)) / 2h` for one element of one input.
fn difference(
    op: &Op,
    context: Context<'_>,
    (inputs, index, element): (&[Option<Value>], usize, usize),
    cotangents: &[Option<Value>],
) -> Slope {
    let x = inputs[index].clone().unwrap();
    let shape = x.shape().to_vec();
    let base = x.into_vec::<f32>().unwrap();
    let h = f32::EPSILON.cbrt() * base[element].abs().max(1.0);
    let at = |value: f32| {
        let mut moved = base.clone();
        moved[element] = value;
        let mut inputs = inputs.to_vec();
        inputs[index] = Some(Value::from_vec(&shape, moved).unwrap());
        op.forward(&context, Inputs::new(inputs)).unwrap()
    };
    let (above, below) = (base[element] + h, base[element] - h);
    let width = f64::from(above) - f64::from(below); // what was really stepped, after rounding
    let (up, down) = (at(above), at(below));
    let mut slope = Slope { slope: 0.0, rounding: 0.0 };
    for ((up, down), v) in up.iter().zip(&down).zip(cotangents) {
        let Some(v) = v else { continue };
        let (up, down) = (up.as_slice::<f32>().unwrap(), down.as_slice::<f32>().unwrap());
        for ((&up, &down), &v) in up.iter().zip(down).zip(v.as_slice::<f32>().unwrap()) {
            if up.to_bits() != down.to_bits() {
                let (up, down, v) = (f64::from(up), f64::from(down), f64::from(v));
                slope.slope += v * (up - down) / width;
                let unit = f64::from(f32::EPSILON) / 2.0;
                slope.rounding += 4.0 * unit * v.abs() * (up.abs() + down.abs()) / width;
            }
        }
    }
    slope
}

/// A seeded generator (SplitMix64): the same numbers on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A generator whose numbers `seed` decides.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of `0..count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.bits() % count as u64) as usize
    }

    /// A number of `low..high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.bits() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// A tensor of numbers of `low..high`.
    pub(super) fn uniform(&mut self, shape: &[usize], low: f32, high: f32) -> Value {
        let data = (0..shape.iter().product()).map(|_| self.between(low, high)).collect();
        Value::from_vec(shape, data).unwrap()
    }

    /// A tensor of numbers of `low..high`, none of them within 0.05 of a kink.
    pub(super) fn avoiding(&mut self, shape: &[usize], (low, high): (f32, f32), kinks: &[f32]) -> Value {
        let mut next = || {
            loop {
                let x = self.between(low, high);
                if kinks.iter().all(|kink| (x - kink).abs() > 0.05) {
                    return x;
                }
            }
        };
        let data = (0..shape.iter().product()).map(|_| next()).collect();
        Value::from_vec(shape, data).unwrap()
    }

    /// A tensor of numbers that are at least 0.1 apart, in random order: for maxima.
    pub(super) fn spaced(&mut self, shape: &[usize]) -> Value {
        let count: usize = shape.iter().product();
        let mut data: Vec<f32> = (0..count).map(|i| 0.1 * (i as f32 - 0.5 * count as f32 + 0.25)).collect();
        for i in (1..count).rev() {
            data.swap(i, self.below(i + 1));
        }
        Value::from_vec(shape, data).unwrap()
    }
}

/// Whether two tensors agree: floats to `tolerance` times the largest magnitude (NaN and infinities
/// in the same places), everything else exactly.
pub(super) fn assert_close(found: &Value, expected: &Value, tolerance: f32, what: &str) {
    assert_eq!(found.dtype(), expected.dtype(), "{what}: type");
    assert_eq!(found.shape(), expected.shape(), "{what}: shape");
    if found.dtype() != DType::F32 {
        assert_eq!(found, expected, "{what}");
        return;
    }
    let (found, expected) = (found.as_slice::<f32>().unwrap(), expected.as_slice::<f32>().unwrap());
    let finite = expected.iter().filter(|e| e.is_finite());
    let bound = tolerance * finite.fold(0.0, |m: f32, e| m.max(e.abs()));
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let same = f.to_bits() == e.to_bits() || (f.is_nan() && e.is_nan()) || (f - e).abs() <= bound;
        assert!(same, "{what}: element {i} is {f}, expected {e} ± {bound}");
    }
}

/// How much of the inputs' types the inference is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Everything,
    /// The first dimension of every computed input is called `batch`.
    SymbolicBatch,
    /// Shapes, but not which tensors the constants are.
    NoConstants,
    /// Types only.
    NoShapes,
}

/// What the inference is told of one input.
fn describe(slot: &Slot, known: Known) -> Option<(TensorType, Option<&Value>)> {
    let mut ty = slot.value().map(|v| TensorType::new(v.dtype(), Shape::fixed(v.shape())))?;
    match (known, &mut ty.shape, slot) {
        (Known::SymbolicBatch, Shape::Ranked(dims), Slot::Computed(_)) if !dims.is_empty() => {
            dims[0] = Dim::Symbolic("batch".into());
        }
        (Known::NoShapes, shape, Slot::Computed(_)) => *shape = Shape::Unranked,
        _ => {}
    }
    let constant = matches!(slot, Slot::Constant(_)) && known != Known::NoConstants;
    Some((ty, slot.value().filter(|_| constant)))
}

fn check_inference(op: &Op, slots: &[Slot], outputs: &[Value], known: Known) {
    let described: Vec<_> = slots.iter().map(|slot| describe(slot, known)).collect();
    let types =
        TypeInputs::new(described.iter().map(|d| d.as_ref().map(|(ty, value)| (ty, *value))).collect());
    let inferred = op.infer(&types).unwrap_or_else(|e| panic!("{op:?} with {known:?}: {e}"));
    assert_eq!(inferred.len(), outputs.len(), "{op:?}: number of outputs");
    for (ty, value) in inferred.iter().zip(outputs) {
        assert_eq!(ty.dtype, value.dtype(), "{op:?} with {known:?}");
        let Some(dims) = ty.shape.dims() else { continue };
        let fits = |(dim, &size): (&Dim, &usize)| match dim {
            Dim::Fixed(n) => *n == size,
            _ => true,
        };
        let all = dims.len() == value.rank() && dims.iter().zip(value.shape()).all(fits);
        assert!(all, "{op:?} with {known:?}: inferred {ty}, computed {:?}", value.shape());
    }
    if let Some(folded) = op.fold(&types) {
        assert_eq!(folded, outputs, "{op:?} with {known:?}: folded");
    }
}

fn check_sample(op_type: &str, sample: &Sample) {
    check_round_trip(op_type, sample);
    let (op, slots) = sample.import(op_type);
    let context = Context::new(Isa::Portable);
    let kept = values(&slots);
    // Deep copies, so that the operator owns what it gets and may write into it.
    let own = |v: &Value| match v.dtype() {
        DType::F32 => Value::from_vec(v.shape(), v.as_slice::<f32>().unwrap().to_vec()).unwrap(),
        _ => v.clone(),
    };
    let owned: Vec<_> = kept.iter().map(|v| v.as_ref().map(own)).collect();
    let outputs = op.forward(&context, Inputs::new(owned)).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    let before: Vec<_> = kept.iter().map(|v| v.as_ref().map(own)).collect();
    let shared = op.forward(&context, Inputs::new(kept.clone())).unwrap();
    for (a, b) in outputs.iter().zip(&shared) {
        assert_close(a, b, 0.0, &format!("{op:?} on shared inputs"));
    }
    assert_eq!(format!("{kept:?}"), format!("{before:?}"), "{op:?}: changed a shared input");
    if let Some(expected) = &sample.expected {
        assert_eq!(outputs.len(), expected.len(), "{op:?}: number of outputs");
        for (found, expected) in outputs.iter().zip(expected) {
            assert_close(found, expected, sample.tolerance, &format!("{op:?}"));
        }
    }
    for known in [Known::Everything, Known::SymbolicBatch, Known::NoConstants, Known::NoShapes] {
        check_inference(&op, &slots, &outputs, known);
    }

    let constants: Vec<_> =
        slots.iter().map(|s| s.value().filter(|_| matches!(s, Slot::Constant(_)))).collect();
    let prepared = op.prepare(Isa::Portable, &constants).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    if prepared.is_some() {
        let context = Context { isa: Isa::Portable, prepared: prepared.as_ref() };
        let again = op.forward(&context, Inputs::new(kept.clone())).unwrap();
        for (a, b) in again.iter().zip(&outputs) {
            assert_close(a, b, 1e-5, &format!("{op:?} prepared"));
        }
    }
    if !sample.gradients.is_empty() {
        check_gradients_of(&op, &kept, &sample.gradients, None);
        if prepared.is_some() {
            // What was prepared holds the constants, so only the other inputs can be varied.
            let varies = |&index: &usize| !matches!(slots[index], Slot::Constant(_));
            let varying: Vec<usize> = sample.gradients.iter().copied().filter(varies).collect();
            check_gradients_of(&op, &kept, &varying, prepared.as_ref());
        }
    }
    channels::check_channels(&op, &slots, &outputs);
    channels::check_clamp(&op);
    check_hostile_inputs(&op, &slots);
}

/// Puts things that do not belong there into each input: the operator may refuse them or not, but it
/// returns.
fn check_hostile_inputs(op: &Op, slots: &[Slot]) {
    let intruders = [
        None,
        Some(Value::scalar(true)),
        Some(Value::scalar(0.5_f32)),
        Some(Value::scalar(-7_i64)),
        Some(tensor(&[0], &[])),
        Some(tensor(&[1, 1, 1, 1, 1, 1], &[f32::NAN])),
        Some(integers(&[])),
        Some(integers(&[i64::MAX, i64::MIN, -1, 0, 1])),
        Some(integers(&[i64::MIN])),
        Some(integers(&[i64::MAX])),
        Some(integers(&[1 << 40, 1 << 40, 1 << 40])),
    ];
    let context = Context::new(Isa::Portable);
    for index in 0..slots.len() {
        for intruder in &intruders {
            let mut inputs = values(slots);
            inputs[index].clone_from(intruder);
            let types: Vec<_> = inputs
                .iter()
                .map(|v| v.as_ref().map(|v| TensorType::new(v.dtype(), Shape::fixed(v.shape()))))
                .collect();
            let described = types.iter().zip(&inputs).map(|(t, v)| t.as_ref().map(|t| (t, v.as_ref())));
            let types = TypeInputs::new(described.collect());
            drop(op.infer(&types));
            drop(op.fold(&types));
            drop(op.channel_affine(&types));
            drop(op.with_bias_input(&types));
            drop(op.prepare(Isa::Portable, &inputs.iter().map(Option::as_ref).collect::<Vec<_>>()));
            drop(op.forward(&context, Inputs::new(inputs)));
        }
    }
    let required = slots.first().is_some_and(|s| !matches!(s, Slot::Absent));
    let nothing = op.forward(&context, Inputs::new(Vec::new()));
    assert!(!required || nothing.is_err(), "{op:?}: computes without its inputs");
}

/// The inputs that a backward computation gives gradients of, asked with a real tape.
fn differentiable_inputs(op: &Op, slots: &[Slot]) -> Vec<usize> {
    let inputs = values(slots);
    let context = Context::new(Isa::Portable);
    let Ok(outputs) = op.forward(&context, Inputs::new(inputs.clone())) else { return Vec::new() };
    let tape = Tape {
        inputs: &inputs.iter().map(Option::as_ref).collect::<Vec<_>>(),
        outputs: &outputs.iter().collect::<Vec<_>>(),
        gradients: &outputs.iter().map(Some).collect::<Vec<_>>(),
        wanted: &vec![true; inputs.len()],
    };
    let found = op.backward(&context, &tape).unwrap_or_default();
    found.iter().enumerate().filter_map(|(input, gradient)| gradient.as_ref().map(|_| input)).collect()
}

#[test]
fn every_operator_passes_the_suite_on_its_samples() {
    for (op_type, samples) in Op::samples() {
        let internal = op_type.starts_with("bitlens.");
        assert!(internal || !samples.is_empty(), "{op_type} has no sample: implement `Sampled` with some");
        for sample in samples {
            check_sample(op_type, &sample);
        }
    }
}

#[test]
fn every_gradient_is_checked_by_a_sample() {
    let mut unchecked = Vec::new();
    for (op_type, samples) in Op::samples() {
        let (mut given, mut checked) = (BTreeSet::new(), BTreeSet::new());
        for sample in &samples {
            let (op, slots) = sample.import(op_type);
            // Rounding has no useful derivative: what these hand on is a convention (straight-through).
            let is_dynamic = matches!(op, Op::DynamicQuantizeLinear(_));
            if is_dynamic || matches!(op.facts().kind, Kind::Quantize | Kind::Dequantize) {
                continue;
            }
            given.extend(differentiable_inputs(&op, &slots));
            checked.extend(sample.gradients.iter().copied());
        }
        let missing = given.difference(&checked).map(|input| format!("{op_type}: input {input}"));
        unchecked.extend(missing);
    }
    assert!(unchecked.is_empty(), "no sample checks these gradients: {}", unchecked.join(", "));
}

#[test]
fn names_are_unique() {
    let mut names = Op::OP_TYPES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Op::OP_TYPES.len());
}
