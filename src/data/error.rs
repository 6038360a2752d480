//! What can be wrong with a picture, a label file or a preprocessing file, in words for the person who gave it.

/// Errors of reading and preparing data. Every variant names the file it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The bytes are no picture of a known format.
    #[error("`{file}` is not a picture that can be read here. Use JPEG, PNG, WebP, BMP or GIF.")]
    UnknownFormat {
        /// Name of the file.
        file: String,
    },
    /// The format is known, and its content is damaged or uses a feature without support.
    #[error(
        "`{file}` does not decode as {format}: {reason}. Open it in an image editor, save it again as PNG or JPEG, and try that file."
    )]
    Undecodable {
        /// Name of the file.
        file: String,
        /// Name of the format, as in `JPEG`.
        format: &'static str,
        /// What the decoder found.
        reason: String,
    },
    /// The picture is larger than [`MAX_PIXELS`](super::image::MAX_PIXELS), or is empty.
    #[error(
        "`{file}` is {width}×{height} pixels; pictures must have between 1 and {limit} pixels. Scale it down first."
    )]
    PictureSize {
        /// Name of the file.
        file: String,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// Most pixels allowed.
        limit: u64,
    },
    /// A picture's buffer does not have `width · height · 3` bytes.
    #[error("`{file}` has {got} bytes of pixels where {width}×{height} RGB needs {expected}")]
    PixelCount {
        /// Name of the file.
        file: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes needed.
        expected: u64,
        /// Bytes given.
        got: u64,
    },
    /// The centre crop does not fit into the (resized) picture.
    #[error(
        "`{file}` is {width}×{height} where the centre crop wants {crop_width}×{crop_height}. Switch resizing on, or choose a smaller crop."
    )]
    CropTooLarge {
        /// Name of the file.
        file: String,
        /// Width before the crop.
        width: u32,
        /// Height before the crop.
        height: u32,
        /// Width asked for.
        crop_width: u32,
        /// Height asked for.
        crop_height: u32,
    },
    /// A text or JSON file that is malformed as a whole.
    #[error("`{file}` cannot be read: {reason}")]
    Malformed {
        /// Name of the file.
        file: String,
        /// What is wrong, and where, and what would be right.
        reason: String,
    },
    /// A key of a preprocessing file holds a value that makes no sense.
    #[error("`{file}`: `{key}` {reason}")]
    BadSetting {
        /// Name of the file.
        file: String,
        /// Key in the file, such as `image_std`.
        key: &'static str,
        /// What is wrong and what would be right, as the end of a sentence.
        reason: String,
    },
    /// A data set file whose length contradicts its own header or its record size.
    #[error("`{file}` has {got} bytes, {expected}. It may be cut short or of another format.")]
    Length {
        /// Name of the file.
        file: String,
        /// Bytes found.
        got: u64,
        /// What was expected, as the end of a sentence.
        expected: String,
    },
    /// A record of a data set names a class that does not exist.
    #[error(
        "`{file}`: record {record} has label {label}; labels are 0 to {largest}. It may be of another format."
    )]
    LabelRange {
        /// Name of the file.
        file: String,
        /// Index of the record, from 0.
        record: usize,
        /// Label found.
        label: usize,
        /// Largest label allowed.
        largest: usize,
    },
}
