//! `Attention` (ONNX opsets 23–24): each query's mean of the values, weighted by how well their keys
//! match it, head by head: `softmax(scale · Q Kᵀ + bias) V`.
//!
//! `Q`, `K` and `V` are `[batch, heads, length, size]`, or `[batch, length, heads · size]` with the
//! numbers of heads as attributes. Several heads of queries may share one of keys. Keys and values of
//! earlier runs stand in front of the new ones. It is computed by parts ([`ByParts`]).

use super::by_parts::{self, ByParts};
use super::composed::{Expansion, Source, integers, number};
use super::pad::PadMode;
use super::quantize_linear::take_float32;
use super::{
    Add, Concat, Context, Div, ExportStep, Identity, ImportNode, Inputs, Less, MatMul, Mul, OpError,
    Operator, Pad, Reshape, Rows, Softmax, Tanh, Tape, Transpose, TypeInputs, Where, index,
};
use crate::ir::{Attr, AttrError, Attrs, Opset};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// Inputs: `Q`, `K`, `V`; optional: a mask (Booleans, or summands of the scores), keys and values of
/// the past, the number of keys in use per element of the batch. Outputs: the means, and where they
/// are wanted the keys and values with those of the past, and scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Heads of the queries, where inputs have three axes.
    pub q_heads: Option<usize>,
    /// Heads of keys and values, where inputs have three axes.
    pub kv_heads: Option<usize>,
    /// Factor of the scores; `1 / √size` by default.
    pub scale: Option<f32>,
    /// Scores `s` are limited to `softcap · tanh(s / softcap)`; 0 for no limit.
    pub softcap: f32,
    /// Whether queries see no keys behind their own place.
    pub is_causal: bool,
    /// What the fourth output has.
    pub shown: Scores,
    /// Number of outputs, 1 to 4.
    pub outputs: usize,
}

/// Scores of queries and keys, as they become shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scores {
    /// Products, scaled.
    Products,
    /// The same, limited by the softcap.
    Capped,
    /// The same with the mask.
    Masked,
    /// What softmax makes of them.
    Shares,
}

const MODES: [Scores; 4] = [Scores::Products, Scores::Capped, Scores::Masked, Scores::Shares];

/// What inputs are called in messages.
const NAMES: [&str; 7] = ["Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen"];

/// Sizes, as far as they are known.
#[derive(Debug, Clone)]
struct Sizes<N> {
    batch: N,
    q_heads: N,
    kv_heads: N,
    queries: N,
    /// Keys with those of the past.
    keys: N,
    past: N,
    head: N,
    value_head: N,
    /// Heads are packed into the last of three axes.
    is_packed: bool,
}

impl Operator for Attention {
    const OP_TYPE: &'static str = "Attention";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        take_float32(node, "softmax_precision")?;
        let attrs = &mut node.attrs;
        let mut heads = |name: &str| -> Result<Option<usize>, AttrError> {
            let Some(count) = attrs.take_int(name)?.filter(|&count| count != 0) else { return Ok(None) };
            usize::try_from(count).map(Some).map_err(|_| AttrError::Unsupported {
                name: name.to_owned(),
                value: count.to_string(),
                reason: "a number of heads is positive",
            })
        };
        let (q_heads, kv_heads) = (heads("q_num_heads")?, heads("kv_num_heads")?);
        let mode = attrs.take_int("qk_matmul_output_mode")?.unwrap_or(0);
        let shown = usize::try_from(mode).ok().and_then(|mode| MODES.get(mode)).copied();
        let shown = shown.ok_or_else(|| AttrError::Unsupported {
            name: "qk_matmul_output_mode".to_owned(),
            value: mode.to_string(),
            reason: "ONNX has 0 to 3 only",
        })?;
        Ok(Self {
            q_heads,
            kv_heads,
            scale: attrs.take_float("scale")?,
            softcap: attrs.take_float("softcap")?.unwrap_or(0.0),
            is_causal: attrs.take_bool("is_causal", false)?,
            shown,
            outputs: node.output_count.clamp(1, 4),
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = Attrs::new();
        for (name, heads) in [("q_num_heads", self.q_heads), ("kv_num_heads", self.kv_heads)] {
            if let Some(heads) = heads {
                attrs.insert(name, Attr::Int(i64::try_from(heads).ok()?));
            }
        }
        if let Some(scale) = self.scale {
            attrs.insert("scale", Attr::Float(scale));
        }
        attrs.insert("softcap", Attr::Float(self.softcap));
        attrs.insert("is_causal", Attr::Int(self.is_causal.into()));
        attrs.insert("qk_matmul_output_mode", Attr::Int(self.shown as i64));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs).since(23)])
    }

    fn file_opset(&self, inputs: &TypeInputs<'_>) -> Opset {
        Opset(if inputs.optional(6).is_some() { 24 } else { 23 })
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        for slot in [0, 1, 2, 4, 5] {
            if slot < 3 || inputs.optional(slot).is_some() {
                inputs.float(slot, NAMES[slot])?;
            }
        }
        let dtype = inputs.ty(0)?.dtype;
        let ranked = |slot: usize| inputs.optional(slot).is_none_or(|ty| ty.shape.rank().is_some());
        let unknown = || vec![TensorType::new(dtype, Shape::Unranked); self.outputs];
        if !(0..inputs.len()).all(ranked) {
            return Ok(unknown());
        }
        let dims: Vec<Option<&[Dim]>> =
            (0..inputs.len()).map(|slot| inputs.optional(slot)?.shape.dims()).collect();
        let shapes = self.sizes(&dims)?.shapes();
        let types = shapes.into_iter().map(|dims| TensorType::new(dtype, Shape::Ranked(dims)));
        Ok(types.take(self.outputs).collect())
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        by_parts::forward(self, context, inputs)
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        by_parts::backward(self, context, tape)
    }
}

impl Attention {
    /// Sizes of everything, from the inputs' shapes, which must fit together.
    fn sizes(&self, inputs: &[Option<&[Dim]>]) -> Result<Sizes<Dim>, OpError> {
        let shape = |slot: usize| inputs.get(slot).copied().flatten();
        let required = |slot: usize| shape(slot).ok_or(OpError::MissingInput { index: slot });
        let [query, key, value] = [required(0)?, required(1)?, required(2)?];
        if [key.len(), value.len()] != [query.len(); 2] {
            let got = format!("{}, {} and {} axes", query.len(), key.len(), value.len());
            return Err(OpError::Shape { what: "Q, K and V", expected: "as many axes each".into(), got });
        }
        let [batch, q_heads, queries, head] = split(0, query, self.q_heads)?;
        let [key_batch, kv_heads, new, key_head] = split(1, key, self.kv_heads)?;
        let [value_batch, value_heads, value_new, value_head] = split(2, value, self.kv_heads)?;
        agree("batch of K", &batch, &key_batch)?;
        agree("batch of V", &batch, &value_batch)?;
        agree("heads of V", &kv_heads, &value_heads)?;
        agree("length of V", &new, &value_new)?;
        agree("size of a key", &head, &key_head)?;
        if let (Dim::Fixed(queries), Dim::Fixed(keys)) = (&q_heads, &kv_heads)
            && (*keys == 0 || queries % keys != 0)
        {
            let (expected, got) = (format!("a multiple of {keys}"), queries.to_string());
            return Err(OpError::Shape { what: "heads of Q", expected, got });
        }
        let kept = [&batch, &kv_heads, &head, &value_head];
        let past = match (shape(4), shape(5)) {
            (None, None) => Dim::Fixed(0),
            (Some(key), Some(value)) if shape(6).is_none() => past(kept, [key, value])?,
            _ => {
                let expected = "both, and no nonpad_kv_seqlen".to_owned();
                let got = "other inputs".to_owned();
                return Err(OpError::Shape { what: "past_key and past_value", expected, got });
            }
        };
        let keys = match (&past, &new) {
            (Dim::Fixed(0), new) => new.clone(),
            (Dim::Fixed(past), Dim::Fixed(new)) => past.checked_add(*new).map_or(Dim::Unknown, Dim::Fixed),
            _ => Dim::Unknown,
        };
        let is_packed = query.len() == 3;
        Ok(Sizes { batch, q_heads, kv_heads, queries, keys, past, head, value_head, is_packed })
    }

    /// What is added to scores: one summand after the other.
    fn biases(
        &self,
        made: &mut Expansion,
        inputs: &[Option<&Value>],
        sizes: &Sizes<usize>,
    ) -> Result<Vec<Source>, OpError> {
        let mut found = Vec::new();
        let forbidden = || number(f32::NEG_INFINITY);
        if let Some(mask) = inputs.get(3).copied().flatten() {
            check_mask(mask, sizes)?;
            let mut bias = Source::Input(3);
            if mask.dtype() == DType::Bool {
                bias = made.add(Where, vec![bias, number(0.0), forbidden()]);
            }
            let missing = sizes.keys - mask.shape().last().copied().unwrap_or(sizes.keys);
            if missing > 0 {
                let mut pads = vec![0; 2 * mask.rank()];
                if let Some(last) = pads.last_mut() {
                    *last = missing as i64;
                }
                let op = Pad { mode: PadMode::Constant { is_zero: false } };
                bias = made.add(op, vec![bias, integers(&pads), forbidden()]);
            }
            found.push(bias);
        }
        if self.is_causal {
            let place = |at: usize| (at / sizes.keys, at % sizes.keys);
            index::check_size(&[sizes.queries, sizes.keys], size_of::<f32>())?;
            let seen = (0..sizes.queries * sizes.keys)
                .map(place)
                .map(|(query, key)| if key <= query + sizes.past { 0.0 } else { f32::NEG_INFINITY });
            found.push(Source::Constant(Value::from_vec(&[sizes.queries, sizes.keys], seen.collect())?));
        }
        if let Some(used) = inputs.get(6).copied().flatten() {
            if used.shape() != [sizes.batch] {
                let (expected, got) = (format!("[{}]", sizes.batch), format!("{:?}", used.shape()));
                return Err(OpError::Shape { what: NAMES[6], expected, got });
            }
            let used = reshaped(made, Source::Input(6), &[sizes.batch, 1, 1, 1]);
            let places: Vec<i64> = (0..sizes.keys as i64).collect();
            let is_used = made.add(Less, vec![integers(&places), used]);
            found.push(made.add(Where, vec![is_used, number(0.0), forbidden()]));
        }
        Ok(found)
    }

    fn capped(&self, made: &mut Expansion, scores: &Source) -> Source {
        if self.softcap <= 0.0 {
            return scores.clone();
        }
        let cap = || number(self.softcap);
        let part = made.add(Div, vec![scores.clone(), cap()]);
        let limited = made.add(Tanh, vec![part]);
        made.add(Mul, vec![limited, cap()])
    }

    fn factor(&self, sizes: &Sizes<usize>) -> f32 {
        self.scale.unwrap_or(1.0 / (sizes.head.max(1) as f32).sqrt())
    }
}

impl ByParts for Attention {
    fn parts(&self, inputs: &[Option<&Value>]) -> Result<Expansion, OpError> {
        let dims: Vec<Option<Vec<Dim>>> = inputs
            .iter()
            .map(|input| input.map(|value| value.shape().iter().copied().map(Dim::Fixed).collect()))
            .collect();
        let sizes = self.sizes(&dims.iter().map(Option::as_deref).collect::<Vec<_>>())?.fixed()?;
        let mut made = Expansion::default();
        let Sizes { batch, q_heads, kv_heads, queries, keys, .. } = sizes;
        let [query, key, value] = operands(&mut made, inputs, &sizes);
        // Heads of queries that share one of keys follow each other: to that one they are more queries.
        let shared = q_heads / kv_heads * queries;
        let query = made.add(Mul, vec![query, number(self.factor(&sizes))]);
        let query = reshaped(&mut made, query, &[batch, kv_heads, shared, sizes.head]);
        let turned = transposed(&mut made, key.clone(), [0, 1, 3, 2]);
        let products = made.add(MatMul::default(), vec![query, turned]);
        let products = reshaped(&mut made, products, &[batch, q_heads, queries, keys]);
        let capped = self.capped(&mut made, &products);
        let mut masked = capped.clone();
        for bias in self.biases(&mut made, inputs, &sizes)? {
            masked = made.add(Add::default(), vec![masked, bias]);
        }
        let shares = made.add(Softmax { rows: Rows::Along(-1) }, vec![masked.clone()]);
        let rows = reshaped(&mut made, shares.clone(), &[batch, kv_heads, shared, keys]);
        let means = made.add(MatMul::default(), vec![rows, value.clone()]);
        let mut means = reshaped(&mut made, means, &[batch, q_heads, queries, sizes.value_head]);
        if sizes.is_packed {
            let turned = transposed(&mut made, means, [0, 2, 1, 3]);
            means = reshaped(&mut made, turned, &[batch, queries, q_heads * sizes.value_head]);
        }
        let scores = match self.shown {
            Scores::Products => products,
            Scores::Capped => capped,
            Scores::Masked => masked,
            Scores::Shares => shares,
        };
        for result in [means, key, value, scores].into_iter().take(self.outputs) {
            // What is handed on as it is given is made, too.
            let made_by = match result {
                Source::Made(part) => part,
                given => {
                    made.add(Identity, vec![given]);
                    made.parts.len() - 1
                }
            };
            made.outputs.push(made_by);
        }
        Ok(made)
    }
}

impl Sizes<Dim> {
    /// Shapes of the outputs.
    fn shapes(&self) -> [Vec<Dim>; 4] {
        let Self { batch, q_heads, kv_heads, queries, keys, head, value_head, .. } = self;
        let of = |dims: [&Dim; 4]| dims.map(Clone::clone).to_vec();
        let packed = || {
            let hidden = index::product(&[q_heads.clone(), value_head.clone()]);
            vec![batch.clone(), queries.clone(), hidden]
        };
        [
            if self.is_packed { packed() } else { of([batch, q_heads, queries, value_head]) },
            of([batch, kv_heads, keys, head]),
            of([batch, kv_heads, keys, value_head]),
            of([batch, q_heads, queries, keys]),
        ]
    }

    fn fixed(&self) -> Result<Sizes<usize>, OpError> {
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => Ok(*size),
            open => {
                Err(OpError::Shape { what: "a size", expected: "a number".into(), got: open.to_string() })
            }
        };
        Ok(Sizes {
            batch: size(&self.batch)?,
            q_heads: size(&self.q_heads)?,
            kv_heads: size(&self.kv_heads)?,
            queries: size(&self.queries)?,
            keys: size(&self.keys)?,
            past: size(&self.past)?,
            head: size(&self.head)?,
            value_head: size(&self.value_head)?,
            is_packed: self.is_packed,
        })
    }
}

/// Batch, heads, length and size of a head of an input.
fn split(slot: usize, dims: &[Dim], heads: Option<usize>) -> Result<[Dim; 4], OpError> {
    let wrong = |expected: String| {
        let got = Shape::Ranked(dims.to_vec()).to_string();
        Err(OpError::Shape { what: NAMES[slot], expected, got })
    };
    match (dims, heads) {
        ([batch, own, length, size], heads) => {
            if let (Some(heads), Dim::Fixed(own)) = (heads, own)
                && heads != *own
            {
                return wrong(format!("{heads} heads"));
            }
            Ok([batch.clone(), own.clone(), length.clone(), size.clone()])
        }
        ([batch, length, hidden], Some(heads)) => {
            let size = match hidden {
                Dim::Fixed(hidden) if hidden % heads == 0 => Dim::Fixed(hidden / heads),
                Dim::Fixed(_) => return wrong(format!("a last axis that {heads} heads divide")),
                _ => Dim::Unknown,
            };
            Ok([batch.clone(), Dim::Fixed(heads), length.clone(), size])
        }
        _ => wrong("batch × heads × length × size, or three axes and the number of heads".to_owned()),
    }
}

/// Number of keys and values of the past, which have the batch, heads and sizes of the new ones.
fn past([batch, heads, head, value_head]: [&Dim; 4], inputs: [&[Dim]; 2]) -> Result<Dim, OpError> {
    let [key_batch, key_heads, past, key_head] = split(4, inputs[0], None)?;
    let [value_batch, value_heads, value_past, size] = split(5, inputs[1], None)?;
    agree("batch of past_key", batch, &key_batch)?;
    agree("batch of past_value", batch, &value_batch)?;
    agree("heads of past_key", heads, &key_heads)?;
    agree("heads of past_value", heads, &value_heads)?;
    agree("length of past_value", &past, &value_past)?;
    agree("size of a past key", head, &key_head)?;
    agree("size of a past value", value_head, &size)?;
    Ok(past)
}

fn agree(what: &'static str, expected: &Dim, got: &Dim) -> Result<(), OpError> {
    match (expected, got) {
        (Dim::Fixed(expected), Dim::Fixed(got)) if expected != got => {
            let (expected, got) = (expected.to_string(), got.to_string());
            Err(OpError::Shape { what, expected, got })
        }
        _ => Ok(()),
    }
}

/// A mask broadcasts to the scores; its last axis may be shorter.
fn check_mask(mask: &Value, sizes: &Sizes<usize>) -> Result<(), OpError> {
    if !matches!(mask.dtype(), DType::Bool | DType::F32) {
        return Err(OpError::DType { what: NAMES[3], expected: "bool or float32", got: mask.dtype() });
    }
    let scores = [sizes.batch, sizes.q_heads, sizes.queries, sizes.keys];
    let mut pairs = mask.shape().iter().rev().zip(scores.iter().rev());
    let is_short = pairs.next().is_none_or(|(own, keys)| own <= keys);
    if mask.rank() <= 4 && is_short && pairs.all(|(own, size)| own == size || *own == 1) {
        return Ok(());
    }
    let (expected, got) = (format!("what broadcasts to {scores:?}"), format!("{:?}", mask.shape()));
    Err(OpError::Shape { what: NAMES[3], expected, got })
}

/// Queries, keys and values, with those of the past in front.
fn operands(made: &mut Expansion, inputs: &[Option<&Value>], sizes: &Sizes<usize>) -> [Source; 3] {
    let Sizes { batch, q_heads, kv_heads, queries, head, value_head, is_packed, .. } = *sizes;
    let new = sizes.keys - sizes.past;
    let query = unpacked(made, 0, [batch, queries, q_heads, head], is_packed);
    let mut key = unpacked(made, 1, [batch, new, kv_heads, head], is_packed);
    let mut value = unpacked(made, 2, [batch, new, kv_heads, value_head], is_packed);
    if inputs.get(4).copied().flatten().is_some() {
        key = made.add(Concat { axis: 2 }, vec![Source::Input(4), key]);
        value = made.add(Concat { axis: 2 }, vec![Source::Input(5), value]);
    }
    [query, key, value]
}

/// An input as batch × heads × length × size.
fn unpacked(made: &mut Expansion, slot: usize, sizes: [usize; 4], is_packed: bool) -> Source {
    if !is_packed {
        return Source::Input(slot);
    }
    let split = reshaped(made, Source::Input(slot), &sizes);
    transposed(made, split, [0, 2, 1, 3])
}

fn reshaped(made: &mut Expansion, x: Source, shape: &[usize]) -> Source {
    let target: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    made.add(Reshape { allow_zero: true }, vec![x, integers(&target)])
}

fn transposed(made: &mut Expansion, x: Source, order: [i64; 4]) -> Source {
    made.add(Transpose { permutation: Some(order.to_vec()) }, vec![x])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    /// Attributes by name.
    fn attrs(list: &[(&str, i64)]) -> Attrs {
        list.iter().fold(Attrs::new(), |attrs, (name, value)| attrs.with(name, Attr::Int(*value)))
    }

    fn booleans(shape: &[usize], data: &[bool]) -> Value {
        Value::from_vec(shape, data.to_vec()).unwrap()
    }

    impl Sampled for Attention {
        /// Expected values of onnxruntime 1.31 stand in the node cases; here are those that can be seen.
        fn samples() -> Vec<Sample> {
            let mut random = Random::new(77);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            // A query that matches no key takes the mean of the values that it sees.
            let seen = |attrs: Attrs| {
                Sample::new(attrs)
                    .opset(23)
                    .input(tensor(&[1, 1, 2, 2], &[0.0; 4]))
                    .input(tensor(&[1, 1, 3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
                    .input(tensor(&[1, 1, 3, 1], &[3.0, 6.0, 9.0]))
            };
            let means = |a: f32, b: f32| vec![tensor(&[1, 1, 2, 1], &[a, b])];
            let packed = |heads: [i64; 2], rest: &[(&str, i64)]| {
                let heads = [("q_num_heads", heads[0]), ("kv_num_heads", heads[1])];
                Sample::new(attrs(&[&heads, rest].concat())).opset(23)
            };
            let capped = attrs(&[("qk_matmul_output_mode", 1)]).with("softcap", Attr::Float(0.7));
            vec![
                seen(Attrs::new()).gives_about(1e-6, means(6.0, 6.0)),
                seen(attrs(&[("is_causal", 1)])).gives_about(1e-6, means(3.0, 4.5)),
                seen(Attrs::new())
                    .constant(booleans(&[2, 2], &[false, true, true, true]))
                    .gives_about(1e-6, means(6.0, 4.5)),
                seen(Attrs::new())
                    .opset(24)
                    .absent()
                    .absent()
                    .absent()
                    .input(integers(&[1]))
                    .gives_about(1e-6, means(3.0, 3.0)),
                packed([2, 2], &[])
                    .input(random(&[2, 3, 4]))
                    .input(random(&[2, 2, 4]))
                    .input(random(&[2, 2, 6]))
                    .gradients(&[0, 1, 2]),
                packed([4, 2], &[("is_causal", 1)])
                    .input(random(&[1, 3, 8]))
                    .input(random(&[1, 2, 4]))
                    .input(random(&[1, 2, 2]))
                    .input(random(&[3, 2]))
                    .gradients(&[0, 1, 2, 3]),
                Sample::new(capped.with("scale", Attr::Float(1.5)))
                    .opset(23)
                    .output_count(4)
                    .input(random(&[1, 2, 2, 3]))
                    .input(random(&[1, 1, 2, 3]))
                    .input(random(&[1, 1, 2, 2]))
                    .input(random(&[2, 1, 2]))
                    .input(random(&[1, 1, 1, 3]))
                    .input(random(&[1, 1, 1, 2]))
                    .gradients(&[0, 1, 2, 3, 4, 5]),
            ]
        }
    }

    #[test]
    fn inputs_that_do_not_fit_together_are_refused() {
        let op = |q_heads, kv_heads| Attention {
            q_heads,
            kv_heads,
            scale: None,
            softcap: 0.0,
            is_causal: false,
            shown: Scores::Products,
            outputs: 1,
        };
        let zeros = |shape: &[usize]| Value::zeros::<f32>(shape).unwrap();
        let refused = |op: Attention, shapes: [&[usize]; 3], mask: Option<Value>| {
            let inputs: Vec<Value> = shapes.iter().map(|shape| zeros(shape)).chain(mask).collect();
            try_run(&op.into(), &inputs).unwrap_err().to_string()
        };
        let message = refused(op(None, None), [&[1, 4, 6], &[1, 4, 6], &[1, 4, 6]], None);
        assert!(message.contains("number of heads"), "{message}");
        let message = refused(op(Some(4), Some(4)), [&[1, 4, 6], &[1, 4, 6], &[1, 4, 6]], None);
        assert!(message.contains("that 4 heads divide"), "{message}");
        // Heads that are an axis must be as many as the attribute says.
        let message = refused(op(Some(2), Some(2)), [&[1, 3, 4, 5], &[1, 3, 4, 5], &[1, 3, 4, 5]], None);
        assert!(message.contains("2 heads"), "{message}");
        let message = refused(op(None, None), [&[1, 3, 4, 5], &[1, 2, 4, 5], &[1, 2, 4, 5]], None);
        assert_eq!(message, "heads of Q: expected a multiple of 2, got 3");
        let shapes: [&[usize]; 3] = [&[1, 2, 4, 5]; 3];
        let message = refused(op(None, None), shapes, Some(zeros(&[3, 4])));
        assert!(message.contains("broadcasts to [1, 2, 4, 4]"), "{message}");
    }
}
