//! What bits cost, layer by layer.

use crate::quant::Recipe;
use crate::quant::recipe::LayerKind;
use serde::Serialize;

views! {
    /// What quantizing something does to the answers, beside full precision's on the same pictures.
    #[derive(Copy)]
    pub struct Effect {
        /// Pictures.
        pub images: usize,
        /// Share with the same first answer, 0 to 1.
        pub agreement: f64,
        /// Mean Kullback–Leibler divergence of the probabilities in nats; null where one is no number.
        pub kl: f64,
        /// Mean squared difference of a logit.
        pub distortion: f64,
        /// Signal-to-quantization-noise ratio of the logits in dB; none where they are identical.
        pub sqnr_db: Option<f64>,
        /// Share of right answers among pictures with a label; none without labels.
        pub top1: Option<f64>,
    }

    /// Signal-to-quantization-noise ratios of a layer's output in dB; none where nothing was lost or
    /// nothing is quantized.
    #[derive(Copy)]
    pub struct LayerNoise {
        /// This layer alone quantized: its weight and what it reads.
        pub alone_db: Option<f64>,
        /// Its weight alone.
        pub weight_db: Option<f64>,
        /// What it reads alone.
        pub input_db: Option<f64>,
        /// All layers before it quantized too, as in the quantized network.
        pub accumulated_db: Option<f64>,
    }

    /// What one layer costs at a number of bits, all else in full precision.
    #[derive(Copy)]
    pub struct BitsEffect {
        /// Bits.
        pub bits: u8,
        /// What they do.
        pub effect: Effect,
    }

    /// How much quantizing a layer costs.
    pub struct LayerSensitivity {
        /// Name of its node.
        pub layer: String,
        /// What kind of layer it is.
        pub kind: LayerKind,
        /// Elements of its weight.
        pub weights: usize,
        /// Multiply-accumulates of one picture; 0 where sizes are not known.
        pub multiply_accumulates: u64,
        /// What becomes of its output.
        pub output: LayerNoise,
        /// This layer alone as the recipe has it; none where the recipe leaves it in full precision.
        pub alone: Option<Effect>,
        /// All layers up to this one as the recipe has them; none where that was not asked for.
        pub accumulated: Option<Effect>,
        /// Its weight alone with other numbers of bits, in the order asked for.
        pub weight_bits: Vec<BitsEffect>,
        /// What it reads alone with other numbers of bits.
        pub activation_bits: Vec<BitsEffect>,
    }

    /// What quantizing costs, layer by layer.
    pub struct SensitivityView {
        /// What was asked for.
        pub recipe: Recipe,
        /// Pictures that ranges come from.
        pub calibration_pictures: usize,
        /// The whole network by that recipe.
        pub whole: Effect,
        /// Layers that can be quantized, in order of execution.
        pub layers: Vec<LayerSensitivity>,
    }
}
