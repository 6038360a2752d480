//! `report`: what recipes do to real networks, as tables that are committed. No part of the tests.
//!
//! Every row is a network quantized by the command line, in the optimized build, and compared with full
//! precision on pictures that were not calibrated on. Nothing here is drawn at random: the same build and
//! data make the same table.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

use crate::process::{cargo, root, run, target_dir};

const USAGE: &str = "\
usage: cargo xtask report quantization [NETWORK…]

Measures recipes on the networks of $BITLENS_DATA (or ../shared/data) and writes docs/quantization.md; with
names of networks, prints their tables and writes nothing. Networks: mobilenet_v1_0.25_224 squeezenet_v1.1
resnet20 resnet56.";

/// A network of the data folder.
struct Network {
    name: &'static str,
    /// Its folder among models and preprocessing files, which says what its pictures are, too.
    family: &'static str,
    /// What onnxruntime's quantization reaches on the same pictures, by the data's own README.
    theirs: &'static str,
}

#[rustfmt::skip]
const NETWORKS: [Network; 4] = [
    Network { name: "mobilenet_v1_0.25_224", family: "imagenet", theirs: "51.00 % with a scale per channel (agreement 70.33 %), 1.33 % per tensor" },
    Network { name: "squeezenet_v1.1", family: "imagenet", theirs: "60.00 % with a scale per channel (agreement 94.00 %), 60.00 % per tensor" },
    Network { name: "resnet20", family: "cifar10", theirs: "81.75 % with a scale per channel (agreement 98.25 %), 81.50 % per tensor" },
    Network { name: "resnet56", family: "cifar10", theirs: "83.65 % with a scale per channel (agreement 98.25 %), 83.65 % per tensor" },
];

/// Presets, each with what is changed of it. Those of `int8` with fewer bits are rounded to the nearest
/// codes, and not corrected beyond what they say.
const RECIPES: [&str; 39] = [
    "int8",
    "int8 activationRange=mse",
    "int8-corrected",
    "int8-corrected activationRange=max",
    "int8 activationRange=dynamic",
    "int8-per-tensor",
    "int8-per-tensor equalize=true",
    "int8-per-tensor equalize=true absorb=true biasCorrection=empirical",
    "fixed-point",
    "int8 weightBits=4 storage=packed",
    "int8 weightBits=4 storage=packed weightRange=mse",
    "int8 weightBits=4 storage=packed weightRange=output",
    "int8 weightBits=4 storage=packed weightMoments=true biasCorrection=analytic",
    "int8 weightBits=4 storage=packed biasCorrection=empirical",
    "int8 weightBits=4 storage=packed biasCorrection=deviations",
    "int8 weightBits=4 storage=packed biasCorrection=least-squares",
    "int8 weightBits=4 storage=packed rounding=comq",
    "int8 weightBits=4 storage=packed rounding=adaround",
    "int8 weightBits=4 storage=packed rounding=gptq",
    "int8 weightBits=4 storage=packed rounding=gptq biasCorrection=empirical",
    "int8 weightBits=4 storage=packed rounding=gptq biasCorrection=least-squares",
    "int8 weightBits=4 storage=packed weightRange=mse rounding=gptq biasCorrection=least-squares",
    "w4a8",
    "w4a8 rounding=adaround",
    "w4a8 biasCorrection=deviations",
    "int8 weightBits=3 storage=packed",
    "int8 weightBits=3 storage=packed rounding=comq",
    "int8 weightBits=3 storage=packed rounding=adaround",
    "int8 weightBits=3 storage=packed rounding=gptq",
    "w4a8 weightBits=3",
    "weight-only-4",
    "weight-only-4 rounding=hqq",
    "int8 weightBits=4 activationBits=4 ends=eight storage=packed",
    "int8 weightBits=4 activationBits=4 ends=eight storage=packed activationRange=mse",
    "int8 weightBits=4 activationBits=4 ends=eight storage=packed activationRange=mse rounding=gptq biasCorrection=least-squares",
    "w4a4",
    "w4a4 weightRange=mse",
    "w4a4 activationRange=held-out",
    "w4a4 rounding=adaround",
];

/// Measures and writes, or prints.
pub(crate) fn report(arguments: &[OsString]) -> Result<()> {
    let Some((what, names)) = arguments.split_first() else { bail!("{USAGE}") };
    ensure!(what == "quantization", "{USAGE}");
    let is_asked = |network: &&Network| names.is_empty() || names.iter().any(|name| name == network.name);
    let networks: Vec<&Network> = NETWORKS.iter().filter(is_asked).collect();
    ensure!(networks.len() == names.len() || names.is_empty(), "{USAGE}");
    let data = data_folder()?;
    run("cargo build (command line)", &mut cargo(&["build", "--release", "--features", "cli"]))?;
    let mut text = String::new();
    for network in networks {
        let table = table(&data, network)?;
        if names.is_empty() {
            text.push_str(&table);
        } else {
            println!("{table}");
        }
    }
    if names.is_empty() {
        let file = root().join("docs/quantization.md");
        fs::write(&file, format!("{PREFACE}{text}"))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

const PREFACE: &str = "\
# What recipes do to real networks

Made by `cargo xtask report quantization`; not edited by hand. Each row is a preset with the options that
were changed ([recipe.md](recipe.md)). ImageNet networks are calibrated on 128 photographs and evaluated on
300 others; the CIFAR-10 ones on 128 exact training pictures and 2,000 test pictures that were compressed
again as JPEG. Quantized networks run natively, on integers but for `weight-only-4`. *Agreement* is the share
of pictures with full precision's first answer, with its 95 % interval (Wilson); *divergence* the mean of
KL(full ‖ quantized) in nats; SQNR is of the logits. *Layer errors* are sums over all layers of what rounding
the weight loses of the layer's output, as shares of that output
([numerics.md](numerics.md#rounding-of-weights)): of what was taken, and of nearest codes with the ranges that
were planned. Pictures are taken in the order of their files; the columns that rounding looks at are drawn
with seed 0, and nothing else is drawn.
";

/// The table of one network.
fn table(data: &Path, network: &Network) -> Result<String> {
    let mut text = format!("\n## {}\n", network.name);
    let mut rows = String::new();
    let mut full = None;
    for recipe in RECIPES {
        eprintln!("  {}: {recipe}", network.name);
        let found = measure(data, network, recipe).with_context(|| recipe.to_owned())?;
        let number = |name: &str| found[name].as_f64().with_context(|| format!("no {name}"));
        let percent = |name: &str| number(name).map(|share| share * 100.0);
        full = Some((percent("top1_fp")?, found["images"].as_u64().context("no images")?));
        writeln!(
            rows,
            "| {recipe} | {:.0} | {:.2} | {:.2} ({:.1}–{:.1}) | {:.4} | {:.1} | {} |",
            number_at(&found, ["size_bytes", "q"])? / 1000.0,
            percent("top1_q")?,
            percent("agreement")?,
            percent("agreement_low")?,
            percent("agreement_high")?,
            number("kl")?,
            number("sqnr_db")?,
            layer_errors(recipe, &found["rounding"]),
        )?;
    }
    if let Some((right, pictures)) = full {
        writeln!(
            text,
            "\nn = {pictures}. Full precision: {right:.2} %. onnxruntime's quantization: {}.\n",
            network.theirs
        )?;
    }
    text.push_str(
        "| recipe | kB | top-1 % | agreement % | divergence | SQNR dB | layer errors |\n|---|---|---|---|---|---|---|\n",
    );
    Ok(text + &rows)
}

/// What the layers' outputs lose, and what they lose with nearest codes; of what looks at outputs.
fn layer_errors(recipe: &str, rounding: &Json) -> String {
    let layers = rounding.as_array().map_or(&[][..], Vec::as_slice);
    if layers.is_empty() || recipe.ends_with("hqq") {
        return "–".to_owned();
    }
    let sum = |name: &str| layers.iter().filter_map(|layer| layer[name].as_f64()).sum::<f64>();
    format!("{:.4} of {:.4}", sum("accepted"), sum("nearest"))
}

fn number_at(json: &Json, path: [&str; 2]) -> Result<f64> {
    json[path[0]][path[1]].as_f64().with_context(|| format!("no {}", path.join(".")))
}

/// Quantizes a network and compares it with itself in full precision; with what became of its weights.
fn measure(data: &Path, network: &Network, recipe: &str) -> Result<Json> {
    let folder = target_dir().join("report");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let quantized = folder.join("quantized.onnx");
    let in_family = |what: &str, end: &str| {
        data.join(what).join(network.family).join(network.name.to_owned() + end).into_os_string()
    };
    let (model, preprocess) = (in_family("models", ".onnx"), in_family("preprocess", ".json"));
    let mut quantize = bitlens("quantize");
    quantize.arg(&model).args(pictures(data, network, true)).arg("--preprocess").arg(&preprocess);
    let mut words = recipe.split(' ');
    quantize.arg("--preset").args(words.next());
    quantize.args(words.flat_map(|option| ["--set", option]));
    let made: Json =
        serde_json::from_slice(&output(quantize.arg("--output").arg(&quantized).arg("--json"))?)?;
    let mut compare = bitlens("compare");
    compare.arg(&model).arg(&quantized).args(pictures(data, network, false));
    compare.arg("--preprocess").arg(&preprocess).args(["--runs", "1", "--json"]);
    let mut found: Json = serde_json::from_slice(&output(&mut compare)?)?;
    found["rounding"] = made["rounding"].clone();
    Ok(found)
}

/// The arguments that name a network's pictures: those to calibrate on, or those to compare on.
fn pictures(data: &Path, network: &Network, is_calibration: bool) -> Vec<OsString> {
    let images = data.join("images").join(network.family);
    let argument = |text: &str| OsString::from(text);
    if network.family == "imagenet" {
        let role = if is_calibration { "calib" } else { "eval" };
        let labels = images.join("labels.json").into_os_string();
        let data = images.into_os_string();
        return vec![
            argument("--data"),
            data,
            argument("--labels"),
            labels,
            argument("--role"),
            argument(role),
        ];
    }
    let (file, count) =
        if is_calibration { ("train_lossless_1000.bin", "128") } else { ("test_jpeg_2000.bin", "2000") };
    let mut data = argument("cifar10:");
    data.push(images.join(file));
    vec![argument("--data"), data, argument("--limit"), argument(count)]
}

fn bitlens(command: &str) -> Command {
    let mut program = Command::new(target_dir().join("release/bitlens"));
    program.arg(command);
    program
}

/// What a command printed; what it complained of, where it failed.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let done = command.output().context("could not run bitlens")?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(done.stdout)
}

/// Trained networks and pictures, which are no part of the project.
fn data_folder() -> Result<PathBuf> {
    let named = std::env::var_os("BITLENS_DATA").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join("../shared/data"));
    ensure!(
        folder.join("models").is_dir(),
        "the networks are missing: set BITLENS_DATA to a folder that has them (tests/tools/README.md)"
    );
    Ok(folder)
}
