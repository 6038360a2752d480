//! What screens and reports show: plain data, camelCase on the wire.
//!
//! Internal types never cross to the page; these do, and `tsify` writes them, comments included,
//! into the TypeScript declarations. Maps and pixels are not here: they travel as typed arrays.

use crate::attribution::Attribution;
use crate::data::Preprocess;
use crate::error::Error;
use crate::quant::Recipe;
use serde::{Deserialize, Serialize};

macro_rules! views {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty),* $(,)? })*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        #[cfg_attr(feature = "web", derive(tsify::Tsify), tsify(missing_as_null))]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type),*
        }
    )* };
}

mod allocation;
mod diagnosis;
mod ranges;
mod rounding;
mod sensitivity;
mod times;

pub use allocation::{Allocated, AllocatedLayer, AllocationView};
pub use diagnosis::{Cause, Change, DiagnosisView, Evidence, Finding, InputEffect, Remedy, Suggestion};
pub use ranges::{RangeChoiceView, TriedRangeView};
pub use rounding::RoundingView;
pub use sensitivity::{BitsEffect, Effect, LayerNoise, LayerSensitivity, SensitivityView};
pub use times::{LatencyView, NodeTime, NodeTimes, ProfileView, QuantizedTimes, Times};

views! {
    /// An error for people: what, where, why, what to do.
    pub struct ErrorView {
        /// Stable name of the kind of error.
        pub code: String,
        /// What is wrong, naming node or file.
        pub message: String,
        /// The node to blame.
        pub node: Option<String>,
        /// What to do.
        pub hint: Option<String>,
        /// Names of the files that are missing, where that is what is wrong.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "web", tsify(optional))]
        pub missing: Vec<String>,
        /// The network's operators, where some of its nodes cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "web", tsify(optional))]
        pub support: Option<SupportView>,
        /// Bytes of memory that would be needed, where that is what is wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "web", tsify(optional))]
        pub needed_bytes: Option<usize>,
    }

    /// What a network asks for, and what of it there is.
    pub struct SupportView {
        /// Its nodes; functions of the file are written out.
        pub nodes: usize,
        /// Nodes that can be read and need no result of one that cannot.
        pub computable: usize,
        /// Its operators, in the order of their first use.
        pub operators: Vec<OperatorView>,
    }

    /// An operator as a network uses it.
    pub struct OperatorView {
        /// Its name, with the domain in front unless it is ONNX's own.
        pub op_type: String,
        /// Nodes that use it.
        pub nodes: usize,
        /// Those among them that run on integers when everything is quantized; none where that is not
        /// known.
        pub integer_nodes: Option<usize>,
        /// Names of those that run in float then.
        pub float_nodes: Vec<String>,
        /// Nodes that cannot be read, and why.
        pub refused: Vec<RefusedNodeView>,
    }

    /// A node that cannot be read.
    pub struct RefusedNodeView {
        /// Its name.
        pub node: String,
        /// Why.
        pub reason: String,
    }

    /// A network as it was opened.
    pub struct ModelView {
        /// Name of the network.
        pub name: String,
        /// Name of the file.
        pub file_name: String,
        /// Tool that wrote the file; may be empty.
        pub producer: String,
        /// Version of the ONNX operators.
        pub opset: u32,
        /// Nodes in the file.
        pub nodes: usize,
        /// Elements of all weights.
        pub parameters: usize,
        /// Bytes of the file.
        pub size_bytes: usize,
        /// Name of the picture input.
        pub input_name: String,
        /// Its shape, as text: `batch×3×224×224`.
        pub input_shape: String,
        /// Height and width, where they are fixed.
        pub input_size: Option<[usize; 2]>,
        /// Channels of the picture.
        pub channels: usize,
        /// Outputs of the network; 0 where the file leaves it open.
        pub classes: usize,
        /// Layers with weights.
        pub layers: usize,
        /// Operators of the simplified network.
        pub operators: Vec<OperatorView>,
        /// Whether the file is quantized already: then it is run as it is.
        pub quantized: bool,
        /// Bytes of memory that quantizing and comparing it take at most, about; pictures come beside.
        pub memory_bytes: usize,
        /// Multiply-accumulates of one picture in layers with weights, as far as sizes are known.
        pub multiply_accumulates: u64,
        /// The tensor that Grad-CAM looks at; none where no tensor has positions.
        pub attribution_layer: Option<String>,
        /// What the user should know.
        pub warnings: Vec<String>,
    }

    /// A picture of the session.
    pub struct PictureView {
        /// Its number.
        pub index: usize,
        /// Name of its file.
        pub name: String,
        /// Width in pixels.
        pub width: u32,
        /// Height in pixels.
        pub height: u32,
        /// Class it is known to show.
        pub label: Option<usize>,
        /// What it is used for.
        #[cfg_attr(feature = "web", tsify(type = "\"calib\" | \"eval\" | \"both\""))]
        pub role: String,
    }

    /// A file that could not be used.
    pub struct Refused {
        /// Its name.
        pub name: String,
        /// Why, and what to do.
        pub error: ErrorView,
    }

    /// Names of classes and labels of pictures.
    pub struct LabelsView {
        /// Names, by class.
        pub classes: Vec<String>,
        /// All pictures.
        pub pictures: Vec<PictureView>,
    }

    /// The preprocessing in force.
    pub struct PreprocessView {
        /// In the form of `preprocessor_config.json`.
        #[cfg_attr(feature = "web", tsify(type = "Preprocess"))]
        pub preprocess: Preprocess,
        /// Where it comes from.
        pub source: PreprocessSource,
        /// Smallest and largest value that the network can see.
        pub range: [f32; 2],
        /// What the user should know.
        pub notes: Vec<String>,
    }

    /// Bytes of two files.
    #[derive(Copy, Deserialize)]
    pub struct ByteSizes {
        /// Full precision.
        pub full: usize,
        /// Quantized.
        pub quantized: usize,
    }

    /// A quantized network.
    pub struct QuantizedView {
        /// What was asked.
        pub recipe: Recipe,
        /// What runs when it is asked.
        pub path: RunPath,
        /// Why, as a sentence.
        pub path_reason: String,
        /// Pictures that ranges were measured on.
        pub calibration_pictures: usize,
        /// Sizes of the ONNX files.
        pub size_bytes: ByteSizes,
        /// Layers with weights, in order of execution.
        pub layers: Vec<LayerView>,
        /// Operators of the simplified network, and which of their nodes run on integers.
        pub operators: Vec<OperatorView>,
        /// What became of each weight, where the recipe asks for other codes or ranges than the usual.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "web", tsify(optional))]
        pub rounding: Vec<RoundingView>,
        /// The rule for ranges of activations, where the recipe left it to be found by measuring.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "web", tsify(optional))]
        pub range: Option<RangeChoiceView>,
    }

    /// A layer with weights.
    pub struct LayerView {
        /// Name of its node.
        pub name: String,
        /// Its operator.
        pub op: String,
        /// Shape of its weight, as text.
        pub weight_shape: String,
        /// Elements of its weight.
        pub weights: usize,
        /// Bits of a weight.
        pub weight_bits: u8,
        /// Bits of an activation.
        pub activation_bits: u8,
        /// Bytes of weight, bias, scales and zero points.
        pub size_bytes: ByteSizes,
        /// What runs.
        pub path: LayerPath,
        /// Range of its quantized output; none where the output stays float.
        pub output_range: Option<[f32; 2]>,
        /// Signal-to-quantization-noise ratio of its weight in dB; none where nothing was lost.
        pub weight_sqnr_db: Option<f64>,
    }

    /// A class and its probability.
    #[derive(Deserialize)]
    pub struct ClassProbability {
        /// Output of the network.
        pub class: usize,
        /// Its name.
        pub name: String,
        /// 0 to 1.
        pub probability: f64,
    }

    /// Rank correlations of two maps; none where a map is constant.
    #[derive(Deserialize)]
    pub struct MapCorrelation {
        /// Spearman's ρ, −1 to 1.
        pub spearman: Option<f64>,
        /// Kendall's τ-b, −1 to 1.
        pub kendall_tau_b: Option<f64>,
    }

    /// Both networks on one picture.
    #[derive(Deserialize)]
    pub struct PictureComparison {
        /// Number of the picture.
        pub picture: usize,
        /// Five most probable classes in full precision.
        pub full: Vec<ClassProbability>,
        /// Five most probable classes of the quantized network.
        pub quantized: Vec<ClassProbability>,
        /// Whether the first answers differ.
        pub flipped: bool,
        /// Kullback–Leibler divergence of the quantized probabilities from full precision's, in nats.
        pub kl: f64,
        /// Signal-to-quantization-noise ratio of the logits in dB; none where they are identical.
        pub sqnr_db: Option<f64>,
        /// Of the maps that explain full precision's answer; none without a tensor with positions.
        pub attribution: Option<MapCorrelation>,
    }

    /// A share with its 95 % interval (Wilson).
    pub struct Interval {
        /// 0 to 1.
        pub value: f64,
        /// Lower end.
        pub low: f64,
        /// Upper end.
        pub high: f64,
    }

    /// Shares of right answers.
    pub struct Top1 {
        /// Full precision.
        pub full: f64,
        /// Quantized.
        pub quantized: f64,
        /// Pictures with a label.
        pub labelled: usize,
    }

    /// Rank correlations over pictures.
    pub struct AttributionSummary {
        /// Method of the maps.
        pub method: String,
        /// Mean of Spearman's ρ.
        pub spearman_mean: Option<f64>,
        /// Mean of Kendall's τ-b.
        pub kendall_tau_b_mean: Option<f64>,
        /// Pictures with a correlation.
        pub images: usize,
    }

    /// Both networks on all evaluation pictures.
    pub struct Summary {
        /// Pictures compared.
        pub images: usize,
        /// Share with the same first answer.
        pub agreement: Interval,
        /// Mean Kullback–Leibler divergence in nats.
        pub kl: f64,
        /// Signal-to-quantization-noise ratio of all logits in dB; none where they are identical.
        pub sqnr_db: Option<f64>,
        /// Right answers; none without labels.
        pub top1: Option<Top1>,
        /// Of the maps.
        pub attribution: AttributionSummary,
    }

    /// A class in both answers.
    pub struct AnswerRow {
        /// Output of the network.
        pub class: usize,
        /// Its name.
        pub name: String,
        /// Probability in full precision.
        pub full: f64,
        /// Probability in the quantized network.
        pub quantized: f64,
    }

    /// How much signal is left behind a layer.
    pub struct LayerSqnr {
        /// Name of the layer's node.
        pub layer: String,
        /// In dB, all layers before it quantized too; none where nothing was lost.
        pub sqnr_db: Option<f64>,
    }
}

/// Where the preprocessing comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub enum PreprocessSource {
    /// A `preprocessor_config.json`.
    File,
    /// The network's own file, where Bitlens wrote it.
    Network,
    /// The shape of the network's input.
    Guessed,
    /// The user.
    Edited,
}

/// What runs when the quantized network is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub enum RunPath {
    /// Integers, in every layer with weights.
    Int8,
    /// Float with rounding simulated, in some layers.
    FakeQuant,
}

/// What runs in one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub enum LayerPath {
    /// Integers.
    Int8,
    /// Float.
    Float,
}

impl From<&Error> for ErrorView {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            node: error.node().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            missing: error.missing_files().to_vec(),
            support: error.support().map(SupportView::from),
            needed_bytes: error.needed_bytes(),
        }
    }
}

/// Two maps of one size on one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct MapPair {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Full precision's, row-major, at least 0.
    pub full: Vec<f32>,
    /// The quantized network's.
    pub quantized: Vec<f32>,
    /// Largest value of both.
    pub max: f32,
}

impl MapPair {
    pub(super) fn new(full: &Attribution, quantized: &Attribution) -> Self {
        let max = full.map.iter().chain(&quantized.map).copied().fold(0.0_f32, f32::max);
        Self {
            height: full.height,
            width: full.width,
            full: full.map.clone(),
            quantized: quantized.map.clone(),
            max,
        }
    }
}

/// One picture in depth.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "web", derive(tsify::Tsify), tsify(missing_as_null))]
pub struct LensView {
    /// Number of the picture.
    pub picture: usize,
    /// The class that both maps explain, with full precision's probability.
    pub target: ClassProbability,
    /// Both networks' first five, by full precision's probability.
    pub answers: Vec<AnswerRow>,
    /// First answer in full precision.
    pub full_top: ClassProbability,
    /// First answer of the quantized network.
    pub quantized_top: ClassProbability,
    /// Whether they differ.
    pub flipped: bool,
    /// Both maps; none without a tensor with positions. They travel beside the JSON.
    #[serde(skip)]
    pub map: Option<MapPair>,
    /// Spearman's ρ of the maps.
    pub spearman: Option<f64>,
    /// Kendall's τ-b of the maps.
    pub kendall_tau_b: Option<f64>,
    /// Share of the strongest tenth of places that both maps have in common.
    pub top10_overlap: Option<f64>,
    /// How much signal is left behind each layer.
    pub layer_sqnr_db: Vec<LayerSqnr>,
    /// The output that is right, where a label says it.
    pub expected: Option<usize>,
}

impl PreprocessView {
    /// Smallest and largest value that pixels become.
    pub(super) fn range_of(preprocess: &Preprocess) -> [f32; 2] {
        let ends = |channel: usize| {
            let at = |list: &[f32]| list.get(channel).or(list.first()).copied().unwrap_or(0.0);
            let value =
                |pixel: f32| (pixel * preprocess.rescale_factor - at(&preprocess.mean)) / at(&preprocess.std);
            [value(0.0), value(255.0)]
        };
        let all = (0..preprocess.channel_order.channels()).flat_map(ends);
        all.fold([f32::INFINITY, f32::NEG_INFINITY], |[lo, hi], v| [lo.min(v), hi.max(v)])
    }

    pub(super) fn new(preprocess: &Preprocess, source: PreprocessSource) -> Self {
        let range = Self::range_of(preprocess);
        let guessed = "guessed from the network's input: check it against how the network was trained";
        let notes = if source == PreprocessSource::Guessed { vec![guessed.to_owned()] } else { Vec::new() };
        Self { preprocess: preprocess.clone(), source, range, notes }
    }
}
