//! Rounding up or down, learned for all weights at once.
//!
//! AdaRound (Nagel, Amjad, van Baalen, Louizos, Blankevoort 2020, arXiv 2004.10568), section 3.3: each weight
//! lies between two codes, and how far it goes towards the upper one is a variable,
//!
//! ```text
//! ŵ = s·(⌊w/s⌋ + h(v))       h(v) = clamp(1.2·σ(v) − 0.1, 0, 1)       first h = w/s − ⌊w/s⌋
//! min E(ŵ − w) / ē + λ·Σ (1 − |2h − 1|^β)
//! ```
//!
//! found by Adam. The last term drives every `h` to 0 or 1; it is absent in the first fifth of the work, and
//! then `β` falls from 20, where only what is nearly decided feels it, to 2. In the end `h` is rounded.
//!
//! Three things are different here. The gradient of `E` is `2·(ŵ − w)·H`, so that no picture is looked at
//! again. `E` is divided by `ē`, what an error of one step costs a weight of this output on average, so that
//! `λ` and the rate mean the same in every layer. And `β` takes whole numbers, whose powers are products. The
//! paper takes ten thousand steps and more at a rate of 0.001; with the exact gradient, [`STEPS`] larger ones
//! leave about the error of GPTQ.

use super::curvature::Curvature;
use super::grid::RowGrid;
use crate::ops::{Isa, OpError, PackedMatrix};

/// Steps of Adam.
pub const STEPS: usize = 500;

/// Those of them without the term that decides.
const WARM_UP: usize = STEPS / 5;

/// Weight of the term that decides.
const DECISION: f32 = 1.0;

/// `β` when that term comes in, and in the end.
const EXPONENTS: [usize; 2] = [20, 2];

/// How far a step of Adam goes, at most about.
const RATE: f32 = 0.05;

/// Decay of Adam's means of gradients and of their squares (Kingma, Ba 2014, arXiv 1412.6980).
const DECAY: [f32; 2] = [0.9, 0.999];

/// `σ` is stretched, so that `h` reaches its ends.
const STRETCH: f32 = 1.2;
const SHIFT: f32 = -0.1;

/// One weight on its way.
#[derive(Debug, Clone, Copy)]
struct Choice {
    /// The code below it.
    lower: i32,
    /// What is lost with that code.
    below: f32,
    /// To the code above; 0 where there is none.
    gap: f32,
    /// `v`.
    variable: f32,
    /// Adam's means of the gradient and of its square.
    means: [f32; 2],
}

impl Choice {
    fn new(grid: RowGrid<'_>, at: usize, weight: f64) -> Self {
        let nearest = grid.nearest(at, weight);
        let lower = if grid.real(at, nearest) <= weight {
            nearest
        } else {
            grid.nearest(at, grid.real(at, nearest - 1))
        };
        let low = grid.real(at, lower);
        // Beyond the last code there is none.
        let gap = grid.real(at, grid.nearest(at, grid.real(at, lower + 1))) - low;
        let share = if gap > 0.0 { ((weight - low) / gap).clamp(0.0, 1.0) as f32 } else { 0.0 };
        let variable = -libm::logf(STRETCH / (share - SHIFT) - 1.0);
        Self { lower, below: (low - weight) as f32, gap: gap as f32, variable, means: [0.0; 2] }
    }

    /// `h`, and its slope.
    fn share(&self) -> (f32, f32) {
        let sigmoid = 1.0 / (1.0 + libm::expf(-self.variable));
        let stretched = STRETCH * sigmoid + SHIFT;
        let is_inside = 0.0 < stretched && stretched < 1.0;
        let slope = if is_inside { STRETCH * sigmoid * (1.0 - sigmoid) } else { 0.0 };
        (stretched.clamp(0.0, 1.0), slope)
    }

    fn code(&self) -> i32 {
        self.lower + i32::from(self.gap > 0.0 && self.share().0 >= 0.5)
    }
}

/// The weights of some outputs that share `H`, on their way.
#[derive(Debug)]
pub struct Learning {
    h: PackedMatrix,
    choices: Vec<Choice>,
    /// `1 / ē` of each output.
    scales: Vec<f32>,
    errors: Vec<f32>,
    /// `(ŵ − w)·H`.
    slopes: Vec<f32>,
    steps: usize,
}

impl Learning {
    /// Begins with the weights of outputs, one after the other, and the grid of all of them.
    ///
    /// # Errors
    /// [`OpError`] where the weights are not of that `H`.
    pub fn new(weights: &[f32], grid: RowGrid<'_>, h: &Curvature, isa: Isa) -> Result<Self, OpError> {
        let terms = h.terms();
        let each = weights.iter().enumerate();
        let choices: Vec<_> = each.map(|(at, &w)| Choice::new(grid, at, f64::from(w))).collect();
        let scale = |row: &[Choice]| {
            let costs = row.iter().enumerate();
            let costs =
                costs.map(|(at, choice)| h.diagonal(at) * f64::from(choice.gap) * f64::from(choice.gap));
            let mean = costs.sum::<f64>() / terms.max(1) as f64;
            if mean > 0.0 { (1.0 / mean) as f32 } else { 0.0 }
        };
        let scales = choices.chunks(terms.max(1)).map(scale).collect();
        let matrix: Vec<f32> = (0..terms).flat_map(|at| h.row(at)).map(|&v| v as f32).collect();
        let zeros = vec![0.0; weights.len()];
        let h = PackedMatrix::new(isa, &matrix, [terms, terms])?;
        Ok(Self { h, choices, scales, errors: zeros.clone(), slopes: zeros, steps: 0 })
    }

    /// Multiplications of a step, about.
    pub fn effort(&self) -> usize {
        self.choices.len().saturating_mul(self.h.columns())
    }

    /// One step of Adam; whether that was the last.
    ///
    /// # Errors
    /// As [`Learning::new`].
    pub fn step(&mut self) -> Result<bool, OpError> {
        let shares: Vec<_> = self.choices.iter().map(Choice::share).collect();
        for ((error, choice), (share, _)) in self.errors.iter_mut().zip(&self.choices).zip(&shares) {
            *error = choice.below + choice.gap * share;
        }
        self.h.multiply(&self.errors, &mut self.slopes)?;
        self.steps += 1;
        let adam = Adam::at(self.steps);
        let exponent = exponent(self.steps);
        let terms = self.h.columns().max(1);
        let rows = self.choices.chunks_mut(terms).zip(shares.chunks(terms)).zip(self.slopes.chunks(terms));
        for (((row, shares), slopes), scale) in rows.zip(&self.scales) {
            for ((choice, &(share, slope)), product) in row.iter_mut().zip(shares).zip(slopes) {
                let decision = exponent.map_or(0.0, |exponent| undecided_slope(share, exponent));
                let gradient = (2.0 * product * choice.gap * scale + DECISION * decision) * slope;
                adam.step(choice, gradient);
            }
        }
        Ok(self.steps >= STEPS)
    }

    /// The codes as far as they are known.
    pub fn codes(&self) -> impl Iterator<Item = i32> {
        self.choices.iter().map(Choice::code)
    }
}

/// `β` of a step; `None` while nothing is decided.
fn exponent(step: usize) -> Option<usize> {
    let [first, last] = EXPONENTS;
    let into = step.checked_sub(WARM_UP)?;
    Some(first - ((first - last) * into).div_ceil(STEPS - WARM_UP).min(first - last))
}

/// The slope of `1 − |2h − 1|^β`.
fn undecided_slope(share: f32, exponent: usize) -> f32 {
    let side = 2.0 * share - 1.0;
    let power = (1..exponent).fold(1.0, |power: f32, _| power * side.abs());
    -2.0 * exponent as f32 * power * side.signum()
}

/// A step of Adam.
#[derive(Debug, Clone, Copy)]
struct Adam {
    /// What makes up for means that begin with 0.
    corrections: [f32; 2],
}

impl Adam {
    fn at(step: usize) -> Self {
        Self { corrections: DECAY.map(|decay| 1.0 / (1.0 - libm::powf(decay, step as f32))) }
    }

    fn step(self, choice: &mut Choice, gradient: f32) {
        let [mean, square] = &mut choice.means;
        *mean = DECAY[0] * *mean + (1.0 - DECAY[0]) * gradient;
        *square = DECAY[1] * *square + (1.0 - DECAY[1]) * gradient * gradient;
        let [first, second] = self.corrections;
        choice.variable -= RATE * (*mean * first) / ((*square * second).sqrt() + 1e-8);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{curvature, errors_beside_the_best, grid, weights};
    use super::*;

    fn learned(weights: &[f32], grid: RowGrid<'_>, h: &Curvature) -> Vec<i32> {
        let mut learning = Learning::new(weights, grid, h, Isa::Portable).unwrap();
        while !learning.step().unwrap() {}
        // All are decided before they are rounded.
        let open = learning.choices.iter().filter(|choice| (0.01..0.99).contains(&choice.share().0)).count();
        assert!(open * 50 <= weights.len(), "{open} of {} are open", weights.len());
        learning.codes().collect()
    }

    #[test]
    fn it_begins_with_the_weights_themselves() {
        let (h, weights) = (curvature(24, 60, 1), weights(48, 2));
        let grid = grid(&weights, 3);
        let learning = Learning::new(&weights, grid.of(0..48), &h, Isa::Portable).unwrap();
        for choice in &learning.choices {
            let error = choice.below + choice.gap * choice.share().0;
            // Of f32: a few units of the last place of a gap.
            assert!(error.abs() <= 1e-5 * choice.gap, "{choice:?}: {error}");
        }
    }

    #[test]
    fn codes_are_one_of_the_two_around_a_weight() {
        let (h, weights) = (curvature(40, 60, 1), weights(120, 2));
        // A third of the range is clipped.
        let grid = grid(&weights.iter().map(|w| w / 3.0).collect::<Vec<_>>(), 3);
        let row = grid.of(0..120);
        for (at, (code, &w)) in learned(&weights, row, &h).into_iter().zip(&weights).enumerate() {
            let nearest = row.nearest(at, f64::from(w));
            assert!((code - nearest).abs() <= 1 && (-3..=3).contains(&code), "{w}: {code}, not {nearest}");
            let step = row.real(at, 1) - row.real(at, 0);
            let error = (row.real(at, code) - f64::from(w)).abs();
            assert!(error <= step || code == nearest, "{w}: {error} of {step}");
        }
    }

    #[test]
    fn the_slope_of_the_loss_is_that_of_differences() {
        for exponent in [2, 7, 20] {
            for share in [0.03_f32, 0.2, 0.45, 0.8, 0.97] {
                let loss = |h: f64| 1.0 - (2.0 * h - 1.0).abs().powi(exponent as i32);
                let found = f64::from(undecided_slope(share, exponent));
                let h = f64::from(share);
                let expected = (loss(h + 1e-6) - loss(h - 1e-6)) / 2e-6;
                assert!((found - expected).abs() <= 1e-4 * expected.abs() + 1e-6, "{exponent} {share}");
            }
        }
        let choice = Choice { lower: 0, below: 0.0, gap: 1.0, variable: 0.7, means: [0.0; 2] };
        let moved = |by: f32| Choice { variable: 0.7 + by, ..choice }.share().0;
        let expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
        assert!((choice.share().1 - expected).abs() < 1e-3, "{} {expected}", choice.share().1);
    }

    #[test]
    fn the_exponent_falls_from_the_first_to_the_last() {
        assert_eq!((exponent(WARM_UP - 1), exponent(WARM_UP), exponent(STEPS)), (None, Some(20), Some(2)));
        let all: Vec<_> = (WARM_UP..=STEPS).filter_map(exponent).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1] || pair[0] == pair[1] + 1));
    }

    #[test]
    fn the_error_is_near_that_of_the_best_codes() {
        let sums = errors_beside_the_best(3, learned);
        assert!(sums[1] < 1.4 * sums[0] && sums[1] < 0.7 * sums[2], "{sums:?}");
    }

    #[test]
    fn outputs_learn_by_themselves() {
        let (h, weights) = (curvature(20, 60, 1), weights(60, 2));
        let grid = grid(&weights, 3);
        let together = learned(&weights, grid.of(0..60), &h);
        let alone: Vec<i32> = (0..3)
            .flat_map(|row| {
                let own = row * 20..(row + 1) * 20;
                learned(&weights[own.clone()], grid.of(own), &h)
            })
            .collect();
        assert_eq!(together, alone);
    }
}
