//! Range estimators: from what calibration remembers of a tensor to the range that its codes cover.
//!
//! A range that leaves out rare large values makes the steps between codes smaller for all others; how
//! much to leave out is what estimators differ in. All are pure functions of [`Observed`], so switching
//! between them needs no new calibration. An [`Estimator`] that needs a histogram takes the whole range
//! where there is none.
//!
//! | name | range | source |
//! |---|---|---|
//! | `max` | all that was seen | |
//! | `ema` | moving average of the pictures' extremes | Jacob et al. 2018, arXiv 1712.05877, §3.1 |
//! | `percentile` | all but the outermost values | McKinstry et al. 2018, arXiv 1809.04191 |
//! | `mse` | least error of rounding and clipping, by search | |
//! | `kl` | least divergence of the rounded distribution | Migacz 2017, 8-bit inference with TensorRT |
//! | `aciq` | least expected error of a Gaussian or Laplace distribution | Banner et al. 2019, arXiv 1810.05723 |
//!
//! Ranges of constants, whose values are all known, are in [`weights`]; [`lowest_mse`] chooses among
//! estimators for each tensor.

mod aciq;
mod choose;
mod ema;
mod grid;
mod kl;
mod max;
mod mse;
mod percentile;
pub mod weights;

pub use aciq::{gaussian_clip, laplace_clip};
pub use choose::{GUIDELINE, lowest_mse};
pub use grid::expected_error;

use super::{QuantSpec, Range, observe::Observed};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A rule that chooses the range of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Estimator {
    /// From the smallest to the largest element seen.
    #[default]
    Max,
    /// The moving average of each picture's extremes, in the order of the pictures.
    Ema {
        /// Weight of a new picture, above 0 and at most 1.
        #[serde(default = "Estimator::default_decay")]
        decay: f64,
    },
    /// All but the outermost values.
    Percentile {
        /// Percent of the values that the range keeps, above 50 and at most 100.
        #[serde(default = "Estimator::default_percent")]
        percent: f64,
    },
    /// The shrunk range with the least `Σ |x − x̂|^power`.
    Mse {
        /// Power of an error, 1 to 4: 2, or 2.4 to weigh clipping more.
        #[serde(default = "Estimator::default_power")]
        power: f64,
    },
    /// The threshold with the least divergence between the values' distribution and the rounded one.
    Kl {
        /// The largest threshold is taken whose divergence is at most this many times the least: 1 for
        /// the least itself, up to 10.
        #[serde(default = "Estimator::default_tolerance")]
        tolerance: f64,
    },
    /// The threshold with the least expected squared error of a Gaussian or a Laplace distribution,
    /// whichever fits better.
    Aciq,
}

/// A parameter of an estimator is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("the {parameter} of the estimator `{estimator}` is {got}, but must be {expected}")]
pub struct EstimatorError {
    /// Name of the estimator.
    pub estimator: &'static str,
    /// Name of the parameter.
    pub parameter: &'static str,
    /// Its value.
    pub got: f64,
    /// Which values are possible.
    pub expected: &'static str,
}

impl Estimator {
    /// Every estimator with the parameters that it has unless others are asked for.
    pub const ALL: &'static [Self] = &[
        Self::Max,
        Self::Ema { decay: Self::default_decay() },
        Self::Percentile { percent: Self::default_percent() },
        Self::Mse { power: Self::default_power() },
        Self::Kl { tolerance: Self::default_tolerance() },
        Self::Aciq,
    ];

    const fn default_decay() -> f64 {
        0.1
    }

    const fn default_percent() -> f64 {
        99.99
    }

    const fn default_power() -> f64 {
        2.0
    }

    const fn default_tolerance() -> f64 {
        1.0
    }

    /// The name used in recipes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Ema { .. } => "ema",
            Self::Percentile { .. } => "percentile",
            Self::Mse { .. } => "mse",
            Self::Kl { .. } => "kl",
            Self::Aciq => "aciq",
        }
    }

    /// Checks the parameter.
    ///
    /// # Errors
    /// [`EstimatorError`] when it is out of range or NaN.
    pub fn check(&self) -> Result<(), EstimatorError> {
        let (parameter, got, possible, expected) = match *self {
            Self::Max | Self::Aciq => return Ok(()),
            Self::Ema { decay } => ("decay", decay, decay > 0.0 && decay <= 1.0, "above 0 and at most 1"),
            Self::Percentile { percent } => {
                ("percent", percent, percent > 50.0 && percent <= 100.0, "above 50 and at most 100")
            }
            Self::Mse { power } => ("power", power, (1.0..=4.0).contains(&power), "1 to 4"),
            Self::Kl { tolerance } => ("tolerance", tolerance, (1.0..=10.0).contains(&tolerance), "1 to 10"),
        };
        if possible {
            Ok(())
        } else {
            Err(EstimatorError { estimator: self.name(), parameter, got, expected })
        }
    }

    /// The range that the codes of the tensor are to cover. It contains zero, is finite where what was
    /// seen is, and lies within the whole range.
    pub fn range(&self, seen: &Observed, spec: &QuantSpec) -> Range {
        let whole = max::range(seen);
        if seen.bins().next().is_none() && !matches!(self, Self::Ema { .. }) {
            return whole; // nothing but zeros, or no histogram
        }
        let range = match *self {
            Self::Max => return whole,
            Self::Ema { decay } => ema::range(seen, decay),
            Self::Percentile { percent } => percentile::range(seen, spec, percent),
            Self::Mse { power } => mse::range(seen, spec, power),
            Self::Kl { tolerance } => kl::range(seen, spec, tolerance),
            Self::Aciq => aciq::range(seen, spec),
        };
        // What is no number gives way: `max` and `min` take the other.
        Range::containing_zero(range.lo.max(whole.lo), range.hi.min(whole.hi))
    }
}

/// The sides of zero on which values were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sides {
    Both,
    Above,
    Below,
}

impl Sides {
    fn of(seen: &Observed) -> Self {
        match (seen.range().lo < 0.0, seen.range().hi > 0.0) {
            (true, true) => Self::Both,
            (true, false) => Self::Below,
            _ => Self::Above,
        }
    }
}

/// Whether all codes of a grid are on the side where the values are. A grid that is symmetric and signed
/// has as many on the other.
fn uses_all_codes(seen: &Observed, spec: &QuantSpec) -> bool {
    let both = spec.signed && spec.symmetric;
    Sides::of(seen) != Sides::Both && !both
}

/// A range cut to magnitudes up to a threshold.
fn cut(range: Range, threshold: f64) -> Range {
    Range { lo: range.lo.max(-threshold as f32), hi: range.hi.min(threshold as f32) }
}

#[cfg(test)]
mod tests;
