//! Files on their way from JavaScript: reserved at their size, filled chunk by chunk as they are read.
//!
//! A file that is handed over as one array exists twice while it is opened, once in JavaScript's memory
//! and once here. One that is read as a stream is only ever here: its bytes are copied from each chunk
//! to where they stay, and the importer takes them over as they are.

use crate::session::view::ErrorView;
use thiserror::Error;

/// What is wrong with an upload.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub(super) enum UploadError {
    /// There is no memory for it.
    #[error("A file of {length} bytes does not fit into the memory that is left.")]
    TooLarge {
        /// Bytes of the file, as JavaScript has them.
        length: f64,
    },
    /// More or less came than was reserved.
    #[error("A file of {expected} bytes came with {got}.")]
    Length {
        /// Bytes reserved.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// No upload has this number.
    #[error("There is no upload {id}.")]
    Unknown {
        /// The number.
        id: u32,
    },
}

impl From<UploadError> for ErrorView {
    fn from(error: UploadError) -> Self {
        let (code, hint) = match error {
            UploadError::TooLarge { .. } => (
                "upload/too-large",
                Some("Use a smaller file, or the command line, which has no such limit."),
            ),
            UploadError::Length { .. } => {
                ("upload/length", Some("It changed while it was read: give it once more."))
            }
            UploadError::Unknown { .. } => ("upload/unknown", None),
        };
        Self {
            code: code.to_owned(),
            message: error.to_string(),
            node: None,
            hint: hint.map(str::to_owned),
            missing: Vec::new(),
            support: None,
            needed_bytes: None,
        }
    }
}

#[derive(Debug)]
struct Upload {
    id: u32,
    expected: usize,
    bytes: Vec<u8>,
}

/// Uploads that are not taken yet.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    waiting: Vec<Upload>,
    next: u32,
}

impl Uploads {
    /// Reserves memory for a file of `length` bytes; the number under which its chunks come.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`].
    pub(super) fn reserve(&mut self, length: f64) -> Result<u32, UploadError> {
        let too_large = || UploadError::TooLarge { length };
        let addressable = (0.0..=isize::MAX as f64).contains(&length);
        let expected = Some(length as usize).filter(|_| addressable).ok_or_else(too_large)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(expected).map_err(|_| too_large())?;
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.waiting.push(Upload { id, expected, bytes });
        Ok(id)
    }

    /// Lets `copy` fill the next `length` bytes of a file.
    ///
    /// # Errors
    /// [`UploadError::Length`] when the file would become longer than was reserved,
    /// [`UploadError::Unknown`].
    pub(super) fn write(
        &mut self,
        id: u32,
        length: usize,
        copy: impl FnOnce(&mut [u8]),
    ) -> Result<(), UploadError> {
        let place = self.place(id)?;
        let Upload { expected, bytes, .. } = &mut self.waiting[place];
        let (start, expected) = (bytes.len(), *expected);
        let end = start.saturating_add(length);
        if end > expected {
            return Err(UploadError::Length { expected, got: end });
        }
        bytes.resize(end, 0);
        copy(&mut bytes[start..]);
        Ok(())
    }

    /// Hands out a file that is complete.
    ///
    /// # Errors
    /// [`UploadError::Length`], [`UploadError::Unknown`].
    pub(super) fn take(&mut self, id: u32) -> Result<Vec<u8>, UploadError> {
        let place = self.place(id)?;
        let Upload { expected, bytes, .. } = self.waiting.swap_remove(place);
        if bytes.len() == expected {
            Ok(bytes)
        } else {
            Err(UploadError::Length { expected, got: bytes.len() })
        }
    }

    fn place(&self, id: u32) -> Result<usize, UploadError> {
        self.waiting.iter().position(|upload| upload.id == id).ok_or(UploadError::Unknown { id })
    }

    /// Drops what was not taken.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn chunks_become_the_file_where_it_was_reserved() {
        let mut uploads = Uploads::default();
        let (a, b) = (uploads.reserve(5.0).unwrap(), uploads.reserve(0.0).unwrap());
        uploads.write(a, 2, |to| to.copy_from_slice(&[1, 2])).unwrap();
        uploads.write(a, 3, |to| to.copy_from_slice(&[3, 4, 5])).unwrap();
        let file = uploads.take(a).unwrap();
        assert_eq!((file.capacity(), file), (5, vec![1, 2, 3, 4, 5]));
        assert!(uploads.take(b).unwrap().is_empty());
        assert_eq!(uploads.take(a), Err(UploadError::Unknown { id: a }));
    }

    #[wasm_bindgen_test]
    fn lengths_are_checked() {
        let mut uploads = Uploads::default();
        let id = uploads.reserve(3.0).unwrap();
        uploads.write(id, 2, |_| ()).unwrap();
        let too_long = uploads.write(id, 2, |_| panic!("nothing is copied"));
        assert_eq!(too_long, Err(UploadError::Length { expected: 3, got: 4 }));
        assert_eq!(uploads.take(id), Err(UploadError::Length { expected: 3, got: 2 }));
        for length in [-1.0, f64::NAN, 2.2e9, 1e12] {
            let error = uploads.reserve(length).map(|_| ()).unwrap_err();
            assert!(matches!(error, UploadError::TooLarge { .. }), "{length}");
        }
        uploads.reserve(7.0).unwrap();
        uploads.clear();
        assert!(uploads.waiting.is_empty());
    }
}
