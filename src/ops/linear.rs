//! What Conv, Gemm and MatMul share: biases, a clamp fused into the output, and what becomes of the
//! accumulators when they work on codes.

use super::{Clamp, ExportStep, Inputs, LowerContext, LowerInput, OpError, Tape};
use crate::kernels::Requantize;
use crate::tensor::Value;

/// The operator's node, and one for the clamp that was fused into it.
pub(super) fn export_clamp(step: ExportStep, clamp: Option<Clamp>) -> Vec<ExportStep> {
    std::iter::once(step).chain(clamp.map(Clamp::export)).collect()
}

/// A bias of one number per output channel.
pub(super) fn bias_of(bias: &Value, channels: usize) -> Result<&[f32], OpError> {
    if bias.shape() == [channels] {
        return Ok(bias.as_slice()?);
    }
    let expected = format!("[{channels}], one per output channel");
    Err(OpError::Shape { what: "bias", expected, got: format!("{:?}", bias.shape()) })
}

/// The gradient before the clamp: zero where the output is at or beyond an end of its range.
/// `gradient` has the output's shape.
pub(super) fn unclamped_gradient(
    gradient: &Value,
    clamp: Option<Clamp>,
    tape: &Tape<'_>,
) -> Result<Value, OpError> {
    let Some(clamp) = clamp else { return Ok(gradient.clone()) };
    let output = tape.output(0)?;
    super::pooling::check_gradient(output, gradient.shape())?;
    let shape = gradient.shape().to_vec();
    let mut gradient = gradient.clone().into_vec::<f32>()?;
    for (g, &y) in gradient.iter_mut().zip(output.as_slice::<f32>()?) {
        if y <= clamp.min || y >= clamp.max {
            *g = 0.0;
        }
    }
    Ok(Value::from_vec(&shape, gradient)?)
}

/// Limits every element; NaN stays.
pub(super) fn apply_clamp(values: &mut [f32], clamp: Option<Clamp>) {
    let Some(clamp) = clamp else { return };
    for value in values {
        *value = clamp.apply(*value);
    }
}

/// What becomes of the 32-bit accumulators of a linear operator on codes.
#[derive(Debug, Clone, PartialEq)]
pub enum IntegerEpilogue {
    /// Codes of the output.
    Codes(Requantize),
    /// Real numbers.
    Real(RealEpilogue),
    /// Real numbers, of an input whose scale is known when the network runs.
    Dynamic(DynamicEpilogue),
}

/// Accumulators to real numbers: `clamp((sum + bias[o]) · scale[o])`.
#[derive(Debug, Clone, PartialEq)]
pub struct RealEpilogue {
    /// One per output channel, in units of the accumulator.
    pub bias: Vec<i32>,
    /// Real number of one unit: one for all, or one per output channel.
    pub scale: Vec<f32>,
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

impl RealEpilogue {
    /// The real number of an accumulator.
    pub(super) fn of(&self, sum: i32, channel: usize) -> f32 {
        let bias = self.bias.get(channel).copied().unwrap_or(0);
        let scale = if self.scale.len() == 1 { self.scale[0] } else { self.scale[channel] };
        let real = sum.saturating_add(bias) as f32 * scale;
        self.clamp.map_or(real, |c| c.apply(real))
    }
}

/// Accumulators to real numbers: `clamp(sum · (s · scale[o]) + bias[o])`, with the input's scale `s`.
#[derive(Debug, Clone, PartialEq)]
pub struct DynamicEpilogue {
    /// One per output channel.
    pub bias: Vec<f32>,
    /// Scale of the weight: one for all, or one per output channel.
    pub scale: Vec<f32>,
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

impl DynamicEpilogue {
    /// Of a linear operator with `channels` outputs, whose weight is input 1 and whose bias, of real numbers,
    /// is input 2.
    fn of(context: &LowerContext<'_>, channels: usize, clamp: Option<Clamp>) -> Option<Self> {
        let (scale, _) = context.scales(1)?;
        let bias = match context.inputs.get(2) {
            None | Some(LowerInput::Absent) => vec![0.0; channels],
            Some(LowerInput::Constant(bias)) => {
                let numbers = bias.as_slice::<f32>().ok()?;
                match numbers.len() {
                    1 => vec![numbers[0]; channels],
                    count if count == channels && bias.shape().last() == Some(&channels) => numbers.to_vec(),
                    _ => return None,
                }
            }
            Some(_) => return None,
        };
        let fits = scale.len() == 1 || scale.len() == channels;
        fits.then(|| Self { bias, scale: scale.to_vec(), clamp })
    }

    /// Factor and summand of a channel's accumulators, of an input with that scale.
    fn line(&self, input_scale: f32, channel: usize) -> (f32, f32) {
        let scale = if self.scale.len() == 1 { self.scale[0] } else { self.scale[channel] };
        (input_scale * scale, self.bias[channel])
    }

    /// The real numbers of accumulators of one channel.
    pub(super) fn plane(&self, input_scale: f32, channel: usize, sums: &[i32], out: &mut [f32]) {
        let (factor, bias) = self.line(input_scale, channel);
        for (out, &sum) in out.iter_mut().zip(sums) {
            *out = sum as f32 * factor + bias;
        }
        apply_clamp(out, self.clamp);
    }

    /// The real numbers of accumulators that have their channels last.
    pub(super) fn rows(&self, input_scale: f32, sums: &[i32], out: &mut [f32]) {
        let lines: Vec<_> = (0..self.bias.len()).map(|channel| self.line(input_scale, channel)).collect();
        let channels = lines.len().max(1);
        for (out, sums) in out.chunks_exact_mut(channels).zip(sums.chunks_exact(channels)) {
            for ((out, &sum), &(factor, bias)) in out.iter_mut().zip(sums).zip(&lines) {
                *out = sum as f32 * factor + bias;
            }
        }
        apply_clamp(out, self.clamp);
    }
}

/// Scale and code of zero of an input that was quantized while the network runs, which follow its codes.
pub(super) fn dynamic_codes(inputs: &Inputs) -> Result<(f32, u8), OpError> {
    let (scale, zero_point) = (inputs.get(1)?, inputs.get(2)?);
    if let (&[scale], &[zero_point]) = (scale.as_slice::<f32>()?, zero_point.as_slice::<u8>()?) {
        return Ok((scale, zero_point));
    }
    let (what, expected) = ("scale and zero point", "one number each".to_owned());
    let got = format!("{:?} and {:?}", scale.shape(), zero_point.shape());
    Err(OpError::Shape { what, expected, got })
}

impl IntegerEpilogue {
    /// The epilogue of a linear operator with `channels` outputs, whose weight is input 1 and whose
    /// bias is input 2, where that is quantized in units of the accumulator; real where the input is
    /// quantized while the network runs.
    pub(super) fn of(context: &LowerContext<'_>, channels: usize, clamp: Option<Clamp>) -> Option<Self> {
        if matches!(context.inputs.first(), Some(LowerInput::Dynamic)) {
            return DynamicEpilogue::of(context, channels, clamp).map(Self::Dynamic);
        }
        let input = context.activation(0)?;
        let (weight_scale, _) = context.scales(1)?;
        if weight_scale.len() != 1 && weight_scale.len() != channels {
            return None;
        }
        let scale: Vec<f32> = weight_scale.iter().map(|s| input.scale * s).collect();
        let bias = match context.inputs.get(2) {
            None | Some(LowerInput::Absent) => vec![0; channels],
            Some(LowerInput::Quantized { codes, scale: bias_scale, zero_point: None, .. }) => {
                let unit = |channel: usize| if scale.len() == 1 { scale[0] } else { scale[channel] };
                let bias_unit =
                    |channel: usize| if bias_scale.len() == 1 { bias_scale[0] } else { bias_scale[channel] };
                let codes = codes.as_slice::<i32>().ok().filter(|codes| codes.len() == channels)?;
                // The definition scales the bias by itself; in the accumulator it has the sum's unit.
                let same = |channel: usize| (bias_unit(channel) / unit(channel) - 1.0).abs() < 1e-6;
                let fits = bias_scale.len() == 1 || bias_scale.len() == channels;
                if !fits || !(0..channels).all(same) {
                    return None;
                }
                codes.to_vec()
            }
            Some(_) => return None,
        };
        let Some(output) = context.output else {
            return Some(Self::Real(RealEpilogue { bias, scale, clamp }));
        };
        let limits = context.limits.clone();
        if !limits.is_empty() && limits.len() != channels {
            return None;
        }
        let (min, max) = output.limits(clamp);
        let multiplier = scale.iter().map(|s| s / output.scale).collect();
        Some(Self::Codes(Requantize { bias, multiplier, zero_point: output.zero_point, min, max, limits }))
    }
}
