//! Ranges of weights by what rounding does to the layer's output, instead of to the weights.
//!
//! ```text
//! argmin Σ E(ŵ − w)     over (1 − 0.02·i) · (lo, hi),  i = 0 … 40
//! ```
//!
//! with nearest codes `ŵ`, over the outputs that share the scale. A weight whose input is mostly zero may
//! be clipped, and makes place for finer steps of those that matter.

use super::curvature::Curvature;
use crate::kernels::reference::{dequantize, quantize};
use crate::quant::affine::AffineParams;
use crate::quant::{QuantParams, QuantSpec, Range};

/// Shares of a range that are tried.
pub const SHARES: usize = 41;

/// The share of that number.
pub fn share(range: Range, number: usize) -> Range {
    let of = |end: f32| (f64::from(end) * (1.0 - 0.02 * number as f64)) as f32;
    Range { lo: of(range.lo), hi: of(range.hi) }
}

/// `E` of the nearest codes of one output's weights when its grid covers each share of a range.
pub fn errors(weights: &[f32], whole: Range, spec: &QuantSpec, h: &Curvature) -> [f64; SHARES] {
    std::array::from_fn(|number| {
        let (scale, zero) = QuantParams::from_range(share(whole, number), spec);
        let Ok(params) = AffineParams::new(scale, zero, spec.qmin(), spec.qmax()) else {
            return f64::INFINITY;
        };
        let error = |&w: &f32| f64::from(dequantize(quantize(w, &params), &params)) - f64::from(w);
        let d: Vec<f64> = weights.iter().map(error).collect();
        h.error(&d)
    })
}

/// The share with the least error; of equal ones the widest.
pub fn best(errors: &[f64; SHARES]) -> usize {
    let least = errors.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    least.map_or(0, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{curvature, weights};
    use super::*;
    use ndarray::{Array1, Array2};

    fn whole(weights: &[f32]) -> Range {
        let most = weights.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
        Range { lo: -most, hi: most }
    }

    #[test]
    fn the_widest_share_is_the_whole_range() {
        let range = Range { lo: -0.3, hi: 1.7 };
        assert_eq!(share(range, 0), range);
        assert!((share(range, SHARES - 1).hi - 0.34).abs() < 1e-6);
    }

    #[test]
    fn a_large_weight_of_an_input_that_hardly_varies_is_clipped() {
        let mut weights = weights(40, 3);
        weights[7] = 30.0;
        let spec = QuantSpec::weights(4, 0);
        let plain = Array1::from_elem(40, 1.0);
        let mut quiet = plain.clone();
        quiet[7] = 1e-6;
        let range = |diagonal: &Array1<f64>| {
            let h = Curvature::of(Array2::from_diag(diagonal)).unwrap();
            share(whole(&weights), best(&errors(&weights, whole(&weights), &spec, &h))).hi
        };
        assert!(range(&plain) > 20.0 && range(&quiet) < 7.0, "{} {}", range(&plain), range(&quiet));
    }

    #[test]
    fn no_share_is_better_than_the_best() {
        let mut narrower = 0;
        for seed in 0..10 {
            let h = curvature(20, 40, seed);
            let weights = weights(20, seed + 50);
            let found = errors(&weights, whole(&weights), &QuantSpec::weights(3, 0), &h);
            let best = found[best(&found)];
            assert!(found.iter().all(|&error| error >= best), "{seed}");
            narrower += usize::from(best < found[0]);
        }
        assert!(narrower > 5, "{narrower}");
    }
}
