//! Choices for single layers.

use super::{Ends, LayerKind, Recipe};
use serde::{Deserialize, Serialize};

/// What some layers have instead of what the recipe says of all. The layers are those that fit every
/// condition given; of two rules that fit, the later one counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct LayerRule {
    /// Name of the node; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub name: Option<String>,
    /// Kind of the layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub kind: Option<LayerKind>,
    /// Left in full precision.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub float: bool,
    /// Bits of its weights, 2–8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub weight_bits: Option<u8>,
    /// Bits of the activation that it reads: 2–8, or 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub activation_bits: Option<u8>,
}

impl LayerRule {
    /// A rule for the layer of that name.
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    fn fits(&self, layer: &LayerFacts<'_>) -> bool {
        self.name.as_deref().is_none_or(|pattern| matches(pattern, layer.name))
            && self.kind.is_none_or(|kind| kind == layer.kind)
    }
}

/// What a recipe may ask of a layer before it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerFacts<'a> {
    /// Name of its node.
    pub name: &'a str,
    /// Its kind.
    pub kind: LayerKind,
    /// Whether it is the first or the last layer of the network.
    pub is_end: bool,
}

/// What a recipe decides for a layer that is quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerBits {
    /// Bits of its weights.
    pub weight: u8,
    /// Bits of the activation that it reads; 32 where that stays float.
    pub activation: u8,
}

impl Recipe {
    /// The bits of a layer; `None` where it stays in full precision.
    pub fn layer(&self, layer: &LayerFacts<'_>) -> Option<LayerBits> {
        let mut bits = LayerBits { weight: self.weight_bits, activation: self.activation_bits };
        let mut is_float = false;
        match self.ends {
            Ends::Eight if layer.is_end => {
                bits = LayerBits { weight: bits.weight.max(8), activation: bits.activation.max(8) };
            }
            Ends::Float => is_float = layer.is_end,
            Ends::Same | Ends::Eight => {}
        }
        for rule in self.layers.iter().filter(|rule| rule.fits(layer)) {
            bits.weight = rule.weight_bits.unwrap_or(bits.weight);
            bits.activation = rule.activation_bits.unwrap_or(bits.activation);
            is_float = rule.float;
        }
        (!is_float).then_some(bits)
    }
}

/// Whether a name fits a pattern in which `*` stands for any characters. In linear time for each star:
/// what fits earliest leaves most for the rest.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::super::Preset;
    use super::*;

    fn layer(name: &str) -> LayerFacts<'_> {
        LayerFacts { name, kind: LayerKind::Conv, is_end: false }
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name) in
            [("a", "a"), ("*", ""), ("a*c", "abc"), ("a*c", "ac"), ("*b*", "abc"), ("a*b*b", "abb")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("a*c", "ab"), ("a*b*b", "ab"), ("", "a"), ("ab*ba", "aba")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_later_rule_counts() {
        let mut recipe = Recipe::preset(Preset::Int8);
        recipe.layers.push(LayerRule {
            name: Some("block*".into()),
            weight_bits: Some(4),
            ..LayerRule::default()
        });
        recipe.layers.push(LayerRule { weight_bits: Some(3), ..LayerRule::named("block2") });
        let bits = |name| recipe.layer(&layer(name)).unwrap().weight;
        assert_eq!(["stem", "block1", "block2"].map(bits), [8, 4, 3]);
        recipe.layers.push(LayerRule { float: true, ..LayerRule::named("block2") });
        assert_eq!(recipe.layer(&layer("block2")), None);
    }

    #[test]
    fn a_kind_selects_its_layers_only() {
        let mut recipe = Recipe::preset(Preset::Int8);
        let kind = Some(LayerKind::Depthwise);
        recipe.layers.push(LayerRule { kind, weight_bits: Some(5), ..LayerRule::default() });
        let bits = |kind| recipe.layer(&LayerFacts { kind, ..layer("any") }).unwrap().weight;
        assert_eq!(LayerKind::ALL.iter().map(|&kind| bits(kind)).collect::<Vec<_>>(), [8, 8, 5, 8]);
    }

    #[test]
    fn ends_keep_what_they_were_promised_unless_a_rule_names_them() {
        let end = LayerFacts { is_end: true, ..layer("stem") };
        let mut recipe =
            Recipe { weight_bits: 4, activation_bits: 3, ends: Ends::Eight, ..Recipe::default() };
        assert_eq!(recipe.layer(&end), Some(LayerBits { weight: 8, activation: 8 }));
        assert_eq!(recipe.layer(&layer("other")), Some(LayerBits { weight: 4, activation: 3 }));
        recipe.ends = Ends::Float;
        assert_eq!(recipe.layer(&end), None);
        recipe.layers.push(LayerRule { weight_bits: Some(6), ..LayerRule::named("stem") });
        assert_eq!(recipe.layer(&end), Some(LayerBits { weight: 6, activation: 3 }));
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod properties {
    use super::matches;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_with_parts_left_out_fits(parts in prop::collection::vec("[ab/.]{0,4}", 1..6)) {
            let pattern = parts.join("*");
            prop_assert!(matches(&pattern, &parts.concat()));
            prop_assert!(matches(&pattern, &parts.join("x")));
        }
    }
}
