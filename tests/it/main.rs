//! Tests of the crate as a whole, in one native binary.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod allocation;
mod attribution;
mod bad_input;
mod bad_networks;
#[cfg(feature = "cli")]
mod cli;
mod conformance;
mod corrections;
mod diagnosis;
mod documents;
mod estimators;
mod forced;
#[path = "../golden/mod.rs"]
#[allow(dead_code, reason = "the crate's own tests, on every target, read the rest")]
mod golden;
mod layering;
mod logits;
mod memory;
mod mutation;
mod onnxruntime;
mod properties;
mod quantization;
mod ranges;
mod real_networks;
mod recipes;
mod rounding;
mod schemes;
mod sensitivity;
mod session;
mod support;
mod tidy;

use std::fs;
use std::path::{Path, PathBuf};

use golden::tensors;

/// The repository's root folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the repository with one of these extensions, sorted.
fn files_below(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|e| e.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_some_and(|e| extensions.contains(&e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether a source file is compiled for tests only: `testing.rs`, the suites that a module's
/// tests share, `tests.rs`, and what stands in folders of these names.
fn is_for_tests(file: &Path) -> bool {
    let names = file.strip_prefix(root()).unwrap_or(file).iter().map(Path::new);
    names.filter_map(Path::file_stem).any(|stem| stem == "testing" || stem == "tests")
}

/// A path as messages show it: relative to the repository.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.display().to_string()
}
