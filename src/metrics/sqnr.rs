//! Signal to quantization noise ratio.
//!
//! ```text
//! SQNR_dB = 10 · log10( Σ y² / Σ (y − ŷ)² )
//! ```
//!
//! Both sums run over all values of all images before the ratio is taken; 6.02 dB are one bit.
//! Range: −∞ (no signal, only noise) to +∞ (no noise: equal outputs). Infinity is a result, not a failure;
//! JSON has no word for it, so who writes a report writes `null` and "equal".

/// The two sums, to be filled image by image.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sqnr {
    signal: f64,
    noise: f64,
    count: u64,
}

impl Sqnr {
    /// Adds one pair of outputs. Returns false, and adds nothing, when they differ in length or hold a value that is not finite.
    #[must_use]
    pub fn add(&mut self, reference: &[f32], quantized: &[f32]) -> bool {
        if !super::comparable_finite(reference, quantized) {
            return false;
        }
        for (&y, &y_hat) in reference.iter().zip(quantized) {
            let (y, error) = (f64::from(y), f64::from(y) - f64::from(y_hat));
            self.signal += y * y;
            self.noise += error * error;
        }
        self.count += reference.len() as u64;
        true
    }

    /// The ratio in dB; `+∞` without noise (also when both are zero throughout), `None` when nothing was added.
    pub fn db(&self) -> Option<f64> {
        (self.count > 0).then(|| decibels(self.signal, self.noise))
    }
}

/// `10 · log10(signal / noise)` of two sums of squares; `+∞` without noise.
pub fn decibels(signal: f64, noise: f64) -> f64 {
    if noise == 0.0 { f64::INFINITY } else { 10.0 * libm::log10(signal / noise) }
}

/// [`Sqnr`] of a single pair. `None` when empty, of unequal lengths, or not finite.
///
/// ```
/// use bitlens::metrics::sqnr_db;
/// let db = sqnr_db(&[3.0, 4.0], &[3.0, 4.5]).unwrap();
/// assert!((db - 20.0).abs() < 1e-12); // 10·log10(25 / 0.25)
/// assert_eq!(sqnr_db(&[1.0], &[1.0]), Some(f64::INFINITY));
/// ```
pub fn sqnr_db(reference: &[f32], quantized: &[f32]) -> Option<f64> {
    let mut sqnr = Sqnr::default();
    if sqnr.add(reference, quantized) { sqnr.db() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_images_before_the_ratio() {
        let mut sqnr = Sqnr::default();
        assert!(sqnr.add(&[10.0], &[9.0]));
        assert!(sqnr.add(&[0.0], &[1.0]));
        // 100 / 2, not the mean of 20 dB and −∞.
        assert_eq!(sqnr.db(), Some(10.0 * 50.0_f64.log10()));
    }

    #[test]
    fn equal_is_plus_infinity_and_pure_noise_minus_infinity() {
        assert_eq!(sqnr_db(&[0.0, 0.0], &[0.0, 0.0]), Some(f64::INFINITY));
        assert_eq!(sqnr_db(&[0.0], &[1.0]), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn undefined_input_has_no_value() {
        assert_eq!(sqnr_db(&[], &[]), None);
        assert_eq!(sqnr_db(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(sqnr_db(&[f32::NAN], &[1.0]), None);
        assert_eq!(sqnr_db(&[1.0], &[f32::INFINITY]), None);
        assert_eq!(Sqnr::default().db(), None);
    }

    #[test]
    fn one_bit_is_six_decibels() {
        let y: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let rounded = |step: f32| y.iter().map(|v| (v / step).round() * step).collect::<Vec<_>>();
        let gain = sqnr_db(&y, &rounded(1.0 / 256.0)).unwrap() - sqnr_db(&y, &rounded(1.0 / 128.0)).unwrap();
        // Rounding error is uniform: variance step²/12. Over 1000 values each estimate has a relative deviation of
        // √(0.8/1000) = 2.8 %, so 4 deviations of the difference are 4·√2·0.028·4.34 dB = 0.7 dB.
        assert!((gain - 6.0206).abs() < 0.7, "{gain}");
    }

    #[test]
    fn large_values_do_not_overflow() {
        let db = sqnr_db(&[f32::MAX, f32::MAX], &[f32::MAX, 0.0]).unwrap();
        assert!((db - 10.0 * 2.0_f64.log10()).abs() < 1e-12);
    }
}
