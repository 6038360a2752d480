//! Distance between the answers of two classifiers: softmax and the Kullback–Leibler divergence, from logits.
//!
//! ```text
//! log p_i = y_i − m − ln Σ_j exp(y_j − m),  m = max y
//! KL(p ‖ p̂) = Σ p_i (log p_i − log p̂_i)   in nats, ≥ 0
//! ```
//!
//! Subtracting the maximum keeps every exponential within 0..1, so no finite logits overflow. A logit of −∞ is
//! probability 0. Temperature is 1.

/// `log softmax(logits)`, in nats. `None` when empty, or when a logit is NaN or +∞, or all are −∞.
pub fn log_softmax(logits: &[f32]) -> Option<Vec<f64>> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if logits.iter().any(|v| v.is_nan()) || !max.is_finite() {
        return None;
    }
    let shifted = logits.iter().map(|&y| f64::from(y) - f64::from(max));
    let log_sum = libm::log(shifted.clone().map(libm::exp).sum());
    Some(shifted.map(|y| y - log_sum).collect())
}

/// `softmax(logits)`; sums to 1. Undefined where [`log_softmax`] is.
///
/// ```
/// use bitlens::metrics::softmax;
/// assert_eq!(softmax(&[1000.0, 1000.0]), Some(vec![0.5, 0.5]));
/// ```
pub fn softmax(logits: &[f32]) -> Option<Vec<f64>> {
    Some(log_softmax(logits)?.into_iter().map(libm::exp).collect())
}

/// `KL(softmax(reference) ‖ softmax(quantized))` in nats: 0 for equal answers, +∞ when `quantized` rules out a class that `reference` allows.
///
/// `None` for unequal lengths and where [`log_softmax`] is undefined. A sum that rounding makes negative is returned as 0.
pub fn kl_divergence(reference: &[f32], quantized: &[f32]) -> Option<f64> {
    if reference.len() != quantized.len() {
        return None;
    }
    let (log_p, log_q) = (log_softmax(reference)?, log_softmax(quantized)?);
    let terms = log_p.iter().zip(&log_q).map(|(&log_p, &log_q)| {
        let p = libm::exp(log_p);
        // 0 · log 0 is 0, the limit.
        if p == 0.0 { 0.0 } else { p * (log_p - log_q) }
    });
    Some(terms.sum::<f64>().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_is_the_textbook_formula_where_that_does_not_overflow() {
        let logits = [0.5_f32, -1.0, 2.0, 0.0];
        let total: f64 = logits.iter().map(|&v| f64::from(v).exp()).sum();
        for (got, &y) in softmax(&logits).unwrap().iter().zip(&logits) {
            assert!((got - f64::from(y).exp() / total).abs() < 1e-15);
        }
    }

    #[test]
    fn kl_of_a_hand_example() {
        // p = (3/4, 1/4), q = (1/2, 1/2): ¾ ln 1.5 + ¼ ln 0.5.
        let kl = kl_divergence(&[3.0_f32.ln(), 0.0], &[0.0, 0.0]).unwrap();
        assert!((kl - (0.75 * 1.5_f64.ln() + 0.25 * 0.5_f64.ln())).abs() < 1e-7, "{kl}");
    }

    #[test]
    fn kl_is_zero_for_equal_answers_and_not_symmetric() {
        assert_eq!(kl_divergence(&[1.0, 2.0], &[1.0, 2.0]), Some(0.0));
        // Softmax does not see a common offset.
        assert!(kl_divergence(&[1.0, 2.0], &[11.0, 12.0]).unwrap() < 1e-15);
        let (a, b) = ([3.0, 0.0, 0.0], [0.0, 1.0, 0.0]);
        assert!((kl_divergence(&a, &b).unwrap() - kl_divergence(&b, &a).unwrap()).abs() > 0.1);
    }

    #[test]
    fn an_excluded_class_costs_nothing_or_everything() {
        let excluded = [0.0, f32::NEG_INFINITY];
        assert!((kl_divergence(&excluded, &[0.0, 0.0]).unwrap() - 2.0_f64.ln()).abs() < 1e-15);
        assert_eq!(kl_divergence(&[0.0, 0.0], &excluded), Some(f64::INFINITY));
        assert_eq!(kl_divergence(&excluded, &excluded), Some(0.0));
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let p = softmax(&[f32::MAX, 0.0, f32::MIN]).unwrap();
        assert_eq!(p, vec![1.0, 0.0, 0.0]);
        assert!(kl_divergence(&[1e30, 0.0], &[0.0, 1e30]).unwrap() > 1e29);
    }

    #[test]
    fn undefined_input_has_no_value() {
        for logits in [&[][..], &[f32::NAN, 0.0], &[f32::INFINITY, 0.0], &[f32::NEG_INFINITY; 2]] {
            assert_eq!(softmax(logits), None, "{logits:?}");
        }
        assert_eq!(kl_divergence(&[0.0], &[0.0, 0.0]), None);
    }
}
