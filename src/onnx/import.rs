//! [`import()`]: bytes to graph. The header of the file is read here, its network in `build`.

use super::functions::Functions;
use super::proto::{self, GraphProto, ModelProto, OperatorSetIdProto};
use super::{ExternalFiles, ImportError, build, external, file};
use crate::ir::Opset;
use crate::ops::Graph;
use prost::bytes::Bytes;
use std::collections::BTreeSet;

/// The first IR version that states its operator sets as today (ONNX 1.0).
pub(super) const LEAST_IR_VERSION: i64 = 3;
/// The first opset that is read whatever its operators: that with today's broadcasting (ONNX 1.2).
pub(super) const LEAST_OPSET: i64 = 7;
/// The last opset that the operators were compared with (ONNX 1.22).
pub(super) const GREATEST_OPSET: i64 = 27;

/// What a file holds.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The network. Declared types of inputs, outputs and of values in between are in it.
    pub graph: Graph,
    /// What else the file says.
    pub info: ModelInfo,
}

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Name and version of the tool that wrote it; may be empty.
    pub producer: String,
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of the operators.
    pub opset: Opset,
    /// Elements of all constants that are read, without int64 ones, which are shapes and indices.
    pub parameter_count: usize,
    /// Bytes of the file, and of the files that it has weights in.
    pub size_bytes: usize,
    /// Names of the files that it has weights in, as they were given.
    pub external_files: Vec<String>,
    /// Element types in the file that were widened to float32: "float16", "float8e5m2".
    pub widened: BTreeSet<&'static str>,
    /// Entries of the file's metadata, in its order.
    pub metadata: Vec<(String, String)>,
}

/// Reads an ONNX file. Copies `bytes` once; see [`import_owned`].
///
/// # Errors
/// [`ImportError`]: every way in which a file can be wrong or ask for what Bitlens does not have.
pub fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    import_owned(bytes.to_vec())
}

/// Reads an ONNX file. At most the file and the tensors made from it are in memory together.
///
/// # Errors
/// As [`import`].
pub fn import_owned(bytes: Vec<u8>) -> Result<Imported, ImportError> {
    import_with(bytes, &ExternalFiles::new())
}

/// Reads an ONNX file whose tensors may have their elements in `files`. At most all files and the
/// tensors made from them are in memory together.
///
/// # Errors
/// As [`import`]; [`ImportError::ExternalData`] names all files that are missing.
pub fn import_with(bytes: Vec<u8>, files: &ExternalFiles) -> Result<Imported, ImportError> {
    let size_bytes = bytes.len();
    let model = file::read_model(&Bytes::from(bytes))?;
    let graph = model.graph.as_ref().ok_or(ImportError::NoGraph)?;
    let mut info = read_header(&model, size_bytes)?;
    let graph: GraphProto = decode(graph, || "the network".to_owned())?;
    let functions = Functions::read(&model.functions, info.opset)?;
    let built = build::build(&graph, &functions, files, &mut info);
    let built = built.map_err(|error| external::with_all_missing(error, &graph, &model.functions, files))?;
    for (name, size) in external::used(&graph, &model.functions, files)? {
        info.size_bytes += size;
        info.external_files.push(name);
    }
    Ok(Imported { graph: built, info })
}

/// Decodes a message; `place` names it in the error.
pub(super) fn decode<M: prost::Message + Default>(
    bytes: &Bytes,
    place: impl FnOnce() -> String,
) -> Result<M, ImportError> {
    proto::decode(bytes).map_err(|error| ImportError::Corrupt { place: place(), reason: error.to_string() })
}

/// Whether `domain` is ONNX's own.
pub(super) fn is_onnx_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn read_header(model: &ModelProto, size_bytes: usize) -> Result<ModelInfo, ImportError> {
    let ir_version = model.ir_version.unwrap_or_default();
    if ir_version < LEAST_IR_VERSION {
        return Err(ImportError::IrVersion { got: ir_version });
    }
    let parts = [&model.producer_name, &model.producer_version];
    let parts: Vec<&str> =
        parts.into_iter().flatten().map(String::as_str).filter(|s| !s.is_empty()).collect();
    let metadata = model
        .metadata_props
        .iter()
        .map(|entry| (entry.key.clone().unwrap_or_default(), entry.value.clone().unwrap_or_default()));
    Ok(ModelInfo {
        producer: parts.join(" "),
        ir_version,
        opset: read_opset(&model.opset_import)?.ok_or(ImportError::NoOpset)?,
        parameter_count: 0,
        size_bytes,
        external_files: Vec::new(),
        widened: BTreeSet::new(),
        metadata: metadata.collect(),
    })
}

/// The version of ONNX's own operators in a list of operator sets; `None` where it is not in it.
pub(super) fn read_opset(sets: &[OperatorSetIdProto]) -> Result<Option<Opset>, ImportError> {
    let own = sets.iter().filter(|set| is_onnx_domain(set.domain.as_deref().unwrap_or_default()));
    let Some(got) = own.map(|set| set.version.unwrap_or_default()).max() else { return Ok(None) };
    // Which operators are read from files before LEAST_OPSET, they say themselves.
    let supported = (1..=GREATEST_OPSET).contains(&got);
    let version = u32::try_from(got).ok().filter(|_| supported);
    version.map(|version| Some(Opset(version))).ok_or(ImportError::Opset { got, function: None })
}
