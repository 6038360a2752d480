//! `Einsum` (ONNX opset 12): sums of products over named axes, as numpy's `einsum` has them.
//!
//! An equation such as `bij, bjk -> bik` names the axes of the inputs; an axis that the result does
//! not name is summed over, and one that an input names twice is its diagonal. `...` stands for
//! leading axes that broadcast. Without `->` the result has the axes of `...` and those named once,
//! in alphabetical order.
//!
//! Inputs are joined from left to right. Each join is one batched matrix product, in float32 with
//! [`MatMul`]'s kernels: its batch are the axes that both have and are still needed, its inner
//! dimension those that both have and are not. The gradient is such a sum, too.

use super::index::{check_size, zeros};
use super::numbers::{self, Wide, with_wide};
use super::runs::{Runs, add_back, for_each_offset, pick, strides};
use super::{Context, ExportStep, ImportNode, Inputs, MatMul, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value, sorted};
use std::collections::BTreeMap;

/// An axis by name: a letter, or a number for the axes of `...`, counted from its last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Rest(usize),
    Letter(char),
}

/// One side of an equation: letters, and where among them `...` stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    letters: Vec<char>,
    rest: Option<usize>,
}

/// Inputs: as many as the equation has terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Einsum {
    /// The equation as the file has it.
    pub equation: String,
    terms: Vec<Term>,
    /// `None` where the equation does not say what the result is.
    result: Option<Term>,
}

/// A tensor whose axes have names.
#[derive(Debug, Clone)]
struct Named {
    labels: Vec<Label>,
    value: Value,
}

type Sizes = BTreeMap<Label, usize>;

impl Operator for Einsum {
    const OP_TYPE: &'static str = "Einsum";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let missing = || AttrError::Missing { name: "equation".into() };
        let equation = node.attrs.take_string("equation")?.ok_or_else(missing)?;
        Self::parse(&equation).ok_or(AttrError::Unsupported {
            name: "equation".into(),
            value: equation,
            reason: "it must be lists of letters with at most one `...` in each, as in `...ij, jk -> ...ik`",
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("equation", Attr::String(self.equation.clone()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let dtype = inputs.ty(0)?.dtype;
        numbers::check("the first input", dtype)?;
        let mut known: BTreeMap<Label, Dim> = BTreeMap::new();
        let mut rest = Some(0);
        for (at, term) in self.terms.iter().enumerate() {
            numbers::check_same(dtype, inputs.ty(at)?.dtype)?;
            let Some(dims) = inputs.shape(at)?.dims() else {
                rest = rest.filter(|_| term.rest.is_none());
                continue;
            };
            let labels = term.labels(dims.len())?;
            rest = rest.map(|rest: usize| rest.max(dims.len() - term.letters.len()));
            for (label, dim) in labels.into_iter().zip(dims) {
                let slot = known.entry(label).or_insert(Dim::Fixed(1));
                if *slot == Dim::Fixed(1) || (slot.fixed().is_none() && dim.fixed().is_some_and(|n| n != 1)) {
                    *slot = dim.clone();
                }
            }
        }
        let shape = match rest {
            Some(rest) => {
                let dim = |label: Label| known.get(&label).cloned().unwrap_or(Dim::Unknown);
                Shape::Ranked(self.result_labels(rest).into_iter().map(dim).collect())
            }
            None => Shape::Unranked,
        };
        Ok(vec![TensorType::new(dtype, shape)])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let dtype = inputs.get(0)?.dtype();
        numbers::check("the first input", dtype)?;
        let values = (0..self.terms.len()).map(|at| inputs.get(at)).collect::<Result<Vec<_>, _>>()?;
        let (labels, sizes) = self.sizes(&values)?;
        let pairs = labels.into_iter().zip(&values);
        let operands: Vec<Named> =
            pairs.map(|(labels, &value)| Named { labels, value: value.clone() }).collect();
        for operand in &operands {
            numbers::check_same(dtype, operand.value.dtype())?;
        }
        let rest = operands.iter().flat_map(|operand| &operand.labels);
        let rest = rest.filter(|label| matches!(label, Label::Rest(_))).max();
        let rest = rest.map_or(0, |label| if let Label::Rest(at) = label { at + 1 } else { 0 });
        Ok(vec![contract(context, operands, &self.result_labels(rest), &sizes)?])
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut found = vec![None; tape.inputs.len().max(1)];
        let Some(gradient) = tape.gradient(0) else { return Ok(found) };
        let values = (0..self.terms.len()).map(|at| tape.input(at)).collect::<Result<Vec<_>, _>>()?;
        let (labels, sizes) = self.sizes(&values)?;
        let rest = gradient.rank().saturating_sub(self.result_labels(0).len());
        let gradient = Named { labels: self.result_labels(rest), value: gradient.clone() };
        for (at, slot) in found.iter_mut().enumerate().take(values.len()) {
            if !tape.wants(at) {
                continue;
            }
            let others = labels.iter().zip(&values).enumerate().filter(|(other, _)| *other != at);
            let others = others.map(|(_, (l, &v))| Named { labels: l.clone(), value: v.clone() });
            let operands: Vec<Named> = std::iter::once(gradient.clone()).chain(others).collect();
            let mut own = sorted(&labels[at]);
            own.dedup();
            let whole = contract(context, operands, &own, &sizes)?;
            // The way back of what laid the input out over all its axes: diagonals and repetitions.
            let runs = arrangement(&labels[at], values[at].shape(), &own, &sizes)?;
            *slot = Some(add_back(&whole, &runs, values[at].shape())?);
        }
        Ok(found)
    }
}

impl Term {
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = match text.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        let letters: Vec<char> = before.chars().chain(after.unwrap_or_default().chars()).collect();
        let rest = after.is_some().then(|| before.chars().count());
        letters.iter().all(char::is_ascii_alphabetic).then_some(Self { letters, rest })
    }

    /// The names of the axes of a tensor of that rank.
    fn labels(&self, rank: usize) -> Result<Vec<Label>, OpError> {
        let extra = rank.checked_sub(self.letters.len()).filter(|&extra| extra == 0 || self.rest.is_some());
        let extra = extra.ok_or_else(|| {
            index::count_error("dimensions of an input of the equation", self.letters.len(), rank)
        })?;
        Ok(self.with_rest(extra))
    }

    fn with_rest(&self, extra: usize) -> Vec<Label> {
        let letters = self.letters.iter().copied().map(Label::Letter);
        let Some(at) = self.rest else { return letters.collect() };
        let before = letters.clone().take(at);
        before.chain((0..extra).rev().map(Label::Rest)).chain(letters.skip(at)).collect()
    }
}

impl Einsum {
    fn parse(equation: &str) -> Option<Self> {
        let dense: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, result) = match dense.split_once("->") {
            Some((inputs, result)) => (inputs, Some(result)),
            None => (dense.as_str(), None),
        };
        let terms = inputs.split(',').map(Term::parse).collect::<Option<Vec<_>>>()?;
        let result = match result {
            Some(text) => Some(Term::parse(text)?),
            None => None,
        };
        let is_named = |letter: &char| terms.iter().any(|term| term.letters.contains(letter));
        if let Some(result) = &result {
            let mut once = sorted(&result.letters);
            once.dedup();
            if once.len() != result.letters.len() || !once.iter().all(is_named) {
                return None;
            }
        }
        Some(Self { equation: equation.to_owned(), terms, result })
    }

    /// The axes of the result, where `...` stands for that many.
    fn result_labels(&self, rest: usize) -> Vec<Label> {
        if let Some(result) = &self.result {
            return result.with_rest(rest);
        }
        let all: Vec<char> = self.terms.iter().flat_map(|term| term.letters.iter().copied()).collect();
        let all = sorted(&all);
        let once = all.chunk_by(|a, b| a == b).filter(|run| run.len() == 1).flatten();
        (0..rest).rev().map(Label::Rest).chain(once.map(|&letter| Label::Letter(letter))).collect()
    }

    /// The names of the axes of each input, and the size that goes with each name.
    fn sizes(&self, values: &[&Value]) -> Result<(Vec<Vec<Label>>, Sizes), OpError> {
        let (mut all, mut sizes) = (Vec::new(), Sizes::new());
        for (term, value) in self.terms.iter().zip(values) {
            let labels = term.labels(value.rank())?;
            for (&label, &size) in labels.iter().zip(value.shape()) {
                let known = sizes.entry(label).or_insert(size);
                if *known != size && *known != 1 && size != 1 {
                    return Err(index::count_error("size of an axis of the equation", *known, size));
                }
                if *known == 1 {
                    *known = size;
                }
            }
            all.push(labels);
        }
        Ok((all, sizes))
    }
}

/// Where the elements of a tensor over the axes `wanted` lie in one whose axes have the names
/// `labels`: one named twice is read along its diagonal, one that it lacks or has with size 1 is
/// repeated.
fn arrangement(labels: &[Label], shape: &[usize], wanted: &[Label], sizes: &Sizes) -> Result<Runs, OpError> {
    let own = strides(shape);
    let step = |label: &Label| {
        let axes = labels.iter().zip(shape).zip(&own);
        axes.filter(|((l, size), _)| *l == label && **size != 1).map(|(_, step)| step).sum()
    };
    let result: Vec<usize> = wanted.iter().map(|label| sizes.get(label).copied().unwrap_or(1)).collect();
    check_size(&result, size_of::<usize>())?;
    let steps: Vec<usize> = wanted.iter().map(step).collect();
    let mut starts = Vec::new();
    for_each_offset(&result, &steps, |_, offset| starts.push(offset));
    Ok(Runs::single(starts))
}

impl Named {
    /// The tensor over these axes, in this order.
    fn over(&self, wanted: &[Label], sizes: &Sizes) -> Result<Value, OpError> {
        let shape: Vec<usize> = wanted.iter().map(|label| sizes.get(label).copied().unwrap_or(1)).collect();
        if self.labels == wanted && self.value.shape() == shape {
            return Ok(self.value.clone());
        }
        pick(&self.value, &arrangement(&self.labels, self.value.shape(), wanted, sizes)?, &shape)
    }

    fn has(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }
}

/// The product of all operands over the axes `result`, summed over all others.
fn contract(
    context: &Context<'_>,
    operands: Vec<Named>,
    result: &[Label],
    sizes: &Sizes,
) -> Result<Value, OpError> {
    let mut operands = operands.into_iter();
    let Some(mut joined) = operands.next() else { return Err(OpError::MissingInput { index: 0 }) };
    // A single operand is joined with the number 1, which sums over what is not needed.
    if operands.len() == 0 {
        let one = numbers::widened(Value::scalar(1_i64))?;
        let value = super::convert::convert(one, joined.value.dtype())?;
        joined = join(context, &joined, &Named { labels: Vec::new(), value }, result, sizes)?;
    }
    while let Some(next) = operands.next() {
        let later = operands.as_slice().iter().flat_map(|operand| &operand.labels);
        let needed: Vec<Label> = result.iter().chain(later).copied().collect();
        joined = join(context, &joined, &next, &needed, sizes)?;
    }
    joined.over(result, sizes)
}

/// One join: the product over all axes of either that are still needed.
fn join(
    context: &Context<'_>,
    lhs: &Named,
    rhs: &Named,
    needed: &[Label],
    sizes: &Sizes,
) -> Result<Named, OpError> {
    let mut all = sorted(&[lhs.labels.as_slice(), &rhs.labels].concat());
    all.dedup();
    let select = |of: &dyn Fn(Label) -> bool| all.iter().copied().filter(|&l| of(l)).collect::<Vec<_>>();
    let is_needed = |label: Label| needed.contains(&label);
    let batch = select(&|l| is_needed(l) && lhs.has(l) && rhs.has(l));
    let rows = select(&|l| is_needed(l) && !rhs.has(l));
    let columns = select(&|l| is_needed(l) && !lhs.has(l));
    // What only one of the two has and nobody needs is summed along: the other is repeated over it.
    let inner = select(&|l| !is_needed(l));
    let count = |labels: &[Label]| -> usize {
        labels.iter().map(|label| sizes.get(label).copied().unwrap_or(1)).product()
    };
    let [b, m, k, n] = [&batch, &rows, &inner, &columns].map(|labels| count(labels));
    check_size(&[b, m, n], size_of::<f64>())?;
    let a = lhs.over(&[&batch[..], &rows, &inner].concat(), sizes)?.reshaped(&[b, m, k])?;
    let c = rhs.over(&[&batch[..], &inner, &columns].concat(), sizes)?.reshaped(&[b, k, n])?;
    let labels = [batch, rows, columns].concat();
    let shape: Vec<usize> = labels.iter().map(|label| sizes.get(label).copied().unwrap_or(1)).collect();
    Ok(Named { labels, value: multiply(context, a, c)?.reshaped(&shape)? })
}

/// The batched product `[B, M, K] · [B, K, N]` of numbers of any type.
fn multiply(context: &Context<'_>, lhs: Value, rhs: Value) -> Result<Value, OpError> {
    let dtype = lhs.dtype();
    if dtype == DType::F32 {
        let inputs = Inputs::new(vec![Some(lhs), Some(rhs)]);
        let made = MatMul::default().forward(&Context::new(context.isa), inputs)?;
        return made.into_iter().next().ok_or(OpError::MissingInput { index: 0 });
    }
    let (lhs, rhs) = (numbers::widened(lhs)?, numbers::widened(rhs)?);
    let made = with_wide!(dtype, T => multiply_wide::<T>(&lhs, &rhs)?);
    super::convert::convert(made, dtype)
}

fn multiply_wide<T: Wide>(lhs: &Value, rhs: &Value) -> Result<Value, OpError> {
    let (&[b, m, k], &[_, _, n]) = (lhs.shape(), rhs.shape()) else {
        return Err(index::count_error("number of dimensions", 3, lhs.rank()));
    };
    let (x, y) = (lhs.as_slice::<T>()?, rhs.as_slice::<T>()?);
    let mut found = zeros::<T>(&[b, m, n])?.into_vec::<T>()?;
    for (at, row) in found.chunks_exact_mut(n.max(1)).enumerate() {
        let first = at / m.max(1) * k;
        for (i, &factor) in x[at * k..(at + 1) * k].iter().enumerate() {
            let other = &y[(first + i) * n..(first + i + 1) * n];
            row.iter_mut().zip(other).for_each(|(sum, &v)| *sum = sum.plus(factor.times(v)));
        }
    }
    Ok(Value::from_vec(&[b, m, n], found)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, tensor, try_run};

    fn equation(text: &str) -> Attrs {
        Attrs::new().with("equation", Attr::String(text.into()))
    }

    impl Sampled for Einsum {
        fn samples() -> Vec<Sample> {
            let random = |seed, shape: &[usize]| Random::new(seed).uniform(shape, -1.0, 1.0);
            let two = || tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
            let stated =
                |text: &str, wanted: Value| Sample::new(equation(text)).input(two()).gives(vec![wanted]);
            let three = |text: &str| Sample::new(equation(text)).input(random(1, &[2, 3]));
            vec![
                stated("ij->ji", tensor(&[2, 2], &[1.0, 3.0, 2.0, 4.0])).opset(12),
                stated("ba", tensor(&[2, 2], &[1.0, 3.0, 2.0, 4.0])),
                stated("ii", tensor(&[], &[5.0])),
                stated("ii->i", tensor(&[2], &[1.0, 4.0])),
                stated("i...->...", tensor(&[2], &[4.0, 6.0])),
                stated("...", two()),
                Sample::new(equation("i,i"))
                    .input(integers(&[1 << 40, 2]))
                    .input(integers(&[3, -1]))
                    .gives(vec![Value::scalar((3_i64 << 40) - 2)]),
                Sample::new(equation("i, j -> ij"))
                    .input(tensor(&[2], &[1.0, 2.0]))
                    .input(tensor(&[2], &[3.0, 5.0]))
                    .gives(vec![tensor(&[2, 2], &[3.0, 5.0, 6.0, 10.0])]),
                three("ij,jk->ik").input(random(2, &[3, 4])).gradients(&[0, 1]),
                three("ij,jk,kl->il")
                    .input(random(2, &[3, 2]))
                    .input(random(3, &[2, 2]))
                    .gradients(&[0, 1, 2]),
                three("ij->i").gradients(&[0]),
                Sample::new(equation("bhid,bhjd->bhij"))
                    .input(random(1, &[2, 2, 3, 2]))
                    .input(random(2, &[2, 2, 4, 2]))
                    .gradients(&[0, 1]),
                Sample::new(equation("...ij,...jk->...ik"))
                    .input(random(1, &[3, 1, 2, 2]))
                    .input(random(2, &[2, 2, 3]))
                    .gradients(&[0, 1]),
                Sample::new(equation("iij,j->i"))
                    .input(random(1, &[2, 2, 3]))
                    .input(random(2, &[3]))
                    .gradients(&[0, 1]),
                // An axis that only one input has and the result has not.
                Sample::new(equation("ab,cd->bd"))
                    .input(random(1, &[2, 3]))
                    .input(random(2, &[2, 2]))
                    .gradients(&[0, 1]),
            ]
        }
    }

    #[test]
    fn double_precision_is_summed_in_double_precision() {
        let (op, _) = import_node("Einsum", equation("i,i->"), 12, &[]).unwrap();
        let wide = |data: &[f64]| Value::from_vec(&[data.len()], data.to_vec()).unwrap();
        let found = try_run(&op, &[wide(&[1.0, 1e-12]), wide(&[1.0, 1.0])]).unwrap();
        assert_eq!(found, [Value::scalar(1.0 + 1e-12)]);
    }

    #[test]
    fn equations_and_shapes_that_do_not_fit_are_refused() {
        for bad in ["i->j", "i->ii", "i.j", "......", "1", "i->j->k", "i-->i"] {
            assert!(import_node("Einsum", equation(bad), 12, &[]).is_err(), "{bad}");
        }
        let run = |text: &str, inputs: &[Value]| {
            try_run(&import_node("Einsum", equation(text), 12, &[]).unwrap().0, inputs)
        };
        let row = |n: usize| Value::zeros::<f32>(&[n]).unwrap();
        let error = run("i,i", &[row(2), row(3)]).unwrap_err();
        assert_eq!(error.to_string(), "size of an axis of the equation: expected 2, got 3");
        assert!(run("ij", &[row(2)]).is_err());
        assert!(run("i,i", &[row(2)]).is_err());
        let long = || row(1 << 16);
        assert!(run("a,b,c->abc", &[long(), long(), long()]).is_err());
    }
}
