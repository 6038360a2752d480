//! How long things take, here and now.

use super::RunPath;
use serde::Serialize;

views! {
    /// Times of one picture.
    pub struct Times {
        /// Median in milliseconds.
        pub median_ms: f64,
        /// Minimum in milliseconds.
        pub min_ms: f64,
    }

    /// Times of one picture on the quantized network.
    pub struct QuantizedTimes {
        /// Median in milliseconds.
        pub median_ms: f64,
        /// Minimum in milliseconds.
        pub min_ms: f64,
        /// What ran.
        pub path: RunPath,
    }

    /// Latency here and now.
    pub struct LatencyView {
        /// Full precision.
        pub full: Times,
        /// Quantized.
        pub quantized: QuantizedTimes,
        /// Samples of each: single runs, or means of as many as fill 10 ms.
        pub runs: usize,
        /// Instruction set that ran.
        pub isa: String,
    }

    /// What one node takes.
    pub struct NodeTime {
        /// Milliseconds.
        pub ms: f64,
        /// Its operator; one on codes is named with `bitlens.` in front. Of nodes that run as one all of
        /// them, with ` + ` between.
        pub op: String,
        /// Name of the kernel that ran, where the operator has a choice.
        pub kernel: Option<String>,
    }

    /// What a node takes in both networks.
    pub struct NodeTimes {
        /// Name of the node, or of those that run as one, with ` + ` between.
        pub name: String,
        /// Shape of what it makes, as text.
        pub shape: String,
        /// In full precision; none where only the quantized network has it.
        pub full: Option<NodeTime>,
        /// In the quantized network; none where another node does it as well.
        pub quantized: Option<NodeTime>,
    }

    /// What every node takes, here and now.
    pub struct ProfileView {
        /// In the order in which they run.
        pub nodes: Vec<NodeTimes>,
        /// Milliseconds of full precision as a whole, measured in the same runs.
        pub full_ms: f64,
        /// Milliseconds of the quantized network.
        pub quantized_ms: f64,
        /// What ran in the quantized network.
        pub path: RunPath,
        /// Runs of each that the times are means of: the faster half of all.
        pub runs: usize,
        /// Instruction set that ran.
        pub isa: String,
    }
}
