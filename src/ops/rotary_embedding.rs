//! `RotaryEmbedding` (ONNX opset 23): pairs of numbers of each head turned by an angle that depends on
//! the place in the sequence.
//!
//! `x` is `[batch, heads, length, size]`, or `[batch, length, heads · size]` with the number of heads
//! as an attribute. Cosines and sines of the angles are `[places, size / 2]` with the places of the
//! elements as a fourth input, or `[batch, length, size / 2]` without. It is computed by parts
//! ([`ByParts`]).

use super::by_parts::{self, ByParts};
use super::composed::{Expansion, Source, integers};
use super::{
    Add, Concat, Context, ExportStep, Gather, ImportNode, Inputs, Mul, OpError, Operator, Reshape, Slice,
    Sub, Tape, TypeInputs,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, cosines, sines, and optionally the places of the elements.
#[derive(Debug, Clone, PartialEq)]
pub struct RotaryEmbedding {
    /// Heads, where `x` has three axes.
    pub heads: Option<usize>,
    /// How many numbers of each head are turned, the first ones; 0 for all.
    pub turned: usize,
    /// Whether pairs are neighbours, rather than a half apart.
    pub is_interleaved: bool,
}

/// Sizes of `x`, and which of its axes is the sequence.
struct Layout {
    batch: usize,
    length: usize,
    heads: usize,
    size: usize,
    is_packed: bool,
}

impl Layout {
    /// The shape with that many numbers per head.
    fn shape(&self, size: usize) -> [usize; 4] {
        if self.is_packed {
            [self.batch, self.length, self.heads, size]
        } else {
            [self.batch, self.heads, self.length, size]
        }
    }

    /// The shape of angles, which are those of all heads.
    fn angles(&self, half: usize) -> [usize; 4] {
        Self { heads: 1, ..*self }.shape(half)
    }
}

impl Operator for RotaryEmbedding {
    const OP_TYPE: &'static str = "RotaryEmbedding";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let mut count = |name: &str| -> Result<usize, AttrError> {
            let given = node.attrs.take_int(name)?.unwrap_or(0);
            usize::try_from(given).map_err(|_| AttrError::Unsupported {
                name: name.to_owned(),
                value: given.to_string(),
                reason: "it counts something",
            })
        };
        let heads = Some(count("num_heads")?).filter(|&heads| heads > 0);
        let turned = count("rotary_embedding_dim")?;
        Ok(Self { heads, turned, is_interleaved: node.attrs.take_bool("interleaved", false)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = Attrs::new().with("interleaved", Attr::Int(self.is_interleaved.into()));
        if let Some(heads) = self.heads {
            attrs.insert("num_heads", Attr::Int(i64::try_from(heads).ok()?));
        }
        attrs.insert("rotary_embedding_dim", Attr::Int(i64::try_from(self.turned).ok()?));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs).since(23)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let x = inputs.float(0, "x")?;
        inputs.float(1, "cos_cache")?;
        inputs.float(2, "sin_cache")?;
        if let Some(shape) = x.shape.to_fixed() {
            self.layout(&shape)?;
        }
        Ok(vec![x.clone()])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        by_parts::forward(self, context, inputs)
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        by_parts::backward(self, context, tape)
    }
}

impl RotaryEmbedding {
    fn layout(&self, shape: &[usize]) -> Result<Layout, OpError> {
        let layout = match (shape, self.heads) {
            (&[batch, heads, length, size], given) if given.is_none_or(|given| given == heads) => {
                Layout { batch, length, heads, size, is_packed: false }
            }
            (&[batch, length, hidden], Some(heads)) if hidden % heads == 0 => {
                Layout { batch, length, heads, size: hidden / heads, is_packed: true }
            }
            _ => {
                let expected = "batch × heads × length × size, or three axes and the number of heads".into();
                return Err(OpError::Shape { what: "x", expected, got: format!("{shape:?}") });
            }
        };
        let turned = if self.turned == 0 { layout.size } else { self.turned };
        if turned > layout.size || turned % 2 != 0 {
            let expected = format!("an even number up to {}", layout.size);
            let what = "numbers of a head that are turned";
            return Err(OpError::Range { what, expected, got: turned.to_string() });
        }
        Ok(layout)
    }

    /// Cosines or sines for every element of the sequence.
    fn angles(
        made: &mut Expansion,
        (slot, inputs): (usize, &[Option<&Value>]),
        layout: &Layout,
        half: usize,
    ) -> Result<Source, OpError> {
        let input = |slot: usize| inputs.get(slot).copied().flatten();
        let shape = input(slot).ok_or(OpError::MissingInput { index: slot })?.shape();
        let (expected, found) = match input(3) {
            Some(places) if places.shape() != [layout.batch, layout.length] => {
                let expected = format!("{:?}", [layout.batch, layout.length]);
                return Err(OpError::Shape {
                    what: "position_ids",
                    expected,
                    got: format!("{:?}", places.shape()),
                });
            }
            Some(_) => (vec![shape.first().copied().unwrap_or(0), half], true),
            None => (vec![layout.batch, layout.length, half], false),
        };
        if shape != expected {
            let what = if slot == 1 { "cos_cache" } else { "sin_cache" };
            let (expected, got) = (format!("{expected:?}"), format!("{shape:?}"));
            return Err(OpError::Shape { what, expected, got });
        }
        let mut angles = Source::Input(slot);
        if found {
            angles = made.add(Gather { axis: 0 }, vec![angles, Source::Input(3)]);
        }
        Ok(reshaped(made, angles, &layout.angles(half)))
    }
}

impl ByParts for RotaryEmbedding {
    fn parts(&self, inputs: &[Option<&Value>]) -> Result<Expansion, OpError> {
        let x = inputs.first().copied().flatten().ok_or(OpError::MissingInput { index: 0 })?;
        let layout = self.layout(x.shape())?;
        let turned = if self.turned == 0 { layout.size } else { self.turned };
        let half = turned / 2;
        let mut made = Expansion::default();
        let cos = Self::angles(&mut made, (1, inputs), &layout, half)?;
        let sin = Self::angles(&mut made, (2, inputs), &layout, half)?;
        let whole = reshaped(&mut made, Source::Input(0), &layout.shape(layout.size));
        let step = if self.is_interleaved { 2 } else { 1 };
        let [first, second] =
            if self.is_interleaved { [(0, turned), (1, turned)] } else { [(0, half), (half, turned)] };
        let first = sliced(&mut made, whole.clone(), first, step);
        let second = sliced(&mut made, whole.clone(), second, step);
        let product =
            |made: &mut Expansion, a: &Source, b: &Source| made.add(Mul, vec![a.clone(), b.clone()]);
        let (a, b) = (product(&mut made, &cos, &first), product(&mut made, &sin, &second));
        let real = made.add(Sub, vec![a, b]);
        let (a, b) = (product(&mut made, &sin, &first), product(&mut made, &cos, &second));
        let imaginary = made.add(Add::default(), vec![a, b]);
        let mut parts = [real, imaginary];
        if self.is_interleaved {
            let columns: Vec<usize> = layout.shape(half).into_iter().chain([1]).collect();
            parts = parts.map(|part| reshaped(&mut made, part, &columns));
        }
        let mut result = made.add(Concat { axis: -1 }, parts.to_vec());
        if self.is_interleaved {
            result = reshaped(&mut made, result, &layout.shape(turned));
        }
        if turned < layout.size {
            let rest = sliced(&mut made, whole, (turned, layout.size), 1);
            result = made.add(Concat { axis: -1 }, vec![result, rest]);
        }
        reshaped(&mut made, result, x.shape());
        Ok(made.finish())
    }
}

/// Numbers of the last axis.
fn sliced(made: &mut Expansion, x: Source, (start, end): (usize, usize), step: i64) -> Source {
    let list = |number: usize| integers(&[number as i64]);
    made.add(Slice, vec![x, list(start), list(end), integers(&[-1]), integers(&[step])])
}

fn reshaped(made: &mut Expansion, x: Source, shape: &[usize]) -> Source {
    let target: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    made.add(Reshape { allow_zero: true }, vec![x, integers(&target)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for RotaryEmbedding {
        fn samples() -> Vec<Sample> {
            let attrs = |list: &[(&str, i64)]| {
                let with = |attrs: Attrs, (name, value): &(&str, i64)| attrs.with(name, Attr::Int(*value));
                Sample::new(list.iter().fold(Attrs::new(), with)).opset(23)
            };
            let mut random = Random::new(78);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            let places = |list: &[i64]| integers(list).reshaped(&[1, list.len()]).unwrap();
            // A quarter turn at place 1, none at place 0.
            let quarter = |sample: Sample, x: &[usize]| {
                let numbers: Vec<f32> = (1..=x.iter().product()).map(|n: usize| n as f32).collect();
                sample
                    .input(tensor(x, &numbers))
                    .constant(tensor(&[2, 1], &[1.0, 0.0]))
                    .constant(tensor(&[2, 1], &[0.0, 1.0]))
                    .input(places(&[1, 0]))
            };
            vec![
                quarter(attrs(&[]), &[1, 1, 2, 2]).gives(vec![tensor(&[1, 1, 2, 2], &[-2.0, 1.0, 3.0, 4.0])]),
                quarter(attrs(&[("num_heads", 2), ("rotary_embedding_dim", 2)]), &[1, 2, 6]).gives(vec![
                    tensor(&[1, 2, 6], &[-2.0, 1.0, 3.0, -5.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]),
                ]),
                attrs(&[("interleaved", 1)])
                    .input(tensor(&[1, 1, 1, 4], &[1.0, 2.0, 3.0, 4.0]))
                    .input(tensor(&[1, 1, 2], &[0.0, 1.0]))
                    .input(tensor(&[1, 1, 2], &[1.0, 0.0]))
                    .gives(vec![tensor(&[1, 1, 1, 4], &[-2.0, 1.0, 3.0, 4.0])]),
                attrs(&[("interleaved", 1), ("rotary_embedding_dim", 4)])
                    .input(random(&[1, 2, 3, 5]))
                    .input(random(&[1, 3, 2]))
                    .input(random(&[1, 3, 2]))
                    .gradients(&[0, 1, 2]),
                attrs(&[("num_heads", 2)])
                    .input(random(&[1, 3, 8]))
                    .input(random(&[4, 2]))
                    .input(random(&[4, 2]))
                    .input(places(&[3, 3, 0]))
                    .gradients(&[0, 1, 2]),
            ]
        }
    }

    #[test]
    fn angles_of_other_sizes_are_refused() {
        let op = RotaryEmbedding { heads: None, turned: 0, is_interleaved: false };
        let zeros = |shape: &[usize]| Value::zeros::<f32>(shape).unwrap();
        let error = try_run(&op.into(), &[zeros(&[1, 2, 3, 4]), zeros(&[1, 3, 4]), zeros(&[1, 3, 2])]);
        assert_eq!(error.unwrap_err().to_string(), "cos_cache: expected [1, 3, 2], got [1, 3, 4]");
        let odd = RotaryEmbedding { heads: Some(2), turned: 3, is_interleaved: false };
        let error = try_run(&odd.into(), &[zeros(&[1, 2, 8]), zeros(&[1, 2, 1]), zeros(&[1, 2, 1])]);
        assert!(error.unwrap_err().to_string().contains("an even number up to 4"));
    }
}
