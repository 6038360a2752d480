//! CIFAR-10 in its binary form: a run of records, each one label byte and 3072 bytes of 32×32 pixels, the red
//! plane, then green, then blue (<https://www.cs.toronto.edu/~kriz/cifar.html>). There is no header, so a
//! wrong file shows only in its length and its labels, and both are checked.

use super::{DataError, LabelledPicture, Picture};

/// Width and height of a picture.
pub const SIDE: u32 = 32;

/// Bytes of one colour plane.
const PLANE: usize = 32 * 32;

/// Bytes of one record.
pub const RECORD: usize = 1 + 3 * PLANE;

/// The class names, in the order of the labels.
pub const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Reads the first `limit` records (all for `None`). Pictures are named `file#index`.
///
/// # Errors
/// [`DataError::Length`] when the file is empty or no whole number of records, [`DataError::LabelRange`] for a label above 9.
pub fn read(
    file: &str,
    bytes: &[u8],
    limit: Option<usize>,
) -> Result<Vec<LabelledPicture>, DataError> {
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if records.is_empty() || !rest.is_empty() {
        let expected = format!("and a CIFAR-10 file is a multiple of {RECORD}");
        return Err(DataError::Length {
            file: file.into(),
            got: bytes.len() as u64,
            expected,
        });
    }
    let limit = limit.unwrap_or(records.len());
    records
        .iter()
        .take(limit)
        .enumerate()
        .map(|(index, record)| read_record(file, index, record))
        .collect()
}

fn read_record(
    file: &str,
    index: usize,
    record: &[u8; RECORD],
) -> Result<LabelledPicture, DataError> {
    let [label, planes @ ..] = record;
    let label = usize::from(*label);
    if label >= CLASSES.len() {
        let largest = CLASSES.len() - 1;
        return Err(DataError::LabelRange {
            file: file.into(),
            record: index,
            label,
            largest,
        });
    }
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    let rgb = red
        .iter()
        .zip(green)
        .zip(blue)
        .flat_map(|((&r, &g), &b)| [r, g, b])
        .collect();
    let picture = Picture::from_rgb(&format!("{file}#{index}"), SIDE, SIDE, rgb)?;
    Ok(LabelledPicture {
        picture,
        label: Some(label),
    })
}
