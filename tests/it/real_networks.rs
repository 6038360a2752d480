//! Networks that others trained, where the data folder is at hand: each is read, run, quantized and
//! run on integers, and compared with onnxruntime where Python has it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitlens::data::Preprocess;
use bitlens::exec::NoProbe;
use bitlens::metrics::top_1;
use bitlens::ops::Isa;
use bitlens::quant::Recipe;
use bitlens::session::view::LayerPath;
use bitlens::session::{
    Found, Job as _, Network, PictureInputs, PictureSet, QuantizeJob, QuantizedModel, Role,
};
use bitlens::tensor::Value;

use crate::forced::node_by_node;
use crate::support::{self, data_folder, python, relative_difference, run_tool, same_bits};

/// Pictures that each network sees.
const PICTURES: usize = 4;

/// The file whose weights and activations are half precision for onnxruntime.
const HALF: &str = "squeezenet_v1.1_fp16_op7";

/// Layers that stay in float, by network, each with the reason. None so far.
const FLOAT_LAYERS: &[(&str, &str, &str)] = &[];

/// A network of the data folder.
pub(crate) struct Real {
    /// Name of the file without its ending.
    pub(crate) name: String,
    family: String,
    data: PathBuf,
}

impl Real {
    /// Every float network, by name.
    pub(crate) fn all(data: &Path) -> Vec<Self> {
        let mut found = Vec::new();
        for family in ["cifar10", "imagenet", "mnist", "vww"] {
            for entry in fs::read_dir(data.join("models").join(family)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                found.push(Self { name, family: family.to_owned(), data: data.to_owned() });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Where the network is.
    pub(crate) fn file(&self) -> PathBuf {
        self.data.join("models").join(&self.family).join(format!("{}.onnx", self.name))
    }

    fn config(&self) -> PathBuf {
        self.data.join("preprocess").join(&self.family).join(format!("{}.json", self.name))
    }

    /// The network, ready to run.
    pub(crate) fn load(&self) -> Network {
        let network = Network::load(&self.name, fs::read(self.file()).unwrap(), Isa::best());
        network.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// What `oracle.py` calls the pictures.
    fn source(&self) -> String {
        let images = self.data.join("images");
        match self.family.as_str() {
            "cifar10" => format!("cifar10:{}", images.join("cifar10/test_jpeg_2000.bin").display()),
            "mnist" => format!("idx:{}", images.join("mnist/images-idx3-ubyte.gz").display()),
            _ => images.join("imagenet").display().to_string(),
        }
    }

    /// The first pictures of that source, as the network takes them.
    pub(crate) fn pictures(&self) -> PictureInputs {
        let images = self.data.join("images");
        let read = |file: &str| fs::read(images.join(file)).unwrap();
        let mut set = PictureSet::default();
        match self.family.as_str() {
            "cifar10" => {
                let records = read("cifar10/test_jpeg_2000.bin");
                set.add("pictures.bin", records[..PICTURES * 3073].to_vec()).unwrap();
            }
            "mnist" => {
                set.add("images-idx3-ubyte.gz", read("mnist/images-idx3-ubyte.gz")).unwrap();
                set = set.subset(&(0..PICTURES).collect::<Vec<_>>());
            }
            _ => {
                let labels = read("imagenet/labels.json");
                let labels: Vec<serde_json::Value> = serde_json::from_slice(&labels).unwrap();
                for entry in &labels[..PICTURES] {
                    let file = entry["file"].as_str().unwrap();
                    set.add(file, read(&format!("imagenet/{file}"))).unwrap();
                }
            }
        }
        let config = fs::read(self.config()).unwrap();
        let (preprocess, unknown) = Preprocess::from_json(&self.name, &config).unwrap();
        assert_eq!(unknown, Vec::<String>::new(), "{}", self.name);
        set.inputs_of(&preprocess, Role::Any).unwrap()
    }
}

#[test]
fn every_real_network_is_quantized_and_runs_on_integers() {
    let Some(data) = data_folder() else { return };
    let mut wrong = Vec::new();
    for real in Real::all(&data) {
        let network = Arc::new(real.load());
        let pictures = real.pictures();
        let mut job = QuantizeJob::new(
            Arc::clone(&network),
            Recipe::default(),
            pictures.clone(),
            Found::default(),
            Isa::best(),
        );
        let quantized = job.run(&mut |_| ()).unwrap_or_else(|error| panic!("{}: {error}", real.name));
        for layer in quantized.layers() {
            let excepted = FLOAT_LAYERS.iter().any(|(n, l, _)| *n == real.name && *l == layer.name);
            if (layer.path == LayerPath::Float) != excepted {
                wrong.push(format!("{}: `{}` runs as {:?}", real.name, layer.name, layer.path));
            }
        }
        let again = QuantizedModel::open(quantized.file().to_vec(), Isa::best()).unwrap();
        let mut same = 0;
        for at in 0..PICTURES {
            let input = pictures.get(at).unwrap().value;
            let full = network.model.run(input.clone()).unwrap().logits;
            let integer = quantized.model().integer.run(input.clone()).unwrap().logits;
            if !integer.iter().all(|v| v.is_finite()) {
                wrong.push(format!("{}: the answer to picture {at} is not finite", real.name));
            }
            same += usize::from(top_1(&full) == top_1(&integer));
            let run = |model: &QuantizedModel| {
                model.integer.executor.run(std::slice::from_ref(&input), &mut NoProbe).unwrap()
            };
            if at == 0 && !same_bits(&run(&again), &run(quantized.model())) {
                wrong.push(format!("{}: the file read back gives other logits", real.name));
            }
        }
        println!(
            "{}: {} layers, same first answer on {same} of {PICTURES}, in float: {:?}",
            real.name,
            quantized.layers().len(),
            quantized.model().float_nodes
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_node_of_a_real_network_agrees_with_its_definition() {
    let Some(data) = data_folder() else { return };
    // One of each kind; the forced definition runs without prepared weights, which takes its time.
    let chosen = ["resnet20", "mlperftiny_vww_mobilenet_v1_0.25_96", "mnist_cntk_op7", "squeezenet_v1.1"];
    for real in Real::all(&data).into_iter().filter(|real| chosen.contains(&real.name.as_str())) {
        let pictures = real.pictures();
        let network = Arc::new(real.load());
        let mut job =
            QuantizeJob::new(network, Recipe::default(), pictures.clone(), Found::default(), Isa::best());
        let quantized = job.run(&mut |_| ()).unwrap();
        let found = node_by_node(quantized.model(), &[pictures.get(0).unwrap().value]);
        println!(
            "{}: {} codes of {} tensors, {:.4} % equal, worst difference {}, outputs within {:.1e}",
            real.name,
            found.compared,
            found.tensors,
            100.0 * found.share(),
            found.worst,
            found.outputs
        );
        assert!(found.worst <= 1, "{}: `{}` differs by {}", real.name, found.worst_tensor, found.worst);
        assert!(found.share() >= 0.995, "{}: {:.4}", real.name, found.share());
    }
}

/// A picture of the data folder as a network of `models/quantized` takes it.
fn picture_for(data: &Path, name: &str) -> Value {
    let config = fs::read(data.join("preprocess/quantized").join(format!("{name}.json"))).unwrap();
    let mut set = PictureSet::default();
    if name.starts_with("resnet20") {
        let records = fs::read(data.join("images/cifar10/test_jpeg_2000.bin")).unwrap();
        set.add("pictures.bin", records[..3073].to_vec()).unwrap();
    } else {
        let labels = fs::read(data.join("images/imagenet/labels.json")).unwrap();
        let labels: Vec<serde_json::Value> = serde_json::from_slice(&labels).unwrap();
        let file = labels[0]["file"].as_str().unwrap();
        set.add(file, fs::read(data.join("images/imagenet").join(file)).unwrap()).unwrap();
    }
    let (preprocess, _) = Preprocess::from_json(name, &config).unwrap();
    set.inputs_of(&preprocess, Role::Any).unwrap().get(0).unwrap().value
}

/// Files of operators on codes, and of nodes that quantize, are read as what they say: from the same
/// codes each operator makes the same, but for sums about half-way between two.
#[test]
fn every_node_of_a_network_that_others_quantized_agrees_with_its_definition() {
    let Some(data) = data_folder() else { return };
    for name in ["mobilenet_v2_qlinear_op12", "mobilenet_v1_0.25_224_qdq", "resnet20_qdq"] {
        let bytes = fs::read(data.join(format!("models/quantized/{name}.onnx"))).unwrap();
        let model = QuantizedModel::open(bytes, Isa::best()).unwrap();
        let found = node_by_node(&model, &[picture_for(&data, name)]);
        println!(
            "{name}: {} codes of {} tensors, {} differ, worst difference {}, outputs within {:.1e}",
            found.compared,
            found.tensors,
            found.compared - found.equal,
            found.worst,
            found.outputs
        );
        assert!(found.worst <= 1, "{name}: `{}` differs by {}", found.worst_tensor, found.worst);
        assert!(found.share() >= 0.9999, "{name}: {:.6}", found.share());
    }
}

/// The numbers of a raw tensor file and its shape, which is in its name: `logits_2x10.f32`.
fn raw(folder: &Path, prefix: &str) -> (Vec<usize>, Vec<f32>) {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let path = files.find(|p| p.file_name().unwrap().to_str().unwrap().starts_with(prefix)).unwrap();
    let shape = path.file_stem().unwrap().to_str().unwrap()[prefix.len()..].split('x');
    let shape = shape.map(|size| size.parse().unwrap()).collect();
    let bytes = fs::read(&path).unwrap();
    (shape, bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// Lets `oracle.py` run a model, prepared by a configuration, on the first pictures of a source.
fn ask_onnxruntime(python: &str, [model, config]: [&Path; 2], source: &str, pictures: usize, out: &Path) {
    let _ = fs::remove_dir_all(out);
    let limit = pictures.to_string();
    let texts = ["--data", source, "--limit", &limit, "--preprocess"].map(OsStr::new);
    let asked = [&[model.as_ref()], &texts[..], &[config.as_ref(), "--out".as_ref(), out.as_ref()]];
    run_tool(python, "oracle", &asked.concat());
}

#[test]
fn outputs_of_real_networks_are_onnxruntimes() {
    let (Some(data), Some(python)) = (data_folder(), python()) else { return };
    let mut wrong = Vec::new();
    for real in Real::all(&data) {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle").join(&real.name);
        ask_onnxruntime(python, [&real.file(), &real.config()], &real.source(), 3, &out);
        let ((shape, given), (_, expected)) = (raw(&out, "inputs_"), raw(&out, "logits_"));
        let one: Vec<usize> = std::iter::once(1).chain(shape[1..].iter().copied()).collect();
        let (size, classes) = (given.len() / shape[0], expected.len() / shape[0]);
        let network = real.load();
        let pictures = real.pictures();
        let (mut worst, mut worst_input) = (0.0_f64, 0.0_f64);
        for (at, (input, expected)) in given.chunks(size).zip(expected.chunks(classes)).enumerate() {
            let input = Value::from_vec(&one, input.to_vec()).unwrap();
            let own = pictures.get(at).unwrap().value;
            worst_input = worst_input.max(relative_difference(&own, &input));
            let found = support::run(network.graph(), &[input]).swap_remove(0);
            let expected = Value::from_vec(found.shape(), expected.to_vec()).unwrap();
            worst = worst.max(relative_difference(&found, &expected));
        }
        println!("{}: outputs within {worst:.1e}, inputs of our own within {worst_input:.1e}", real.name);
        let bound = if real.name == HALF { 2e-2 } else { 1e-4 };
        if worst > bound {
            wrong.push(format!("{}: outputs differ by {worst:.1e} of the largest", real.name));
        }
        // Decoding, resizing and normalising as Pillow and NumPy do, to the last bit.
        if worst_input > 0.0 {
            wrong.push(format!("{}: inputs differ by {worst_input:.1e} of the largest", real.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn networks_that_others_quantized_run_on_integers() {
    let Some(data) = data_folder() else { return };
    let folder = data.join("models/quantized");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let quantized = QuantizedModel::open(fs::read(&path).unwrap(), Isa::best()).unwrap();
        assert_eq!(quantized.float_nodes, [""; 0], "{}", path.display());
        assert!(quantized.runs_on_integers() && quantized.integer_nodes.len() > 20, "{}", path.display());
        count += 1;
    }
    assert!(count >= 3, "{count} quantized networks");
}

/// The unit and the code of zero of the output of the network below.
const OUTPUT_SCALE: f32 = 0.100_353_47;
const OUTPUT_ZERO: i32 = 94;

/// MobileNetV2 of QLinearConv, QLinearAdd and their like, with `uint8` weights whose zeros are not 0.
#[test]
fn codes_of_a_network_of_operators_on_codes_are_onnxruntimes() {
    const PICTURES: usize = 40;
    let (Some(data), Some(python)) = (data_folder(), python()) else { return };
    let name = "mobilenet_v2_qlinear_op12";
    let model = data.join(format!("models/quantized/{name}.onnx"));
    let config = data.join(format!("preprocess/quantized/{name}.json"));
    let source = data.join("images/imagenet");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle").join(name);
    ask_onnxruntime(python, [&model, &config], source.to_str().unwrap(), PICTURES, &out);

    let quantized = QuantizedModel::open(fs::read(&model).unwrap(), Isa::best()).unwrap();
    let ((shape, given), (_, expected)) = (raw(&out, "inputs_"), raw(&out, "logits_"));
    let one: Vec<usize> = std::iter::once(1).chain(shape[1..].iter().copied()).collect();
    let (size, classes) = (given.len() / PICTURES, expected.len() / PICTURES);
    let code = |logit: &f32| (logit / OUTPUT_SCALE).round_ties_even() as i32 + OUTPUT_ZERO;
    let (mut equal, mut worst, mut same_answer) = (0, 0, 0);
    for (input, expected) in given.chunks(size).zip(expected.chunks(classes)) {
        let input = Value::from_vec(&one, input.to_vec()).unwrap();
        let found = quantized.integer.executor.run(&[input], &mut NoProbe).unwrap().swap_remove(0);
        let found = found.as_slice::<f32>().unwrap();
        for (found, expected) in found.iter().zip(expected) {
            let difference = code(found).abs_diff(code(expected));
            worst = worst.max(difference);
            equal += usize::from(difference == 0);
        }
        // Of equal scores the first is the answer, on both sides.
        same_answer += usize::from(top_1(found) == top_1(expected));
    }
    let share = equal as f64 / expected.len() as f64;
    println!(
        "{name}: {:.4} % of {} codes equal, worst difference {worst}, same first answer on {same_answer} of \
         {PICTURES}",
        100.0 * share,
        expected.len()
    );
    // The roundings are those of onnxruntime with AVX2.
    let most = u32::from(!Isa::Avx2.is_available());
    assert!(worst <= most && share > 0.99, "worst {worst}, share {share}");
}
