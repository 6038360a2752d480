//! Bit allocation: which layer gets how many bits under a budget (methods §5).
//!
//! The model is additive: a layer `l` at a choice `b` of bits costs `cost_l(b)` (bits of its weights, or
//! bit-operations) and loses `Ω_l(b)` (measured, one layer at a time); the sum of losses is to be least while
//! the sum of costs stays within the budget. Three ways, from the roughest to the surest:
//!
//! - [`greedy`]: from the cheapest, again and again the change that wins most loss for its cost;
//! - [`lagrangian`]: each layer takes `argmin Ω_l(b) + λ·cost_l(b)`, with the least λ that fits, found by
//!   bisection; what is left of the budget is spent as `greedy` does;
//! - [`exact`]: dynamic programming over all combinations that no other beats in cost and loss at once.
//!
//! For any budget `exact` loses no more than `lagrangian`, and that no more than any uniform choice that
//! fits. Whether losses of layers add up in truth is not known here: whoever uses the result measures it.

mod exact;
mod greedy;
mod lagrangian;

pub use exact::{MOST_STATES, exact};
pub use greedy::greedy;
pub use lagrangian::lagrangian;

use thiserror::Error;

/// One way to quantize a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// What it costs, in the budget's unit.
    pub cost: u64,
    /// What it loses, in any unit that adds up; infinity and NaN count as more than any other.
    pub loss: f64,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// Of each layer the number of its choice.
    pub choices: Vec<usize>,
    /// Sum of their costs.
    pub cost: u64,
    /// Sum of their losses.
    pub loss: f64,
}

/// What is wrong with a question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AllocationError {
    /// A layer can be nothing.
    #[error("layer {layer} has no choice of bits")]
    NoChoice {
        /// Its number.
        layer: usize,
    },
    /// The cheapest choices cost more than there is.
    #[error("the budget is {budget}, but the fewest bits cost {least}")]
    Budget {
        /// What there is.
        budget: u64,
        /// What the cheapest choices cost together.
        least: u64,
    },
}

impl Allocation {
    /// Costs and losses of choices that exist.
    pub(super) fn of(layers: &[Vec<Choice>], choices: Vec<usize>) -> Self {
        let chosen = || layers.iter().zip(&choices).map(|(layer, &choice)| layer[choice]);
        let cost = chosen().fold(0, |sum: u64, choice| sum.saturating_add(choice.cost));
        let loss = chosen().map(|choice| loss_of(choice.loss)).sum();
        Self { choices, cost, loss }
    }

    /// The better of two: the one that loses less, and of equal ones the cheaper.
    pub(super) fn or(self, other: Self) -> Self {
        let order = other.loss.total_cmp(&self.loss).then(other.cost.cmp(&self.cost));
        if order.is_lt() { other } else { self }
    }
}

/// The best choice of the same number in every layer that fits the budget; `None` where none fits or layers
/// have different numbers of choices.
pub fn uniform(layers: &[Vec<Choice>], budget: u64) -> Option<Allocation> {
    let count = layers.first()?.len();
    if layers.iter().any(|layer| layer.len() != count) {
        return None;
    }
    let each = (0..count).map(|choice| Allocation::of(layers, vec![choice; layers.len()]));
    each.filter(|allocation| allocation.cost <= budget).reduce(Allocation::or)
}

/// Refuses what has no answer.
fn check(layers: &[Vec<Choice>], budget: u64) -> Result<(), AllocationError> {
    if let Some(layer) = layers.iter().position(Vec::is_empty) {
        return Err(AllocationError::NoChoice { layer });
    }
    let least = Allocation::of(layers, cheapest(layers)).cost;
    if least > budget {
        return Err(AllocationError::Budget { budget, least });
    }
    Ok(())
}

/// Of each layer the cheapest choice, and of equal ones the one that loses least.
fn cheapest(layers: &[Vec<Choice>]) -> Vec<usize> {
    layers.iter().map(|layer| least_by(layer, |choice| choice.cost as f64)).collect()
}

/// The number of the choice for which a figure is least; of equal ones the cheapest, then the one that loses
/// least.
fn least_by(layer: &[Choice], figure: impl Fn(&Choice) -> f64) -> usize {
    let order = |a: &Choice, b: &Choice| {
        let equal = || a.cost.cmp(&b.cost).then(loss_of(a.loss).total_cmp(&loss_of(b.loss)));
        figure(a).total_cmp(&figure(b)).then_with(equal)
    };
    (0..layer.len()).min_by(|&a, &b| order(&layer[a], &layer[b])).unwrap_or(0)
}

/// What stands for a loss that is infinite or no number: more than any other, but sums of it can be compared.
const WORST: f64 = 1e300;

fn loss_of(loss: f64) -> f64 {
    if loss.is_nan() { WORST } else { loss.min(WORST) }
}

#[cfg(test)]
mod tests;
