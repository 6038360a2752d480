//! The error of the crate: one enum over the errors of its modules.
//!
//! Each module has its own enum with fields that carry the evidence (expected, got, node). This one
//! collects them and adds what people need: a stable code, the node to blame, what to do.

use crate::attribution::AttributionError;
use crate::data::DataError;
use crate::exec::ExecError;
use crate::onnx::{ExportError, ImportError, Support};
use crate::passes::PassError;
use crate::quant::QuantError;
use thiserror::Error;

const INCONSISTENT: &str =
    "Check the file with onnx.checker.check_model(…, full_check=True), and export the network again.";
const FAILED: &str = "Try the file in onnxruntime. If it fails there, too, export the network again.";

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no network yet.
    #[error("No network is open.")]
    NoModel,
    /// Nothing is quantized yet.
    #[error("The network is not quantized yet.")]
    NotQuantized,
    /// There is no picture to work on.
    #[error("There is no picture to {purpose}.")]
    NoPictures {
        /// What it is needed for: "calibrate on".
        purpose: &'static str,
    },
    /// The picture does not exist.
    #[error("Picture {index} does not exist: there are {count}.")]
    NoSuchPicture {
        /// Number asked for, from 0.
        index: usize,
        /// Pictures there are.
        count: usize,
    },
    /// The pictures are not divided like that.
    #[error("There is no part {part} of {of}.")]
    NoSuchShare {
        /// Part asked for, from 0.
        part: usize,
        /// Parts there are.
        of: usize,
    },
    /// The network does not take one picture.
    #[error(
        "The network takes {got}, but Bitlens needs one picture: float32, batch × channels × height × width with 1 or 3 channels."
    )]
    NotAnImageNetwork {
        /// What it takes.
        got: String,
    },
    /// Two networks do not sort into the same classes.
    #[error("The networks answer with {full} and {quantized} classes, so their answers cannot be compared.")]
    OtherClasses {
        /// Classes of the network in full precision.
        full: usize,
        /// Classes of the quantized network.
        quantized: usize,
    },
    /// The file was quantized before.
    #[error("The network's file is quantized already, so what quantizing costs cannot be measured.")]
    AlreadyQuantized,
    /// A job was stepped again when it was over.
    #[error("The work is over already.")]
    JobOver,
    /// The network takes more memory than it may.
    #[error(
        "To quantize and compare this network takes about {} of memory, and {} may be used.",
        memory(*.needed),
        memory(*.limit)
    )]
    Memory {
        /// Bytes that it takes, about.
        needed: usize,
        /// Bytes that may be used.
        limit: usize,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The file cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The network is inconsistent.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// A run failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Quantizing failed.
    #[error(transparent)]
    Quant(#[from] QuantError),
    /// Explaining failed.
    #[error(transparent)]
    Attribution(AttributionError),
    /// A picture, label or preprocessing file cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Error {
    /// A stable name for the kind of error.
    pub fn code(&self) -> String {
        match self {
            Self::NoModel => "session/no-model".into(),
            Self::NotQuantized => "session/not-quantized".into(),
            Self::NoPictures { .. } => "session/no-pictures".into(),
            Self::NoSuchPicture { .. } => "session/no-such-picture".into(),
            Self::NoSuchShare { .. } => "session/no-such-share".into(),
            Self::NotAnImageNetwork { .. } => "session/not-an-image-network".into(),
            Self::OtherClasses { .. } => "session/other-classes".into(),
            Self::AlreadyQuantized => "session/already-quantized".into(),
            Self::JobOver => "session/job-over".into(),
            Self::Memory { .. } => "session/memory".into(),
            Self::Import(e) => e.code().into(),
            Self::Export(e) => e.code().into(),
            Self::Pass(_) => "graph/inconsistent".into(),
            Self::Exec(_) => "run/failed".into(),
            Self::Quant(_) => "quantize/failed".into(),
            Self::Attribution(_) => "attribution/failed".into(),
            Self::Data(_) => "data/unreadable".into(),
        }
    }

    /// The node to blame.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Import(e) => e.node(),
            Self::Pass(PassError::Node { node, .. }) | Self::Exec(ExecError::Node { node, .. }) => Some(node),
            _ => None,
        }
    }

    /// Bytes of memory that would be needed, where that is what is wrong.
    pub fn needed_bytes(&self) -> Option<usize> {
        if let Self::Memory { needed, .. } = self { Some(*needed) } else { None }
    }

    /// Names of the files that are missing, where that is what is wrong.
    pub fn missing_files(&self) -> &[String] {
        match self {
            Self::Import(ImportError::ExternalData { files, .. }) => files,
            _ => &[],
        }
    }

    /// The network node by node, where it is some of its nodes that cannot be read.
    pub fn support(&self) -> Option<&Support> {
        match self {
            Self::Import(error) => error.support(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoModel => Some("Drop an .onnx file, or choose a sample network."),
            Self::NotQuantized => Some("Quantize it first."),
            Self::NoPictures { .. } => Some("Drop some pictures, or a folder of them."),
            Self::NotAnImageNetwork { .. } => Some("Choose an image classifier."),
            Self::OtherClasses { .. } => Some("Compare a network with what was quantized from it."),
            Self::AlreadyQuantized => Some("Open the network that it was made of, in full precision."),
            Self::Memory { .. } => {
                Some("Use a smaller network, or the command line, which has no such limit.")
            }
            Self::Import(e) => Some(e.hint()),
            Self::Pass(_) => Some(INCONSISTENT),
            Self::Exec(ExecError::Node { .. }) => Some(FAILED),
            Self::Exec(ExecError::InputType { .. }) => {
                Some("Check the preprocessing: its size, channels and layout must be the network's.")
            }
            Self::Quant(QuantError::NotFinite { .. }) => {
                Some("Check the preprocessing, and that the network works in full precision.")
            }
            _ => None,
        }
    }
}

/// "850 MB", "5.2 GB".
fn memory(bytes: usize) -> String {
    let megabytes = bytes.div_ceil(1_000_000);
    if megabytes < 1000 { format!("{megabytes} MB") } else { format!("{:.1} GB", megabytes as f64 / 1000.0) }
}

/// A run that fails while a network is explained fails as any other run does.
impl From<AttributionError> for Error {
    fn from(error: AttributionError) -> Self {
        match error {
            AttributionError::Exec(error) => Self::Exec(error),
            error => Self::Attribution(error),
        }
    }
}
