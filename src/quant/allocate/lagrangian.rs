//! A price for every bit.

use super::greedy::spend;
use super::{Allocation, AllocationError, Choice, check, least_by, loss_of, uniform};

/// Halvings of the interval of prices; beyond the digits of its logarithm that a double has.
const BISECTIONS: usize = 100;

/// Prices are looked for between two to the power of minus and plus this: as far as doubles of any use go.
const EXPONENT: f64 = 1000.0;

/// Gives every unit of cost the same price λ, so that layers decide for themselves
/// (`argmin Ω_l(b) + λ·cost_l(b)`), and lowers it as far as the budget allows. Such answers lie on the convex
/// hull; what they leave of the budget is spent greedily, and a uniform choice that is better is taken.
///
/// # Errors
/// [`AllocationError`].
pub fn lagrangian(layers: &[Vec<Choice>], budget: u64) -> Result<Allocation, AllocationError> {
    check(layers, budget)?;
    let at = |price: f64| Allocation::of(layers, decided(layers, price));
    let fits = |allocation: &Allocation| allocation.cost <= budget;
    let (mut low, mut high) = (-EXPONENT, EXPONENT);
    let mut best = Some(at(0.0)).filter(fits);
    if best.is_none() {
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            let found = at(libm::exp2(middle));
            if fits(&found) {
                (high, best) = (middle, Some(found));
            } else {
                low = middle;
            }
        }
    }
    // At a price beyond all losses each layer takes its cheapest choice, and those fit.
    let best = best.map_or_else(|| super::cheapest(layers), |found| found.choices);
    let spent = spend(layers, best, budget);
    Ok(match uniform(layers, budget) {
        Some(uniform) => spent.or(uniform),
        None => spent,
    })
}

/// What each layer chooses at a price.
fn decided(layers: &[Vec<Choice>], price: f64) -> Vec<usize> {
    layers.iter().map(|layer| least_by(layer, |c| loss_of(c.loss) + price * c.cost as f64)).collect()
}
