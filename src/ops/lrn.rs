//! `LRN` (ONNX opsets 1–13): local response normalization, each element divided by a power of the sum
//! of squares of its neighbours across channels (Krizhevsky et al. 2012, §3.3).

use super::pooling::check_gradient;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y[c] = x[c] / (bias + alpha / size · Σ x[c']²)^beta`, the sum over the channels
/// `c − ⌊(size − 1)/2⌋ ..= c + ⌈(size − 1)/2⌉` that exist.
#[derive(Debug, Clone, PartialEq)]
pub struct LRN {
    /// Factor of the mean square.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Summand.
    pub bias: f32,
    /// Number of channels that are summed over.
    pub size: usize,
}

/// `[N, C, …]` as images of channels of cells.
#[derive(Debug, Clone, Copy)]
struct Layout {
    channels: usize,
    cells: usize,
}

impl Layout {
    fn new(shape: &[usize]) -> Result<Self, OpError> {
        let [_, channels, spatial @ ..] = shape else {
            let expected = "batch and channels, at least".to_owned();
            return Err(OpError::Shape { what: "rank of the input", expected, got: shape.len().to_string() });
        };
        Ok(Self { channels: *channels, cells: spatial.iter().product() })
    }
}

impl LRN {
    /// The channels that the divisor of channel `c` looks at.
    fn window(&self, c: usize, channels: usize) -> std::ops::Range<usize> {
        let reach = self.size - 1;
        c.saturating_sub(reach / 2)..c.saturating_add(reach - reach / 2).saturating_add(1).min(channels)
    }

    /// `bias + alpha / size · Σ x²` for every element.
    fn bases(&self, x: &[f32], layout: Layout) -> Vec<f64> {
        let Layout { channels, cells } = layout;
        let factor = f64::from(self.alpha) / self.size as f64;
        let base = |i: usize| {
            let (image, c, cell) = (i / (channels * cells), i / cells % channels, i % cells);
            let at = |c: usize| f64::from(x[(image * channels + c) * cells + cell]);
            let squares: f64 = self.window(c, channels).map(|c| at(c) * at(c)).sum();
            f64::from(self.bias) + factor * squares
        };
        (0..x.len()).map(base).collect()
    }
}

impl Operator for LRN {
    const OP_TYPE: &'static str = "LRN";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let size =
            node.attrs.take_int("size")?.ok_or_else(|| AttrError::Missing { name: "size".to_owned() })?;
        let known = i32::try_from(size).ok().filter(|&size| size > 0).map(|size| size as usize);
        let reason = "it must be a number of channels";
        let refused = || AttrError::Unsupported { name: "size".to_owned(), value: size.to_string(), reason };
        Ok(Self {
            alpha: node.attrs.take_float("alpha")?.unwrap_or(1e-4),
            beta: node.attrs.take_float("beta")?.unwrap_or(0.75),
            bias: node.attrs.take_float("bias")?.unwrap_or(1.0),
            size: known.ok_or_else(refused)?,
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new()
            .with("alpha", Attr::Float(self.alpha))
            .with("beta", Attr::Float(self.beta))
            .with("bias", Attr::Float(self.bias))
            .with("size", Attr::Int(self.size as i64));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![inputs.float(0, "input")?.clone()])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let x = input.as_slice::<f32>()?;
        let bases = self.bases(x, Layout::new(input.shape())?);
        let beta = f64::from(self.beta);
        let y = x.iter().zip(bases).map(|(&x, base)| (f64::from(x) * libm::pow(base, -beta)) as f32);
        Ok(vec![Value::from_vec(input.shape(), y.collect())?])
    }

    /// `g[c] / base[c]^beta − 2 · alpha / size · beta · x[c] · Σ g[c'] · x[c'] / base[c']^(beta + 1)`, the
    /// sum over the channels `c'` whose divisor looks at `c`.
    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let gradient = check_gradient(gradient, input.shape())?;
        let x = input.as_slice::<f32>()?;
        let layout = Layout::new(input.shape())?;
        let bases = self.bases(x, layout);
        let Layout { channels, cells } = layout;
        let beta = f64::from(self.beta);
        let factor = 2.0 * f64::from(self.alpha) / self.size as f64 * beta;
        let mut sums = vec![0.0_f64; x.len()];
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = f64::from(gradient[i]) * libm::pow(bases[i], -beta);
        }
        for i in 0..x.len() {
            let (image, c, cell) = (i / (channels * cells), i / cells % channels, i % cells);
            let share = factor * f64::from(gradient[i]) * f64::from(x[i]) * libm::pow(bases[i], -beta - 1.0);
            for c in self.window(c, channels) {
                let at = (image * channels + c) * cells + cell;
                sums[at] -= share * f64::from(x[at]);
            }
        }
        let out = sums.into_iter().map(|sum| sum as f32).collect();
        Ok(vec![Some(Value::from_vec(input.shape(), out)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, pattern, run, tensor};

    fn attrs(size: i64) -> Attrs {
        Attrs::new()
            .with("size", Attr::Int(size))
            .with("alpha", Attr::Float(0.5))
            .with("beta", Attr::Float(0.75))
            .with("bias", Attr::Float(2.0))
    }

    impl Sampled for LRN {
        fn samples() -> Vec<Sample> {
            let random = |shape: &[usize]| Random::new(49).uniform(shape, -2.0, 2.0);
            vec![
                // onnxruntime 1.31
                Sample::new(attrs(3)).input(pattern(&[1, 5, 1, 2], 7, 11)).gives_about(
                    2e-7,
                    vec![tensor(
                        &[1, 5, 1, 2],
                        &[
                            -1.183_029_4,
                            0.473_211_74,
                            -0.464_736_16,
                            1.019_426_5,
                            0.278_437_64,
                            -0.651_127_8,
                            0.882_600_25,
                            0.0,
                            -0.897_602_14,
                            1.172_384_7,
                        ],
                    )],
                ),
                Sample::new(attrs(4)).input(random(&[2, 5, 2])).gradients(&[0]),
                Sample::new(attrs(3)).opset(7).input(random(&[1, 2, 2, 2])).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn of_an_even_number_of_channels_more_are_behind() {
        let op = LRN { alpha: 4.0, beta: 1.0, bias: 0.0, size: 4 };
        let y = run(&op.into(), &[tensor(&[1, 4], &[1.0; 4])]);
        assert_eq!(y[0], tensor(&[1, 4], &[3.0, 4.0, 3.0, 2.0].map(|count: f32| 1.0 / count)));
    }

    #[test]
    fn a_sum_over_no_channel_is_refused() {
        assert!(import_node("LRN", attrs(0), 18, &[]).is_err());
        assert!(import_node("LRN", Attrs::new(), 18, &[]).unwrap_err().to_string().contains("`size`"));
    }
}
