//! Codes of a constant tensor.

use super::{Granularity, QuantError, QuantParams, QuantSpec, Range, TensorQuant};
use crate::tensor::{DType, I2, I4, Value};
use std::borrow::Cow;

pub use crate::kernels::{AffineParams, reference::quantize};

/// Neighbouring elements, and which scales they have: all of them the one of number `scale`, or the
/// i-th the one of number `scale + i`.
struct Run {
    elements: std::ops::Range<usize>,
    scale: usize,
    is_one_scale: bool,
}

impl Run {
    fn scale_of(&self, index: usize) -> usize {
        if self.is_one_scale { self.scale } else { self.scale + index }
    }
}

/// The elements of a tensor in order, with the numbers of their scales.
fn runs(shape: &[usize], granularity: Granularity) -> impl Iterator<Item = Run> {
    let (axis, size) = match granularity {
        Granularity::PerTensor => (None, 1),
        Granularity::PerChannel { axis } => (Some(axis), 1),
        Granularity::PerGroup { axis, size } => (Some(axis), size.max(1)),
    };
    let is_grouped = granularity.is_per_group();
    let product = |dims: &[usize]| dims.iter().product::<usize>();
    let (outer, len, inner) = match axis {
        None => (1, 1, product(shape)),
        Some(axis) => (product(&shape[..axis]), shape[axis], product(&shape[axis + 1..])),
    };
    (0..outer * len).map(move |row| {
        let (outer, at) = (row / len.max(1), row % len.max(1));
        let scale = if is_grouped { (outer * len.div_ceil(size) + at / size) * inner } else { at };
        Run { elements: row * inner..(row + 1) * inner, scale, is_one_scale: !is_grouped }
    })
}

/// For each element of a tensor the number of its scale.
pub fn scale_numbers(shape: &[usize], granularity: Granularity) -> Vec<u32> {
    let mut numbers = vec![0; shape.iter().product()];
    for run in runs(shape, granularity) {
        for (index, number) in numbers[run.elements.clone()].iter_mut().enumerate() {
            *number = run.scale_of(index) as u32;
        }
    }
    numbers
}

/// The shape of a tensor's scales.
pub fn scale_shape(shape: &[usize], granularity: Granularity) -> Vec<usize> {
    match granularity {
        Granularity::PerTensor => Vec::new(),
        Granularity::PerChannel { axis } => vec![shape[axis]],
        Granularity::PerGroup { axis, size } => {
            let mut shape = shape.to_vec();
            shape[axis] = shape[axis].div_ceil(size.max(1));
            shape
        }
    }
}

/// The range of what each scale is for, by its extremes.
///
/// # Errors
/// [`QuantError::Tensor`] when the weight is not `float32`.
pub fn extremes(weight: &Value, granularity: Granularity) -> Result<Vec<Range>, QuantError> {
    let data = weight.as_slice::<f32>()?;
    let count = scale_shape(weight.shape(), granularity).iter().product();
    let mut ranges = vec![Range { lo: 0.0, hi: 0.0 }; count];
    let widened = |range: Range, &v: &f32| Range { lo: range.lo.min(v), hi: range.hi.max(v) };
    for run in runs(weight.shape(), granularity) {
        let elements = &data[run.elements.clone()];
        if run.is_one_scale {
            ranges[run.scale] = elements.iter().fold(ranges[run.scale], widened);
        } else {
            let ranges = ranges[run.scale..].iter_mut();
            ranges.zip(elements).for_each(|(range, v)| *range = widened(*range, v));
        }
    }
    Ok(ranges)
}

/// Parameters for a weight by its extremes.
///
/// # Errors
/// [`QuantError::Weight`] when it holds NaN or infinity.
pub fn weight_params(name: &str, weight: &Value, spec: &QuantSpec) -> Result<TensorQuant, QuantError> {
    if let Some(&got) = weight.as_slice::<f32>()?.iter().find(|v| !v.is_finite()) {
        return Err(QuantError::Weight { value: name.to_owned(), got });
    }
    let ranges = extremes(weight, spec.granularity)?;
    Ok(TensorQuant { spec: *spec, params: QuantParams::of_ranges(&ranges, spec) })
}

/// The codes of a weight as `int8`, in the weight's own shape.
///
/// # Errors
/// [`QuantError::Tensor`] when the weight is not `float32`.
pub fn weight_codes(weight: &Value, quant: &TensorQuant) -> Result<Value, QuantError> {
    let data = weight.as_slice::<f32>()?;
    let (qmin, qmax) = (quant.spec.qmin(), quant.spec.qmax());
    let QuantParams { scale, zero_point } = &quant.params;
    // Parameters that were computed for a spec are valid for it.
    let params = |at: usize| AffineParams::new(scale[at], zero_point[at], qmin, qmax).ok();
    let mut codes = vec![0_i8; data.len()];
    for run in runs(weight.shape(), quant.spec.granularity) {
        let elements = codes[run.elements.clone()].iter_mut().zip(&data[run.elements.clone()]);
        if run.is_one_scale {
            if let Some(params) = params(run.scale) {
                elements.for_each(|(code, &w)| *code = quantize(w, &params) as i8);
            }
        } else {
            for (index, (code, &w)) in elements.enumerate() {
                *code = params(run.scale_of(index)).map_or(0, |params| quantize(w, &params) as i8);
            }
        }
    }
    Ok(Value::from_vec(weight.shape(), codes)?)
}

/// The real numbers of a weight's codes.
///
/// # Errors
/// [`QuantError::Tensor`] when the codes are not `int8`, `int4` or `int2`.
pub fn dequantized(codes: &Value, quant: &TensorQuant) -> Result<Vec<f32>, QuantError> {
    let data: Cow<'_, [i8]> = match codes.dtype() {
        DType::I4 => codes.as_slice::<I4>()?.iter().map(|code| code.get()).collect(),
        DType::I2 => codes.as_slice::<I2>()?.iter().map(|code| code.get()).collect(),
        _ => codes.as_slice::<i8>()?.into(),
    };
    let QuantParams { scale, zero_point } = &quant.params;
    let mut real = vec![0.0; data.len()];
    for run in runs(codes.shape(), quant.spec.granularity) {
        let elements = real[run.elements.clone()].iter_mut().zip(&data[run.elements.clone()]);
        for (index, (real, &code)) in elements.enumerate() {
            let at = run.scale_of(index);
            *real = (i32::from(code) - zero_point[at]) as f32 * scale[at];
        }
    }
    Ok(real)
}
