//! The idx form of MNIST and its relatives, plain or gzipped (<http://yann.lecun.com/exdb/mnist/>): two zero
//! bytes, a type byte (8: unsigned bytes), the number of axes, each axis as a big-endian u32, then the values.
//! Pictures have three axes (count, height, width), labels one.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;

use super::{DataError, LabelledPicture, Picture};

/// Most bytes that are unpacked: MNIST's 60,000 training pictures take 47 MB.
const MAX_UNPACKED: u64 = 1 << 30;

/// Reads the first `limit` pictures (all for `None`) and, when given, their labels. Pictures are named `file#index`.
///
/// Each of the two files is `(name, bytes)`.
///
/// # Errors
/// [`DataError::Malformed`] for another format, damaged gzip, or counts that differ between the two files;
/// [`DataError::Length`] when the values are fewer or more than the header says.
pub fn read(
    images: (&str, &[u8]),
    labels: Option<(&str, &[u8])>,
    limit: Option<usize>,
) -> Result<Vec<LabelledPicture>, DataError> {
    let (name, _) = images;
    let unpacked = unpack(name, images.1)?;
    let ([count, height, width], pixels) = parse::<3>(name, &unpacked)?;
    let labels = labels.map(|(name, bytes)| read_labels(name, bytes)).transpose()?;
    if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != count as usize) {
        let reason = format!(
            "it has {count} pictures where the label file has {} labels; give two files that belong together",
            labels.len()
        );
        return Err(malformed(name, reason));
    }
    let size = height as usize * width as usize;
    if size == 0 {
        return Err(malformed(name, format!("its pictures are {width}×{height} pixels")));
    }
    let limit = limit.unwrap_or(usize::MAX);
    let pictures = pixels.chunks_exact(size).take(limit).enumerate().map(|(index, grey)| {
        let picture = Picture::from_grey(&format!("{name}#{index}"), width, height, grey)?;
        let label = labels.as_ref().and_then(|labels| labels.get(index)).map(|&label| usize::from(label));
        Ok(LabelledPicture { picture, label })
    });
    pictures.collect()
}

/// Whether the bytes begin as a label file does, plain or gzipped.
pub fn is_labels(bytes: &[u8]) -> bool {
    let mut start = [0; 4];
    let read = match bytes {
        [0x1f, 0x8b, ..] => GzDecoder::new(bytes).read_exact(&mut start),
        _ => Read::read_exact(&mut &*bytes, &mut start),
    };
    read.is_ok() && start == [0, 0, 8, 1]
}

/// Whether two files belong together by their names: `t10k-images-idx3-ubyte.gz` and
/// `t10k-labels-idx1-ubyte`.
pub fn names_match(images: &str, labels: &str) -> bool {
    let plain = |name: &str| name.strip_suffix(".gz").unwrap_or(name).to_owned();
    plain(images) != plain(labels)
        && plain(images).replace("images", "labels").replace("idx3", "idx1") == plain(labels)
}

/// Reads a label file.
///
/// # Errors
/// As [`read`].
pub fn read_labels(name: &str, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    let unpacked = unpack(name, bytes)?;
    Ok(parse::<1>(name, &unpacked)?.1.to_vec())
}

/// The bytes as they are, or ungzipped.
fn unpack<'a>(name: &str, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, DataError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes).take(MAX_UNPACKED + 1).read_to_end(&mut unpacked).map_err(|e| {
        malformed(name, format!("its gzip is damaged ({e}); it may be cut short, download it again"))
    })?;
    if unpacked.len() as u64 > MAX_UNPACKED {
        return Err(malformed(name, format!("it unpacks to more than {MAX_UNPACKED} bytes")));
    }
    Ok(Cow::Owned(unpacked))
}

/// The `AXES` sizes and the values, whose number is their product.
fn parse<'a, const AXES: usize>(name: &str, bytes: &'a [u8]) -> Result<([u32; AXES], &'a [u8]), DataError> {
    let magic = [0, 0, 8, AXES as u8];
    let header = bytes.strip_prefix(&magic).and_then(|rest| rest.split_at_checked(4 * AXES));
    let Some((sizes, values)) = header else {
        return Err(malformed(
            name,
            format!("it is no idx file of bytes with {AXES} axes (it should begin with {magic:02x?})"),
        ));
    };
    let mut axes = [0; AXES];
    for (axis, bytes) in axes.iter_mut().zip(sizes.as_chunks::<4>().0) {
        *axis = u32::from_be_bytes(*bytes);
    }
    let expected = axes.iter().try_fold(1_u64, |product, &axis| product.checked_mul(u64::from(axis)));
    if expected != Some(values.len() as u64) {
        let expected = format!(
            "and its header of {axes:?} asks for {}",
            expected.map_or("too many".into(), |n| (n + 4 + 4 * AXES as u64).to_string())
        );
        return Err(DataError::Length { file: name.into(), got: bytes.len() as u64, expected });
    }
    Ok((axes, values))
}

fn malformed(file: &str, reason: String) -> DataError {
    DataError::Malformed { file: file.into(), reason }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// Two pictures of 2 rows and 3 columns.
    const IMAGES: [u8; 28] =
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    const LABELS: [u8; 10] = [0, 0, 8, 1, 0, 0, 0, 2, 7, 200];

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzipped_files_are_the_same() {
        let plain = read(("i", &IMAGES), Some(("l", &LABELS)), None).unwrap();
        assert_eq!(plain, read(("i", &gzipped(&IMAGES)), Some(("l", &gzipped(&LABELS))), None).unwrap());
        assert_eq!(plain.iter().map(|p| p.label).collect::<Vec<_>>(), [Some(7), Some(200)]);
        let second = &plain[1].picture;
        assert_eq!(
            (second.name(), second.width(), second.height(), second.to_grey()),
            ("i#1", 3, 2, vec![7, 8, 9, 10, 11, 12])
        );
    }

    #[test]
    fn labels_are_optional_and_a_limit_holds() {
        let pictures = read(("i", &IMAGES), None, Some(1)).unwrap();
        assert_eq!((pictures.len(), pictures[0].label), (1, None));
    }

    #[test]
    fn lengths_must_be_what_the_header_says() {
        for wrong in [&IMAGES[..27], &[&IMAGES[..], &[0]].concat()] {
            let error = read(("i", wrong), None, None).unwrap_err();
            assert!(matches!(&error, DataError::Length { file, .. } if file == "i"), "{error}");
            assert!(error.to_string().contains("28"), "{error}");
        }
        let mut overflowing = IMAGES;
        overflowing[4..16].fill(0xFF);
        assert!(matches!(read(("i", &overflowing), None, None), Err(DataError::Length { .. })));
    }

    #[test]
    fn other_formats_are_refused() {
        let mut floats = IMAGES;
        floats[2] = 0x0D;
        let mut flat = IMAGES.to_vec();
        flat[8..12].fill(0);
        flat.truncate(16);
        let half_gzip = &gzipped(&IMAGES)[..20];
        for wrong in [&[][..], &IMAGES[..7], &LABELS, &floats, &flat, half_gzip] {
            assert!(matches!(read(("i", wrong), None, None), Err(DataError::Malformed { .. })), "{wrong:?}");
        }
        assert!(matches!(read_labels("l", &IMAGES), Err(DataError::Malformed { .. })));
    }

    #[test]
    fn label_files_are_known_by_their_first_bytes_and_matched_by_name() {
        assert!(is_labels(&LABELS) && is_labels(&gzipped(&LABELS)));
        for other in [&IMAGES[..], &gzipped(&IMAGES), &LABELS[..3], &[0x1f, 0x8b], &[]] {
            assert!(!is_labels(other), "{other:?}");
        }
        assert!(names_match("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte"));
        assert!(names_match("train-images.idx3-ubyte", "train-labels.idx1-ubyte"));
        for (images, labels) in [
            ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
            ("a/images-idx3-ubyte", "b/labels-idx1-ubyte"),
            ("digits.idx", "digits.idx.gz"),
        ] {
            assert!(!names_match(images, labels), "{images} {labels}");
        }
    }

    #[test]
    fn counts_of_pictures_and_labels_must_agree() {
        let three = [0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3];
        let message = read(("i", &IMAGES), Some(("l", &three)), None).unwrap_err().to_string();
        assert!(message.contains("2 pictures") && message.contains("3 labels"), "{message}");
    }
}
