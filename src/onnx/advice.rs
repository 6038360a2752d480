//! What to do about a file that cannot be read: [`ImportError::hint`].

use super::ImportError;
use super::file::FileKind;
use crate::ir::AttrError;

const DOWNLOAD: &str = "Download or export the file again, and wait until it is complete.";
const CHECK: &str = "Check the file with onnx.checker.check_model, and export the network again.";
const OPSET: &str = "Export the network again with opset 17, for instance torch.onnx.export(…, opset_version=17), \
                     or convert the file with onnx.version_converter.";
const SIMPLIFY: &str =
    "Simplify the file first, for instance with onnxsim, or export the network without these operators.";
const OTHERWISE: &str = "Simplify the file first, for instance with onnxsim, or export the network with another setting of this operator.";

impl ImportError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Truncated { .. } | Self::Corrupt { .. } => DOWNLOAD,
            Self::NotOnnx { kind } => kind.map_or(FileKind::HINT, FileKind::hint),
            Self::Unsupported(network) => network.reason.hint(),
            Self::NoGraph => "Export the network again; this file may hold only settings or training state.",
            Self::NoOutput => "Export the network again with at least one output.",
            Self::IrVersion { .. } | Self::NoOpset | Self::Opset { .. } => OPSET,
            Self::UnsupportedOperator { .. } | Self::Subgraph { .. } => SIMPLIFY,
            Self::Attribute { source, .. } => match source {
                AttrError::Kind { .. } | AttrError::Missing { .. } | AttrError::Unknown { .. } => CHECK,
                AttrError::Opset { .. } => OPSET,
                AttrError::Unsupported { .. } => OTHERWISE,
            },
            Self::AttributeKind { .. } | Self::Constant { .. } => OTHERWISE,
            Self::ExternalData { .. } => {
                "Give the files of its weights with the network: drop them beside it, or put them into its folder for the command line."
            }
            Self::ExternalPath { .. } => {
                "Save the network as one file: onnx.save(onnx.load(\"model.onnx\"), \"one-file.onnx\")."
            }
            Self::ExternalRange { .. } => {
                "Take the file of weights that was written with this network, and wait until it is complete."
            }
            Self::NonFinite { .. } => {
                "The training probably diverged. Export the network from an earlier checkpoint."
            }
            Self::TooMany { .. } | Self::Tensor { .. } => {
                "Choose a smaller network: Bitlens is for image networks."
            }
            Self::Function { .. }
            | Self::Incomplete { .. }
            | Self::DuplicateValue { .. }
            | Self::MissingValue { .. }
            | Self::Cycle { .. }
            | Self::ExternalNumber { .. }
            | Self::TensorLength { .. }
            | Self::ElementRange { .. }
            | Self::Graph(_) => CHECK,
            Self::ElementType { .. } => "Export the network with float32 inputs and weights.",
            Self::NotATensor { .. } => {
                "Export the network with one tensor as its input: a batch of pictures."
            }
            Self::SparseInitializer { .. } => "Export the network with dense weights.",
        }
    }
}
