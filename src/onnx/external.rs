//! Elements of tensors in files beside the network's (`model.onnx.data`).
//!
//! A network of more than two gigabytes cannot be one file, and newer exporters write their weights
//! apart at any size. A tensor then names a file, and where in it its elements lie. The names come
//! from a stranger: only plain ones are looked for, and only among the files that were given.

use super::ImportError;
use super::import::decode;
use super::proto::{
    AttributeTensor, DATA_LOCATION_EXTERNAL, FunctionProto, GraphProto, NodeAttributes,
    StringStringEntryProto, TensorPlace, TensorProto,
};
use crate::ir::NameMap;
use prost::bytes::Bytes;
use std::collections::BTreeSet;

/// Files beside a network's, by name.
#[derive(Debug, Clone, Default)]
pub struct ExternalFiles(NameMap<Bytes>);

impl ExternalFiles {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; one of that name is replaced. The name may have folders in front.
    pub fn insert(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.0.insert(&name.into(), Bytes::from(bytes));
    }

    /// The file that a tensor means: the one of that name, or else the only one that bears it in
    /// some folder, or else the only one that bears the last part of it; since files that are dropped
    /// together come with other folders than they had where the network was written, or with none.
    fn find(&self, location: &str) -> Option<(&str, &Bytes)> {
        let last = location.rsplit('/').next().unwrap_or(location);
        let exact = self.0.entry(location);
        exact.or_else(|| self.only_below(location)).or_else(|| self.only_below(last))
    }

    /// The only file of which the name ends in these folders and this name.
    fn only_below(&self, path: &str) -> Option<(&str, &Bytes)> {
        let bears =
            |name: &str| name.strip_suffix(path).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        let mut alike = self.0.iter().filter(|(name, _)| bears(name));
        alike.next().filter(|_| alike.next().is_none())
    }
}

/// Whether a tensor's elements are in another file.
pub(super) fn is_external(location: Option<i32>, entries: &[StringStringEntryProto]) -> bool {
    location == Some(DATA_LOCATION_EXTERNAL) || !entries.is_empty()
}

/// The elements of a tensor that are in another file; `needed` is how many bytes its shape asks for,
/// where that is a number.
///
/// # Errors
/// [`ImportError::ExternalPath`], [`ImportError::ExternalData`], [`ImportError::ExternalNumber`],
/// [`ImportError::ExternalRange`].
pub(super) fn elements(
    proto: &TensorProto,
    needed: Option<usize>,
    what: &str,
    files: &ExternalFiles,
) -> Result<(Bytes, String), ImportError> {
    let file = location(&proto.external_data, what)?;
    let missing = || ImportError::ExternalData { value: what.to_owned(), files: vec![file.clone()] };
    let (_, bytes) = files.find(&file).ok_or_else(missing)?;
    let number = |key: &'static str| match entry(&proto.external_data, key) {
        None => Ok(None),
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| ImportError::ExternalNumber {
            value: what.to_owned(),
            file: file.clone(),
            key,
            got: text.to_owned(),
        }),
    };
    let start = number("offset")?.unwrap_or(0);
    // Without a length it is what the shape needs; where nothing can hold that, all there is.
    let rest = bytes.len().saturating_sub(start);
    let length = number("length")?.or(needed).unwrap_or(rest);
    let end = start.checked_add(length).filter(|&end| end <= bytes.len());
    let Some(end) = end else {
        return Err(ImportError::ExternalRange {
            value: what.to_owned(),
            expected: (start, length),
            got: bytes.len(),
            file,
        });
    };
    Ok((bytes.slice(start..end), file))
}

/// The name of the file, without a `./` in front.
fn location(entries: &[StringStringEntryProto], what: &str) -> Result<String, ImportError> {
    let stated = entry(entries, "location").unwrap_or_default();
    let plain = stated.strip_prefix("./").unwrap_or(stated);
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']);
    if plain.split('/').all(is_plain) {
        return Ok(plain.to_owned());
    }
    Err(ImportError::ExternalPath { value: what.to_owned(), file: stated.to_owned() })
}

fn entry<'a>(entries: &'a [StringStringEntryProto], key: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.key.as_deref() == Some(key))?.value.as_deref()
}

/// The files that a network and its functions name, each once, in the order in which they do.
///
/// # Errors
/// [`ImportError::ExternalPath`], [`ImportError::Corrupt`].
fn named(graph: &GraphProto, functions: &[Bytes]) -> Result<Vec<String>, ImportError> {
    let (mut found, mut known) = (Vec::new(), BTreeSet::new());
    let mut add = |bytes: &Bytes, what: &str| -> Result<(), ImportError> {
        let place: TensorPlace = decode(bytes, || what.to_owned())?;
        if is_external(place.data_location, &place.external_data) {
            let file = location(&place.external_data, what)?;
            if known.insert(file.clone()) {
                found.push(file);
            }
        }
        Ok(())
    };
    for bytes in &graph.initializer {
        add(bytes, "An initializer")?;
    }
    let mut nodes = graph.node.clone();
    for bytes in functions {
        let function: FunctionProto = decode(bytes, || "a function".to_owned())?;
        nodes.extend(function.node);
    }
    for bytes in &nodes {
        let node: NodeAttributes = decode(bytes, || "a node".to_owned())?;
        for bytes in &node.attribute {
            let attribute: AttributeTensor = decode(bytes, || "an attribute".to_owned())?;
            attribute.t.iter().try_for_each(|bytes| add(bytes, "An attribute"))?;
        }
    }
    Ok(found)
}

/// Which of the files given a network names, by the names that they were given.
pub(super) fn used(
    graph: &GraphProto,
    functions: &[Bytes],
    files: &ExternalFiles,
) -> Result<Vec<(String, usize)>, ImportError> {
    if files.0.is_empty() {
        return Ok(Vec::new());
    }
    let found = named(graph, functions)?;
    let mut used: Vec<(String, usize)> = Vec::new();
    let mut known = BTreeSet::new();
    for (name, bytes) in found.iter().filter_map(|file| files.find(file)) {
        if known.insert(name) {
            used.push((name.to_owned(), bytes.len()));
        }
    }
    Ok(used)
}

/// The error that a file is missing, with all others that are missing, too.
pub(super) fn with_all_missing(
    error: ImportError,
    graph: &GraphProto,
    functions: &[Bytes],
    files: &ExternalFiles,
) -> ImportError {
    let ImportError::ExternalData { value, files: mut missing } = error else { return error };
    let first = missing.first().cloned();
    let named = named(graph, functions).unwrap_or_default();
    missing
        .extend(named.into_iter().filter(|file| Some(file) != first.as_ref() && files.find(file).is_none()));
    ImportError::ExternalData { value, files: missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_name_or_as_the_only_one_of_that_name() {
        let mut files = ExternalFiles::new();
        files.insert("drop/net.data", vec![1]);
        files.insert("a/w.bin", vec![2]);
        files.insert("b/w.bin", vec![3]);
        assert_eq!(files.find("net.data").unwrap().0, "drop/net.data");
        assert_eq!(files.find("weights/net.data").unwrap().0, "drop/net.data");
        assert_eq!(files.find("b/w.bin").unwrap().1.as_ref(), [3]);
        files.insert("drop/a/w", vec![4]);
        files.insert("drop/b/w", vec![5]);
        assert_eq!(files.find("b/w").unwrap().1.as_ref(), [5]);
        assert!(files.find("rop/b/w").is_none(), "folders are named whole");
        assert!(files.find("w.bin").is_none(), "two bear that name");
        assert!(files.find("other").is_none());
    }
}
