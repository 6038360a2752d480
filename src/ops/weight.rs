//! Weights of integer operators: codes with any zero point, as the kernels take them.
//!
//! The kernels multiply with weights whose zero is 0. A code `c` with the zero point `z` stands for
//! `c − z`, which may need nine bits; then they take it in 16.

use super::{OpError, scales};
use crate::kernels::{Conv2dGeometry, Isa, PackedConvI8, PackedGemmI8};
use crate::tensor::{DType, Value};
use std::borrow::Cow;

/// Numbers in that shape as the kernels take them: `int8` where all fit, else `int16`.
pub(super) fn narrowest(shape: &[usize], numbers: Vec<i16>) -> Option<Value> {
    let narrow: Option<Vec<i8>> = numbers.iter().map(|&w| i8::try_from(w).ok()).collect();
    match narrow {
        Some(narrow) => Value::from_vec(shape, narrow).ok(),
        None => Value::from_vec(shape, numbers).ok(),
    }
}

/// Lays out the weight of a convolution, of either type.
pub(super) fn pack_conv(
    isa: Isa,
    geometry: &Conv2dGeometry,
    weight: &Value,
) -> Result<PackedConvI8, OpError> {
    Ok(match weight.dtype() {
        DType::I16 => PackedConvI8::pack_differences(isa, geometry, weight.as_slice()?)?,
        _ => PackedConvI8::pack(isa, geometry, weight.as_slice()?)?,
    })
}

/// Lays out a weight of either type with a row for each column of the product.
pub(super) fn pack_gemm(isa: Isa, depth: usize, weight: &Value) -> Result<PackedGemmI8, OpError> {
    Ok(match weight.dtype() {
        DType::I16 => PackedGemmI8::pack_differences(isa, depth, weight.as_slice()?)?,
        _ => PackedGemmI8::pack(isa, depth, weight.as_slice()?)?,
    })
}

/// Whether no sum of products with a row of a weight can leave 32 bits. Rows are of `int8` or `int16`.
pub(super) fn sums_fit(weight: &Value) -> bool {
    let rows = weight.shape().first().copied().unwrap_or(0);
    let fits = |row: &mut dyn Iterator<Item = i16>| {
        255 * row.map(|w| i64::from(w).abs()).sum::<i64>() <= i64::from(i32::MAX)
    };
    let row = (weight.len() / rows.max(1)).max(1);
    match (weight.as_slice::<i8>(), weight.as_slice::<i16>()) {
        (Ok(codes), _) => codes.chunks(row).all(|row| fits(&mut row.iter().map(|&w| w.into()))),
        (_, Ok(numbers)) => numbers.chunks(row).all(|row| fits(&mut row.iter().copied())),
        _ => false,
    }
}

/// The rows of a matrix as columns.
pub(super) fn turned(numbers: &[i16], columns: usize) -> Vec<i16> {
    let rows = numbers.len() / columns.max(1);
    (0..numbers.len()).map(|at| numbers[at % rows * columns + at / rows]).collect()
}

/// Activations of either type as the kernels take them: `uint8`, and what to add to their zero point.
pub(super) fn activations(codes: &Value) -> Result<(Cow<'_, [u8]>, u8), OpError> {
    match codes.dtype() {
        DType::I8 => {
            let moved = codes.as_slice::<i8>()?.iter().map(|&code| (code as u8).wrapping_add(128));
            Ok((moved.collect::<Vec<u8>>().into(), 128))
        }
        _ => Ok((codes.as_slice::<u8>()?.into(), 0)),
    }
}

/// The refusal of a weight whose zero points do not fit.
pub(super) fn refused() -> OpError {
    OpError::Range {
        what: "weight",
        expected: "codes with one zero point, or one per output channel".to_owned(),
        got: "others".to_owned(),
    }
}

/// Codes less their zero points, one for all or one per index of `axis`.
pub(super) fn centred(codes: &Value, zero_point: Option<&Value>, axis: usize) -> Option<Vec<i16>> {
    let wide = |value: &Value| -> Option<Vec<i16>> {
        let is_narrow = value.dtype().size_bytes() == 1;
        let integers = is_narrow.then(|| scales::integers(value.clone()).ok())??;
        Some(integers.into_iter().map(|v| v as i16).collect())
    };
    let mut elements = wide(codes)?;
    let Some(zeros) = zero_point.map(wide) else { return Some(elements) };
    let zeros = zeros.filter(|zeros| !zeros.is_empty())?;
    let inner: usize = codes.shape().get(axis + 1..).unwrap_or_default().iter().product();
    if zeros.len() != 1 && codes.shape().get(axis) != Some(&zeros.len()) {
        return None;
    }
    for (i, element) in elements.iter_mut().enumerate() {
        *element -= zeros[i / inner.max(1) % zeros.len()];
    }
    Some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_points_are_of_their_channel() {
        let codes = Value::from_vec(&[2, 2], vec![0_u8, 10, 20, 255]).unwrap();
        let zeros = Value::from_vec(&[2], vec![10_u8, 5]).unwrap();
        assert_eq!(centred(&codes, Some(&zeros), 0).unwrap(), [-10, 0, 15, 250]);
        assert_eq!(centred(&codes, Some(&zeros), 1).unwrap(), [-10, 5, 10, 250]);
        assert_eq!(centred(&codes, Some(&Value::scalar(1_u8)), 0).unwrap(), [-1, 9, 19, 254]);
        assert_eq!(centred(&codes, None, 0).unwrap(), [0, 10, 20, 255]);
        assert_eq!(centred(&codes, Some(&Value::from_vec(&[3], vec![0_u8; 3]).unwrap()), 0), None);
    }

    #[test]
    fn numbers_take_as_few_bits_as_hold_them() {
        let codes = narrowest(&[2, 2], vec![127, -128, 0, 3]).unwrap();
        assert_eq!(codes.as_slice::<i8>().unwrap(), &[127, -128, 0, 3]);
        let wide = narrowest(&[2, 2], vec![127, -129, 0, 3]).unwrap();
        assert_eq!(wide.as_slice::<i16>().unwrap(), &[127, -129, 0, 3]);
    }

    #[test]
    fn a_sum_fits_as_far_as_its_worst_codes() {
        let of = |depth: usize| sums_fit(&narrowest(&[2, depth], vec![-255; 2 * depth]).unwrap());
        assert!(of(33_025) && !of(33_026)); // (2³¹ − 1) / 255² = 33025.5
    }
}
