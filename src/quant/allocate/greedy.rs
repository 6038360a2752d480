//! From the cheapest choices, one change after another.

use super::{Allocation, AllocationError, Choice, cheapest, check, loss_of};

/// Begins with the cheapest choice of each layer and takes, as long as one fits, the change that wins most
/// loss for its cost.
///
/// # Errors
/// [`AllocationError`].
pub fn greedy(layers: &[Vec<Choice>], budget: u64) -> Result<Allocation, AllocationError> {
    check(layers, budget)?;
    Ok(spend(layers, cheapest(layers), budget))
}

/// Spends what choices leave of a budget.
pub(super) fn spend(layers: &[Vec<Choice>], mut choices: Vec<usize>, budget: u64) -> Allocation {
    let mut left = budget.saturating_sub(Allocation::of(layers, choices.clone()).cost);
    // Each change lowers the loss of a layer, so none comes back to a choice it left.
    while let Some((layer, choice)) = best_change(layers, &choices, left) {
        left = left + layers[layer][choices[layer]].cost - layers[layer][choice].cost;
        choices[layer] = choice;
    }
    Allocation::of(layers, choices)
}

/// The change that wins most for its cost, of those that win anything and fit.
fn best_change(layers: &[Vec<Choice>], choices: &[usize], left: u64) -> Option<(usize, usize)> {
    let mut best: Option<(f64, (usize, usize))> = None;
    for (number, layer) in layers.iter().enumerate() {
        let now = layer[choices[number]];
        for (choice, other) in layer.iter().enumerate() {
            let won = loss_of(now.loss) - loss_of(other.loss);
            if !(won > 0.0 && other.cost <= now.cost.saturating_add(left)) {
                continue;
            }
            // What costs nothing more is worth most.
            let rate = won / other.cost.saturating_sub(now.cost) as f64;
            if best.is_none_or(|(most, _)| rate > most) {
                best = Some((rate, (number, choice)));
            }
        }
    }
    best.map(|(_, change)| change)
}
