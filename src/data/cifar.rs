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
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Reads the first `limit` records (all for `None`). Pictures are named `file#index`.
///
/// # Errors
/// [`DataError::Length`] when the file is empty or no whole number of records, [`DataError::LabelRange`] for a label above 9.
pub fn read(file: &str, bytes: &[u8], limit: Option<usize>) -> Result<Vec<LabelledPicture>, DataError> {
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if records.is_empty() || !rest.is_empty() {
        let expected = format!("and a CIFAR-10 file is a multiple of {RECORD}");
        return Err(DataError::Length { file: file.into(), got: bytes.len() as u64, expected });
    }
    let limit = limit.unwrap_or(records.len());
    records.iter().take(limit).enumerate().map(|(index, record)| read_record(file, index, record)).collect()
}

fn read_record(file: &str, index: usize, record: &[u8; RECORD]) -> Result<LabelledPicture, DataError> {
    let [label, planes @ ..] = record;
    let label = usize::from(*label);
    if label >= CLASSES.len() {
        let largest = CLASSES.len() - 1;
        return Err(DataError::LabelRange { file: file.into(), record: index, label, largest });
    }
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    let rgb = red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]).collect();
    let picture = Picture::from_rgb(&format!("{file}#{index}"), SIDE, SIDE, rgb)?;
    Ok(LabelledPicture { picture, label: Some(label) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(label: u8) -> Vec<u8> {
        let planes = (0..3 * PLANE).map(|i| (i / PLANE * 80 + i % 7) as u8);
        std::iter::once(label).chain(planes).collect()
    }

    #[test]
    fn planes_become_pixels() {
        let bytes = [record(3), record(9)].concat();
        let pictures = read("t.bin", &bytes, None).unwrap();
        assert_eq!(pictures.iter().map(|p| p.label).collect::<Vec<_>>(), [Some(3), Some(9)]);
        assert_eq!(pictures[1].picture.name(), "t.bin#1");
        // Plane c holds 80·c + i mod 7 at pixel i; 1023 mod 7 is 1, and each plane begins 1024 = 2 (mod 7) later.
        assert_eq!(pictures[0].picture.rgb()[..6], [0, 82, 164, 1, 83, 165]);
        assert_eq!(read("t.bin", &bytes, Some(1)).unwrap().len(), 1);
    }

    #[test]
    fn wrong_lengths_and_labels_are_refused_by_name() {
        for length in [0, 1, RECORD - 1, RECORD + 1] {
            let error = read("t.bin", &vec![0; length], None).unwrap_err();
            assert!(matches!(error, DataError::Length { got, .. } if got == length as u64), "{error}");
            assert!(error.to_string().contains("`t.bin`"));
        }
        let error = read("t.bin", &[record(3), record(10)].concat(), None).unwrap_err();
        assert!(matches!(error, DataError::LabelRange { record: 1, label: 10, .. }), "{error}");
    }
}
