//! Codes of a constant tensor.

use super::{Granularity, QuantError, QuantParams, QuantSpec, Range, TensorQuant};
use crate::tensor::Value;
use ndarray::{ArrayD, ArrayViewD, Axis};

pub use crate::kernels::{AffineParams, reference::quantize};

/// Range of each channel (or of the whole tensor), by its extremes.
pub fn extremes(weight: &ArrayViewD<'_, f32>, granularity: Granularity) -> Vec<Range> {
    let of = |view: ArrayViewD<'_, f32>| {
        let (lo, hi) = view.iter().fold((0.0_f32, 0.0_f32), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        Range::containing_zero(lo, hi)
    };
    match granularity {
        Granularity::PerTensor => vec![of(weight.view())],
        Granularity::PerChannel { axis } => weight.axis_iter(Axis(axis)).map(of).collect(),
    }
}

/// Parameters for a weight by its extremes.
///
/// # Errors
/// [`QuantError::Weight`] when it holds NaN or infinity.
pub fn weight_params(name: &str, weight: &Value, spec: &QuantSpec) -> Result<TensorQuant, QuantError> {
    let view = weight.view::<f32>()?;
    if let Some(&got) = view.iter().find(|v| !v.is_finite()) {
        return Err(QuantError::Weight { value: name.to_owned(), got });
    }
    let pairs = extremes(&view, spec.granularity).into_iter().map(|r| QuantParams::from_range(r, spec));
    let (scale, zero_point) = pairs.unzip();
    Ok(TensorQuant { spec: *spec, params: QuantParams { scale, zero_point } })
}

/// The codes of a weight as `int8`, in the weight's own shape.
///
/// # Errors
/// [`QuantError::Tensor`] when the weight is not `float32`.
pub fn weight_codes(weight: &Value, quant: &TensorQuant) -> Result<Value, QuantError> {
    let view = weight.view::<f32>()?;
    let mut codes = ArrayD::<i8>::zeros(view.raw_dim());
    let (qmin, qmax) = (quant.spec.qmin(), quant.spec.qmax());
    let write = |mut codes: ndarray::ArrayViewMutD<'_, i8>, view: ArrayViewD<'_, f32>, channel: usize| {
        let (scale, zero_point) = (quant.params.scale[channel], quant.params.zero_point[channel]);
        // Parameters that were computed for a spec are valid for it.
        if let Ok(params) = AffineParams::new(scale, zero_point, qmin, qmax) {
            codes.zip_mut_with(&view, |code, &w| *code = quantize(w, &params) as i8);
        }
    };
    match quant.spec.granularity {
        Granularity::PerTensor => write(codes.view_mut(), view, 0),
        Granularity::PerChannel { axis } => {
            let channels = codes.axis_iter_mut(Axis(axis)).zip(view.axis_iter(Axis(axis)));
            channels.enumerate().for_each(|(channel, (codes, view))| write(codes, view, channel));
        }
    }
    Ok(Value::from_array(codes))
}

/// The real numbers of a weight's codes.
///
/// # Errors
/// [`QuantError::Tensor`] when the codes are not `int8`.
pub fn dequantized(codes: &Value, quant: &TensorQuant) -> Result<Vec<f32>, QuantError> {
    let view = codes.view::<i8>()?;
    let mut real = ArrayD::<f32>::zeros(view.raw_dim());
    let write = |mut real: ndarray::ArrayViewMutD<'_, f32>, view: ArrayViewD<'_, i8>, channel: usize| {
        let (scale, zero_point) = (quant.params.scale[channel], quant.params.zero_point[channel]);
        real.zip_mut_with(&view, |r, &q| *r = (i32::from(q) - zero_point) as f32 * scale);
    };
    match quant.spec.granularity {
        Granularity::PerTensor => write(real.view_mut(), view, 0),
        Granularity::PerChannel { axis } => {
            let channels = real.axis_iter_mut(Axis(axis)).zip(view.axis_iter(Axis(axis)));
            channels.enumerate().for_each(|(channel, (real, view))| write(real, view, channel));
        }
    }
    Ok(Value::from_array(real).into_vec::<f32>()?)
}
