//! The choices that a recipe has by name.

use crate::tensor::DType;
use serde::{Deserialize, Serialize};

/// An enum whose variants have a name in recipes, a title, and a sentence that says what they do: its
/// documentation.
macro_rules! choices {
    ($(#[doc = $what:literal])+ $choice:ident {
        $($(#[$default:meta])? $name:literal $variant:ident $title:literal: $about:literal,)+
    }) => {
        $(#[doc = $what])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "web", derive(tsify::Tsify))]
        pub enum $choice {
            $(#[doc = $about] $(#[$default])? #[serde(rename = $name)] $variant,)+
        }

        impl $choice {
            /// All of them, in the order in which they are offered.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in recipes and on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it is called.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)+
                }
            }

            /// What it does, a sentence.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about,)+
                }
            }
        }
    };
}

choices! {
    /// A named set of choices to start from.
    Preset {
        #[default]
        "int8" Int8 "int8": "One scale per weight channel, one per activation; ranges from the smallest and largest values on your pictures.",
        "int8-corrected" Int8Corrected "int8-corrected": "As int8, with layers equalized, the rule for ranges chosen on held-out pictures, and biases corrected: the best of 8 bits without training.",
        "int8-per-tensor" Int8PerTensor "int8-per-tensor": "One scale for a whole weight, as some small devices want it: one channel of large weights costs all others their levels.",
        "w4a8" W4a8 "w4a8": "Weights of 4 bits, activations of 8; weights are rounded by what layers make of them on your pictures, and each channel is fitted again.",
        "w4a4" W4a4 "w4a4": "As w4a8, with activations of 4 bits in the ranges of least error; the first and the last layer keep 8.",
        "weight-only-4" WeightOnly4 "weight-only-4": "Weights of 4 bits in groups of 32, activations in full precision: a small file, and nothing to calibrate.",
        "fixed-point" FixedPoint "fixed-point": "All scales are powers of two, so that integers are rescaled by shifts.",
    }
}

choices! {
    /// Which real numbers the codes of a weight stand for (methods §0.1).
    WeightGrid {
        #[default]
        "symmetric" Symmetric "Symmetric": "As many levels below zero as above it; integers multiply the codes as they are.",
        "asymmetric" Asymmetric "Asymmetric": "From the smallest weight to the largest, with a zero point of its own.",
        "power-of-two" PowerOfTwo "Powers of two": "Symmetric, with scales that are powers of two, so that a shift replaces the multiplier.",
    }
}

choices! {
    /// How many scales a weight has (methods §0.2).
    WeightGranularity {
        "tensor" Tensor "One for all": "One scale for the whole weight, as small devices have it.",
        #[default]
        "channel" Channel "One per channel": "A scale for each output channel.",
        "group-16" Group16 "One per 16": "A scale for every 16 input channels of an output channel and a tap; the layer runs in float.",
        "group-32" Group32 "One per 32": "A scale for every 32 input channels of an output channel and a tap; the layer runs in float.",
        "group-64" Group64 "One per 64": "A scale for every 64 input channels of an output channel and a tap; the layer runs in float.",
        "group-128" Group128 "One per 128": "A scale for every 128 input channels of an output channel and a tap; the layer runs in float.",
    }
}

impl WeightGranularity {
    /// Input channels that share a scale, where they are counted.
    pub const fn group(self) -> Option<usize> {
        match self {
            Self::Tensor | Self::Channel => None,
            Self::Group16 => Some(16),
            Self::Group32 => Some(32),
            Self::Group64 => Some(64),
            Self::Group128 => Some(128),
        }
    }
}

choices! {
    /// Which real numbers the codes of an activation stand for (methods §0.1).
    ActivationGrid {
        #[default]
        "asymmetric" Asymmetric "Asymmetric": "From the smallest value to the largest, with a zero point of its own.",
        "symmetric" Symmetric "Symmetric": "As many levels below zero as above it, also where nothing is negative.",
        "symmetric-unsigned" SymmetricUnsigned "Symmetric or unsigned": "From zero where nothing is negative, symmetric elsewhere.",
        "power-of-two" PowerOfTwo "Powers of two": "Symmetric or unsigned, with scales that are powers of two, so that a shift replaces the multiplier.",
    }
}

choices! {
    /// How the range of an activation is chosen (methods §2). All but the last two are read from one look at the pictures.
    ActivationRange {
        #[default]
        "max" Max "Extremes": "From the smallest to the largest value on any picture: nothing is clipped.",
        "ema" Ema "Moving average": "The moving average of each picture's extremes.",
        "percentile" Percentile "99.99 %": "All but one in ten thousand values.",
        "mse" Mse "Least squared error": "The part of the range with the least squared rounding error.",
        "kl" Kl "Least divergence": "The threshold with the least divergence of distributions (KL).",
        "kl-tolerant" KlTolerant "Small divergence": "The largest threshold whose divergence is at most 1.3 times the least.",
        "aciq" Aciq "By formula": "The threshold that is best for a Gaussian or Laplace distribution (ACIQ).",
        "best" Best "Best for each": "For each tensor the rule with the least squared error.",
        "held-out" HeldOut "Best on held-out pictures": "The one of these rules that keeps answers nearest to full precision on pictures which its ranges were not found on.",
        "dynamic" Dynamic "While running": "The extremes of the tensor itself, anew for each picture: nothing to calibrate. Only what layers with weights read is quantized, with 8 bits; all between them runs in float.",
    }
}

choices! {
    /// How the range of a weight is chosen.
    WeightRange {
        #[default]
        "max" Max "Extremes": "From the smallest weight to the largest: nothing is clipped.",
        "mse" Mse "Least squared error": "The part of the range that makes the squared rounding error least.",
        "output" Output "Least error of the output": "The part of the range that makes the error of the layer's output least on your pictures; not for groups.",
    }
}

choices! {
    /// How the codes of weights are found (methods §3).
    RoundingChoice {
        #[default]
        "nearest" Nearest "Nearest": "Each weight gets the nearest code.",
        "gptq" Gptq "One after the other": "Weights are rounded one after the other, each making up for the errors of those before, by what the layer reads on your pictures (GPTQ).",
        "comq" Comq "Each beside the others": "Weights are rounded again and again, each to what is best beside all others, by what the layer reads on your pictures; then the scales are fitted (COMQ).",
        "adaround" AdaRound "Learned": "For each weight it is learned whether to round up or down, for all weights of a layer at once, by what the layer reads on your pictures (AdaRound): the slowest.",
        "hqq" Hqq "By the weights alone": "Scales and zero points for which most weights are met well and a few may be missed, without pictures (HQQ).",
    }
}

choices! {
    /// How each layer makes up for what quantizing changes of its channels (methods §1.3, §3).
    BiasChoice {
        #[default]
        "none" None "Not at all": "Biases are rounded and nothing else.",
        "empirical" Empirical "Means": "Each layer's bias takes back the shift of its mean that is measured on your pictures, layer after layer.",
        "analytic" Analytic "Means, foreseen": "Each layer's bias takes back the shift that rounding its weights causes, reckoned from the mean and deviation of what it reads: quick, and blind to activations.",
        "deviations" Deviations "Means and deviations": "Each channel gets its mean and deviation back, through its bias and its weights' scale, layer after layer: as if the statistics of BatchNormalization were tuned anew.",
        "least-squares" LeastSquares "Nearest values": "Each channel gets the factor and the shift with which its values are nearest to full precision, layer after layer; a channel that rounding left noise of shrinks.",
    }
}

choices! {
    /// What first and last layers keep: what they lose is lost for all others.
    Ends {
        #[default]
        "same" Same "As the others": "The first and the last layer have the bits of the others.",
        "eight" Eight "At least 8 bits": "The first and the last layer have at least 8 bits.",
        "float" Float "Full precision": "The first and the last layer are not quantized.",
    }
}

choices! {
    /// A kind of layer.
    LayerKind {
        #[default]
        "conv" Conv "Convolutions": "Convolutions that mix channels over a window.",
        "pointwise" Pointwise "1×1 convolutions": "Convolutions that mix channels at one place.",
        "depthwise" Depthwise "Depthwise convolutions": "Convolutions of each channel by itself.",
        "dense" Dense "Matrix products": "Layers that connect everything with everything.",
    }
}

choices! {
    /// How weights are kept in the file.
    Storage {
        #[default]
        "int8" Int8 "A byte each": "Every code takes a byte, which every runtime reads.",
        "packed" Packed "Packed": "Codes of 4 bits and fewer are packed (ONNX int4 and int2, opset 21 and 25): the file shrinks, and newer runtimes read it.",
    }
}

impl Storage {
    /// The type in which signed codes of that many bits are held.
    pub const fn held(self, bits: u8) -> DType {
        match (self, bits) {
            (Self::Int8, _) | (_, 5..) => DType::I8,
            (Self::Packed, 3..) => DType::I4,
            (Self::Packed, _) => DType::I2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_recipes_are_those_said() {
        for grid in WeightGrid::ALL {
            assert_eq!(serde_json::to_value(grid).unwrap(), grid.name());
        }
        for granularity in WeightGranularity::ALL {
            let digits = granularity.name().strip_prefix("group-").map(|n| n.parse().unwrap());
            assert_eq!(granularity.group(), digits);
        }
    }
}
