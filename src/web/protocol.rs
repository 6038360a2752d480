//! What the page asks and what it is told: tagged unions, one answer of the same kind per question.
//!
//! `tsify` writes these types, comments included, into the TypeScript declarations of the package.
//! Bulk data is not in them: bytes come as typed arrays beside a request, and a [`BufferRef`] names
//! a typed array to fetch after a response.

use crate::quant::{Recipe, Statistics};
use crate::session::view::{
    DiagnosisView, LatencyView, LensView, ModelView, PictureComparison, PictureView, PreprocessView,
    ProfileView, QuantizedView, Refused, Summary,
};
use crate::session::{ComparedPicture, Share};
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const PREPROCESS: &'static str = r#"
/**
 * What is done to a picture before the network sees it, in the form of `preprocessor_config.json`.
 */
export interface Preprocess {
    do_resize: boolean;
    size: { shortest_edge: number } | { height: number; width: number } | null;
    resample: number;
    do_center_crop: boolean;
    crop_size: { height: number; width: number } | "largest_centre_square_before_resize" | null;
    do_rescale: boolean;
    rescale_factor: number;
    do_normalize: boolean;
    image_mean: number[] | null;
    image_std: number[] | null;
    channel_order: "rgb" | "bgr" | "grey";
    layout: "NCHW" | "NHWC";
    label_offset: number;
}
"#;

/// What the page asks. Files travel beside it, as `Uint8Array`s or as numbers of uploads.
#[derive(Debug, Clone, Deserialize, Tsify)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[tsify(missing_as_null)]
pub enum Request {
    /// Opens a network: the `.onnx`, then the files that may hold its weights. Those that it does not
    /// name are left alone.
    LoadModel {
        /// Name of the file.
        name: String,
        /// Names of the files behind it.
        #[serde(default)]
        #[tsify(optional)]
        weights: Vec<String>,
        /// Bytes of memory that quantizing and comparing it may take: a network that takes more is
        /// refused, with the bytes that it needs. No limit without it.
        #[serde(default)]
        #[tsify(optional)]
        memory_limit: Option<f64>,
    },
    /// Adds pictures or data sets; one file each.
    AddPictures {
        /// Names of the files.
        names: Vec<String>,
    },
    /// Removes all pictures.
    ClearPictures,
    /// Reads names of classes or labels of pictures; one file.
    SetLabels {
        /// Name of the file.
        name: String,
    },
    /// Reads a `preprocessor_config.json`; one file.
    ReadPreprocess {
        /// Name of the file.
        name: String,
    },
    /// Takes edited preprocessing.
    SetPreprocess {
        /// The preprocessing.
        #[tsify(type = "Preprocess")]
        preprocess: serde_json::Value,
    },
    /// Calibrates, once per set of pictures and preprocessing, and quantizes.
    Quantize {
        /// What is asked for.
        recipe: Recipe,
        /// The picture to look at once that is done, by its number, so that whoever shows it need not
        /// ask again.
        #[serde(default)]
        #[tsify(optional)]
        picture: Option<usize>,
    },
    /// Compares both networks on the evaluation pictures.
    Compare,
    /// Calibrates on a part of the pictures, for whoever divides them between engines.
    CalibrateShare {
        /// Which part.
        share: Share,
    },
    /// Takes what calibrating has found on all parts, so that quantizing need not.
    LearnStatistics {
        /// What `calibrateShare` answered, of every part.
        #[tsify(type = "unknown[]")]
        parts: Vec<Statistics>,
    },
    /// Compares both networks on a part of the evaluation pictures.
    CompareShare {
        /// Which part.
        share: Share,
    },
    /// Takes what comparing has found on a part, so that comparing all of them need not.
    LearnComparisons {
        /// What `compareShare` answered.
        rows: Vec<ComparedPicture>,
    },
    /// Looks at one picture in depth.
    Lens {
        /// Its number.
        picture: usize,
        /// The class to explain; full precision's first answer when null.
        target: Option<usize>,
    },
    /// The raw scores of one picture, for whoever computes with them elsewhere.
    Logits {
        /// Its number.
        picture: usize,
    },
    /// Measures both networks in turns.
    MeasureLatency {
        /// Samples of each.
        runs: usize,
    },
    /// Measures every node of both networks.
    Profile,
    /// Finds out what a recipe does to the network, layer by layer, and what helps. What is quantized stays as
    /// it is. Given up for a request that changes nothing, it goes on where it was when it is asked again.
    Diagnose {
        /// What is looked at.
        recipe: Recipe,
        /// Compare on at most this many pictures.
        pictures: usize,
    },
    /// The picture as the network sees it.
    Preview {
        /// Its number.
        picture: usize,
    },
    /// The quantized network as a file.
    ExportModel,
    /// What runs here.
    EngineInfo,
}

/// What the page is told: of the same kind as the request.
#[derive(Debug, Clone, Serialize, Tsify)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[tsify(missing_as_null)]
pub enum Response {
    /// The network.
    LoadModel {
        /// What it is.
        model: ModelView,
        /// The preprocessing in force.
        preprocess: PreprocessView,
        /// Names of the files that held its weights, of those that were given.
        weights: Vec<String>,
    },
    /// The pictures.
    AddPictures {
        /// All of them.
        pictures: Vec<PictureView>,
        /// Files that could not be used.
        refused: Vec<Refused>,
    },
    /// Done.
    ClearPictures,
    /// Names and labels.
    SetLabels {
        /// Names of the classes.
        classes: Vec<String>,
        /// All pictures.
        pictures: Vec<PictureView>,
    },
    /// The preprocessing in force.
    ReadPreprocess {
        /// With what was not understood.
        preprocess: PreprocessView,
    },
    /// The preprocessing in force.
    SetPreprocess {
        /// As edited.
        preprocess: PreprocessView,
    },
    /// The quantized network.
    Quantize {
        /// What became of it.
        quantized: QuantizedView,
        /// The picture that was named, in depth; null where none was, or where it cannot be looked at:
        /// `lens` says why.
        look: Option<Look>,
    },
    /// Both networks on the evaluation pictures.
    Compare {
        /// Over all.
        summary: Summary,
        /// Each.
        pictures: Vec<PictureComparison>,
    },
    /// What calibrating has found on a part of the pictures.
    CalibrateShare {
        /// For `learnStatistics`.
        #[tsify(type = "unknown")]
        statistics: Statistics,
    },
    /// The ranges are known.
    LearnStatistics,
    /// What comparing has found on a part of the pictures.
    CompareShare {
        /// For `learnComparisons`.
        rows: Vec<ComparedPicture>,
    },
    /// The comparisons are known.
    LearnComparisons,
    /// One picture in depth.
    Lens(Look),
    /// The raw scores of one picture: before any Softmax, as computed.
    Logits {
        /// `Float32Array`, row-major: the tensor that both networks were given.
        input: BufferRef,
        /// Its sizes, in the network's layout: `[1, C, H, W]`, or `[1, H, W, C]`.
        input_shape: Vec<usize>,
        /// `Float32Array`: full precision's score of each class.
        full: BufferRef,
        /// `Float32Array`: the quantized network's, as it runs; null before it is quantized.
        quantized: Option<BufferRef>,
    },
    /// Latency here and now.
    MeasureLatency {
        /// Of both networks.
        latency: LatencyView,
    },
    /// What every node takes here and now.
    Profile {
        /// Of both networks.
        profile: ProfileView,
    },
    /// What is wrong, and what helps.
    Diagnose {
        /// All that was found out.
        diagnosis: Box<DiagnosisView>,
    },
    /// The picture as the network sees it.
    Preview {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `Uint8Array`, RGBA.
        rgba: BufferRef,
    },
    /// The file.
    ExportModel {
        /// Suggested name.
        file_name: String,
        /// `Uint8Array`.
        onnx: BufferRef,
        /// Its size.
        size_bytes: usize,
        /// What reading it back showed.
        verified: ExportCheck,
    },
    /// What runs here.
    EngineInfo {
        /// Versions and instruction sets.
        info: EngineInfo,
    },
}

/// What the page is told while a job runs.
#[derive(Debug, Clone, Serialize, Tsify)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[tsify(missing_as_null)]
pub enum Event {
    /// How far it is.
    Progress {
        /// What is being done: "calibrating".
        phase: String,
        /// Units done.
        done: usize,
        /// Units in all.
        total: usize,
    },
    /// A picture was compared.
    PictureCompared {
        /// What it came to.
        comparison: PictureComparison,
    },
}

/// What one call of `step` came to.
#[derive(Debug, Clone, Serialize, Tsify)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[tsify(missing_as_null, hashmap_as_object)]
#[allow(clippy::large_enum_variant, reason = "one exists at a time, on its way to JavaScript")]
pub enum StepResult {
    /// There is more to do.
    Running {
        /// What happened meanwhile.
        events: Vec<Event>,
    },
    /// The job is done.
    Done {
        /// What happened meanwhile.
        events: Vec<Event>,
        /// The answer.
        response: Response,
    },
}

/// A typed array that waits to be fetched, once.
#[derive(Debug, Clone, Copy, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct BufferRef {
    /// What to ask for.
    pub id: u32,
    /// Elements.
    pub length: usize,
}

/// One picture in depth.
#[derive(Debug, Clone, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Look {
    /// Answers and correlations.
    pub lens: LensView,
    /// Both maps; null without a tensor with positions.
    pub map: Option<MapRef>,
}

/// Two maps on one scale.
#[derive(Debug, Clone, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct MapRef {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `Float32Array`, row-major, at least 0: full precision's.
    pub full: BufferRef,
    /// `Float32Array`: the quantized network's.
    pub quantized: BufferRef,
    /// Largest value of both.
    pub max: f32,
}

/// What reading an exported file back showed.
#[derive(Debug, Clone, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct ExportCheck {
    /// Whether the file gave the same logits, bit for bit.
    pub identical: bool,
    /// Pictures that were tried.
    pub pictures: usize,
    /// A sentence.
    pub note: String,
}

/// What runs here.
#[derive(Debug, Clone, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// Version of the crate.
    pub version: String,
    /// Instruction set in use.
    pub isa: String,
    /// Instruction sets of this build that run here.
    pub isas: Vec<String>,
    /// Threads that work on a layer.
    pub threads: usize,
    /// What the start-up probe of relaxed SIMD found, as a sentence.
    pub probe: String,
}
