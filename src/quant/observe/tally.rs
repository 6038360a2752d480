//! The loop that every element of every watched tensor goes through.
//!
//! It is plain code that keeps a processor busy, measured at the optimization for size with which the
//! library is built: about as long again as finding the extremes alone.
//! - Bins by way of float64: `|x|/w + 2048` has the bin's number in its 11 uppermost bits after the first,
//!   and is exact to 2⁻⁴². Nothing below an integer is rounded up to it, since quotients from ½ on are
//!   multiples of 2⁻²⁴, and smaller ones are far from 1. A conversion to an integer, which in Rust
//!   saturates, takes longer.
//! - An increment waits for the one before it when that was of the same counter, as with all the zeros
//!   after a Relu. So each bin has four counters, which elements take in turns.

use super::Extremes;
use super::histogram::{BINS, Histogram, exponent_for};

/// Elements that are looked at together: few enough to be in the first-level cache the second time.
const BLOCK: usize = 2048;

/// Counters of a bin.
const TURNS: usize = 4;

/// Working memory of the loop: 96 KiB, whatever is counted.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Of positive values, then of negative ones.
    counters: Vec<[u32; TURNS]>,
    sums: Vec<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { counters: vec![[0; TURNS]; 2 * BINS], sums: vec![0; 2 * BINS] }
    }

    /// Extremes of some values (`None` of none), which are counted in the histogram on the way.
    /// Where one is NaN, both extremes are, and where one is not finite, the histogram is of no use.
    pub(super) fn take(&mut self, values: &[f32], into: Option<&mut Histogram>) -> Option<Extremes> {
        let mut seen = Scan::of(*values.first()?);
        match into {
            None => seen.scan(values),
            // Counters have 32 bits.
            Some(into) => values.chunks(1 << 31).for_each(|part| seen.join(&self.count(part, into))),
        }
        Some(seen.extremes())
    }

    fn count(&mut self, values: &[f32], into: &mut Histogram) -> Scan {
        // In all, and since the counters were empty.
        let (mut all, mut since) = (Scan::of(values[0]), None::<Scan>);
        for block in values.chunks(BLOCK) {
            let mut seen = Scan::of(block[0]);
            seen.scan(block);
            all.join(&seen);
            let largest = seen.largest();
            if !largest.is_finite() {
                continue;
            }
            if exponent_for(largest.to_bits()) > into.exponent() {
                self.empty(since.take(), into);
                into.widen(exponent_for(largest.to_bits()));
            }
            let per_bin = 1.0 / into.width();
            if seen.min < 0.0 {
                self.tally::<true>(block, per_bin);
            } else {
                self.tally::<false>(block, per_bin);
            }
            match &mut since {
                Some(since) => since.join(&seen),
                None => since = Some(seen),
            }
        }
        self.empty(since, into);
        all
    }

    fn tally<const SIGNED: bool>(&mut self, block: &[f32], per_bin: f64) {
        let bin = |x: f32| {
            let magnitude = (f64::from(x.abs()) * per_bin + BINS as f64).to_bits() >> (52 - BINS.ilog2());
            let magnitude = magnitude as usize % BINS;
            // −0 is a zero like the other.
            if SIGNED { magnitude + ((x + 0.0).to_bits() >> 31) as usize * BINS } else { magnitude }
        };
        // Of a length that is known, so that no index is checked.
        let Some(counters) = self.counters.first_chunk_mut::<{ 2 * BINS }>() else { return };
        let (turns, rest) = block.as_chunks::<TURNS>();
        for [a, b, c, d] in turns {
            counters[bin(*a)][0] += 1;
            counters[bin(*b)][1] += 1;
            counters[bin(*c)][2] += 1;
            counters[bin(*d)][3] += 1;
        }
        for x in rest {
            counters[bin(*x)][0] += 1;
        }
    }

    /// Adds what was counted to the histogram, and begins anew.
    fn empty(&mut self, seen: Option<Scan>, into: &mut Histogram) {
        let Some(seen) = seen else { return };
        let used = (f64::from(seen.largest()) / into.width()) as usize + 1;
        let sides = [seen.max > 0.0, seen.min < 0.0];
        for (sign, first) in [0, BINS].into_iter().enumerate() {
            // The first bin of positive values has the zeros.
            let used = if sides[sign] { used } else { 1 };
            let bins = first..first + used;
            for (sum, counters) in self.sums[bins.clone()].iter_mut().zip(&mut self.counters[bins]) {
                *sum = counters.iter().map(|&count| u64::from(count)).sum();
                *counters = [0; TURNS];
            }
        }
        let zeros = u64::from(seen.zeros);
        self.sums[0] -= zeros;
        let (positive, negative) = self.sums.split_at(BINS);
        into.add(zeros, [sides[0].then_some(&positive[..used]), sides[1].then_some(&negative[..used])]);
    }
}

/// What a first look finds.
#[derive(Debug, Clone, Copy)]
struct Scan {
    min: f32,
    max: f32,
    nan: bool,
    zeros: u32,
}

impl Scan {
    /// What begins with that value, which is yet to be looked at.
    fn of(value: f32) -> Self {
        Self { min: value, max: value, nan: false, zeros: 0 }
    }

    /// Two elements at a time, since a comparison waits for the one before it.
    fn scan(&mut self, values: &[f32]) {
        let Self { min, max, mut nan, mut zeros } = *self;
        let (mut min, mut max) = ([min; 2], [max; 2]);
        let (pairs, rest) = values.as_chunks::<2>();
        for [a, b] in pairs {
            nan |= a.is_nan() | b.is_nan();
            zeros += u32::from(*a == 0.0);
            zeros += u32::from(*b == 0.0);
            min[0] = if *a < min[0] { *a } else { min[0] };
            max[0] = if *a > max[0] { *a } else { max[0] };
            min[1] = if *b < min[1] { *b } else { min[1] };
            max[1] = if *b > max[1] { *b } else { max[1] };
        }
        *self = Self { min: min[0].min(min[1]), max: max[0].max(max[1]), nan, zeros };
        if let [x] = *rest {
            self.join(&Self { min: x, max: x, nan: x.is_nan(), zeros: u32::from(x == 0.0) });
        }
    }

    fn join(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.nan |= other.nan;
        self.zeros += other.zeros;
    }

    /// The largest magnitude; NaN where there is one.
    fn largest(&self) -> f32 {
        if self.nan { f32::NAN } else { self.max.max(-self.min).abs() }
    }

    fn extremes(&self) -> Extremes {
        if self.nan {
            return Extremes { min: f32::NAN, max: f32::NAN };
        }
        // −0 would depend on the order.
        Extremes { min: self.min + 0.0, max: self.max + 0.0 }
    }
}
