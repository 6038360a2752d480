//! The outermost layer of a file: is it ONNX at all, and is it all there?
//!
//! ONNX has no magic number. A file is a protobuf message, so its first bytes must be the tag of a
//! field that `ModelProto` has, and every field must end inside the file. [`read_model`] walks over
//! those fields before it decodes anything. Where the walk fails, well-known magic numbers tell
//! what the file is instead ([`FileKind`]).

use super::ImportError;
use super::proto::{self, ModelProto, WIRE_BYTES, WIRE_MASK, WIRE_VARINT};
use prost::bytes::Bytes;

/// What a file that is not ONNX looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the format of that name")]
pub enum FileKind {
    Png,
    Jpeg,
    Gif,
    Webp,
    Pdf,
    Zip,
    Gzip,
    Pickle,
    Hdf5,
    TfLite,
    OrtFormat,
    Safetensors,
    Gguf,
    NumPy,
    GitLfsPointer,
    Html,
    Json,
    Text,
}

/// Magic numbers: where they stand, what they are.
const MAGIC: [(usize, &[u8], FileKind); 17] = [
    (0, b"\x89PNG", FileKind::Png),
    (0, b"\xff\xd8\xff", FileKind::Jpeg),
    (0, b"GIF8", FileKind::Gif),
    (8, b"WEBP", FileKind::Webp),
    (0, b"%PDF", FileKind::Pdf),
    (0, b"PK\x03\x04", FileKind::Zip),
    (0, b"PK\x05\x06", FileKind::Zip),
    (0, b"\x1f\x8b", FileKind::Gzip),
    (0, b"\x80\x02", FileKind::Pickle),
    (0, b"\x80\x04", FileKind::Pickle),
    (0, b"\x89HDF\r\n", FileKind::Hdf5),
    (4, b"TFL3", FileKind::TfLite),
    (4, b"ORTM", FileKind::OrtFormat),
    (8, b"{\"", FileKind::Safetensors),
    (0, b"GGUF", FileKind::Gguf),
    (0, b"\x93NUMPY", FileKind::NumPy),
    (0, b"version https://git-lfs", FileKind::GitLfsPointer),
];

/// How web pages begin, in letters of either case.
const HTML: [&[u8]; 2] = [b"<!doctype html", b"<html"];

/// How many bytes decide whether a file is text.
const TEXT_PROBE: usize = 256;

impl FileKind {
    pub(super) const HINT: &'static str = "Choose the .onnx file of a network.";

    /// The kind that the first bytes show.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let starts = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
        let known = MAGIC.iter().find(|(at, magic, _)| starts(*at, magic)).map(|&(_, _, kind)| kind);
        known.or_else(|| Self::of_text(bytes))
    }

    fn of_text(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..TEXT_PROBE).unwrap_or(bytes);
        // The probe may end inside a character.
        let is_utf8 = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
        let printable = |b: &u8| !b.is_ascii_control() || b.is_ascii_whitespace();
        if !is_utf8 || !head.iter().all(printable) {
            return None;
        }
        let head = head.trim_ascii_start();
        let begins =
            |mark: &[u8]| head.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
        match head.first() {
            Some(b'{' | b'[') => Some(Self::Json),
            _ if HTML.iter().any(|mark| begins(mark)) => Some(Self::Html),
            _ => Some(Self::Text),
        }
    }

    /// The kind in words, with its article.
    pub fn description(self) -> &'static str {
        match self {
            Self::Png => "a PNG picture",
            Self::Jpeg => "a JPEG picture",
            Self::Gif => "a GIF picture",
            Self::Webp => "a WebP picture",
            Self::Pdf => "a PDF document",
            Self::Zip => "a zip archive (PyTorch checkpoints are zip archives too)",
            Self::Gzip => "a gzip archive",
            Self::Pickle => "a Python pickle (an older PyTorch checkpoint)",
            Self::Hdf5 => "an HDF5 file (a Keras network)",
            Self::TfLite => "a TensorFlow Lite network",
            Self::OrtFormat => "an ORT-format network",
            Self::Safetensors => "a safetensors file",
            Self::Gguf => "a GGUF file",
            Self::NumPy => "a NumPy array",
            Self::GitLfsPointer => "a Git LFS pointer, which stands for a file that was not downloaded",
            Self::Html => "a web page",
            Self::Json => "JSON",
            Self::Text => "text",
        }
    }

    /// What to do with such a file.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Zip => {
                "Unpack it and choose the .onnx file inside; export a PyTorch checkpoint with torch.onnx.export."
            }
            Self::Gzip => "Unpack it and choose the .onnx file inside.",
            Self::Pickle => "Load it in PyTorch and export it with torch.onnx.export.",
            Self::Safetensors | Self::Gguf | Self::NumPy => {
                "It holds weights without a network. Export the network as ONNX."
            }
            Self::Hdf5 | Self::TfLite => "Convert it with tf2onnx.",
            Self::OrtFormat => "Choose the .onnx file that it was made from.",
            Self::GitLfsPointer => {
                "Download the file itself, with `git lfs pull` or the page's download button."
            }
            Self::Html => "Download the file itself, for instance with the page's download button.",
            _ => Self::HINT,
        }
    }
}

/// Reads the outermost message of a file.
///
/// # Errors
/// [`ImportError::Empty`], [`ImportError::NotOnnx`], [`ImportError::Truncated`],
/// [`ImportError::Corrupt`].
pub(super) fn read_model(bytes: &Bytes) -> Result<ModelProto, ImportError> {
    if bytes.is_empty() {
        return Err(ImportError::Empty);
    }
    let not_onnx = || FileKind::of(bytes).map(|kind| ImportError::NotOnnx { kind: Some(kind) });
    check_fields(bytes).map_err(|error| not_onnx().unwrap_or(error))?;
    proto::decode(bytes).map_err(|error| {
        not_onnx().unwrap_or_else(|| ImportError::Corrupt {
            place: "the file's header".to_owned(),
            reason: error.to_string(),
        })
    })
}

/// Walks over the outermost fields.
fn check_fields(bytes: &[u8]) -> Result<(), ImportError> {
    let mut cursor = Cursor { bytes, position: 0 };
    while cursor.position < bytes.len() {
        let is_first = cursor.position == 0;
        let tag = cursor.varint();
        let is_known = |&tag: &u64| proto::is_model_field(tag);
        if is_first && !tag.as_ref().is_ok_and(is_known) {
            return Err(ImportError::NotOnnx { kind: None });
        }
        match tag? & WIRE_MASK {
            WIRE_VARINT => cursor.varint().map(drop)?,
            WIRE_BYTES => {
                let length = cursor.varint()?;
                cursor.skip(length)?;
            }
            _ => return Err(cursor.corrupt("a field of unknown form")),
        }
    }
    Ok(())
}

struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Cursor<'_> {
    fn varint(&mut self) -> Result<u64, ImportError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.position) else {
                return Err(self.truncated(1));
            };
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt("a number of more than 64 bits"))
    }

    fn skip(&mut self, length: u64) -> Result<(), ImportError> {
        let end = usize::try_from(length).ok().and_then(|length| self.position.checked_add(length));
        match end {
            Some(end) if end <= self.bytes.len() => {
                self.position = end;
                Ok(())
            }
            _ => Err(self.truncated(length)),
        }
    }

    fn truncated(&self, needed: u64) -> ImportError {
        let position = u64::try_from(self.position).unwrap_or(u64::MAX);
        ImportError::Truncated {
            expected: position.saturating_add(needed),
            got: u64::try_from(self.bytes.len()).unwrap_or(u64::MAX),
        }
    }

    fn corrupt(&self, reason: &str) -> ImportError {
        ImportError::Corrupt {
            place: format!("the field before byte {}", self.position),
            reason: reason.to_owned(),
        }
    }
}
