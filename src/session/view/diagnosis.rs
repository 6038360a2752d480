//! What is wrong with a quantized network, and what to do.

use super::{Effect, LayerSensitivity};
use crate::data::Preprocess;
use crate::quant::Recipe;
use serde::Serialize;

views! {
    /// A number that a finding rests on.
    pub struct Evidence {
        /// What it is.
        pub name: &'static str,
        /// How much.
        pub value: f64,
    }

    /// What full precision says of the pictures when they are prepared in some way.
    #[derive(Copy)]
    pub struct InputEffect {
        /// Pictures.
        pub images: usize,
        /// Share of right answers; none without labels.
        pub top1: Option<f64>,
        /// Mean probability of the first answer.
        pub confidence: f64,
        /// Different first answers.
        pub answers: usize,
        /// How much an answer says about its picture, in nats: the mean logarithm of the probability of what is
        /// right where labels say it, otherwise of how much more probable the first answer stays on the picture
        /// moved by a few pixels than on any picture.
        pub information: f64,
    }

    /// Something that is wrong.
    pub struct Finding {
        /// What.
        pub cause: Cause,
        /// The layer in which it does harm; none where it is the whole network.
        pub layer: Option<String>,
        /// The layer that makes what this one reads badly, where that is the matter.
        pub origin: Option<String>,
        /// What was found, a sentence or two with numbers.
        pub message: String,
        /// The numbers.
        pub evidence: Vec<Evidence>,
        /// What helps most of all that was tried; none where nothing did.
        pub remedy: Option<Remedy>,
    }

    /// What helps, measured.
    pub struct Remedy {
        /// What is done.
        pub title: String,
        /// The change, with what it brings.
        pub change: Change,
    }

    /// All remedies that help together.
    pub struct Suggestion {
        /// What is done, in the order in which it was tried.
        pub titles: Vec<String>,
        /// The recipe.
        pub recipe: Recipe,
        /// What it does.
        pub after: Effect,
        /// Bytes of the ONNX file.
        pub size_bytes: usize,
    }

    /// What was found out about a quantized network.
    pub struct DiagnosisView {
        /// What was asked for.
        pub recipe: Recipe,
        /// Whether there is nothing to repair.
        pub healthy: bool,
        /// All of it in a sentence or two.
        pub summary: String,
        /// What full precision says of the pictures.
        pub input: InputEffect,
        /// The quantized network as it runs.
        pub before: Effect,
        /// Weights rounded to nearest, activations in full precision; without corrections that come after
        /// rounding.
        pub weights_only: Effect,
        /// Activations quantized, weights in full precision; without those corrections, too.
        pub activations_only: Effect,
        /// Bytes of the ONNX file.
        pub size_bytes: usize,
        /// What is wrong, the worst first.
        pub findings: Vec<Finding>,
        /// The remedies of recipes together; none where none helps.
        pub suggestion: Option<Suggestion>,
        /// Every layer, alone and accumulated; none where pictures are prepared wrongly.
        pub layers: Vec<LayerSensitivity>,
    }
}

/// A change that helps.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "web", derive(tsify::Tsify), tsify(missing_as_null))]
pub enum Change {
    /// Of the recipe.
    Recipe {
        /// The recipe then.
        recipe: Box<Recipe>,
        /// Without it.
        before: Effect,
        /// With it, on the same pictures.
        after: Effect,
        /// Bytes of the ONNX file with it.
        size_bytes: usize,
    },
    /// Of how pictures are prepared.
    Preprocess {
        /// The preprocessing then.
        #[cfg_attr(feature = "web", tsify(type = "Preprocess"))]
        preprocess: Box<Preprocess>,
        /// Full precision without it.
        before: InputEffect,
        /// Full precision with it, on the same pictures.
        after: InputEffect,
    },
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub enum Cause {
    /// Red and blue are exchanged.
    ChannelOrder,
    /// Pixels come in another range than the network was trained with.
    InputRange,
    /// Full precision gives every picture the same answer.
    ConstantAnswers,
    /// Full precision hardly prefers any answer.
    Undecided,
    /// One channel's weights are so large that the one scale of the weight leaves the others few levels.
    WeightChannelDominates,
    /// As that, in a depthwise convolution, whose channels have nothing to do with each other.
    DepthwiseOneScale,
    /// The weight has few levels.
    FewWeightLevels,
    /// One channel's values are so large that the others have few levels.
    ActivationChannelDominates,
    /// Rare values are so large that all others have few levels.
    ActivationOutlier,
    /// Tensors of unlike ranges share a scale, because an operator only moves their values.
    UnlikeScales,
    /// The activation has few levels.
    FewActivationLevels,
    /// One layer loses most, and neither its weight nor what it reads looks unusual.
    Unexplained,
    /// No layer stands out: small errors of many add up.
    ErrorsAddUp,
}
