//! What can be chosen, as data: forms, the command line and documents are made of it.

use super::{
    ActivationGrid, ActivationRange, BiasChoice, Ends, Preset, Recipe, RoundingChoice, Storage,
    WeightGranularity, WeightGrid, WeightRange,
};
use serde::Serialize;
use serde_json::Value as Json;

/// All that can be asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// Where to start.
    pub presets: Vec<PresetInfo>,
    /// What can be changed, in the order in which it is shown.
    pub options: Vec<OptionInfo>,
}

/// A preset, and what it stands for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PresetInfo {
    /// Its name in recipes.
    pub name: &'static str,
    /// What it is, a sentence.
    pub about: &'static str,
    /// What it stands for.
    pub recipe: Recipe,
}

impl Offer {
    /// What this version offers.
    #[allow(clippy::new_without_default, reason = "there is but one")]
    pub fn new() -> Self {
        let info = |&preset: &Preset| PresetInfo {
            name: preset.name(),
            about: preset.about(),
            recipe: Recipe::preset(preset),
        };
        Self { presets: Preset::ALL.iter().map(info).collect(), options: options() }
    }
}

/// One option of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OptionInfo {
    /// Its field in the recipe.
    pub key: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What it does, a sentence.
    pub about: &'static str,
    /// What it belongs to.
    pub section: Section,
    /// What it may be.
    pub kind: OptionKind,
}

/// What an option belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Section {
    /// Weights.
    Weights,
    /// Activations.
    Activations,
    /// What is done to the network so that quantizing costs less.
    Corrections,
    /// What holds for layers or the file as a whole.
    Network,
}

/// What an option may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum OptionKind {
    /// A number of bits from `least` to `most`, or one of `others`.
    Bits {
        /// Fewest.
        least: u8,
        /// Most on the slider.
        most: u8,
        /// Further ones, of which 32 stands for full precision.
        others: Vec<u8>,
    },
    /// One of several by name.
    Choice {
        /// In the order in which they are offered.
        choices: Vec<ChoiceInfo>,
    },
    /// Yes or no.
    Switch,
}

/// One of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChoiceInfo {
    /// Its name in recipes.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What it does, a sentence.
    pub about: &'static str,
}

impl OptionKind {
    /// The JSON value that a text stands for.
    pub(super) fn parse(&self, text: &str) -> Result<Json, String> {
        match self {
            Self::Bits { .. } => {
                text.parse::<u8>().map(Json::from).map_err(|_| format!("`{text}` is no number of bits"))
            }
            Self::Switch => text
                .parse::<bool>()
                .map(Json::from)
                .map_err(|_| format!("`{text}` is neither true nor false")),
            Self::Choice { choices } if choices.iter().any(|choice| choice.name == text) => Ok(text.into()),
            Self::Choice { choices } => {
                let names: Vec<_> = choices.iter().map(|choice| choice.name).collect();
                Err(format!("`{text}` is none of {}", names.join(", ")))
            }
        }
    }
}

macro_rules! choice {
    ($choice:ident) => {
        OptionKind::Choice {
            choices: $choice::ALL
                .iter()
                .map(|choice| ChoiceInfo {
                    name: choice.name(),
                    title: choice.title(),
                    about: choice.about(),
                })
                .collect(),
        }
    };
}

/// All options, in the order in which they are shown.
pub fn options() -> Vec<OptionInfo> {
    use Section::{Activations, Corrections, Network, Weights};
    let bits = |others: &[u8]| OptionKind::Bits { least: 2, most: 8, others: others.to_vec() };
    let option = |section, key, title, about, kind| OptionInfo { key, title, about, section, kind };
    vec![
        option(Weights, "weightBits", "Bits", "Bits of a weight.", bits(&[])),
        option(
            Weights,
            "weightGrid",
            "Grid",
            "The numbers that codes of weights stand for.",
            choice!(WeightGrid),
        ),
        option(
            Weights,
            "weightGranularity",
            "Scales",
            "How many scales a weight has.",
            choice!(WeightGranularity),
        ),
        option(
            Weights,
            "weightFullRange",
            "Most negative code",
            "Symmetric weights use −128 as well, or −8 with 4 bits.",
            OptionKind::Switch,
        ),
        option(Weights, "weightRange", "Range", "How the range of a weight is chosen.", choice!(WeightRange)),
        option(
            Weights,
            "rounding",
            "Rounding",
            "How the codes of weights are found.",
            choice!(RoundingChoice),
        ),
        option(
            Activations,
            "activationBits",
            "Bits",
            "Bits of an activation; 32 leaves activations in full precision.",
            bits(&[16, 32]),
        ),
        option(
            Activations,
            "activationGrid",
            "Grid",
            "The numbers that codes of activations stand for.",
            choice!(ActivationGrid),
        ),
        option(
            Activations,
            "activationRange",
            "Range",
            "How the range of an activation is chosen.",
            choice!(ActivationRange),
        ),
        option(
            Activations,
            "shareSumScales",
            "One scale for sums",
            "Both inputs of a sum have one scale, so that it needs no multiplier.",
            OptionKind::Switch,
        ),
        option(
            Corrections,
            "equalize",
            "Equalize layers",
            "Channels of neighbouring layers get weights of the same range; the network stays the same function.",
            OptionKind::Switch,
        ),
        option(
            Corrections,
            "absorb",
            "Absorb high biases",
            "What a channel hardly ever falls below moves into the next layer's bias, so that ranges get narrower.",
            OptionKind::Switch,
        ),
        option(
            Corrections,
            "weightMoments",
            "Correct weights",
            "Rounded weights of each channel get their deviation back, through its scale.",
            OptionKind::Switch,
        ),
        option(
            Corrections,
            "biasCorrection",
            "Correct layers",
            "How each layer makes up for what quantizing changes of its channels.",
            choice!(BiasChoice),
        ),
        option(
            Network,
            "ends",
            "First and last layer",
            "What the first and the last layer keep.",
            choice!(Ends),
        ),
        option(Network, "storage", "Storage", "How codes of weights are kept in the file.", choice!(Storage)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::RecipeError;
    use super::*;

    #[test]
    fn options_are_the_fields_of_a_recipe() {
        let Json::Object(fields) = serde_json::to_value(Recipe::default()).unwrap() else { panic!() };
        let mut fields: Vec<_> = fields.keys().map(String::as_str).collect();
        fields.retain(|key| !["schema", "preset", "layers"].contains(key));
        let mut known: Vec<_> = options().iter().map(|option| option.key).collect();
        fields.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, fields);
    }

    #[test]
    fn every_choice_makes_a_recipe_that_survives_json() {
        for option in options() {
            let texts = match &option.kind {
                OptionKind::Bits { least, most, others } => {
                    (*least..=*most).chain(others.iter().copied()).map(|bits| bits.to_string()).collect()
                }
                OptionKind::Choice { choices } => choices.iter().map(|c| c.name.to_owned()).collect(),
                OptionKind::Switch => vec!["true".to_owned(), "false".to_owned()],
            };
            let recipes: Vec<_> =
                texts.iter().map(|text| Recipe::default().with(option.key, text).unwrap()).collect();
            for (index, recipe) in recipes.iter().enumerate() {
                assert_eq!(Recipe::from_json(&recipe.to_json()).as_ref(), Ok(recipe));
                assert!(!recipes[..index].contains(recipe), "{} {}", option.key, texts[index]);
            }
        }
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        let refusal = |key: &str, text: &str| Recipe::default().with(key, text).unwrap_err();
        assert!(matches!(refusal("magic", "1"), RecipeError::Option { .. }));
        assert!(refusal("magic", "1").to_string().contains("weightGrid"));
        assert!(refusal("weightGrid", "round").to_string().contains("symmetric, asymmetric, power-of-two"));
        assert!(refusal("weightBits", "four").to_string().contains("`four` is no number of bits"));
        assert!(refusal("weightFullRange", "maybe").to_string().contains("neither true nor false"));
    }
}
