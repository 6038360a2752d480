//! Seeded numbers for tests.

/// A generator (SplitMix64): the same numbers on every machine.
pub(in crate::quant) struct Random(u64);

impl Random {
    pub(in crate::quant) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::quant) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, at most 1.
    pub(in crate::quant) fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 0 and deviation 1 (Box and Muller).
    pub(in crate::quant) fn gaussian(&mut self) -> f32 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        (radius * libm::cos(std::f64::consts::TAU * self.uniform())) as f32
    }

    pub(in crate::quant) fn gaussians(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.gaussian()).collect()
    }

    /// Of mean 0 and mean deviation 1.
    pub(in crate::quant) fn laplace(&mut self) -> f32 {
        let magnitude = -libm::log(self.uniform()) as f32;
        if self.bits() & 1 == 0 { magnitude } else { -magnitude }
    }
}
