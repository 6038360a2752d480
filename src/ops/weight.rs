//! Weights of integer operators: codes with any zero point, as the kernels take them.
//!
//! The kernels multiply with `int8` weights whose zero is 0. A code `c` with the zero point `z` stands
//! for `c − z`, which may need nine bits: of `uint8` weights usually one or two per tensor, at the ends
//! of its range. The rows (output channels) that have one are limited to `int8` for the kernels, and
//! their sums are computed again, exactly, by plain loops. With too many of them an operator is
//! better off in float.

use super::{OpError, scales};
use crate::kernels::{Conv2dGeometry, QuantizedInput};
use crate::tensor::{DType, Value};
use std::borrow::Cow;

/// A row that does not fit `int8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WideRow {
    /// Output channel.
    pub channel: usize,
    /// Its weights; of a convolution tap by tap, the channels of a tap side by side.
    pub weights: Vec<i16>,
}

/// A weight with its output channels along the first axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IntegerWeight {
    /// `int8`; wide rows are limited.
    pub(super) codes: Value,
    /// The rows that do not fit.
    pub(super) wide: Vec<WideRow>,
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

/// The refusal of a weight whose sums might not fit 32 bits, or whose zero points do not fit.
pub(super) fn refused() -> OpError {
    OpError::Range {
        what: "weight",
        expected: "codes with one zero point, or one per output channel, whose sums fit 32 bits".to_owned(),
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

impl IntegerWeight {
    /// As [`IntegerWeight::exact`]; `None` as well where so many rows are wide that float is better.
    pub(super) fn new(shape: &[usize], numbers: &[i16]) -> Option<Self> {
        let weight = Self::exact(shape, numbers)?;
        (weight.wide.len() <= 8.max(shape.first()? / 8)).then_some(weight)
    }

    /// From numbers in rows; `None` where one could overflow its sum.
    pub(super) fn exact(shape: &[usize], numbers: &[i16]) -> Option<Self> {
        let channels = *shape.first()?;
        let row = numbers.len() / channels.max(1);
        let taps: usize = shape.get(2..).unwrap_or_default().iter().product();
        let fits = |w: i16| i8::try_from(w).is_ok();
        let mut wide = Vec::new();
        for (channel, numbers) in numbers.chunks_exact(row.max(1)).enumerate() {
            if numbers.iter().all(|&w| fits(w)) {
                continue;
            }
            if 255 * numbers.iter().map(|&w| i64::from(w).abs()).sum::<i64>() > i64::from(i32::MAX) {
                return None;
            }
            let inputs = row / taps.max(1);
            let weights = (0..row).map(|at| numbers[at % inputs * taps + at / inputs]).collect();
            wide.push(WideRow { channel, weights });
        }
        let limited = numbers.iter().map(|&w| w.clamp(i8::MIN.into(), i8::MAX.into()) as i8).collect();
        Some(Self { codes: Value::from_vec(shape, limited).ok()?, wide })
    }

    /// A weight whose numbers are `int8` already.
    pub(super) fn plain(codes: Value) -> Self {
        Self { codes, wide: Vec::new() }
    }
}

/// `Σ (x − zero_point) · w` for every row of `M × K` codes.
pub(super) fn row_sums<'a>(row: &'a WideRow, input: QuantizedInput<'a>) -> impl Iterator<Item = i32> + 'a {
    input
        .data
        .chunks_exact(row.weights.len().max(1))
        .map(move |codes| dot(codes, &row.weights, input.zero_point))
}

/// `Σ (x − zero_point) · w` for every position of the output of a convolution of NHWC codes, image by
/// image.
pub(super) fn position_sums(
    row: &WideRow,
    input: QuantizedInput<'_>,
    geometry: &Conv2dGeometry,
) -> Result<Vec<i32>, OpError> {
    let window = geometry.window();
    let ([height, width], [rows, columns]) = (window.input, window.output);
    let (all, inputs) = (geometry.in_channels(), geometry.in_channels_per_group());
    let first = row.channel / geometry.out_channels_per_group() * inputs;
    let positions = [geometry.batch(), rows, columns];
    let mut sums = Value::zeros::<i32>(&positions)?.into_vec::<i32>()?;
    for (position, sum) in sums.iter_mut().enumerate() {
        let (image, y, x) = (position / (rows * columns), position / columns % rows, position % columns);
        for (tap, weights) in row.weights.chunks_exact(inputs).enumerate() {
            let (down, right) = (tap / window.kernel[1], tap % window.kernel[1]);
            let (Some(y), Some(x)) = (window.source(0, y, down), window.source(1, x, right)) else {
                continue;
            };
            let at = ((image * height + y) * width + x) * all + first;
            *sum += dot(&input.data[at..at + inputs], weights, input.zero_point);
        }
    }
    Ok(sums)
}

fn dot(codes: &[u8], weights: &[i16], zero_point: u8) -> i32 {
    let zero = i32::from(zero_point);
    codes.iter().zip(weights).map(|(&code, &w)| (i32::from(code) - zero) * i32::from(w)).sum()
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
    fn only_rows_that_do_not_fit_are_wide() {
        let weight = IntegerWeight::new(&[2, 2, 1, 2], &[1, 2, 3, 4, 5, -129, 7, 128]).unwrap();
        assert_eq!(weight.codes.as_slice::<i8>().unwrap(), &[1, 2, 3, 4, 5, -128, 7, 127]);
        // Tap by tap instead of channel by channel.
        assert_eq!(weight.wide, [WideRow { channel: 1, weights: vec![5, 7, -129, 128] }]);
        assert_eq!(IntegerWeight::new(&[16, 1], &[200; 16]), None);
        assert!(IntegerWeight::new(&[8, 1], &[200; 8]).is_some());
    }
}
