//! What can be asked on the command line.

use bitlens::quant::Preset;
use bitlens::session::allocate::{AllocationMethod, Budget};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Quantize ONNX image networks, run them on real integers, and see what fewer bits change.
#[derive(Debug, Parser)]
#[command(name = "bitlens", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a network is made of.
    Inspect(InspectArgs),
    /// Run a network on pictures.
    Run(RunArgs),
    /// Quantize a network and write an ONNX file.
    Quantize(QuantizeArgs),
    /// Say what a recipe may ask for: presets, options and their values.
    Options(OptionsArgs),
    /// Find out which layers a recipe breaks, why, and what helps.
    Diagnose(DiagnoseArgs),
    /// Choose bits for each layer under a budget, and write the recipe.
    Allocate(AllocateArgs),
    /// Compare a network with a quantized version of it.
    Compare(CompareArgs),
    /// Show where a network looks.
    Attribute(AttributeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The ONNX file.
    pub(crate) model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Pictures, and what is done to them.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// A folder of pictures, one picture, `cifar10:FILE.bin`, or `idx:IMAGES[,LABELS]`.
    #[arg(long)]
    pub(crate) data: String,
    /// Labels: `[{"file": …, "label": …, "role": …}, …]`, or another form of label file.
    #[arg(long)]
    pub(crate) labels: Option<PathBuf>,
    /// Only pictures of this role in the label file.
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Names of the classes, a line each or JSON.
    #[arg(long)]
    pub(crate) classes: Option<PathBuf>,
    /// Preprocessing in the form of `preprocessor_config.json`; guessed from the network otherwise.
    #[arg(long)]
    pub(crate) preprocess: Option<PathBuf>,
    /// Skip this many pictures.
    #[arg(long, default_value_t = 0)]
    pub(crate) skip: usize,
    /// Use at most this many pictures.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// Draw the pictures at random with this seed instead of taking the first.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The ONNX file; a quantized one runs on integers.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Run a quantized file in float, as its definition says.
    #[arg(long)]
    pub(crate) float: bool,
    /// A folder to write every quantized tensor to, for comparing with another runtime: raw codes of
    /// all pictures (of int8 activations 128 more), a file a tensor, and `tensors.json` with their
    /// names.
    #[arg(long)]
    pub(crate) codes: Option<PathBuf>,
    /// Print JSON, a line a picture.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is asked of a quantizer.
#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// Choices to start from.
    #[arg(long, default_value = "int8", value_parser = PossibleValuesParser::new(presets()).map(preset))]
    pub(crate) preset: Preset,
    /// A recipe file, instead of a preset.
    #[arg(long, conflicts_with = "preset")]
    pub(crate) recipe: Option<PathBuf>,
    /// Bits of a weight, 2 to 8.
    #[arg(long)]
    pub(crate) weight_bits: Option<u8>,
    /// Bits of an activation: 2 to 8, 16, or 32 for none.
    #[arg(long)]
    pub(crate) activation_bits: Option<u8>,
    /// Any option of the recipe, as `weightGrid=asymmetric`; `bitlens options` lists them.
    #[arg(long = "set", value_name = "OPTION=VALUE")]
    pub(crate) options: Vec<String>,
}

#[derive(Debug, Args)]
#[command(mut_arg("data", |data| data.required(false)))]
pub(crate) struct QuantizeArgs {
    /// The ONNX file in full precision.
    pub(crate) model: PathBuf,
    /// Left out where no picture decides anything.
    #[command(flatten)]
    pub(crate) data: Option<DataArgs>,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// Where to write the quantized network.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
    /// Where to write a report as JSON.
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiagnoseArgs {
    /// The ONNX file in full precision.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// Compare on at most this many pictures.
    #[arg(long, default_value_t = 64)]
    pub(crate) pictures: usize,
    /// Where to write the recipe with all remedies that help together.
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AllocateArgs {
    /// The ONNX file in full precision.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// What the layers may cost together: `bytes=0.5` (a share of what 8 bits cost), `bytes=w4`,
    /// `bytes=150000`, or operations times bits: `bops=0.25`, `bops=w4a4`.
    #[arg(long)]
    pub(crate) budget: Budget,
    /// How bits are chosen.
    #[arg(long, default_value = "exact", value_parser = PossibleValuesParser::new(methods()).map(method))]
    pub(crate) method: AllocationMethod,
    /// Bits of weights to choose from; 2,4,8 or, where operations count, 2,4,6,8 otherwise.
    #[arg(long, value_delimiter = ',')]
    pub(crate) weight_widths: Vec<u8>,
    /// Bits of activations to choose from where operations count; 4,6,8 otherwise.
    #[arg(long, value_delimiter = ',')]
    pub(crate) activation_widths: Vec<u8>,
    /// Where to write the recipe.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
    /// Print all that was measured as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn methods() -> [&'static str; 3] {
    AllocationMethod::ALL.map(AllocationMethod::name)
}

#[allow(clippy::needless_pass_by_value, reason = "what a parser of clap is given")]
fn method(name: String) -> AllocationMethod {
    // Only names of methods get here.
    AllocationMethod::ALL.into_iter().find(|method| method.name() == name).unwrap_or_default()
}

fn presets() -> impl Iterator<Item = PossibleValue> {
    Preset::ALL.iter().map(|preset| PossibleValue::new(preset.name()).help(preset.about()))
}

#[allow(clippy::needless_pass_by_value, reason = "what a parser of clap is given")]
fn preset(name: String) -> Preset {
    // Only names of presets get here.
    Preset::ALL.iter().copied().find(|preset| preset.name() == name).unwrap_or_default()
}

#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The ONNX file in full precision.
    pub(crate) model: PathBuf,
    /// The quantized ONNX file.
    pub(crate) quantized: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Measured runs of each network for the latency.
    #[arg(long, default_value_t = 15)]
    pub(crate) runs: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AttributeArgs {
    /// The ONNX file.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// The output to explain; the network's first answer otherwise.
    #[arg(long)]
    pub(crate) target: Option<usize>,
    /// Print JSON, a line a picture, with the whole map.
    #[arg(long)]
    pub(crate) json: bool,
}
