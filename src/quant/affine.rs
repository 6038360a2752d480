//! Codes of a constant tensor.

use super::{Granularity, QuantError, QuantParams, QuantSpec, Range as Extremes, TensorQuant};
use crate::tensor::Value;
use std::ops::Range;

pub use crate::kernels::{AffineParams, reference::quantize};

/// Calls `visit(channel, range)` for the runs of elements, in order, that have parameters of their own.
fn for_each_run(shape: &[usize], granularity: Granularity, mut visit: impl FnMut(usize, Range<usize>)) {
    let count: usize = shape.iter().product();
    let (channels, run) = match granularity {
        Granularity::PerTensor => (1, count),
        Granularity::PerChannel { axis } => (shape[axis], shape[axis + 1..].iter().product()),
    };
    for (index, start) in (0..count).step_by(run.max(1)).enumerate() {
        visit(index % channels, start..start + run);
    }
}

/// Range of each channel (or of the whole tensor), by its extremes.
fn extremes(weight: &[f32], shape: &[usize], granularity: Granularity) -> Vec<Extremes> {
    let channels = match granularity {
        Granularity::PerTensor => 1,
        Granularity::PerChannel { axis } => shape[axis],
    };
    let mut found = vec![(0.0_f32, 0.0_f32); channels];
    for_each_run(shape, granularity, |channel, run| {
        let (lo, hi) = found[channel];
        found[channel] = weight[run].iter().fold((lo, hi), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    });
    found.into_iter().map(|(lo, hi)| Extremes::containing_zero(lo, hi)).collect()
}

/// Parameters for a weight by its extremes.
///
/// # Errors
/// [`QuantError::Weight`] when it holds NaN or infinity.
pub fn weight_params(name: &str, weight: &Value, spec: &QuantSpec) -> Result<TensorQuant, QuantError> {
    let elements = weight.as_slice::<f32>()?;
    if let Some(&got) = elements.iter().find(|v| !v.is_finite()) {
        return Err(QuantError::Weight { value: name.to_owned(), got });
    }
    let ranges = extremes(elements, weight.shape(), spec.granularity).into_iter();
    let pairs = ranges.map(|r| QuantParams::from_range(r, spec));
    let (scale, zero_point) = pairs.unzip();
    Ok(TensorQuant { spec: *spec, params: QuantParams { scale, zero_point } })
}

/// The codes of a weight as `int8`, in the weight's own shape.
///
/// # Errors
/// [`QuantError::Tensor`] when the weight is not `float32`.
pub fn weight_codes(weight: &Value, quant: &TensorQuant) -> Result<Value, QuantError> {
    let elements = weight.as_slice::<f32>()?;
    let mut codes = vec![0_i8; elements.len()];
    let (qmin, qmax) = (quant.spec.qmin(), quant.spec.qmax());
    for_each_run(weight.shape(), quant.spec.granularity, |channel, run| {
        let (scale, zero_point) = (quant.params.scale[channel], quant.params.zero_point[channel]);
        // Parameters that were computed for a spec are valid for it.
        if let Ok(params) = AffineParams::new(scale, zero_point, qmin, qmax) {
            for (code, &w) in codes[run.clone()].iter_mut().zip(&elements[run]) {
                *code = quantize(w, &params) as i8;
            }
        }
    });
    Ok(Value::from_vec(weight.shape(), codes)?)
}

/// The real numbers of a weight's codes.
///
/// # Errors
/// [`QuantError::Tensor`] when the codes are not `int8`.
pub fn dequantized(codes: &Value, quant: &TensorQuant) -> Result<Vec<f32>, QuantError> {
    let elements = codes.as_slice::<i8>()?;
    let mut real = vec![0.0; elements.len()];
    for_each_run(codes.shape(), quant.spec.granularity, |channel, run| {
        let (scale, zero_point) = (quant.params.scale[channel], quant.params.zero_point[channel]);
        for (real, &code) in real[run.clone()].iter_mut().zip(&elements[run]) {
            *real = (i32::from(code) - zero_point) as f32 * scale;
        }
    });
    Ok(real)
}
