//! How the rule for ranges of activations was chosen.

use crate::quant::recipe::ActivationRange;
use serde::Serialize;

views! {
    /// The rule for ranges that was chosen by measuring.
    pub struct RangeChoiceView {
        /// The rule.
        pub rule: ActivationRange,
        /// All rules, in the order in which they are offered.
        pub tried: Vec<TriedRangeView>,
        /// Number of pictures that they were measured on.
        pub pictures: usize,
        /// Whether there were too few pictures to hold any out: ranges were found on the same ones.
        pub all_seen: bool,
    }

    /// What a rule for ranges came to.
    pub struct TriedRangeView {
        /// The rule.
        pub rule: ActivationRange,
        /// Mean divergence from full precision, in nats.
        pub kl: f64,
    }
}
