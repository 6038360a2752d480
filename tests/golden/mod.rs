//! The golden cases as tests see them, and comparing tensors with them.
//!
//! The files are part of the test binary, since a browser has no file system. Compiled into the
//! crate's own tests, which run natively, in Node and in a browser, and into `tests/it`.

#[allow(dead_code, reason = "the conformance cases of `tests/it` ask for more")]
pub(crate) mod tensors;

use bitlens::exec::{Executor, NoProbe};
use bitlens::onnx::{self, ExternalFiles, ImportError, Imported};
use bitlens::ops::{Graph, Isa};
use bitlens::tensor::Value;
use serde_json::Value as Json;

/// The files of one folder.
struct Files {
    name: &'static str,
    model: &'static [u8],
    inputs: &'static [&'static [u8]],
    outputs: &'static [&'static [u8]],
    /// Files beside the model in which weights are, with their names.
    external: &'static [(&'static str, &'static [u8])],
}

/// `"folder": numbers of inputs => numbers of outputs | "files of weights";` for each case.
macro_rules! cases {
    ($($name:literal: $($input:literal)* => $($output:literal)* $(| $($file:literal)*)?;)*) => {
        &[$(Files {
            name: $name,
            model: include_bytes!(concat!($name, "/model.onnx")),
            inputs: &[$(include_bytes!(concat!($name, "/input_", $input, ".pb"))),*],
            outputs: &[$(include_bytes!(concat!($name, "/output_", $output, ".pb"))),*],
            external: &[$($(($file, include_bytes!(concat!($name, "/", $file)))),*)?],
        }),*]
    };
}

const FILES: &[Files] = include!("cases.rs");

const MANIFEST: &str = include_str!("manifest.json");

/// One folder of `tests/golden`.
pub(crate) struct Golden {
    /// Name of the folder.
    pub(crate) name: String,
    /// Operators in the file.
    pub(crate) operators: Vec<String>,
    files: &'static Files,
}

impl Golden {
    /// All cases, by name: those of the manifest, no more and no fewer.
    pub(crate) fn all() -> Vec<Self> {
        let manifest: Json = serde_json::from_str(MANIFEST).unwrap();
        let entries = manifest["cases"].as_object().unwrap();
        let case = |files: &'static Files| {
            let entry = &entries[files.name];
            let counts = [&entry["inputs"], &entry["outputs"]].map(|count| count.as_u64().unwrap() as usize);
            assert_eq!(counts, [files.inputs.len(), files.outputs.len()], "{}", files.name);
            let operators = serde_json::from_value(entry["operators"].clone()).unwrap();
            Self { name: files.name.to_owned(), operators, files }
        };
        let mut cases: Vec<Self> = FILES.iter().map(case).collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases.dedup_by(|a, b| a.name == b.name);
        assert_eq!(cases.len(), entries.len(), "cases.rs is not that of the manifest: run make_goldens.py");
        cases
    }

    /// What its files become.
    pub(crate) fn import(&self) -> Result<Imported, ImportError> {
        let mut external = ExternalFiles::new();
        for (name, bytes) in self.files.external {
            external.insert(*name, bytes.to_vec());
        }
        onnx::import_with(self.model(), &external)
    }

    /// The bytes of its network.
    pub(crate) fn model(&self) -> Vec<u8> {
        self.files.model.to_vec()
    }

    /// What the network is given.
    pub(crate) fn inputs(&self) -> Vec<Value> {
        self.files.inputs.iter().map(|bytes| tensors::read(bytes).unwrap().value).collect()
    }

    /// What onnxruntime made of it.
    pub(crate) fn outputs(&self) -> Vec<Value> {
        self.files.outputs.iter().map(|bytes| tensors::read(bytes).unwrap().value).collect()
    }
}

/// Runs a graph.
pub(crate) fn run(graph: &Graph, inputs: &[Value]) -> Vec<Value> {
    Executor::new(graph.clone(), Isa::best()).unwrap().run(inputs, &mut NoProbe).unwrap()
}

/// Whether two lists of tensors are the same, bit for bit: −0 is not 0.
pub(crate) fn same_bits(a: &[Value], b: &[Value]) -> bool {
    let same = |(a, b): (&Value, &Value)| match (a.as_slice::<f32>(), b.as_slice::<f32>()) {
        (Ok(x), Ok(y)) => a.shape() == b.shape() && x.iter().zip(y).all(|(x, y)| x.to_bits() == y.to_bits()),
        _ => a == b,
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Largest difference of two float tensors of one shape, relative to the largest element of the
/// second; infinite where shapes differ or the first holds something that is not a number.
pub(crate) fn relative_difference(got: &Value, expected: &Value) -> f64 {
    let (Ok(x), Ok(y)) = (got.as_slice::<f32>(), expected.as_slice::<f32>()) else {
        return if got == expected { 0.0 } else { f64::INFINITY };
    };
    if got.shape() != expected.shape() || x.iter().any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    let largest = y.iter().fold(0.0_f64, |m, v| m.max(f64::from(*v).abs()));
    let worst = x.iter().zip(y).fold(0.0_f64, |m, (x, y)| m.max((f64::from(*x) - f64::from(*y)).abs()));
    if worst == 0.0 { 0.0 } else { worst / largest.max(f64::MIN_POSITIVE) }
}
