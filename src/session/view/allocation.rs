//! Which layer gets how many bits.

use super::{Effect, SensitivityView};
use crate::quant::Recipe;
use serde::Serialize;

views! {
    /// The bits of a layer.
    pub struct AllocatedLayer {
        /// Name of its node.
        pub layer: String,
        /// Bits of its weight; 32 in full precision.
        pub weight_bits: u8,
        /// Bits of what it reads; 32 in full precision.
        pub activation_bits: u8,
        /// What it costs, in the budget's unit.
        pub cost: u64,
        /// What it loses alone: divergence in nats.
        pub kl: f64,
    }

    /// A recipe under a budget.
    pub struct Allocated {
        /// The recipe.
        pub recipe: Recipe,
        /// What it costs, in the budget's unit, as the network is quantized.
        pub cost: u64,
        /// Sum of what layers lose alone, in nats.
        pub predicted_kl: f64,
        /// What it does to the answers.
        pub measured: Effect,
        /// Bytes of the ONNX file.
        pub size_bytes: usize,
    }

    /// Bits for each layer under a budget.
    pub struct AllocationView {
        /// What the budget counts: `bytes` of weights or `bops`, products times bits of both factors.
        pub unit: &'static str,
        /// The budget.
        pub budget: u64,
        /// How bits were chosen.
        pub method: &'static str,
        /// Layers in order of execution.
        pub layers: Vec<AllocatedLayer>,
        /// What was chosen.
        pub chosen: Allocated,
        /// The same bits in every layer, as many as the budget allows; none where it allows none.
        pub uniform: Option<Allocated>,
        /// What it was decided by.
        pub sensitivity: SensitivityView,
    }
}
