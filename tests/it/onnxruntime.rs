//! Exported files in other hands: onnx.checker takes them, and onnxruntime gives the answers that
//! integer execution gives here. Runs where Python has both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitlens::data::Preprocess;
use bitlens::ops::Isa;
use bitlens::quant::{Calibrator, Recipe};
use bitlens::session::{Found, Job as _, Network, QuantizeJob, QuantizedNetwork, Role, codes};
use bitlens::tensor::{DType, Value};
use serde_json::Value as Json;

use crate::real_networks::Real;
use crate::root;
use crate::schemes::schemes;
use crate::support::{
    Golden, SAMPLES, bits, data_folder, inputs, python, quantize, run_tool, sample_path, sample_session,
};

/// Share of codes that may differ from onnxruntime's: none where it uses AVX2. On other instruction
/// sets it adds in another order, and below 8 bits of activations it computes in float, since a Clip
/// stands before QuantizeLinear; then a code beside a half step may be its neighbour, and moves those
/// behind it.
fn most_differing(recipe: &Recipe) -> f64 {
    if Isa::Avx2.is_available() && recipe.activation_bits == 8 { 0.0 } else { 0.02 }
}

/// Writes tensors of one shape, one picture after the other, as `tensor_files.py` reads them.
fn write_raw(folder: &Path, prefix: &str, tensors: &[&Value]) -> String {
    let shape = std::iter::once(tensors.len()).chain(tensors[0].shape()[1..].iter().copied());
    let shape: Vec<String> = shape.map(|size| size.to_string()).collect();
    let mut bytes = Vec::new();
    let mut kind = "f32";
    for tensor in tensors {
        if let Ok(reals) = tensor.as_slice::<f32>() {
            bytes.extend(reals.iter().flat_map(|v| v.to_le_bytes()));
        } else {
            kind = "u8";
            bytes.extend(tensor.as_slice::<u8>().unwrap());
        }
    }
    let name = format!("{prefix}_{}.{kind}", shape.join("x"));
    fs::write(folder.join(&name), bytes).unwrap();
    name
}

/// An empty folder for one check: recipes that differ may have one label, and tests run side by side.
fn own_folder(label: &str) -> PathBuf {
    static CHECKS: AtomicUsize = AtomicUsize::new(0);
    let check = CHECKS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check_export").join(format!("{check}_{label}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The report of `check_export.py` on a quantized network, our outputs and every tensor of codes.
pub(crate) fn check_export(
    python: &str,
    model: &Path,
    quantized: &QuantizedNetwork,
    pictures: &[Value],
) -> Json {
    let label = format!("{}_{}", model.file_stem().unwrap().display(), quantized.recipe().label());
    let folder = own_folder(&label);
    fs::write(folder.join("q.onnx"), quantized.file()).unwrap();

    let executor = &quantized.model().integer.executor;
    let runs: Vec<_> =
        pictures.iter().map(|picture| executor.record(std::slice::from_ref(picture)).unwrap()).collect();
    let outputs: Vec<&Value> =
        runs.iter().map(|run| run.get(executor.graph().outputs()[0]).unwrap()).collect();
    write_raw(&folder, "inputs", &pictures.iter().collect::<Vec<_>>());
    write_raw(&folder, "logits", &outputs);
    let all: Vec<BTreeMap<String, Value>> = runs.iter().map(|run| codes(executor.graph(), run)).collect();
    let mut listing = serde_json::Map::new();
    let bytes = all[0].iter().filter(|(_, codes)| codes.dtype() == DType::U8).map(|(name, _)| name);
    let is_made =
        |name: &&String| name.ends_with("_QuantizeLinear") || name.ends_with("_DynamicQuantizeLinear");
    for (index, name) in bytes.filter(is_made).enumerate() {
        let tensors: Vec<&Value> = all.iter().map(|codes| &codes[name]).collect();
        listing.insert(name.clone(), write_raw(&folder, &format!("t{index}"), &tensors).into());
    }
    fs::write(folder.join("tensors.json"), Json::from(listing).to_string()).unwrap();

    // Scales that are found while running are of what runs together.
    let batch = if quantized.recipe().is_dynamic() { "1" } else { "16" };
    let file = folder.join("q.onnx");
    let asked = [model.as_ref(), file.as_ref(), folder.as_ref(), folder.as_ref(), "--batch".as_ref()];
    let text = run_tool(python, "check_export", &[&asked[..], &[batch.as_ref()]].concat());
    let report: Json = serde_json::from_str(&text).unwrap();
    println!(
        "{label}: same first answer on {} of {}, {:.4} % of {} codes differ, {:.4} % by more than 1",
        report["top1_same"],
        report["images"],
        100.0 * differing(&report, "codes_equal"),
        report["codes_compared"],
        100.0 * differing(&report, "codes_within_1"),
    );
    report
}

/// Share of codes that are not what a count of the report counts.
fn differing(report: &Json, counted: &str) -> f64 {
    let count = |key: &str| report[key].as_f64().unwrap();
    1.0 - count(counted) / count("codes_compared")
}

#[test]
fn onnxruntime_gives_the_answers_of_integer_execution() {
    let Some(python) = python() else { return };
    for network in SAMPLES {
        let mut session = sample_session(network);
        let pictures: Vec<Value> =
            inputs(&session, Role::Evaluate).into_iter().map(|input| input.value).collect();
        for recipe in [bits(8, 8), bits(4, 8), bits(8, 5), bits(3, 6)] {
            quantize(&mut session, &recipe);
            let quantized = session.quantized().unwrap();
            let model = sample_path(&format!("{network}.onnx"));
            let report = check_export(python, &model, &quantized, &pictures);
            let what = format!("{network} {}", recipe.label());
            assert_eq!(report["checker"], "ok", "{what}");
            assert_eq!((&report["top1_same"], &report["float_weights"]), (&20.into(), &0.into()), "{what}");
            let off = differing(&report, "codes_equal");
            assert!(off <= most_differing(&recipe), "{what}: {:.4} % of codes differ", 100.0 * off);
        }
    }
}

/// What is stored, or computed, in a form of its own; the other schemes differ from these by numbers only.
#[test]
fn onnxruntime_gives_the_answers_of_every_form_of_file() {
    let Some(python) = python() else { return };
    let network = SAMPLES[0];
    let mut session = sample_session(network);
    let pictures: Vec<Value> =
        inputs(&session, Role::Evaluate).into_iter().map(|input| input.value).collect();
    let forms = [
        "int8-per-tensor",
        "w4a8",
        "weight-only-4",
        "int8 weightGrid=asymmetric",
        "int8 activationGrid=symmetric",
        "int8 activationBits=16",
        "w4a8 weightGrid=asymmetric",
        "w4a8 rounding=gptq",
        "w4a8 rounding=comq",
        "int8 weightRange=output",
        "int8 activationRange=dynamic",
        "w4a8 activationRange=dynamic",
    ];
    for (name, recipe) in schemes().into_iter().filter(|(name, _)| forms.contains(&name.as_str())) {
        quantize(&mut session, &recipe);
        let quantized = session.quantized().unwrap();
        let model = sample_path(&format!("{network}.onnx"));
        let report = check_export(python, &model, &quantized, &pictures);
        assert_eq!(report["checker"], "ok", "{name}");
        assert_eq!((&report["top1_same"], &report["float_weights"]), (&20.into(), &0.into()), "{name}");
        if recipe.is_dynamic() {
            let off = differing(&report, "codes_equal");
            assert!(off <= 0.02, "{name}: {:.4} % of codes differ", 100.0 * off);
        }
    }
}

/// onnxruntime subtracts in float, as the definition does; so a code beside a half step may differ by one.
#[test]
fn onnxruntime_gives_the_codes_of_differences_and_global_maxima() {
    let Some(python) = python() else { return };
    let case = Golden::all().into_iter().find(|case| case.name == "maxima_of_a_difference").unwrap();
    let network = Network::load("model.onnx", case.model(), Isa::best()).unwrap();
    let [batch] = &case.inputs()[..] else { panic!("one input") };
    let shape: Vec<usize> = std::iter::once(1).chain(batch.shape()[1..].iter().copied()).collect();
    let pictures = batch.as_slice::<f32>().unwrap().chunks_exact(shape.iter().product());
    let pictures: Vec<Value> = pictures.map(|data| Value::from_vec(&shape, data.to_vec()).unwrap()).collect();
    let mut calibrator = Calibrator::new(network.graph());
    for (number, picture) in pictures.iter().enumerate() {
        network.model.executor.run(std::slice::from_ref(picture), &mut calibrator).unwrap();
        calibrator.finish_run(number);
    }
    let statistics = Arc::new(calibrator.finish(network.graph()).unwrap());
    let preprocess = Preprocess::default();
    let quantized =
        QuantizedNetwork::build(&network, statistics, Recipe::default(), &preprocess, Isa::best()).unwrap();
    let report = check_export(
        python,
        &root().join("tests/golden").join(&case.name).join("model.onnx"),
        &quantized,
        &pictures,
    );
    assert_eq!((&report["checker"], &report["top1_same"]), (&"ok".into(), &2.into()));
    assert!(
        differing(&report, "codes_within_1") == 0.0 && differing(&report, "codes_equal") < 0.001,
        "{report}"
    );
}

#[test]
fn onnxruntime_gives_the_answers_of_integer_execution_on_real_networks() {
    let (Some(data), Some(python)) = (data_folder(), python()) else { return };
    for real in Real::all(&data) {
        let network = Arc::new(real.load());
        let pictures = real.pictures();
        let mut job =
            QuantizeJob::new(network, Recipe::default(), pictures.clone(), Found::default(), Isa::best());
        let quantized = job.run(&mut |_| ()).unwrap();
        let pictures: Vec<Value> = (0..2).map(|at| pictures.get(at).unwrap().value).collect();
        let report = check_export(python, &real.file(), &quantized, &pictures);
        assert_eq!(report["checker"], "ok", "{}", real.name);
        assert_eq!(report["top1_same"], 2, "{}", real.name);
        let off = differing(&report, "codes_equal");
        assert!(
            off <= most_differing(&Recipe::default()),
            "{}: {:.4} % of codes differ",
            real.name,
            100.0 * off
        );
    }
}
