//! All but the outermost values (McKinstry et al. 2018, arXiv 1809.04191; onnxruntime's `Percentile`).
//!
//! With values on both sides of zero half of what is left out is left out at each end; with values on one
//! side, all of it at that end; a symmetric grid leaves out the largest magnitudes. Within a bin values
//! count as evenly spread, so a threshold is within a bin's width of the exact one.

use super::{Sides, cut};
use crate::quant::observe::{Bin, Histogram, Observed};
use crate::quant::{QuantSpec, Range};

pub(super) fn range(seen: &Observed, spec: &QuantSpec, percent: f64) -> Range {
    let total = seen.histogram().map_or(0, Histogram::total);
    let outside = (1.0 - percent / 100.0) * total as f64;
    let whole = seen.range();
    match Sides::of(seen) {
        Sides::Both if spec.symmetric => {
            let mut bins: Vec<Bin> = seen.bins().map(magnitude).collect();
            bins.sort_by(|a, b| b.hi.total_cmp(&a.hi));
            cut(whole, quantile(bins, outside))
        }
        Sides::Both => {
            let lo = -quantile(seen.bins().map(mirrored), 0.5 * outside) as f32;
            Range { lo, hi: quantile(seen.bins().rev(), 0.5 * outside) as f32 }
        }
        Sides::Above => cut(whole, quantile(seen.bins().rev(), outside)),
        Sides::Below => cut(whole, quantile(seen.bins().map(mirrored), outside)),
    }
}

fn mirrored(bin: Bin) -> Bin {
    Bin { lo: -bin.hi, hi: -bin.lo, count: bin.count }
}

fn magnitude(bin: Bin) -> Bin {
    if bin.lo < 0.0 { mirrored(bin) } else { bin }
}

/// The number beyond which so many values lie; zero where so many are not above it. Bins come from the
/// largest on; those of magnitudes of both signs may overlap.
fn quantile(bins: impl IntoIterator<Item = Bin>, mut outside: f64) -> f64 {
    for bin in bins {
        if bin.hi <= 0.0 {
            break;
        }
        let count = bin.count as f64;
        if outside <= count {
            return bin.hi - outside / count * (bin.hi - bin.lo);
        }
        outside -= count;
    }
    0.0
}
