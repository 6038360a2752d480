//! What the normalizations share: blocks of neighbouring elements are brought to mean 0 and variance
//! 1 (or only to a mean square of 1), and then scaled and shifted by parameters.
//!
//! A [`Blocks`] says what is normalized together and which parameter an element has. Sums are made in
//! f64. With `z = (x − mean) / deviation`, `y = z · scale + bias` and `g` the gradient with respect to
//! `z`, the gradient with respect to `x` is `(g − mean(g) − z · mean(g · z)) / deviation`, without the
//! first mean where nothing is centred.

use super::pooling::check_gradient;
use super::{OpError, Tape};
use crate::ir::{AttrError, Attrs};
use crate::tensor::Value;

/// Where the blocks of a tensor lie, one behind the other, and their parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Elements of one block.
    pub(super) len: usize,
    /// Neighbouring elements that share a parameter; divides `len`.
    pub(super) run: usize,
    /// Blocks until the parameters repeat.
    pub(super) period: usize,
}

/// How blocks are normalized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Normalize {
    /// Keeps the divisor away from zero.
    pub(super) epsilon: f32,
    /// Whether the mean is taken away first.
    pub(super) centred: bool,
}

/// What was found in one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    /// The mean; 0 where nothing is centred.
    pub(super) mean: f64,
    /// `1 / √(variance + epsilon)`.
    pub(super) inverse_deviation: f64,
}

impl Blocks {
    /// Number of parameters.
    pub(super) fn parameters(self) -> usize {
        self.period * self.first_parameter(1)
    }

    fn first_parameter(self, block: usize) -> usize {
        block * (self.len / self.run.max(1))
    }

    /// `f(parameter, element of the block)` for the elements of block number `block`.
    fn each(self, block: usize, mut f: impl FnMut(usize, usize)) {
        let first = self.first_parameter(block % self.period.max(1));
        (0..self.len).for_each(|at| f(first + at / self.run, at));
    }
}

impl Normalize {
    /// Takes `epsilon`, 10⁻⁵ where it is absent.
    pub(super) fn import_epsilon(attrs: &mut Attrs) -> Result<f32, AttrError> {
        Ok(attrs.take_float("epsilon")?.unwrap_or(1e-5))
    }

    fn moments(self, block: &[f32]) -> Moments {
        let count = block.len() as f64;
        let sum = |f: &dyn Fn(f64) -> f64| block.iter().map(|&x| f(f64::from(x))).sum::<f64>() / count;
        let mean = if self.centred { sum(&|x| x) } else { 0.0 };
        let variance = sum(&|x| (x - mean) * (x - mean));
        Moments { mean, inverse_deviation: (variance + f64::from(self.epsilon)).sqrt().recip() }
    }

    /// Normalizes `x` in place; gives the moments of each block.
    ///
    /// # Errors
    /// Another number of parameters than the blocks have.
    pub(super) fn forward(
        self,
        x: &mut [f32],
        blocks: Blocks,
        scale: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Vec<Moments>, OpError> {
        check_parameters("scale", scale, blocks)?;
        check_parameters("bias", bias.unwrap_or(scale), blocks)?;
        let mut all = Vec::new();
        for (index, block) in x.chunks_exact_mut(blocks.len.max(1)).enumerate() {
            let moments = self.moments(block);
            blocks.each(index, |parameter, at| {
                let z = (f64::from(block[at]) - moments.mean) * moments.inverse_deviation;
                block[at] = z as f32 * scale[parameter] + bias.map_or(0.0, |bias| bias[parameter]);
            });
            all.push(moments);
        }
        Ok(all)
    }

    /// The gradients with respect to input, scale and bias (inputs 0, 1 and 2), where they are wanted.
    /// `of_moments` gives those with respect to the moments of a block, where they are outputs.
    pub(super) fn backward(
        self,
        tape: &Tape<'_>,
        blocks: Blocks,
        of_moments: &dyn Fn(usize) -> Moments,
    ) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        if tape.gradients.iter().all(Option::is_none) || !tape.wanted.contains(&true) {
            return Ok(gradients);
        }
        let (input, scale) = (tape.input(0)?, tape.input(1)?);
        let parameters = scale.as_slice::<f32>()?;
        check_parameters("scale", parameters, blocks)?;
        let x = input.as_slice::<f32>()?;
        let zeros;
        let gradient = if let Some(gradient) = tape.gradient(0) {
            check_gradient(gradient, input.shape())?
        } else {
            zeros = vec![0.0; x.len()];
            &zeros
        };
        let mut of_input = vec![0.0_f32; x.len()];
        let mut of_parameters = [vec![0.0_f64; parameters.len()], vec![0.0_f64; parameters.len()]];
        let step = blocks.len.max(1);
        let pairs = x.chunks_exact(step).zip(gradient.chunks_exact(step));
        for (index, ((x, gradient), out)) in pairs.zip(of_input.chunks_exact_mut(step)).enumerate() {
            let Moments { mean, inverse_deviation } = self.moments(x);
            let z = |at: usize| (f64::from(x[at]) - mean) * inverse_deviation;
            let (mut sum, mut product) = (0.0, 0.0);
            blocks.each(index, |parameter, at| {
                let g = f64::from(gradient[at]);
                of_parameters[0][parameter] += g * z(at);
                of_parameters[1][parameter] += g;
                let g = g * f64::from(parameters[parameter]);
                sum += g;
                product += g * z(at);
            });
            // The moments as outputs add to the two sums what their own derivatives are.
            let outer = of_moments(index);
            let sum = if self.centred { sum - outer.mean / inverse_deviation } else { 0.0 };
            let product = product + outer.inverse_deviation * inverse_deviation;
            let count = x.len() as f64;
            blocks.each(index, |parameter, at| {
                let g = f64::from(gradient[at]) * f64::from(parameters[parameter]);
                out[at] = ((g - sum / count - z(at) * product / count) * inverse_deviation) as f32;
            });
        }
        let narrow = |sums: &[f64]| sums.iter().map(|&sum| sum as f32).collect::<Vec<f32>>();
        let [of_scale, of_bias] = of_parameters.map(|sums| narrow(&sums));
        for (slot, found) in [of_input, of_scale, of_bias].into_iter().enumerate() {
            if tape.wants(slot)
                && let Some(like) = tape.inputs.get(slot).copied().flatten()
            {
                gradients[slot] = Some(Value::from_vec(like.shape(), found)?);
            }
        }
        Ok(gradients)
    }
}

/// No gradient with respect to the moments.
pub(super) fn no_moments(_: usize) -> Moments {
    Moments { mean: 0.0, inverse_deviation: 0.0 }
}

fn check_parameters(what: &'static str, parameters: &[f32], blocks: Blocks) -> Result<(), OpError> {
    let expected = blocks.parameters();
    if parameters.len() == expected {
        return Ok(());
    }
    Err(OpError::Shape { what, expected: format!("{expected} numbers"), got: parameters.len().to_string() })
}

/// Takes `stash_type`, which says how exact the moments are: here they are exacter than any asks.
pub(super) fn take_stash_type(attrs: &mut Attrs) -> Result<(), AttrError> {
    attrs.take_int("stash_type").map(drop)
}
