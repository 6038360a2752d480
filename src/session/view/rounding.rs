//! What became of weights that were not simply rounded to the nearest codes.

use crate::quant::recipe::RoundingChoice;
use crate::quant::round::{Rounded, RoundedLayer};
use serde::Serialize;

views! {
    /// How a weight was rounded in the end. Errors are shares of what losing the weight would be: of the
    /// layer's output, or for `hqq`, which sees no output, of the weights to the power of 0.7.
    pub struct RoundingView {
        /// Name of the layer's node.
        pub layer: String,
        /// How its codes were found.
        pub rounding: RoundingChoice,
        /// Error of nearest codes; none where it was not measured.
        pub nearest: Option<f64>,
        /// Error of what was accepted, at most that.
        pub accepted: Option<f64>,
        /// Why nearest codes were kept, where others were asked for.
        pub note: Option<String>,
    }
}

impl From<&RoundedLayer> for RoundingView {
    fn from(layer: &RoundedLayer) -> Self {
        let Rounded { rounding, nearest, accepted, note } = layer.rounded.clone();
        Self { layer: layer.layer.clone(), rounding, nearest, accepted, note }
    }
}
