//! Real networks, and onnxruntime as the judge of what is written. Both are optional.

use super::fixtures::real_networks;
use super::round_trip::assert_equivalent;
use crate::onnx::{ExportOptions, export, import};
use std::path::Path;
use std::process::Command;

/// Checks the second file with onnx.checker, and compares the outputs of both in onnxruntime.
const COMPARE: &str = include_str!("compare.py");

fn has_onnxruntime() -> bool {
    let probe = Command::new("python3").args(["-c", "import onnx, onnxruntime, numpy"]).output();
    let has = probe.is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("skipped: no onnxruntime");
    }
    has
}

fn compare(original: &Path, exported: &[u8]) {
    let name = original.file_stem().unwrap().to_string_lossy();
    let path = std::env::temp_dir().join(format!("bitlens-{}-{name}.onnx", std::process::id()));
    std::fs::write(&path, exported).unwrap();
    let run = Command::new("python3").args(["-c", COMPARE]).arg(original).arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&run.stderr));
    eprintln!("{name}: {}", text.trim());
}

#[test]
fn real_networks_survive_and_onnxruntime_gives_the_same_outputs() {
    let judged = has_onnxruntime();
    for path in real_networks().unwrap_or_default() {
        let bytes = std::fs::read(&path).unwrap();
        let read = import(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(read.info.size_bytes, bytes.len());
        let exported = export(&read.graph, &ExportOptions::default())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_equivalent(&read.graph, &import(&exported).unwrap().graph);
        if judged {
            compare(&path, &exported);
        }
    }
}
