//! The command line as a person or a script meets it: the binary on the bundled sample.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::root;
use crate::support::{sample, sample_path};

/// A folder of the test's own below the build's temporary folder.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    fs::create_dir_all(&path).unwrap();
    path
}

fn bitlens(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bitlens")).args(arguments).output().unwrap()
}

/// What a command that has to succeed printed.
fn printed(arguments: &[&str]) -> String {
    let output = bitlens(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines(arguments: &[&str]) -> Vec<Json> {
    printed(arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exit code and error stream of a command that has to fail.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = bitlens(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A sample network, and `--data …` with the sample's pictures, labels and preprocessing.
struct Sample {
    network: String,
    data: Vec<String>,
}

impl Sample {
    fn new() -> Self {
        let option = |name: &str, file: &str| [name.to_owned(), text(&sample_path(file)).to_owned()];
        let data = [
            option("--data", "."),
            option("--labels", "pictures.json"),
            option("--preprocess", "preprocessor_config.json"),
        ];
        Self { network: text(&sample_path("sample_resnet.onnx")).to_owned(), data: data.concat() }
    }

    /// A command on the network, with the pictures and more arguments.
    fn command<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec![command, self.network.as_str()];
        all.extend(more);
        all.extend(self.data.iter().map(String::as_str));
        all
    }

    /// Quantizes the network into a file.
    fn quantized(&self, name: &str) -> PathBuf {
        let file = folder(name).join("q.onnx");
        printed(&self.command("quantize", &["--role", "calib", "-o", text(&file)]));
        file
    }
}

fn keys(json: &Json) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn quantize_writes_a_network_and_a_report() {
    let sample = Sample::new();
    let folder = folder("quantize");
    let (file, report) = (folder.join("q.onnx"), folder.join("report.json"));
    let options =
        ["--preset", "int8", "--role", "calib", "-o", text(&file), "--report", text(&report), "--json"];
    let found = lines(&sample.command("quantize", &options)).remove(0);
    let written: Json = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(written, found);
    assert_eq!(found["model"], "sample_resnet.onnx");
    assert_eq!((&found["path"], &found["calibrationPictures"]), (&Json::from("int8"), &Json::from(20)));
    assert_eq!(found["sizeBytes"]["quantized"], fs::read(&file).unwrap().len());
    assert_eq!(found["recipe"]["weightBits"], 8);
    let layers = found["layers"].as_array().unwrap();
    assert!(layers.len() > 10 && layers.iter().all(|layer| layer["path"] == "int8"));

    // What was written is a network like any other: it runs, on integers, and can be looked at.
    let inspection = lines(&["inspect", text(&file), "--json"]).remove(0);
    assert_eq!(inspection["quantized"], true);
    let operators = inspection["operators"].as_array().unwrap();
    let integers: u64 = operators.iter().map(|operator| operator["integerNodes"].as_u64().unwrap()).sum();
    assert!(integers > 10, "{inspection}");
    assert!(
        operators.iter().all(|operator| operator["floatNodes"] == Json::Array(Vec::new())),
        "{inspection}"
    );
    let arguments: Vec<&str> = ["run", text(&file), "--json", "--role", "eval"]
        .into_iter()
        .chain(sample.data.iter().map(String::as_str))
        .collect();
    let right = lines(&arguments).iter().filter(|line| line["top"][0][0] == line["label"]).count();
    assert!(right >= 19, "{right} of 20");
}

#[test]
fn run_writes_the_codes_of_every_quantized_tensor() {
    let sample = Sample::new();
    let file = sample.quantized("codes");
    let codes = folder("codes").join("tensors");
    let options = ["--role", "eval", "--limit", "2", "--json", "--codes", text(&codes)];
    let arguments: Vec<&str> = ["run", text(&file)]
        .into_iter()
        .chain(options)
        .chain(sample.data.iter().map(String::as_str))
        .collect();
    assert_eq!(lines(&arguments).len(), 2);
    let listing: Json = serde_json::from_slice(&fs::read(codes.join("tensors.json")).unwrap()).unwrap();
    let quantized = keys(&listing).iter().filter(|name| name.ends_with("_QuantizeLinear")).count();
    assert!(quantized > 20, "{listing}");
    for name in listing.as_object().unwrap().values().map(|name| name.as_str().unwrap()) {
        let shape = name.strip_suffix(".u8").unwrap().rsplit('_').next().unwrap();
        let shape: Vec<usize> = shape.split('x').map(|size| size.parse().unwrap()).collect();
        assert_eq!(shape[0], 2, "{name}");
        assert_eq!(fs::read(codes.join(name)).unwrap().len(), shape.iter().product::<usize>(), "{name}");
    }
    let (code, message) = refused(&sample.command("run", &["--codes", text(&codes)]));
    assert!(code == 2 && message.contains("--codes needs a quantized network"), "{message}");
}

#[test]
fn quantize_takes_bits_and_recipes() {
    let sample = Sample::new();
    let folder = folder("bits");
    let (by_option, by_recipe) = (folder.join("a.onnx"), folder.join("b.onnx"));
    let recipe = folder.join("recipe.json");
    fs::write(&recipe, r#"{"schema":1,"preset":"int8","weightBits":4,"activationBits":6}"#).unwrap();
    let options = ["--weight-bits", "4", "--activation-bits", "6", "-o", text(&by_option)];
    printed(&sample.command("quantize", &options));
    printed(&sample.command("quantize", &["--recipe", text(&recipe), "-o", text(&by_recipe)]));
    assert!(fs::read(by_option).unwrap() == fs::read(by_recipe).unwrap());
    let (code, message) = refused(&sample.command("quantize", &["--weight-bits", "1", "-o", "nowhere.onnx"]));
    assert_eq!((code, message.lines().last().unwrap()), (2, "error: weightBits is 1, but must be 2 to 8"));
    assert!(!Path::new("nowhere.onnx").exists());
}

/// What finds its scales while running needs no pictures; what looks at them says so.
#[test]
fn quantize_asks_for_pictures_only_where_they_decide_something() {
    let network = sample_path("sample_resnet.onnx");
    let file = folder("no_pictures").join("q.onnx");
    let recipe = ["quantize", text(&network), "--set", "activationRange=dynamic", "-o", text(&file)];
    let found = lines(&[&recipe[..], &["--json"]].concat()).remove(0);
    assert_eq!((&found["path"], &found["calibrationPictures"]), (&Json::from("int8"), &Json::from(0)));
    let (code, message) = refused(&["quantize", text(&network), "-o", "nowhere.onnx"]);
    assert!(code == 2 && message.contains("--data must say where"), "{message}");
    let (code, message) = refused(&[&recipe[..], &["--set", "biasCorrection=empirical"]].concat());
    assert!(code == 2 && message.contains("--data must say where"), "{message}");
    let (code, message) = refused(&[&recipe[..], &["--activation-bits", "4"]].concat());
    assert!(code == 2 && message.contains("activationBits must be 8"), "{message}");
}

#[test]
fn diagnose_says_what_helps_and_writes_it() {
    let (sample, folder) = (Sample::new(), folder("diagnose"));
    let recipe = folder.join("recipe.json");
    let asked = ["--weight-bits", "3", "--activation-bits", "3", "--pictures", "10", "-o", text(&recipe)];
    let lines = printed(&sample.command("diagnose", &asked));
    assert!(
        lines.contains("of 10 pictures") && lines.contains("→ ") && lines.contains("together: "),
        "{lines}"
    );
    let found = &self::lines(&sample.command("diagnose", &[&asked[..], &["--json"]].concat()))[0];
    let written: Json = serde_json::from_slice(&fs::read(&recipe).unwrap()).unwrap();
    assert_eq!(written, found["suggestion"]["recipe"]);
    assert_eq!(found["before"]["images"], 10);
    let kl = |effect: &Json| effect["kl"].as_f64().unwrap();
    assert!(kl(&found["suggestion"]["after"]) < kl(&found["before"]));
    let healthy = printed(&sample.command("diagnose", &[]));
    assert!(healthy.starts_with("Nothing to repair.") && !healthy.contains('→'), "{healthy}");
    for wrong in [["--weight-bits", "9"], ["--set", "activationRange=dynamic"]] {
        assert_eq!(refused(&sample.command("diagnose", &wrong)).0, 2);
    }
}

#[test]
fn allocate_writes_a_recipe_that_quantize_takes() {
    let (sample, folder) = (Sample::new(), folder("allocate"));
    let (recipe, file) = (folder.join("recipe.json"), folder.join("q.onnx"));
    let asked = ["--preset", "int8", "--budget", "bytes=w5", "--limit", "16", "-o", text(&recipe)];
    let lines = printed(&sample.command("allocate", &asked));
    assert!(lines.contains("stem/conv") && lines.contains("all the same"), "{lines}");
    let found = &self::lines(&sample.command("allocate", &[&asked[..], &["--json"]].concat()))[0];
    let written: Json = serde_json::from_slice(&fs::read(&recipe).unwrap()).unwrap();
    assert_eq!(written, found["chosen"]["recipe"]);
    assert!(found["chosen"]["cost"].as_u64() <= found["budget"].as_u64());
    let quantize = ["--recipe", text(&recipe), "--role", "calib", "-o", text(&file), "--json"];
    let quantized = &self::lines(&sample.command("quantize", &quantize))[0];
    let bits = |rows: &Json| -> Vec<Json> {
        rows.as_array().unwrap().iter().map(|row| row["weightBits"].clone()).collect()
    };
    assert_eq!(bits(&quantized["layers"]), bits(&found["layers"]));
    let (code, message) =
        refused(&sample.command("allocate", &["--budget", "bytes=2", "--limit", "4", "-o", text(&recipe)]));
    assert!(code == 2 && message.contains("the fewest bits cost"), "{code} {message}");
    assert_eq!(refused(&sample.command("allocate", &["--budget", "4 bits", "-o", "x"])).0, 2);
}

#[test]
fn compare_prints_one_object_with_every_figure() {
    let sample = Sample::new();
    let file = sample.quantized("compare");
    let options = [text(&file), "--role", "eval", "--runs", "3", "--json"];
    let found = lines(&sample.command("compare", &options));
    assert_eq!(found.len(), 1);
    let found = &found[0];
    for key in [
        "images",
        "reference",
        "top1_fp",
        "top1_q",
        "agreement",
        "kl",
        "sqnr_db",
        "attribution",
        "size_bytes",
        "latency_ms",
    ] {
        assert!(keys(found).contains(&key), "no {key}");
    }
    assert_eq!((&found["images"], &found["top1_fp"]), (&Json::from(20), &Json::from(1.0)));
    let number = |value: &Json| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let share = |value: &Json| (0.0..=1.0).contains(&number(value));
    assert!(share(&found["top1_q"]) && share(&found["agreement"]));
    assert!(number(&found["kl"]) >= 0.0 && number(&found["sqnr_db"]) > 15.0);
    let maps = &found["attribution"];
    assert_eq!(maps["method"], "Grad-CAM");
    assert!(number(&maps["spearman_mean"]) > 0.9 && number(&maps["kendall_tau_b_mean"]) > 0.8);
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    assert_eq!(found["size_bytes"]["fp"], size(Path::new(&sample.network)));
    assert_eq!(found["size_bytes"]["q"], size(&file));
    for network in ["fp", "q"] {
        assert!(number(&found["latency_ms"][network]) > 0.0);
    }
    assert_eq!(found["reference"], "full precision");
}

#[test]
fn a_file_that_is_quantized_already_is_not_called_full_precision() {
    let sample = Sample::new();
    let file = sample.quantized("reference");
    let with_itself = Sample { network: text(&file).to_owned(), ..sample };
    let options = [text(&file), "--role", "eval", "--runs", "1"];
    let said = printed(&with_itself.command("compare", &options));
    assert!(said.contains("the definition in float of a file that is quantized already"), "{said}");
    let found = lines(&with_itself.command("compare", &[&options[..], &["--json"]].concat())).remove(0);
    assert_eq!(found["reference"], "definition in float");
}

#[test]
fn run_prints_a_line_a_picture() {
    let found = lines(&Sample::new().command("run", &["--json", "--role", "eval"]));
    assert_eq!(found.len(), 20);
    for line in &found {
        let mut names = keys(line);
        names.sort_unstable();
        assert_eq!(names, ["file", "label", "logits", "top"]);
        assert_eq!(line["logits"].as_array().unwrap().len(), 10);
        let top: Vec<(u64, f64)> = serde_json::from_value(line["top"].clone()).unwrap();
        assert_eq!(top.len(), 5);
        assert!(top.is_sorted_by(|a, b| a.1 >= b.1), "the most probable class comes first");
        assert_eq!(line["label"], top[0].0, "{}", line["file"]);
        let largest = line["logits"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
        let largest = largest.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(largest.0 as u64, top[0].0);
    }
}

#[test]
fn attribute_prints_a_map_a_picture() {
    let sample = Sample::new();
    let found = lines(&sample.command("attribute", &["--json", "--role", "eval", "--limit", "3"]));
    assert_eq!(found.len(), 3);
    for line in &found {
        assert_eq!(line["method"], "Grad-CAM");
        let map: Vec<f64> = serde_json::from_value(line["map"].clone()).unwrap();
        let size = |key: &str| usize::try_from(line[key].as_u64().unwrap()).unwrap();
        assert_eq!((size("height"), size("width"), map.len()), (8, 8, 64));
        assert!(map.iter().all(|v| *v >= 0.0) && map.iter().any(|v| *v > 0.0));
    }
    let asked = lines(&sample.command("attribute", &["--json", "--limit", "1", "--target", "3"])).remove(0);
    assert_eq!(asked["target"], 3);
    let (code, message) = refused(&sample.command("attribute", &["--limit", "1", "--target", "99"]));
    assert!(
        code == 2 && message.contains("class 99 does not exist: the network has 10"),
        "{code}: {message}"
    );
}

#[test]
fn inspect_says_what_a_network_is() {
    let found = lines(&["inspect", &Sample::new().network, "--json"]).remove(0);
    assert_eq!(
        (&found["inputName"], &found["inputShape"]),
        (&Json::from("input"), &Json::from("batch×3×64×64"))
    );
    assert_eq!((&found["classes"], &found["opset"]), (&Json::from(10), &Json::from(17)));
    assert_eq!(found["quantized"], false);
    assert_eq!(found["sizeBytes"], sample("sample_resnet.onnx").len());
    // Folded and fused: what is left of Conv, BatchNormalization, Relu.
    let operators = found["operators"].as_array().unwrap();
    let of = |op_type: &str| operators.iter().find(|operator| operator["opType"] == op_type);
    assert!(of("BatchNormalization").is_none() && of("Relu").is_none(), "{operators:?}");
    let conv = of("Conv").unwrap();
    assert_eq!(conv["integerNodes"], conv["nodes"]);
    assert_eq!(conv["floatNodes"], Json::from(Vec::<String>::new()));
    assert_eq!(of("Gemm").unwrap()["integerNodes"], 1);
}

/// A network of one node, written with ONNX's own protobuf fields.
fn network_of(op_type: &str) -> Vec<u8> {
    let field = |number: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).ok().filter(|&length| length < 128).unwrap();
        [&[number << 3 | 2, length], content].concat()
    };
    let node = |op_type: &str, input: &str, output: &str| {
        let parts = [field(1, input.as_bytes()), field(2, output.as_bytes()), field(4, op_type.as_bytes())];
        field(1, &parts.concat())
    };
    // value_info: a name and a tensor type, float32, without a shape.
    let value = |number: u8, name: &str| {
        field(number, &[field(1, name.as_bytes()), field(2, &field(1, &[1 << 3, 1]))].concat())
    };
    let nodes = [node("Relu", "x", "a"), node(op_type, "a", "b"), node("Relu", "b", "y")];
    let graph = [nodes.concat(), value(11, "x"), value(12, "y")].concat();
    [vec![1 << 3, 8], field(7, &graph), field(8, &[2 << 3, 17])].concat()
}

#[test]
fn inspect_reports_what_cannot_be_read() {
    let folder = folder("inspect-refused");
    let file = folder.join("odd.onnx");
    fs::write(&file, network_of("Frobnicate")).unwrap();
    let output = bitlens(&["inspect", text(&file)]);
    assert_eq!(output.status.code(), Some(2));
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = printed.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "2 × Relu                     can be read",
            "1 × Frobnicate               cannot be read: Frobnicate_0",
            "Node `Frobnicate_0` uses operator `Frobnicate`, which Bitlens does not support.",
            "1 of 3 nodes do not need what cannot be read",
        ]
    );
    let output = bitlens(&["inspect", text(&file), "--json"]);
    let found: Json = serde_json::from_slice(&output.stdout).unwrap();
    let support = &found["error"]["support"];
    assert_eq!((&support["nodes"], &support["computable"]), (&Json::from(3), &Json::from(1)));
    assert_eq!(support["operators"][1]["refused"][0]["node"], "Frobnicate_0");
}

#[test]
fn weights_are_read_from_files_beside_the_network() {
    let golden = root().join("tests/golden/external_data");
    let inspection: Json =
        serde_json::from_str(&printed(&["inspect", text(&golden.join("model.onnx")), "--json"])).unwrap();
    let size = |file: &str| fs::metadata(golden.join(file)).unwrap().len();
    let whole: u64 = ["model.onnx", "model.onnx.data", "rest.bin"].map(size).iter().sum();
    assert_eq!(inspection["sizeBytes"], whole);

    let alone = folder("external");
    for file in ["model.onnx", "rest.bin"] {
        fs::copy(golden.join(file), alone.join(file)).unwrap();
    }
    let (code, message) = refused(&["inspect", text(&alone.join("model.onnx"))]);
    assert_eq!(code, 2);
    assert!(message.contains("are in another file, `model.onnx.data`, which is missing."), "{message}");
    assert!(!message.contains("rest.bin"), "{message}");
}

fn files(found: &[Json]) -> Vec<String> {
    found.iter().map(|line| line["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn limit_skip_and_seed_choose_the_pictures() {
    let sample = Sample::new();
    let run = |options: &[&str]| {
        let options: Vec<&str> = ["--json"].iter().chain(options).copied().collect();
        files(&lines(&sample.command("run", &options)))
    };
    let all = run(&[]);
    assert_eq!(all.len(), 40);
    assert_eq!(run(&["--limit", "3"]), all[..3]);
    assert_eq!(run(&["--skip", "5", "--limit", "3"]), all[5..8]);
    assert_eq!(run(&["--skip", "38", "--limit", "9"]), all[38..]);
    let drawn = run(&["--seed", "7", "--limit", "6"]);
    assert_eq!(drawn, run(&["--seed", "7", "--limit", "6"]));
    assert_ne!(drawn, run(&["--seed", "8", "--limit", "6"]));
    assert_ne!(drawn, all[..6]);
    let mut shuffled = run(&["--seed", "1"]);
    assert_ne!(shuffled, all);
    shuffled.sort();
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(shuffled, sorted, "every picture once");
}

#[test]
fn a_role_keeps_its_pictures() {
    let sample = Sample::new();
    let listing: Json = serde_json::from_slice(&crate::support::sample("pictures.json")).unwrap();
    for role in ["calib", "eval"] {
        let entries = listing.as_array().unwrap().iter().filter(|entry| entry["role"] == role);
        let expected: Vec<&str> = entries.map(|entry| entry["file"].as_str().unwrap()).collect();
        assert_eq!(files(&lines(&sample.command("run", &["--json", "--role", role]))), expected);
    }
    let (code, message) = refused(&sample.command("run", &["--role", "train"]));
    assert_eq!(code, 2);
    assert!(message.contains("no picture has the role `train`; its roles are calib, eval"), "{message}");
    let data = text(&sample_path(".")).to_owned();
    let (code, message) = refused(&["run", &sample.network, "--data", &data, "--role", "eval"]);
    assert_eq!(code, 2);
    assert!(message.contains("--role needs --labels"), "{message}");
}

/// `run --json` of the sample network on a data set of another form.
fn run_on(data: &str) -> Vec<Json> {
    let sample = Sample::new();
    let preprocess = sample_path("preprocessor_config.json");
    lines(&["run", &sample.network, "--json", "--data", data, "--preprocess", text(&preprocess)])
}

#[test]
fn cifar10_files_are_pictures_with_labels() {
    let file = folder("cifar10").join("three.bin");
    let record = |label: u8| {
        let mut bytes = vec![label];
        bytes.extend((0..3072_u32).map(|i| (i * (u32::from(label) + 3) % 251) as u8));
        bytes
    };
    fs::write(&file, [record(4), record(0), record(9)].concat()).unwrap();
    let found = run_on(&format!("cifar10:{}", text(&file)));
    let labels: Vec<u64> = found.iter().map(|line| line["label"].as_u64().unwrap()).collect();
    assert_eq!(labels, [4, 0, 9]);
    assert!(files(&found)[2].ends_with("three.bin#2"));
    assert!(found[0]["logits"] != found[1]["logits"]);
    fs::write(&file, [record(4), vec![1, 2]].concat()).unwrap();
    let (code, message) =
        refused(&["run", &Sample::new().network, "--data", &format!("cifar10:{}", text(&file))]);
    assert!(code == 2 && message.contains("three.bin` has 3075 bytes"), "{code}: {message}");
}

#[test]
fn idx_files_are_pictures_with_or_without_labels() {
    let folder = folder("idx");
    let (images, labels) = (folder.join("images-idx3-ubyte.gz"), folder.join("labels-idx1-ubyte"));
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    bytes.extend((0..2 * 28 * 28_u32).map(|i| (i * 7 % 256) as u8));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    fs::write(&images, packed.finish().unwrap()).unwrap();
    fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 2, 5, 7]).unwrap();

    let without = run_on(&format!("idx:{}", text(&images)));
    assert_eq!(without.len(), 2);
    assert!(without.iter().all(|line| line["label"].is_null()));
    let with = run_on(&format!("idx:{},{}", text(&images), text(&labels)));
    assert_eq!((&with[0]["label"], &with[1]["label"]), (&Json::from(5), &Json::from(7)));
    assert_eq!(with[0]["logits"], without[0]["logits"]);

    fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 1, 5]).unwrap();
    let data = format!("idx:{},{}", text(&images), text(&labels));
    let (code, message) = refused(&["run", &Sample::new().network, "--data", &data]);
    assert!(code == 2 && message.contains("it has 2 pictures"), "{code}: {message}");
}

#[test]
fn bad_input_ends_with_code_2_and_the_pages_message() {
    let sample = Sample::new();
    let folder = folder("bad");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        text(&path).to_owned()
    };
    let picture = text(&sample_path("car_0.png")).to_owned();

    let (code, message) = refused(&["inspect", text(&folder.join("absent.onnx"))]);
    assert!(code == 2 && message.contains("absent.onnx: No such file"), "{code}: {message}");

    let notes = write("notes.png", b"no picture");
    let (code, message) = refused(&["run", &sample.network, "--data", &notes]);
    assert!(code == 2 && message.contains("notes.png` is not a picture that can be read here"), "{message}");

    let empty = folder.join("empty");
    fs::create_dir_all(&empty).unwrap();
    let (code, message) = refused(&["run", &sample.network, "--data", text(&empty)]);
    assert!(code == 2 && message.contains("There is no picture to look at."), "{code}: {message}");

    let small = write("small.json", br#"{"size": {"height": 32, "width": 32}, "do_center_crop": false}"#);
    let (code, message) = refused(&["run", &sample.network, "--data", &picture, "--preprocess", &small]);
    let shapes = "input `input` should be float32 batch×3×64×64, but the data is float32 1×3×32×32";
    assert!(code == 2 && message.contains(shapes), "{code}: {message}");

    let recipe = write("recipe.json", br#"{"schema":1,"preset":"int8","weightBits":8,"magic":1}"#);
    let (code, message) =
        refused(&sample.command("quantize", &["--recipe", &recipe, "-o", text(&folder.join("q.onnx"))]));
    assert!(
        code == 2 && message.contains("this is not a Bitlens recipe: unknown field `magic`"),
        "{message}"
    );
    assert!(!folder.join("q.onnx").exists());

    let labels = write("labels.json", b"{nonsense");
    let data = text(&sample_path(".")).to_owned();
    let (code, message) = refused(&["run", &sample.network, "--data", &data, "--labels", &labels]);
    assert!(code == 2 && message.contains("labels.json` cannot be read: its JSON is broken"), "{message}");
}
