//! Dynamic programming over layers.
//!
//! After each layer a list is kept of the combinations so far that no other beats: of growing cost and
//! falling loss. With costs in one unit of which the budget has at most [`MOST_STATES`], the list can have no
//! more entries than that, and the answer is the best there is. Where costs are finer the list may grow
//! longer; then the range of costs is divided into as many buckets and the best of each bucket is kept, with
//! its own cost: costs are never rounded, so every answer fits the budget.

use super::{Allocation, AllocationError, Choice, check, greedy, lagrangian, loss_of};

/// Most combinations that are kept after a layer.
pub const MOST_STATES: usize = 4000;

/// The allocation with the least loss.
///
/// # Errors
/// [`AllocationError`].
pub fn exact(layers: &[Vec<Choice>], budget: u64) -> Result<Allocation, AllocationError> {
    check(layers, budget)?;
    // Where combinations were dropped, another way may have found a better one.
    let rough = lagrangian(layers, budget)?.or(greedy(layers, budget)?);
    Ok(match search(layers, budget) {
        Some(found) => found.or(rough),
        None => rough,
    })
}

/// A combination of choices for the layers so far.
#[derive(Debug, Clone, Copy)]
struct State {
    cost: u64,
    loss: f64,
    /// Number of the state before the last layer, and the last layer's choice.
    from: (usize, usize),
}

fn search(layers: &[Vec<Choice>], budget: u64) -> Option<Allocation> {
    let mut lists = vec![vec![State { cost: 0, loss: 0.0, from: (0, 0) }]];
    // Costs that the layers to come have at the least, and so cannot be spent before.
    let least = |layer: &Vec<Choice>| layer.iter().map(|choice| choice.cost).min().unwrap_or(0);
    let mut reserved: u64 = layers.iter().map(least).fold(0, u64::saturating_add);
    for layer in layers {
        reserved -= least(layer);
        let list = extended(lists.last()?, layer, budget.checked_sub(reserved)?);
        lists.push(thinned(list));
    }
    let mut at = lists.last()?.len().checked_sub(1)?;
    let mut choices = Vec::new();
    for list in lists.iter().skip(1).rev() {
        let (before, choice) = list[at].from;
        choices.push(choice);
        at = before;
    }
    choices.reverse();
    Some(Allocation::of(layers, choices))
}

/// All combinations with one more layer that fit and that no other beats, by cost.
fn extended(list: &[State], layer: &[Choice], most: u64) -> Vec<State> {
    let mut all: Vec<State> = Vec::new();
    for (before, state) in list.iter().enumerate() {
        for (choice, other) in layer.iter().enumerate() {
            let (cost, loss) = (state.cost.saturating_add(other.cost), state.loss + loss_of(other.loss));
            if cost <= most {
                all.push(State { cost, loss, from: (before, choice) });
            }
        }
    }
    all.sort_by(|a, b| a.cost.cmp(&b.cost).then(a.loss.total_cmp(&b.loss)));
    let mut kept: Vec<State> = Vec::new();
    for state in all {
        if kept.last().is_none_or(|last| state.loss < last.loss) {
            kept.push(state);
        }
    }
    kept
}

/// At most [`MOST_STATES`] of the states: the dearest of each bucket of costs, which loses least.
fn thinned(list: Vec<State>) -> Vec<State> {
    if list.len() <= MOST_STATES {
        return list;
    }
    let (first, last) = (list[0].cost, list[list.len() - 1].cost);
    let bucket =
        |cost: u64| u128::from(cost - first) * (MOST_STATES as u128 - 1) / u128::from((last - first).max(1));
    let is_last_of_its = |at: usize| list.get(at + 1).is_none_or(|n| bucket(n.cost) != bucket(list[at].cost));
    (0..list.len()).filter(|&at| is_last_of_its(at)).map(|at| list[at]).collect()
}
