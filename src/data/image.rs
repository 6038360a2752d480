//! A picture as RGB bytes, decoded as Pillow's `Image.open(f).convert("RGB")` does it.
//!
//! JPEG goes through a decoder that repeats libjpeg-turbo's arithmetic, because a network near a decision
//! boundary answers differently for pixels that differ by one. The other formats are lossless (or WebP) and
//! go through the `image` crate. The rules of conversion to RGB are Pillow's:
//! grey is repeated, a palette is looked up, alpha is dropped (not blended), 16-bit colour keeps its high byte,
//! CMYK is taken as Adobe writes it (inverted) and multiplied out, and of an animation the first frame counts.
//! One deviation: 16-bit grey keeps its high byte too, where Pillow turns every value above 255 white.
//!
//! Deliberately absent: colour management (ICC profiles are ignored, as Pillow does) and progressive display.

use std::io::Cursor;

use ::image::metadata::Orientation;
use ::image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use libjpeg_turbo_rs::{DecodeLimits, Decoder as JpegDecoder, PixelFormat};

use super::DataError;

/// Most pixels a picture may have: Pillow's `MAX_IMAGE_PIXELS`, a quarter of a GiB as RGB.
pub const MAX_PIXELS: u64 = 1024 * 1024 * 1024 / 4 / 3;

/// Longest side a picture may have: the largest that JPEG can express.
const MAX_SIDE: u32 = 65_535;

/// Most scans of a progressive JPEG; real files have about ten, a hostile one makes each cost a whole pass.
const MAX_JPEG_SCANS: usize = 500;

/// A decoded picture: 8-bit RGB, interleaved, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    name: String,
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture from its pixels: `rgb` has `height · width · 3` bytes.
    ///
    /// # Errors
    /// [`DataError::PictureSize`] when empty or above [`MAX_PIXELS`], [`DataError::PixelCount`] when `rgb` has another length.
    pub fn from_rgb(name: &str, width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, DataError> {
        check_size(name, u64::from(width), u64::from(height))?;
        let expected = u64::from(width) * u64::from(height) * 3;
        if rgb.len() as u64 != expected {
            let got = rgb.len() as u64;
            return Err(DataError::PixelCount { file: name.into(), width, height, expected, got });
        }
        Ok(Self { name: name.into(), width, height, rgb })
    }

    /// A picture from grey pixels, `height · width` bytes; each value is repeated for the three channels.
    ///
    /// # Errors
    /// As [`Picture::from_rgb`].
    pub fn from_grey(name: &str, width: u32, height: u32, grey: &[u8]) -> Result<Self, DataError> {
        Self::from_rgb(name, width, height, grey.iter().flat_map(|&v| [v, v, v]).collect())
    }

    /// Name of the file (or record) that it came from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels as grey, `[height, width]`: ITU-R 601 luma in 16-bit fixed point, as Pillow's `convert("L")`.
    pub fn to_grey(&self) -> Vec<u8> {
        self.rgb
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[r, g, b]| {
                let luma = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471;
                ((luma + 0x8000) >> 16) as u8
            })
            .collect()
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({:?}, {}×{})", self.name, self.width, self.height)
    }
}

/// What to do with a camera's note that the picture is to be turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExifOrientation {
    /// Leave the pixels as they are stored, as Pillow and so every published evaluation does. The default.
    #[default]
    Ignore,
    /// Turn and mirror the pixels so that the picture stands upright, as browsers show it.
    Apply,
}

/// Decodes a JPEG, PNG, WebP, BMP or GIF file. The content decides the format, not the name.
///
/// # Errors
/// Names `name` and says what to do: unknown format, damaged content, or a size outside 1 to [`MAX_PIXELS`]
/// pixels (found in the header, before memory is taken).
pub fn decode(name: &str, bytes: &[u8], orientation: ExifOrientation) -> Result<Picture, DataError> {
    let format = ::image::guess_format(bytes).map_err(|_| DataError::UnknownFormat { file: name.into() })?;
    let (picture, stored) = match format {
        ImageFormat::Jpeg => decode_jpeg(name, bytes)?,
        ImageFormat::Png => decode_other(name, bytes, format, "PNG")?,
        ImageFormat::WebP => decode_other(name, bytes, format, "WebP")?,
        ImageFormat::Bmp => decode_other(name, bytes, format, "BMP")?,
        ImageFormat::Gif => decode_other(name, bytes, format, "GIF")?,
        _ => return Err(DataError::UnknownFormat { file: name.into() }),
    };
    if orientation == ExifOrientation::Ignore { Ok(picture) } else { turned(&picture, stored) }
}

/// A picture as its camera was held.
fn turned(picture: &Picture, orientation: Orientation) -> Result<Picture, DataError> {
    // Whether rows become columns, and which sides are then read from their end.
    let (swap, from_right, from_below) = match orientation {
        Orientation::NoTransforms => (false, false, false),
        Orientation::FlipHorizontal => (false, true, false),
        Orientation::FlipVertical => (false, false, true),
        Orientation::Rotate180 => (false, true, true),
        Orientation::Rotate90FlipH => (true, false, false),
        Orientation::Rotate90 => (true, false, true),
        Orientation::Rotate270 => (true, true, false),
        Orientation::Rotate270FlipH => (true, true, true),
    };
    let (width, height) = (picture.width as usize, picture.height as usize);
    let pixels = picture.rgb.as_chunks::<3>().0;
    let (rows, cols) = if swap { (width, height) } else { (height, width) };
    let mut rgb = Vec::with_capacity(picture.rgb.len());
    for row in 0..rows {
        for col in 0..cols {
            let (x, y) = if swap { (row, col) } else { (col, row) };
            let x = if from_right { width - 1 - x } else { x };
            let y = if from_below { height - 1 - y } else { y };
            rgb.extend(pixels[y * width + x]);
        }
    }
    Picture::from_rgb(&picture.name, cols as u32, rows as u32, rgb)
}

/// Pixels of a JPEG and its EXIF orientation.
fn decode_jpeg(name: &str, bytes: &[u8]) -> Result<(Picture, Orientation), DataError> {
    let failed = |reason: String| DataError::Undecodable { file: name.into(), format: "JPEG", reason };
    let limits =
        DecodeLimits { max_pixels: MAX_PIXELS, max_scans: MAX_JPEG_SCANS, ..DecodeLimits::default() };
    let mut decoder = JpegDecoder::new_with_limits(bytes, limits).map_err(|e| failed(e.to_string()))?;
    check_size(name, decoder.header().width() as u64, decoder.header().height() as u64)?;
    if !jpeg_is_whole(bytes) {
        return Err(failed("it ends early, perhaps the copy or download was interrupted".into()));
    }
    decoder.set_output_format(PixelFormat::Rgb);
    let orientation = decoder.exif_orientation().and_then(Orientation::from_exif);
    let decoded = decoder.decode_image().map_err(|e| failed(e.to_string()))?;
    let picture = Picture::from_rgb(name, decoded.width as u32, decoded.height as u32, decoded.data)?;
    Ok((picture, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// Whether the scan of a JPEG is followed by the end marker, as Pillow demands too: the decoder fills up some
/// truncated files with grey and says nothing. A header that cannot be followed is left to the decoder's judgement.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        rest = match rest {
            // Stuffing, which may precede any marker.
            [0xFF, after @ ..] if after.first() == Some(&0xFF) => after,
            [0xFF, 0xDA, scan @ ..] => return scan.windows(2).any(|pair| pair == [0xFF, 0xD9]),
            [0xFF, _, after @ ..] => {
                let Some((length, _)) = after.split_first_chunk::<2>() else {
                    return true;
                };
                after.get(usize::from(u16::from_be_bytes(*length)).max(2)..).unwrap_or_default()
            }
            _ => return true,
        };
    }
}

/// Pixels of any other format and their EXIF orientation.
fn decode_other(
    name: &str,
    bytes: &[u8],
    format: ImageFormat,
    format_name: &'static str,
) -> Result<(Picture, Orientation), DataError> {
    let failed = |e: ImageError| DataError::Undecodable {
        file: name.into(),
        format: format_name,
        reason: e.to_string(),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    // Room for 16-bit RGBA of the largest picture, the widest form that is decoded before conversion.
    limits.max_alloc = Some(MAX_PIXELS * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(name, u64::from(width), u64::from(height))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let color = decoder.color_type();
    // At most eight bytes for each of the pixels, whose number was checked.
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut samples).map_err(failed)?;
    let rgb = to_rgb(color, samples).ok_or_else(|| DataError::Undecodable {
        file: name.into(),
        format: format_name,
        reason: format!("its pixels are {color:?}"),
    })?;
    Ok((Picture::from_rgb(name, width, height, rgb)?, orientation))
}

/// Pillow's conversion to RGB: alpha is dropped, 16-bit samples keep their high byte. None for samples that
/// are no integers, which no format here has.
fn to_rgb(color: ColorType, samples: Vec<u8>) -> Option<Vec<u8>> {
    let (channels, bytes) = match color {
        ColorType::L8 => (1, 1),
        ColorType::La8 => (2, 1),
        ColorType::Rgb8 => return Some(samples),
        ColorType::Rgba8 => (4, 1),
        ColorType::L16 => (1, 2),
        ColorType::La16 => (2, 2),
        ColorType::Rgb16 => (3, 2),
        ColorType::Rgba16 => (4, 2),
        _ => return None,
    };
    // Samples are in the machine's own order.
    let high = if cfg!(target_endian = "big") { 0 } else { bytes - 1 };
    let rgb = if channels < 3 { [0; 3] } else { [0, 1, 2] };
    let pixels = samples.chunks_exact(channels * bytes);
    Some(pixels.flat_map(|pixel| rgb.map(|channel| pixel[channel * bytes + high])).collect())
}

/// Refuses empty pictures and those above [`MAX_PIXELS`].
pub(super) fn check_size(name: &str, width: u64, height: u64) -> Result<(), DataError> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 || pixels > MAX_PIXELS || width.max(height) > u64::from(u32::MAX) {
        return Err(DataError::PictureSize { file: name.into(), width, height, limit: MAX_PIXELS });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_turned_in_eight_ways() {
        let grey = Picture::from_grey("", 3, 2, &[0, 1, 2, 3, 4, 5]).unwrap();
        let cases = [
            (Orientation::NoTransforms, 3, [0, 1, 2, 3, 4, 5]),
            (Orientation::FlipHorizontal, 3, [2, 1, 0, 5, 4, 3]),
            (Orientation::Rotate180, 3, [5, 4, 3, 2, 1, 0]),
            (Orientation::FlipVertical, 3, [3, 4, 5, 0, 1, 2]),
            (Orientation::Rotate90FlipH, 2, [0, 3, 1, 4, 2, 5]),
            (Orientation::Rotate90, 2, [3, 0, 4, 1, 5, 2]),
            (Orientation::Rotate270FlipH, 2, [5, 2, 4, 1, 3, 0]),
            (Orientation::Rotate270, 2, [2, 5, 1, 4, 0, 3]),
        ];
        for (orientation, width, expected) in cases {
            let expected = Picture::from_grey("", width, 6 / width, &expected).unwrap();
            assert_eq!(turned(&grey, orientation).unwrap(), expected, "{orientation:?}");
        }
    }
}
