//! Networks from files, with the files of their weights that stand in the same folder.

use crate::failure::{Failure, read};
use bitlens::onnx::{ExternalFiles, ImportError};
use bitlens::ops::Isa;
use bitlens::session::{Network, Opening, QuantizedModel, SessionError};
use std::io::ErrorKind;
use std::path::Path;

/// Opens a network.
pub(crate) fn open(path: &Path) -> Result<Network, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let load = |bytes, external| {
        let opening = Opening { external, ..Opening::default() };
        Network::load_with(&name, bytes, opening, Isa::best())
    };
    Ok(with_weights(path, load)?.0)
}

/// Opens a quantized network, ready to run; also says how many bytes its files have.
pub(crate) fn open_quantized(path: &Path) -> Result<(QuantizedModel, usize), Failure> {
    with_weights(path, |bytes, external| QuantizedModel::open_with(bytes, external, Isa::best()))
}

/// Tries with the file alone, which most networks are; if it names others, with those that are there.
fn with_weights<T>(
    path: &Path,
    load: impl Fn(Vec<u8>, ExternalFiles) -> Result<T, SessionError>,
) -> Result<(T, usize), Failure> {
    let bytes = read(path)?;
    let mut size = bytes.len();
    let needed = match load(bytes, ExternalFiles::new()) {
        Ok(loaded) => return Ok((loaded, size)),
        Err(SessionError::Import(ImportError::ExternalData { files, .. })) => files,
        Err(error) => return Err(Failure::model(path)(error)),
    };
    let mut external = ExternalFiles::new();
    for file in needed {
        match read(&path.with_file_name("").join(&file)) {
            Ok(bytes) => {
                size += bytes.len();
                external.insert(file, bytes);
            }
            // What is missing is named, all together, by the second try.
            Err(Failure::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok((load(read(path)?, external).map_err(Failure::model(path))?, size))
}
