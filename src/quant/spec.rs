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
}

/// What is asked: how many bits, which grid, how many scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantSpec {
    /// Bits of a code, 2–8.
    pub bits: u8,
    /// Whether codes are signed integers.
    pub signed: bool,
    /// Whether the grid is symmetric about zero: the zero point is 0.
    pub symmetric: bool,
    /// Whether the most negative code is left out (`−127..=127`), so that the grid has as many
    /// levels below zero as above.
    pub narrow: bool,
    /// How many scales.
    pub granularity: Granularity,
}

impl QuantSpec {
    /// Weights: signed, symmetric, narrow, one scale per output channel (docs/numerics.md).
    pub const fn weights(bits: u8, axis: usize) -> Self {
        let granularity = Granularity::PerChannel { axis };
        Self { bits, signed: true, symmetric: true, narrow: true, granularity }
    }

    /// Activations: unsigned, asymmetric, one scale.
    pub const fn activations(bits: u8) -> Self {
        let granularity = Granularity::PerTensor;
        Self { bits, signed: false, symmetric: false, narrow: false, granularity }
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
    }
}
