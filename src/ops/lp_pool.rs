//! `LpPool` (ONNX opsets 2–22): the p-norm of what lies under a moving window, over up to three
//! spatial axes: `(Σ |x|ᵖ)^(1/p)`.
//!
//! Padding counts as 0. Sums are made in f64.

use super::pooling::{self, Patch, Pooling};
use super::window::{Rounding, Window};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y[n, c, o] = (Σ |x[n, c, o · stride + k · dilation − pad]|ᵖ)^(1/p)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LpPool {
    /// The moving window.
    pub window: Window,
    /// What happens at the end of the input.
    pub rounding: Rounding,
    /// Which norm.
    pub norm: LpNorm,
}

/// The p-norm of a list of numbers, with a whole `p` of at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LpNorm {
    /// The exponent.
    pub p: u32,
}

impl LpNorm {
    /// Takes the attribute `p`, 2 where it is absent.
    pub(super) fn import(attrs: &mut Attrs) -> Result<Self, AttrError> {
        let p = attrs.take_int("p")?.unwrap_or(2);
        let known = u32::try_from(p).ok().filter(|&p| p > 0);
        let reason = "it must be a whole number of at least 1";
        let refused = || AttrError::Unsupported { name: "p".to_owned(), value: p.to_string(), reason };
        Ok(Self { p: known.ok_or_else(refused)? })
    }

    /// The attribute that is read back.
    pub(super) fn export(self) -> Attrs {
        Attrs::new().with("p", Attr::Int(self.p.into()))
    }

    /// `(Σ |v|ᵖ)^(1/p)`.
    pub(super) fn of(self, values: impl Iterator<Item = f32>) -> f32 {
        let p = f64::from(self.p);
        let sum: f64 = match self.p {
            1 => values.map(|v| f64::from(v).abs()).sum(),
            2 => values.map(|v| f64::from(v) * f64::from(v)).sum(),
            _ => values.map(|v| libm::pow(f64::from(v).abs(), p)).sum(),
        };
        let norm = match self.p {
            1 => sum,
            2 => sum.sqrt(),
            _ => libm::pow(sum, 1.0 / p),
        };
        norm as f32
    }

    /// How the norm, which is `norm`, changes with one of its numbers: `±(|v| / norm)^(p − 1)`, and 0
    /// where there is no derivative.
    pub(super) fn derivative(self, v: f32, norm: f32) -> f32 {
        if v == 0.0 || norm == 0.0 {
            return 0.0;
        }
        let ratio = f64::from(v.abs()) / f64::from(norm);
        (libm::pow(ratio, f64::from(self.p - 1)) as f32).copysign(v)
    }
}

impl Operator for LpPool {
    const OP_TYPE: &'static str = "LpPool";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(2, "p was no whole number in opset 1")?;
        let window = pooling::import_window(node)?;
        let rounding = Rounding::from_ceil_mode(node.attrs.take_bool("ceil_mode", false)?);
        Ok(Self { window, rounding, norm: LpNorm::import(&mut node.attrs)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = self.window.export();
        if self.rounding == Rounding::Up {
            attrs.insert("ceil_mode", Attr::Int(1));
        }
        attrs.insert("p", Attr::Int(self.norm.p.into()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        pooling::infer(&self.window, inputs, self.rounding)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let norm = |plane: &[f32], patch: Patch| self.norm.of(patch.cells().map(|at| plane[at]));
        Ok(vec![pooling.reduce(input.as_slice()?, norm)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let norms = pooling::check_gradient(tape.output(0)?, &pooling.output_shape)?;
        let spread = |out: &mut [f32], plane: &[f32], patch: Patch, (at, gradient): (usize, f32)| {
            patch
                .cells()
                .for_each(|cell| out[cell] += gradient * self.norm.derivative(plane[cell], norms[at]));
        };
        Ok(vec![Some(pooling.spread((input.as_slice()?, input.shape()), gradient, spread)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, pattern, tensor};

    fn attrs(p: i64, lists: &[(&str, &[i64])]) -> Attrs {
        let p = Attrs::new().with("p", Attr::Int(p));
        lists.iter().fold(p, |attrs, (name, list)| attrs.with(name, Attr::Ints(list.to_vec())))
    }

    impl Sampled for LpPool {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let line = |p: i64| {
                attrs(p, &[("kernel_shape", &[2]), ("pads", &[1, 0]), ("strides", &[2])])
                    .with("ceil_mode", Attr::Int(1))
            };
            let lined = |p: i64, y: &[f32]| {
                Sample::new(line(p))
                    .input(pattern(&[2, 1, 4], 7, 11))
                    .gives_about(2e-7, vec![tensor(&[2, 1, 3], y)])
            };
            let dilated = attrs(3, &[("kernel_shape", &[2, 2]), ("dilations", &[1, 2])]);
            let mut random = Random::new(41);
            let mut random = |attrs: Attrs, shape: &[usize]| {
                Sample::new(attrs).input(random.avoiding(shape, (-1.0, 1.0), &[0.0])).gradients(&[0])
            };
            vec![
                lined(1, &[5.0, 4.0, 5.0, 1.0, 7.0, 0.0]),
                lined(2, &[5.0, 2.828_427, 5.0, 1.0, 5.0, 0.0]),
                lined(3, &[5.0, 2.519_842, 5.0, 1.0, 4.497_941_5, 0.0]),
                Sample::new(dilated).input(pattern(&[1, 1, 3, 4], 7, 11)).gives_about(
                    2e-7,
                    vec![tensor(&[1, 1, 2, 2], &[5.828_477, 5.428_835_4, 5.065_797, 5.635_741])],
                ),
                random(line(1), &[2, 1, 4]).opset(11),
                random(attrs(2, &[("kernel_shape", &[2, 2]), ("pads", &[0, 1, 1, 0])]), &[2, 1, 3, 3]),
                random(attrs(3, &[("kernel_shape", &[1, 2, 2])]), &[1, 2, 2, 2, 3]),
            ]
        }
    }

    #[test]
    fn a_norm_that_is_none_is_refused() {
        let error = import_node("LpPool", attrs(0, &[("kernel_shape", &[2])]), 18, &[]).unwrap_err();
        assert!(error.to_string().contains("at least 1"), "{error}");
    }

    #[test]
    fn the_norm_of_zeros_has_no_slope() {
        assert_eq!([1, 2, 3].map(|p| LpNorm { p }.derivative(0.0, 0.0)), [0.0; 3]);
    }
}
