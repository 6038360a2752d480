//! `AveragePool` (ONNX opsets 1–22): the mean under a moving window, over up to three spatial
//! axes.
//!
//! With `count_include_pad` the divisor counts the taps on padding, but never those beyond it that
//! rounding up (`ceil_mode`) lets a last window reach; without, it counts the taps on the input.
//! That is what ONNX Runtime does. A dilated window came with opset 19.

use super::pooling::{self, Patch, Pooling};
use super::window::{Rounding, Window};
use super::{
    Averaged, Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator,
    Tape, TypeInputs,
};
use crate::ir::{Attr, AttrError};
use crate::kernels::{Pool2dGeometry, PoolDivisor};
use crate::tensor::{TensorType, Value};

/// First opset whose AveragePool has dilations.
const DILATED_SINCE: u32 = 19;

/// `y[n, c, o] = Σ x[n, c, o · stride + k · dilation − pad] / count`.
#[derive(Debug, Clone, PartialEq)]
pub struct AveragePool {
    /// The moving window.
    pub window: Window,
    /// What happens at the end of the input.
    pub rounding: Rounding,
    /// Whether taps on padding count in the divisor.
    pub count_include_pad: bool,
}

impl AveragePool {
    /// Shapes for the integer kernels, for an input `[N, C, H, W]` or `[N, C, W]` (then `H = 1`).
    ///
    /// # Errors
    /// Sizes that do not fit.
    pub fn geometry(&self, input: &[usize]) -> Result<Pool2dGeometry, OpError> {
        pooling::geometry(&self.window, input, self.rounding)
    }

    /// What an integer kernel divides by, for an input as in [`AveragePool::geometry`].
    ///
    /// # Errors
    /// Sizes that do not fit.
    pub fn divisor(&self, input: &[usize]) -> Result<PoolDivisor, OpError> {
        let axes = self.window.resolve(pooling::spatial(input)?, &self.window.kernel, self.rounding)?;
        let pad_end = [axes[1].pad_end, axes[2].pad_end];
        Ok(if self.count_include_pad { PoolDivisor::Padded { pad_end } } else { PoolDivisor::Valid })
    }

    /// One divisor per cell of an output plane.
    fn divisors(&self, pooling: &Pooling) -> Vec<f64> {
        let mut counts = Vec::new();
        if self.count_include_pad {
            counts = pooling.padded_counts();
        } else {
            pooling.for_each_patch(|_, patch| counts.push(patch.count()));
        }
        counts.into_iter().map(|count| count as f64).collect()
    }
}

impl Operator for AveragePool {
    const OP_TYPE: &'static str = "AveragePool";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self {
            window: pooling::import_window(node)?,
            rounding: Rounding::from_ceil_mode(node.attrs.take_bool("ceil_mode", false)?),
            count_include_pad: node.attrs.take_bool("count_include_pad", false)?,
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = self.window.export();
        if self.rounding == Rounding::Up {
            attrs.insert("ceil_mode", Attr::Int(1));
        }
        if self.count_include_pad {
            attrs.insert("count_include_pad", Attr::Int(1));
        }
        let step = ExportStep::new(Self::OP_TYPE, attrs);
        Some(vec![if self.window.is_dilated() { step.since(DILATED_SINCE) } else { step }])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Average)
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        Some(1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        pooling::infer(&self.window, inputs, self.rounding)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let divisors = self.divisors(&pooling);
        let mut divisors = divisors.iter().cycle();
        let mean = |plane: &[f32], patch: Patch| {
            let mut sum = 0.0;
            patch.for_each(|at| sum += f64::from(plane[at]));
            (sum / divisors.next().unwrap_or(&1.0)) as f32
        };
        Ok(vec![pooling.reduce(input.as_slice()?, mean)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.output?;
        super::q_average_pool::lower(context, Averaged::Window(self.clone()), true)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let divisors = self.divisors(&pooling);
        let spread = |out: &mut [f32], _: &[f32], patch: Patch, (at, gradient): (usize, f32)| {
            let share = (f64::from(gradient) / divisors[at % divisors.len()]) as f32;
            patch.for_each(|at| out[at] += share);
        };
        Ok(vec![Some(pooling.spread((input.as_slice()?, input.shape()), gradient, spread)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Random, Sample, Sampled, assert_close, import_node, pattern, run, tensor};

    fn attrs(lists: &[(&str, &[i64])]) -> Attrs {
        lists.iter().fold(Attrs::new(), |attrs, (name, list)| attrs.with(name, Attr::Ints(list.to_vec())))
    }

    impl Sampled for AveragePool {
        /// Expected values from onnxruntime 1.31, times their divisors.
        fn samples() -> Vec<Sample> {
            let on_pattern = |attrs: Attrs, [h, w]: [usize; 2], fractions: &[(i32, i32)]| {
                let y: Vec<f32> = fractions.iter().map(|&(a, b)| a as f32 / b as f32).collect();
                let x = pattern(&[1, 1, 5, 6], 7, 11);
                Sample::new(attrs).input(x).gives(vec![tensor(&[1, 1, h, w], &y)])
            };
            let random = |attrs: Attrs, shape: &[usize]| {
                Sample::new(attrs).input(Random::new(8).uniform(shape, -1.0, 1.0)).gradients(&[0])
            };
            let up = |attrs: Attrs| attrs.with("ceil_mode", Attr::Int(1));
            let padded = |attrs: Attrs| attrs.with("count_include_pad", Attr::Int(1));
            let counted = attrs(&[("kernel_shape", &[3, 3]), ("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])]);
            let partial = attrs(&[("kernel_shape", &[3, 3]), ("strides", &[2, 3]), ("pads", &[1, 0, 0, 1])]);
            let same = attrs(&[("kernel_shape", &[2, 3]), ("strides", &[2, 2])])
                .with("auto_pad", Attr::String("SAME_UPPER".to_owned()));
            let ninths = [(1, 9), (4, 9), (0, 9), (-8, 6), (0, 9), (1, 9), (-5, 9), (1, 6), (-1, 9)];
            vec![
                on_pattern(
                    padded(up(counted.clone())),
                    [3, 4],
                    &[&ninths[..], &[(1, 9), (-3, 9), (2, 6)]].concat(),
                ),
                on_pattern(up(partial.clone()), [3, 2], &[(-5, 6), (0, 6), (4, 9), (-5, 9), (3, 6), (-3, 6)]),
                on_pattern(
                    same,
                    [3, 3],
                    &[(-5, 6), (2, 6), (-8, 4), (4, 6), (0, 6), (-2, 4), (4, 3), (2, 3), (4, 2)],
                )
                .opset(11),
                random(padded(up(counted)), &[2, 2, 5, 6]),
                random(up(partial), &[1, 2, 5, 6]),
                random(attrs(&[("kernel_shape", &[2]), ("pads", &[0, 1])]), &[2, 2, 4]),
                random(
                    padded(attrs(&[("kernel_shape", &[2, 3, 2]), ("pads", &[1, 0, 0, 0, 1, 1])])),
                    &[1, 2, 3, 4, 2],
                ),
            ]
        }
    }

    #[test]
    fn dilated_windows_ask_for_a_newer_file() {
        let attrs = attrs(&[("kernel_shape", &[2, 2]), ("dilations", &[2, 2]), ("pads", &[1, 1, 0, 1])]);
        let attrs = attrs.with("count_include_pad", Attr::Int(1));
        let (op, _) = import_node("AveragePool", attrs, 19, &[]).unwrap();
        let y = [
            0.0, 0.0, 0.75, -1.25, -0.5, -0.25, 0.0, 0.0, 1.5, 0.25, 1.75, -0.5, -1.0, 0.75, -0.5, -1.75,
            -0.25, -1.5, 0.75, 1.5, 0.25, 1.75, 0.5, 0.25,
        ];
        let found = run(&op, &[pattern(&[1, 1, 5, 6], 7, 11)]);
        assert_close(&found[0], &tensor(&[1, 1, 4, 6], &y), 0.0, "onnxruntime");
        assert_eq!(op.export().unwrap()[0].opset.0, 19);
    }
}
