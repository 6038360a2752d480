//! What bits may cost.

use crate::quant::recipe::FLOAT_BITS;
use thiserror::Error;

/// What a network may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// What is counted.
    pub unit: Unit,
    /// How much of it there is.
    pub amount: Amount,
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of weights: `Σ n_l · b_l / 8`, without scales.
    Bytes,
    /// Bit-operations of one picture: `Σ MAC_l · weight bits · activation bits`.
    Bops,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A share of what 8 bits everywhere cost.
    Share(f64),
    /// What so many bits of weights and activations everywhere cost.
    Bits(u8, u8),
    /// So much.
    Number(u64),
}

/// A budget that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{text}` is no budget: give bytes=0.5 (a share of what 8 bits cost), bytes=w4, bytes=150000, bops=0.25 or bops=w4a4"
)]
pub struct BudgetError {
    /// What was given.
    pub text: String,
}

impl Unit {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Bops => "bops",
        }
    }

    /// What a layer costs, in bits of weights or bit-operations.
    pub(super) const fn cost(self, layer: Size, weight_bits: u8, activation_bits: u8) -> u64 {
        match self {
            Self::Bytes => layer.weights.saturating_mul(weight_bits as u64),
            Self::Bops => {
                layer.products.saturating_mul(weight_bits as u64).saturating_mul(activation_bits as u64)
            }
        }
    }

    /// Costs as [`Unit::cost`] counts them in this unit, rounded up.
    pub(super) const fn of_cost(self, cost: u64) -> u64 {
        match self {
            Self::Bytes => cost.div_ceil(8),
            Self::Bops => cost,
        }
    }
}

/// How large a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) weights: u64,
    pub(super) products: u64,
}

impl Budget {
    /// The budget for layers of those sizes, as [`Unit::cost`] counts.
    pub(super) fn limit(&self, layers: &[Size]) -> u64 {
        let uniform = |weight, activation| {
            let costs = layers.iter().map(|&layer| self.unit.cost(layer, weight, activation));
            costs.fold(0, u64::saturating_add)
        };
        match self.amount {
            Amount::Share(share) => (uniform(8, 8) as f64 * share) as u64,
            Amount::Bits(weight, activation) => uniform(weight, activation),
            Amount::Number(number) if self.unit == Unit::Bytes => number.saturating_mul(8),
            Amount::Number(number) => number,
        }
    }
}

impl std::str::FromStr for Budget {
    type Err = BudgetError;

    /// Reads `bytes=0.5`, `bytes=w4`, `bytes=150000`, `bops=0.25`, `bops=w4a4`. A number up to 1 is a share.
    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let refused = || BudgetError { text: text.to_owned() };
        let (unit, amount) = text.split_once('=').ok_or_else(refused)?;
        let unit = [Unit::Bytes, Unit::Bops].into_iter().find(|known| known.name() == unit);
        let amount = amount_of(amount).ok_or_else(refused)?;
        Ok(Self { unit: unit.ok_or_else(refused)?, amount })
    }
}

fn amount_of(text: &str) -> Option<Amount> {
    if let Some(bits) = text.strip_prefix('w') {
        let (weight, activation) = bits.split_once('a').unwrap_or((bits, "8"));
        let (weight, activation) = (weight.parse().ok()?, activation.parse().ok()?);
        let known = (2..=8).contains(&weight) && matches!(activation, 2..=8 | 16 | FLOAT_BITS);
        return known.then_some(Amount::Bits(weight, activation));
    }
    let number: f64 = text.parse().ok()?;
    match number {
        _ if !number.is_finite() || number <= 0.0 => None,
        _ if number <= 1.0 => Some(Amount::Share(number)),
        _ => Some(Amount::Number(number as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_count_what_they_say() {
        let layers = [Size { weights: 100, products: 1000 }, Size { weights: 50, products: 10 }];
        let limit = |text: &str| text.parse::<Budget>().map(|budget| budget.limit(&layers));
        assert_eq!(limit("bytes=0.5"), Ok(150 * 8 / 2));
        assert_eq!(limit("bytes=1"), limit("bytes=w8"));
        assert_eq!(limit("bytes=75"), Ok(75 * 8));
        assert_eq!(limit("bops=w4a4"), Ok(1010 * 16));
        assert_eq!(limit("bops=w4"), Ok(1010 * 32));
        assert_eq!(limit("bops=2000"), Ok(2000));
        for text in ["bytes", "bytes=", "bytes=0", "bytes=-1", "bits=3", "bops=w9a4", "bops=nan", "bytes=inf"]
        {
            assert!(limit(text).unwrap_err().to_string().contains("bytes=w4"), "{text}");
        }
    }
}
