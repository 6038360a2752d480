//! What the tests share: the bundled sample, the data folder, and a graph run node by node.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use bitlens::attribution::Model;
use bitlens::ir::{Node, ValueId};
use bitlens::ops::{Context, Graph, Inputs, Isa, Op};
use bitlens::quant::Recipe;
use bitlens::quant::recipe::Preset;
use bitlens::session::{Job, PictureInput, QuantizedNetwork, Role, Session};
use bitlens::tensor::Value;
use serde_json::Value as Json;

use crate::root;

pub(crate) use crate::golden::{Golden, relative_difference, run, same_bits};

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
    open_sample_pictures(&mut session);
    session
}

/// Adds the sample's 40 pictures with their labels and roles.
pub(crate) fn open_sample_pictures(session: &mut Session) {
    let listing: Json = serde_json::from_slice(&sample("pictures.json")).unwrap();
    let names = listing.as_array().unwrap().iter().map(|entry| entry["file"].as_str().unwrap());
    let files = names.map(|name| (name.to_owned(), sample(name))).collect();
    let (pictures, refused) = session.add_pictures(files);
    assert_eq!((pictures.len(), refused.len()), (40, 0));
    session.set_labels("pictures.json", &sample("pictures.json")).unwrap();
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

/// As the preset, with the nearest codes of weights, ranges that clip nothing, and no corrections.
pub(crate) fn uncorrected(preset: Preset) -> Recipe {
    let plain = Recipe::default();
    Recipe {
        weight_range: plain.weight_range,
        rounding: plain.rounding,
        activation_range: plain.activation_range,
        equalize: plain.equalize,
        bias_correction: plain.bias_correction,
        ..Recipe::preset(preset)
    }
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
    static HAS_ALL: LazyLock<bool> = LazyLock::new(|| {
        let check = Command::new("python3").args(["-c", "import numpy, onnx, onnxruntime, PIL"]).output();
        check.is_ok_and(|output| output.status.success())
    });
    if *HAS_ALL {
        return Some("python3");
    }
    println!("skipped: no python3 with onnxruntime");
    None
}

/// A Python that runs the scripts of `tests/tools` one after the other, and ends with this process.
struct Tools {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Tools {
    fn new(python: &str) -> Self {
        let mut command = Command::new(python);
        command.arg(root().join("tests/tools/serve.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, answers }
    }

    fn answer(&mut self, order: &Json) -> String {
        let mut answer = String::new();
        writeln!(self.process.stdin.as_ref().unwrap(), "{order}").unwrap();
        self.answers.read_line(&mut answer).unwrap();
        answer
    }
}

/// What a script of `tests/tools` prints, which has to end well.
pub(crate) fn run_tool(python: &str, script: &str, arguments: &[&OsStr]) -> String {
    /// Those that wait: as many as tests that asked at the same time.
    static WAITING: Mutex<Vec<Tools>> = Mutex::new(Vec::new());
    let waiting = || WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut order = vec![script];
    order.extend(arguments.iter().map(|argument| argument.to_str().unwrap()));
    let one = waiting().pop();
    let mut tools = one.unwrap_or_else(|| Tools::new(python));
    let answer = tools.answer(&order.clone().into());
    let answer: Json = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{order:?}: {answer}"));
    waiting().push(tools);
    assert_eq!(answer["code"], 0, "{order:?}: {}", answer["printed"]);
    answer["printed"].as_str().unwrap().to_owned()
}

/// What a model answers to pictures, one after the other.
pub(crate) fn scores(model: &Model, pictures: &[Value]) -> Vec<Vec<f32>> {
    pictures.iter().map(|picture| model.scores(picture.clone()).unwrap()).collect()
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
