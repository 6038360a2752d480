//! What is asked of a quantizer.

use serde::{Deserialize, Serialize};

/// How many scales a tensor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Granularity {
    /// One scale: shape `[]`.
    PerTensor,
    /// One scale per index of `axis`: shape `[shape[axis]]`.
    PerChannel {
        /// Axis of the channels.
        axis: usize,
    },
    /// One scale for every `size` elements along `axis`, the last group of a row being what is left:
    /// the tensor's shape with `⌈shape[axis] / size⌉` at `axis` (ONNX DequantizeLinear, `block_size`).
    PerGroup {
        /// Axis that is divided.
        axis: usize,
        /// Elements of a group, at least 1.
        size: usize,
    },
}

impl Granularity {
    /// Whether groups within a channel have scales of their own.
    pub const fn is_per_group(self) -> bool {
        matches!(self, Self::PerGroup { .. })
    }

    /// That of a bias, which is one number for each output channel: a scale for each as well, unless the
    /// weight has one for all.
    pub const fn of_bias(self) -> Self {
        match self {
            Self::PerTensor => Self::PerTensor,
            Self::PerChannel { .. } | Self::PerGroup { .. } => Self::PerChannel { axis: 0 },
        }
    }
}

/// What is asked: how many bits, which grid, how many scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub struct QuantSpec {
    /// Bits of a code: 2–8, or 16.
    pub bits: u8,
    /// Whether codes are signed integers.
    pub signed: bool,
    /// Whether the zero point is 0, so that a signed grid is symmetric about zero.
    pub symmetric: bool,
    /// Whether the most negative code is left out (`−127..=127`), so that the grid has as many
    /// levels below zero as above.
    pub narrow: bool,
    /// Whether scales are powers of two. Symmetric grids only.
    pub power_of_two: bool,
    /// How many scales.
    pub granularity: Granularity,
}

impl QuantSpec {
    /// Weights: signed, symmetric, narrow, one scale per output channel (docs/numerics.md).
    pub const fn weights(bits: u8, axis: usize) -> Self {
        let granularity = Granularity::PerChannel { axis };
        Self { bits, signed: true, symmetric: true, narrow: true, power_of_two: false, granularity }
    }

    /// Activations: unsigned, asymmetric, one scale.
    pub const fn activations(bits: u8) -> Self {
        let granularity = Granularity::PerTensor;
        Self { bits, signed: false, symmetric: false, narrow: false, power_of_two: false, granularity }
    }

    /// Activations of a grid that is symmetric where the smallest value is negative: signed and narrow
    /// there, unsigned with zero point 0 elsewhere.
    pub const fn symmetric_activations(bits: u8, is_negative: bool) -> Self {
        Self { signed: is_negative, symmetric: true, narrow: is_negative, ..Self::activations(bits) }
    }

    /// Smallest code.
    pub const fn qmin(&self) -> i32 {
        match (self.signed, self.narrow) {
            (false, _) => 0,
            (true, false) => -(1 << (self.bits - 1)),
            (true, true) => 1 - (1 << (self.bits - 1)),
        }
    }

    /// Largest code.
    pub const fn qmax(&self) -> i32 {
        if self.signed { (1 << (self.bits - 1)) - 1 } else { (1 << self.bits) - 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ranges_are_those_of_the_bits() {
        let weights = QuantSpec::weights(4, 0);
        assert_eq!((weights.qmin(), weights.qmax()), (-7, 7));
        let activations = QuantSpec::activations(8);
        assert_eq!((activations.qmin(), activations.qmax()), (0, 255));
        let full = QuantSpec { narrow: false, ..QuantSpec::weights(8, 0) };
        assert_eq!((full.qmin(), full.qmax()), (-128, 127));
        let wide = QuantSpec::activations(16);
        assert_eq!((wide.qmin(), wide.qmax()), (0, 65535));
        let signed = QuantSpec::symmetric_activations(8, true);
        assert_eq!((signed.qmin(), signed.qmax()), (-127, 127));
        let unsigned = QuantSpec::symmetric_activations(8, false);
        assert_eq!((unsigned.qmin(), unsigned.qmax()), (0, 255));
    }
}
