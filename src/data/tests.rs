//! The whole way from bytes to tensors against Pillow and NumPy. `fixtures/make.py` says how the expectations were made.

use super::preprocess::{Crop, Resample, Resize};
use super::*;

const EXPECTED: &str = include_str!("fixtures/expected.txt");

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        const FIXTURES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("fixtures/", $name)))),*];
    };
}

fixtures! {
    "colour_444.jpg", "colour_420.jpg", "colour_422.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "exif_6.jpg",
    "colour.png", "alpha.png", "palette.png", "grey.png", "one_bit.png", "colour_16.png", "colour.bmp", "palette.gif",
    "lossless.webp", "lossy.webp",
}

pub(super) fn fixture(name: &str) -> &'static [u8] {
    FIXTURES.iter().find(|(known, _)| *known == name).unwrap().1
}

fn picture(name: &str) -> Picture {
    decode(name, fixture(name), ExifOrientation::Ignore).unwrap()
}

/// 64-bit FNV-1a.
fn fnv(words: impl IntoIterator<Item = u64>) -> String {
    let hash = words
        .into_iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01B3));
    format!("{hash:016x}")
}

fn fnv_bytes(bytes: &[u8]) -> String {
    fnv(bytes.iter().copied().map(u64::from))
}

fn fnv_floats(values: &[f32]) -> String {
    fnv(values.iter().map(|v| u64::from(v.to_bits())))
}

#[test]
fn every_format_decodes_to_pillows_pixels() {
    let mut seen = 0;
    for line in EXPECTED.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [file, width, height, hash] = fields[..] else {
            continue;
        };
        let picture = picture(file);
        assert_eq!(
            (picture.width().to_string(), picture.height().to_string()),
            (width.into(), height.into()),
            "{file}"
        );
        assert_eq!(fnv_bytes(picture.rgb()), hash, "{file}");
        seen += 1;
    }
    assert_eq!(seen, FIXTURES.len());
}

#[test]
fn every_filter_resizes_to_pillows_pixels() {
    let picture = picture("colour.png");
    let mut seen = 0;
    for line in EXPECTED.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, resample, width, height, hash] = fields[..] else {
            continue;
        };
        let resample = match resample {
            "0" => Resample::Nearest,
            "2" => Resample::Bilinear,
            _ => Resample::Bicubic,
        };
        let (width, height) = (width.parse().unwrap(), height.parse().unwrap());
        let resize = Some(Resize::Exact { height, width });
        let seen_by_network =
            Preprocess { resize, resample, ..Preprocess::default() }.apply(&picture).unwrap().seen;
        assert_eq!(fnv_bytes(seen_by_network.rgb()), hash, "{line}");
        // A crop computes only its window; it must find the same pixels.
        let crop = Crop::Centre { height: height.div_ceil(2), width: width.div_ceil(2) };
        let part =
            Preprocess { resize, resample, crop, ..Preprocess::default() }.apply(&picture).unwrap().seen;
        assert_eq!(part.rgb(), centre(&seen_by_network, part.width(), part.height()), "{line}");
        seen += 1;
    }
    assert_eq!(seen, 27);
}

/// The centre of a picture, pixel by pixel.
fn centre(whole: &Picture, width: u32, height: u32) -> Vec<u8> {
    let (left, top) = ((whole.width() - width) / 2, (whole.height() - height) / 2);
    let pixels = (0..height)
        .flat_map(|y| (0..width).map(move |x| ((y + top) * whole.width() + x + left) as usize * 3));
    pixels.flat_map(|start| whole.rgb()[start..start + 3].to_vec()).collect()
}

#[test]
fn exif_orientation_turns_the_picture_only_on_request() {
    let stored = picture("exif_6.jpg");
    let upright = decode("exif_6.jpg", fixture("exif_6.jpg"), ExifOrientation::Apply).unwrap();
    assert_eq!((stored.width(), stored.height()), (37, 29));
    assert_eq!((upright.width(), upright.height()), (29, 37));
    // Orientation 6: the stored left column, read from below, is the upper row.
    assert_eq!(upright.rgb()[..3], stored.rgb()[28 * 37 * 3..][..3]);
    assert_eq!(upright.rgb()[28 * 3..][..3], stored.rgb()[..3]);
}

#[test]
fn damaged_pictures_are_refused_by_name() {
    for (name, bytes) in FIXTURES {
        // Half a file: never a panic, and an error unless the format has no way of knowing.
        match decode(name, &bytes[..bytes.len() / 2], ExifOrientation::Ignore) {
            Err(error @ (DataError::Undecodable { .. } | DataError::UnknownFormat { .. })) => {
                assert!(error.to_string().contains(name), "{error}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let error = decode("notes.txt", b"not a picture", ExifOrientation::Ignore).unwrap_err();
    assert_eq!(error, DataError::UnknownFormat { file: "notes.txt".into() });
    assert_eq!(
        decode("empty.png", b"", ExifOrientation::Ignore).unwrap_err(),
        DataError::UnknownFormat { file: "empty.png".into() }
    );
}

#[test]
fn flipped_bytes_never_panic() {
    let mut state = 1_u64;
    for (name, bytes) in FIXTURES {
        for _ in 0..60 {
            let mut damaged = bytes.to_vec();
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let position = (state >> 33) as usize % damaged.len();
                damaged[position] ^= (state >> 24) as u8;
            }
            // Ok or Err, both are fine; a picture that comes out is consistent.
            if let Ok(picture) = decode(name, &damaged, ExifOrientation::Apply) {
                assert_eq!(picture.rgb().len(), (picture.width() * picture.height() * 3) as usize);
            }
        }
    }
}

#[test]
fn a_huge_header_is_refused_before_memory_is_taken() {
    // Width and height in IHDR, and in the JPEG frame header, overwritten with 60000.
    let mut png = fixture("colour.png").to_vec();
    png[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let mut jpeg = fixture("colour_444.jpg").to_vec();
    let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    for (name, bytes) in [("huge.png", png), ("huge.jpg", jpeg)] {
        match decode(name, &bytes, ExifOrientation::Ignore) {
            Err(DataError::PictureSize { width: 60_000, height: 60_000, file, .. }) => assert_eq!(file, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// PNG's checksum, so that the header above is refused for its size alone.
fn crc32(bytes: &[u8]) -> u32 {
    let update =
        |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
            })
        };
    !bytes.iter().fold(u32::MAX, update)
}

#[test]
fn grey_is_pillows_luma() {
    // PIL.Image.new("RGB", (1, 1), …).convert("L")
    let picture =
        Picture::from_rgb("four", 4, 1, vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 77]).unwrap();
    assert_eq!(picture.to_grey(), [76, 150, 29, 129]);
    let grey: Vec<u8> = (0..=255).collect();
    assert_eq!(Picture::from_grey("all", 256, 1, &grey).unwrap().to_grey(), grey);
}

#[test]
fn normalisation_is_numpys_float32() {
    let json = br#"{"do_rescale": true, "rescale_factor": 0.00392156862745098,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}"#;
    let (preprocess, _) = Preprocess::from_json("resnet20.json", json).unwrap();
    let grey: Vec<u8> = (0..=255).collect();
    let picture = Picture::from_grey("all values", 256, 1, &grey).unwrap();
    let prepared = preprocess.apply(&picture).unwrap();
    assert_eq!(prepared.shape, [3, 1, 256]);
    // FNV-1a over the bits of (x·f32(1/255) − f32(mean)) / f32(std), x = 0..255, for each channel.
    assert_eq!(fnv_floats(&prepared.data), "95f42948c37f1a71");
}

#[cfg(not(target_arch = "wasm32"))]
mod with_shared_data {
    use super::*;
    use std::path::PathBuf;

    /// A file of the shared data, or `None`, said aloud, where there is none.
    fn shared(path: &str) -> Option<Vec<u8>> {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        let root = std::env::var_os("BITLENS_DATA").map_or_else(beside, PathBuf::from);
        let read = std::fs::read(root.join(path)).ok();
        if read.is_none() {
            println!("skipped: no data");
        }
        read
    }

    fn files_with_role(role: &str) -> Option<Vec<labels::FileLabel>> {
        let bytes = shared("images/imagenet/labels.json")?;
        let labels::LabelFile::Files(files) = labels::parse("labels.json", &bytes).unwrap() else { panic!() };
        Some(labels::with_role("labels.json", files, Some(role)).unwrap())
    }

    #[test]
    fn real_photographs_become_pillows_tensors() {
        let Some(files) = files_with_role("eval") else {
            return;
        };
        assert_eq!(files.len(), 300);
        // FNV-1a over the bits of the 16 tensors that Pillow 13 and NumPy make.
        for (network, hash) in
            [("squeezenet_v1.1", "7528fcbffee12325"), ("mobilenet_v1_0.25_224", "6da6e40247e4ff5d")]
        {
            let Some(json) = shared(&format!("preprocess/imagenet/{network}.json")) else {
                return;
            };
            let (preprocess, unknown) = Preprocess::from_json(network, &json).unwrap();
            assert!(unknown.is_empty());
            let mut values = Vec::new();
            for file in files.iter().take(16) {
                let Some(bytes) = shared(&format!("images/imagenet/{}", file.file)) else {
                    return;
                };
                let picture = decode(&file.file, &bytes, ExifOrientation::Ignore).unwrap();
                values.extend(preprocess.apply(&picture).unwrap().data);
            }
            assert_eq!(values.len(), 16 * 3 * 224 * 224);
            assert_eq!(fnv_floats(&values), hash, "{network}");
        }
    }

    #[test]
    fn real_preprocessing_files_survive_a_round_trip() {
        let networks = [
            "cifar10/mlperftiny_resnet8",
            "cifar10/resnet20",
            "cifar10/vnncomp_resnet2b_op9",
            "cifar10/winml_cnn_op10",
            "imagenet/squeezenet_v1.1",
            "imagenet/mobilenet_v1_0.25_224",
            "mnist/mnist_cntk_op7",
            "quantized/mobilenet_v2_qlinear_op12",
            "vww/mlperftiny_vww_mobilenet_v1_0.25_96",
        ];
        for network in networks {
            let Some(json) = shared(&format!("preprocess/{network}.json")) else {
                return;
            };
            let (preprocess, unknown) = Preprocess::from_json(network, &json).unwrap();
            assert!(unknown.is_empty(), "{network}: {unknown:?}");
            let written = serde_json::to_vec(&preprocess).unwrap();
            assert_eq!(Preprocess::from_json(network, &written).unwrap(), (preprocess, vec![]), "{network}");
        }
    }

    #[test]
    fn real_data_sets_read_whole() {
        let Some(bytes) = shared("images/cifar10/test_lossless_103.bin") else {
            return;
        };
        assert_eq!(cifar::read("test.bin", &bytes, None).unwrap().len(), 103);
        let (Some(images), Some(labels)) =
            (shared("images/mnist/images-idx3-ubyte.gz"), shared("images/mnist/labels-idx1-ubyte.gz"))
        else {
            return;
        };
        let pictures = idx::read(("images.gz", &images), Some(("labels.gz", &labels)), None).unwrap();
        assert_eq!(pictures.len(), 5000);
        // The famous beginning of the test set.
        let first: Vec<_> = pictures.iter().take(5).map(|p| p.label).collect();
        assert_eq!(first, [7, 2, 1, 0, 4].map(Some));
        assert_eq!((pictures[0].picture.width(), pictures[0].picture.height()), (28, 28));
    }

    #[test]
    fn real_class_names_are_in_class_order() {
        let Some(bytes) = shared("images/imagenet/synset.txt") else {
            return;
        };
        let labels::LabelFile::Classes(names) = labels::parse("synset.txt", &bytes).unwrap() else {
            panic!()
        };
        assert_eq!(names.len(), 1000);
        assert!(names[0].starts_with("tench") && names[999].starts_with("toilet tissue"), "{:?}", names[999]);
    }
}
