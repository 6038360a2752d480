//! What the tests share: the bundled sample, the golden cases, the data folder, and a graph run node
//! by node.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bitlens::exec::{Executor, NoProbe};
use bitlens::ir::{Node, ValueId};
use bitlens::ops::{Context, Graph, Inputs, Isa, Op};
use bitlens::quant::Recipe;
use bitlens::session::{Job, PictureInput, QuantizedNetwork, Role, Session};
use bitlens::tensor::Value;
use serde_json::Value as Json;

use crate::{root, tensors};

/// The networks that the page ships with.
pub(crate) const SAMPLES: [&str; 2] = ["sample_resnet", "sample_mobilenet"];

/// A file of the bundled sample.
pub(crate) fn sample_path(file: &str) -> PathBuf {
    root().join("www/public/sample").join(file)
}

/// The bytes of a file of the bundled sample.
pub(crate) fn sample(file: &str) -> Vec<u8> {
    fs::read(sample_path(file)).unwrap()
}

/// The bytes of a bundled network.
pub(crate) fn sample_network(name: &str) -> Vec<u8> {
    sample(&format!("{name}.onnx"))
}

/// A session with everything the page opens: a bundled network, its preprocessing, the 40 pictures,
/// the names of the classes, labels and roles.
pub(crate) fn sample_session(network: &str) -> Session {
    let mut session = Session::new(Isa::best());
    session.load_model(&format!("{network}.onnx"), sample_network(network)).unwrap();
    session.read_preprocess("preprocessor_config.json", &sample("preprocessor_config.json")).unwrap();
    session.set_labels("labels.json", &sample("labels.json")).unwrap();
    let listing: Json = serde_json::from_slice(&sample("pictures.json")).unwrap();
    let names = listing.as_array().unwrap().iter().map(|entry| entry["file"].as_str().unwrap());
    let files = names.map(|name| (name.to_owned(), sample(name))).collect();
    let (pictures, refused) = session.add_pictures(files);
    assert_eq!((pictures.len(), refused.len()), (40, 0));
    session.set_labels("pictures.json", &sample("pictures.json")).unwrap();
    session
}

/// Quantizes the session's network and keeps the result.
pub(crate) fn quantize(session: &mut Session, recipe: &Recipe) {
    let quantized = session.quantize(recipe).unwrap().run(&mut |_| ()).unwrap();
    session.set_quantized(quantized);
}

/// A bundled network quantized by a recipe, with its session.
pub(crate) fn quantized_sample(
    network: &str,
    recipe: &Recipe,
) -> (Session, std::sync::Arc<QuantizedNetwork>) {
    let mut session = sample_session(network);
    quantize(&mut session, recipe);
    let quantized = session.quantized().unwrap();
    (session, quantized)
}

/// A recipe of that many bits.
pub(crate) fn bits(weight_bits: u8, activation_bits: u8) -> Recipe {
    Recipe { weight_bits, activation_bits, ..Recipe::default() }
}

/// A session's pictures of a role as inputs of its network.
pub(crate) fn inputs(session: &Session, role: Role) -> Vec<PictureInput> {
    let inputs = session.pictures().inputs_of(session.preprocess(), role).unwrap();
    (0..inputs.len()).map(|position| inputs.get(position).unwrap()).collect()
}

/// The folder of real networks and pictures, which is no part of the repository; says so where it
/// is absent.
pub(crate) fn data_folder() -> Option<PathBuf> {
    let named = std::env::var_os("BITLENS_DATA").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join("../shared/data"));
    if folder.join("models").is_dir() {
        return Some(folder);
    }
    println!("skipped: no data");
    None
}

/// Python, where it has what the scripts of `tests/tools` need; says so where it has not.
pub(crate) fn python() -> Option<&'static str> {
    let check = Command::new("python3").args(["-c", "import numpy, onnx, onnxruntime, PIL"]).output();
    if check.is_ok_and(|output| output.status.success()) {
        return Some("python3");
    }
    println!("skipped: no python3 with onnxruntime");
    None
}

/// One folder of `tests/golden`.
#[derive(Debug)]
pub(crate) struct Golden {
    /// Name of the folder.
    pub(crate) name: String,
    /// Operators in the file.
    pub(crate) operators: Vec<String>,
    inputs: u64,
    outputs: u64,
}

impl Golden {
    /// All cases, by name.
    pub(crate) fn all() -> Vec<Self> {
        let text = fs::read_to_string(root().join("tests/golden/manifest.json")).unwrap();
        let manifest: Json = serde_json::from_str(&text).unwrap();
        let case = |(name, entry): (&String, &Json)| Self {
            name: name.clone(),
            operators: serde_json::from_value(entry["operators"].clone()).unwrap(),
            inputs: entry["inputs"].as_u64().unwrap(),
            outputs: entry["outputs"].as_u64().unwrap(),
        };
        let mut cases: Vec<Self> = manifest["cases"].as_object().unwrap().iter().map(case).collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    /// The bytes of its network.
    pub(crate) fn model(&self) -> Vec<u8> {
        fs::read(self.path("model.onnx")).unwrap()
    }

    /// What the network is given.
    pub(crate) fn inputs(&self) -> Vec<Value> {
        (0..self.inputs).map(|i| self.tensor(&format!("input_{i}.pb"))).collect()
    }

    /// What onnxruntime made of it.
    pub(crate) fn outputs(&self) -> Vec<Value> {
        (0..self.outputs).map(|i| self.tensor(&format!("output_{i}.pb"))).collect()
    }

    fn tensor(&self, file: &str) -> Value {
        tensors::read(&fs::read(self.path(file)).unwrap()).unwrap().value
    }

    /// A file of its folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        root().join("tests/golden").join(&self.name).join(file)
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

/// Computes every value of a graph node by node with the operators alone: no executor, no prepared
/// weights. `settle` sees each value as it is made and says what its readers get.
pub(crate) fn replay(
    graph: &Graph,
    inputs: &[Value],
    settle: &mut dyn FnMut(&Node<Op>, ValueId, Value) -> Value,
) -> Vec<Option<Value>> {
    let mut table: Vec<Option<Value>> = graph.values().map(|(_, value)| value.constant.clone()).collect();
    for (id, value) in graph.inputs().iter().zip(inputs) {
        table[id.index()] = Some(value.clone());
    }
    for id in graph.order().unwrap() {
        let node = graph.node(id).unwrap();
        let read = node.inputs.iter().map(|id| id.and_then(|id| table[id.index()].clone())).collect();
        let made = node.op.forward(&Context::new(Isa::best()), Inputs::new(read));
        let made = made.unwrap_or_else(|error| panic!("{}: {error}", node.name));
        for (&id, value) in node.outputs.iter().zip(made) {
            table[id.index()] = Some(settle(node, id, value));
        }
    }
    table
}
