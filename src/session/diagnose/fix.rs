//! What can be changed in a recipe so that a cause goes away.

use crate::quant::Recipe;
use crate::quant::recipe::{ActivationRange, BiasChoice, Ends, LayerRule, WeightGranularity, WeightRange};

/// A change of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fix {
    PerChannel,
    Equalize,
    CorrectBiases,
    EqualizeAndCorrect,
    ActivationRange(ActivationRange),
    WeightRange,
    EndsEight,
    /// Bits of all weights.
    AllWeights(u8),
    /// Bits of all activations.
    AllActivations(u8),
    /// Bits of the weights of layers.
    WeightBits(Vec<String>, u8),
    /// Bits of what layers read.
    ReadBits(Vec<String>, u8),
    /// A layer in full precision.
    Float(String),
}

impl Fix {
    /// What it does, for people.
    pub(super) fn title(&self) -> String {
        match self {
            Self::PerChannel => "Give each output channel of a weight its own scale".to_owned(),
            Self::Equalize => "Equalize layers".to_owned(),
            Self::CorrectBiases => "Correct biases".to_owned(),
            Self::EqualizeAndCorrect => "Equalize layers and correct biases".to_owned(),
            Self::ActivationRange(range) => format!("Choose ranges of activations by: {}", range.title()),
            Self::WeightRange => "Choose ranges of weights by least squared error".to_owned(),
            Self::EndsEight => "Keep 8 bits in the first and the last layer".to_owned(),
            Self::AllWeights(bits) => format!("Give weights {bits} bits"),
            Self::AllActivations(bits) => format!("Give activations {bits} bits"),
            Self::WeightBits(layers, bits) => format!("Give the weights of {} {bits} bits", listed(layers)),
            Self::ReadBits(layers, bits) => format!("Give {bits} bits to the input of {}", listed(layers)),
            Self::Float(layer) => format!("Leave {layer} in full precision"),
        }
    }

    /// The recipe with the change.
    pub(super) fn applied(&self, recipe: &Recipe) -> Recipe {
        let mut changed = recipe.clone();
        match self {
            Self::PerChannel => changed.weight_granularity = WeightGranularity::Channel,
            Self::Equalize => changed.equalize = true,
            Self::CorrectBiases => changed.bias_correction = BiasChoice::Empirical,
            Self::EqualizeAndCorrect => {
                changed.equalize = true;
                changed.bias_correction = BiasChoice::Empirical;
            }
            Self::ActivationRange(range) => changed.activation_range = *range,
            Self::WeightRange => changed.weight_range = WeightRange::Mse,
            Self::EndsEight => changed.ends = Ends::Eight,
            Self::AllWeights(bits) => changed.weight_bits = *bits,
            Self::AllActivations(bits) => changed.activation_bits = *bits,
            Self::WeightBits(layers, bits) => {
                for layer in layers {
                    rule(&mut changed, layer).weight_bits = Some(*bits);
                }
            }
            Self::ReadBits(layers, bits) => {
                for layer in layers {
                    rule(&mut changed, layer).activation_bits = Some(*bits);
                }
            }
            Self::Float(layer) => rule(&mut changed, layer).float = true,
        }
        changed
    }
}

/// Names in a sentence.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The rule of that layer alone, made where there is none. It comes last, so that it decides.
fn rule<'a>(recipe: &'a mut Recipe, layer: &str) -> &'a mut LayerRule {
    let own = LayerRule::named(layer);
    let is_own = |rule: &LayerRule| rule.name == own.name && rule.kind.is_none();
    let found = recipe.layers.iter().position(is_own).map(|at| recipe.layers.remove(at));
    let last = recipe.layers.len();
    recipe.layers.push(found.unwrap_or(own));
    &mut recipe.layers[last]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::recipe::{LayerFacts, LayerKind};

    #[test]
    fn a_fix_of_a_layer_leaves_the_others_alone() {
        let recipe = Recipe { weight_bits: 4, ..Recipe::default() };
        let fixes = [
            Fix::WeightBits(vec!["a".into()], 8),
            Fix::ReadBits(vec!["a".into()], 16),
            Fix::Float("b".into()),
        ];
        let fixed = fixes.iter().fold(recipe, |recipe, fix| fix.applied(&recipe));
        fixed.check().unwrap();
        assert_eq!(fixed.layers.len(), 2);
        let bits = |name| {
            let kind = LayerKind::Conv;
            fixed.layer(&LayerFacts { name, kind, is_end: false }).map(|bits| (bits.weight, bits.activation))
        };
        assert_eq!([bits("a"), bits("b"), bits("c")], [Some((8, 16)), None, Some((4, 8))]);
    }
}
