//! Codes of the tensors inside a quantized network, as files for other programs.

use crate::failure::{Failure, write};
use bitlens::attribution::Model;
use bitlens::session::{SessionError, codes};
use bitlens::tensor::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Collects the codes of picture after picture.
///
/// A tensor is one file of bytes, row-major, picture after picture; its shape is the end of its name:
/// `12_20x16x8x8.u8`. The first size counts what all pictures have of it: windows, tokens, or the
/// pictures themselves.
pub(crate) struct CodeFiles {
    folder: PathBuf,
    pictures: usize,
    tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
}

impl CodeFiles {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), pictures: 0, tensors: BTreeMap::new() }
    }

    /// Runs one picture and keeps its codes.
    pub(crate) fn add(&mut self, model: &Model, input: Value) -> Result<(), Failure> {
        let recording = model.executor.record(&[input]).map_err(SessionError::from)?;
        for (name, value) in codes(model.executor.graph(), &recording) {
            let (shape, bytes) = self.tensors.entry(name).or_default();
            value.shape().clone_into(shape);
            bytes.extend_from_slice(value.as_slice::<u8>().unwrap_or_default());
        }
        self.pictures += 1;
        Ok(())
    }

    pub(crate) fn write(self) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| Failure::File { path: self.folder.clone(), source })?;
        let mut listing = BTreeMap::new();
        for (number, (name, (mut shape, bytes))) in self.tensors.into_iter().enumerate() {
            match shape.first_mut() {
                Some(first) => *first *= self.pictures,
                None => shape.push(self.pictures),
            }
            let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
            let file = format!("{number}_{}.u8", sizes.join("x"));
            write(&self.folder.join(&file), &bytes)?;
            listing.insert(name, file);
        }
        let listing = serde_json::to_vec_pretty(&listing).map_err(std::io::Error::from)?;
        write(&self.folder.join("tensors.json"), &listing)
    }
}
