//! Pictures and labels from bytes, prepared for a network.
//!
//! ```text
//! bytes ─image::decode / cifar / idx→ Picture ─preprocess→ Preprocessed {shape, data, what the network sees}
//! bytes ─labels::parse→ class names, or a label for each file
//! bytes ─preprocess::from_json→ Preprocess (preprocessor_config.json)
//! ```
//!
//! Everything agrees with Pillow and NumPy to the last bit where they are the usual reference: JPEG pixels,
//! the antialiased resize, and the float arithmetic of the normalisation.
//!
//! There is no file system here: the page hands over the bytes of a dropped file, the command line reads
//! its own. A file's name is carried along so that errors and results can say which file they mean.

mod error;

pub mod cifar;
pub mod idx;
pub mod image;
pub mod labels;
pub mod preprocess;
mod preprocess_file;
pub mod resize;

pub use error::DataError;
pub use image::{ExifOrientation, Picture, decode};
pub use preprocess::{Preprocess, Preprocessed};

/// A picture with the class it is known to show, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledPicture {
    /// The picture.
    pub picture: Picture,
    /// Class index as the data set numbers it, before any `label_offset` of the network.
    pub label: Option<usize>,
}

#[cfg(test)]
mod tests;
