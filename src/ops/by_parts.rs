//! Operators that compute by others.
//!
//! ONNX defines some operators by others, but by which depends on the types and sizes of their inputs
//! (a mask may be Booleans or numbers, heads may be an axis or packed into another one). Such an
//! operator is read as itself, and once it sees its inputs it states its parts: they run one after the
//! other, and gradients are theirs. What needs no types is taken apart when it is read
//! ([`composed`](super::composed)).

use super::composed::{Expansion, Source};
use super::{Context, Inputs, OpError, Tape};
use crate::tensor::Value;

/// An operator that states its parts.
pub(super) trait ByParts {
    /// The parts for these inputs, which are checked: parts may take shapes for granted.
    fn parts(&self, inputs: &[Option<&Value>]) -> Result<Expansion, OpError>;
}

/// [`Operator::forward`](super::Operator::forward).
pub(super) fn forward(
    op: &impl ByParts,
    context: &Context<'_>,
    mut inputs: Inputs,
) -> Result<Vec<Value>, OpError> {
    let mut given: Vec<Option<Value>> = (0..inputs.len()).map(|slot| inputs.take(slot).ok()).collect();
    let expansion = op.parts(&given.iter().map(Option::as_ref).collect::<Vec<_>>())?;
    let mut made: Vec<Option<Value>> = Vec::with_capacity(expansion.parts.len());
    for (index, part) in expansion.parts.iter().enumerate() {
        let mut read = Vec::with_capacity(part.inputs.len());
        for (slot, source) in part.inputs.iter().enumerate() {
            let place = match source {
                Source::Absent => None,
                Source::Constant(value) => {
                    read.push(Some(value.clone()));
                    continue;
                }
                Source::Input(at) => given.get_mut(*at),
                Source::Made(at) => made.get_mut(*at),
            };
            // Who reads last owns what is read, and may write into it.
            let is_last = !is_read_after(&expansion, source, (index, slot));
            read.push(place.and_then(|place| if is_last { place.take() } else { place.clone() }));
        }
        made.push(Some(one(part.op.forward(&inner(context), Inputs::new(read))?)?));
    }
    expansion.outputs.iter().map(|&part| output(&made, part)).collect()
}

/// Whether a source is read behind an input of a part, or is a result.
fn is_read_after(expansion: &Expansion, source: &Source, (index, slot): (usize, usize)) -> bool {
    if let Source::Made(at) = source
        && expansion.outputs.contains(at)
    {
        return true;
    }
    let later = expansion.parts.iter().skip(index + 1).flat_map(|part| &part.inputs);
    let same_part = expansion.parts.get(index).into_iter().flat_map(|part| part.inputs.iter().skip(slot + 1));
    same_part.chain(later).any(|other| other == source)
}

/// [`Operator::backward`](super::Operator::backward): runs the parts once more, and then back.
pub(super) fn backward(
    op: &impl ByParts,
    context: &Context<'_>,
    tape: &Tape<'_>,
) -> Result<Vec<Option<Value>>, OpError> {
    let expansion = op.parts(tape.inputs)?;
    let made = run(&expansion, context, tape.inputs)?;
    let wanted = depending(&expansion, tape.wanted);
    let mut inputs: Vec<Option<Value>> = vec![None; tape.inputs.len()];
    let mut gradients: Vec<Option<Value>> = vec![None; made.len()];
    for (number, &part) in expansion.outputs.iter().enumerate() {
        if let (Some(gradient), Some(slot)) = (tape.gradient(number), gradients.get_mut(part)) {
            accumulate(slot, gradient.clone())?;
        }
    }
    let all = expansion.parts.iter().zip(&made).enumerate().rev();
    for (index, (part, output)) in all.filter(|(index, _)| wanted.parts[*index]) {
        let Some(gradient) = gradients[index].take() else { continue };
        let read: Vec<Option<&Value>> =
            part.inputs.iter().map(|source| find(source, tape.inputs, &made)).collect();
        let needs: Vec<bool> = part.inputs.iter().map(|source| wanted.is(source)).collect();
        let (outputs, gradient) = ([output], [Some(&gradient)]);
        let tape = Tape { inputs: &read, outputs: &outputs, gradients: &gradient, wanted: &needs };
        let found = part.op.backward(&inner(context), &tape)?;
        for ((source, found), _) in part.inputs.iter().zip(found).zip(&needs).filter(|(_, needs)| **needs) {
            let slot = match source {
                Source::Input(at) => inputs.get_mut(*at),
                Source::Made(at) => gradients.get_mut(*at),
                Source::Absent | Source::Constant(_) => None,
            };
            if let (Some(slot), Some(found)) = (slot, found) {
                accumulate(slot, found)?;
            }
        }
    }
    Ok(inputs)
}

/// What parts make, all of it.
fn run(
    expansion: &Expansion,
    context: &Context<'_>,
    inputs: &[Option<&Value>],
) -> Result<Vec<Value>, OpError> {
    let mut made: Vec<Value> = Vec::with_capacity(expansion.parts.len());
    for part in &expansion.parts {
        let read = part.inputs.iter().map(|source| find(source, inputs, &made).cloned()).collect();
        made.push(one(part.op.forward(&inner(context), Inputs::new(read))?)?);
    }
    Ok(made)
}

fn find<'a>(source: &'a Source, inputs: &[Option<&'a Value>], made: &'a [Value]) -> Option<&'a Value> {
    match source {
        Source::Absent => None,
        Source::Constant(value) => Some(value),
        Source::Input(at) => inputs.get(*at).copied().flatten(),
        Source::Made(at) => made.get(*at),
    }
}

/// What wanted gradients pass through.
struct Wanted<'a> {
    inputs: &'a [bool],
    parts: Vec<bool>,
}

impl Wanted<'_> {
    fn is(&self, source: &Source) -> bool {
        match source {
            Source::Absent | Source::Constant(_) => false,
            Source::Input(at) => self.inputs.get(*at).copied().unwrap_or(false),
            Source::Made(at) => self.parts.get(*at).copied().unwrap_or(false),
        }
    }
}

fn depending<'a>(expansion: &Expansion, inputs: &'a [bool]) -> Wanted<'a> {
    let mut wanted = Wanted { inputs, parts: Vec::new() };
    for part in &expansion.parts {
        let depends = part.inputs.iter().any(|source| wanted.is(source));
        wanted.parts.push(depends);
    }
    wanted
}

/// Adds a gradient to what has been found so far.
fn accumulate(slot: &mut Option<Value>, gradient: Value) -> Result<(), OpError> {
    *slot = Some(match slot.take() {
        None => gradient,
        Some(sum) => super::broadcast::combine::<f32>(sum, gradient, |a, b| a + b)?,
    });
    Ok(())
}

/// What was prepared belongs to the whole operator, not to its parts.
fn inner<'a>(context: &Context<'_>) -> Context<'a> {
    Context::new(context.isa)
}

fn one(mut outputs: Vec<Value>) -> Result<Value, OpError> {
    outputs.pop().ok_or(OpError::MissingInput { index: 0 })
}

fn output(made: &[Option<Value>], part: usize) -> Result<Value, OpError> {
    made.get(part).cloned().flatten().ok_or(OpError::MissingInput { index: part })
}
