//! [`Recipe`]: everything the user chose, as one JSON document (docs/recipe.md).

mod choices;
mod layers;
mod options;

pub use choices::{
    ActivationGrid, ActivationRange, BiasChoice, Ends, LayerKind, Preset, RoundingChoice, Storage,
    WeightGranularity, WeightGrid, WeightRange,
};
pub use layers::{LayerBits, LayerFacts, LayerRule};
pub use options::{ChoiceInfo, Offer, OptionInfo, OptionKind, PresetInfo, Section, options};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Version of the recipe format that is written.
pub const RECIPE_SCHEMA: u32 = 2;

/// The version before, which had nothing but the bits; it is read as well.
const FIRST_SCHEMA: u32 = 1;

/// Bits of a number that is not quantized.
pub const FLOAT_BITS: u8 = 32;

/// What the user asked for. Fields that are not known are refused: a recipe means one thing. Fields that
/// are missing are those of the preset `int8`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own, and a switch on the page")]
pub struct Recipe {
    /// Version of this format.
    pub schema: u32,
    /// What the other fields started from.
    pub preset: Preset,
    /// Bits of a weight, 2–8.
    pub weight_bits: u8,
    /// Bits of an activation: 2–8, 16, or 32 where activations are not quantized.
    pub activation_bits: u8,
    /// The numbers that codes of weights stand for.
    pub weight_grid: WeightGrid,
    /// How many scales a weight has.
    pub weight_granularity: WeightGranularity,
    /// Whether symmetric weights use the most negative code as well (−128 … 127).
    pub weight_full_range: bool,
    /// How ranges of weights are chosen.
    pub weight_range: WeightRange,
    /// How the codes of weights are found.
    pub rounding: RoundingChoice,
    /// The numbers that codes of activations stand for.
    pub activation_grid: ActivationGrid,
    /// How ranges of activations are chosen.
    pub activation_range: ActivationRange,
    /// Whether the two inputs of a sum have one scale.
    pub share_sum_scales: bool,
    /// Whether layers are equalized before anything else.
    pub equalize: bool,
    /// Whether what channels always have moves into the next layer's bias.
    pub absorb: bool,
    /// Whether rounded weights get back each channel's deviation.
    pub weight_moments: bool,
    /// How layers are corrected for what quantizing changes.
    pub bias_correction: BiasChoice,
    /// What the first and the last layer keep.
    pub ends: Ends,
    /// How codes of weights are kept in the file.
    pub storage: Storage,
    /// What single layers have instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub layers: Vec<LayerRule>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self::preset(Preset::default())
    }
}

impl Recipe {
    /// The recipe that a preset stands for.
    pub fn preset(preset: Preset) -> Self {
        let plain = Self {
            schema: RECIPE_SCHEMA,
            preset,
            weight_bits: 8,
            activation_bits: 8,
            weight_grid: WeightGrid::Symmetric,
            weight_granularity: WeightGranularity::Channel,
            weight_full_range: false,
            weight_range: WeightRange::Max,
            rounding: RoundingChoice::Nearest,
            activation_grid: ActivationGrid::Asymmetric,
            activation_range: ActivationRange::Max,
            share_sum_scales: false,
            equalize: false,
            absorb: false,
            weight_moments: false,
            bias_correction: BiasChoice::None,
            ends: Ends::Same,
            storage: Storage::Int8,
            layers: Vec::new(),
        };
        // Nearest codes of 4 bits lose much of most networks.
        let fitted = Self {
            weight_bits: 4,
            weight_range: WeightRange::Output,
            rounding: RoundingChoice::Gptq,
            bias_correction: BiasChoice::LeastSquares,
            storage: Storage::Packed,
            ..plain.clone()
        };
        match preset {
            Preset::Int8 => plain,
            Preset::Int8Corrected => Self {
                equalize: true,
                activation_range: ActivationRange::HeldOut,
                bias_correction: BiasChoice::Empirical,
                ..plain
            },
            Preset::Int8PerTensor => Self { weight_granularity: WeightGranularity::Tensor, ..plain },
            Preset::W4a8 => fitted,
            Preset::W4a4 => Self {
                activation_bits: 4,
                activation_range: ActivationRange::Mse,
                ends: Ends::Eight,
                ..fitted
            },
            Preset::WeightOnly4 => Self {
                weight_bits: 4,
                activation_bits: FLOAT_BITS,
                weight_granularity: WeightGranularity::Group32,
                storage: Storage::Packed,
                ..plain
            },
            Preset::FixedPoint => Self {
                weight_grid: WeightGrid::PowerOfTwo,
                weight_granularity: WeightGranularity::Tensor,
                activation_grid: ActivationGrid::PowerOfTwo,
                ..plain
            },
        }
    }

    /// A short name for files: `int8`, `w4a8`.
    pub fn label(&self) -> String {
        if *self == Self::preset(self.preset) {
            return self.preset.name().to_owned();
        }
        match self.activation_bits {
            FLOAT_BITS => format!("w{}", self.weight_bits),
            activations => format!("w{}a{activations}", self.weight_bits),
        }
    }

    /// Reads a recipe from JSON and checks it.
    ///
    /// # Errors
    /// [`RecipeError`] when it is not JSON, of another version, or out of range.
    pub fn from_json(json: &str) -> Result<Self, RecipeError> {
        let read = |e: serde_json::Error| RecipeError::Json { reason: e.to_string() };
        let recipe = Self::from_value(serde_json::from_str(json).map_err(read)?)?;
        recipe.check()?;
        Ok(recipe)
    }

    fn from_value(mut value: serde_json::Value) -> Result<Self, RecipeError> {
        // The version first: what a later one means by its fields is not known here.
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if schema == u64::from(FIRST_SCHEMA) => value["schema"] = RECIPE_SCHEMA.into(),
            Some(schema) if schema == u64::from(RECIPE_SCHEMA) => {}
            Some(got) => return Err(RecipeError::Schema { expected: RECIPE_SCHEMA, got }),
            None => return Err(RecipeError::Json { reason: "it has no field `schema`".to_owned() }),
        }
        serde_json::from_value(value).map_err(|e| RecipeError::Json { reason: e.to_string() })
    }

    /// The recipe with one option changed, given by its name in the JSON document and a value as text.
    ///
    /// # Errors
    /// [`RecipeError::Option`] when there is no such option or it takes no such value.
    pub fn with(&self, key: &str, text: &str) -> Result<Self, RecipeError> {
        let refused = |reason: String| RecipeError::Option { key: key.to_owned(), reason };
        let option = options().into_iter().find(|option| option.key == key);
        let Some(option) = option else {
            let known: Vec<_> = options().iter().map(|option| option.key).collect();
            return Err(refused(format!("there is no such option, but {}", known.join(", "))));
        };
        let value = option.kind.parse(text).map_err(refused)?;
        let mut recipe = serde_json::to_value(self).map_err(|e| refused(e.to_string()))?;
        recipe[key] = value;
        serde_json::from_value(recipe).map_err(|e| refused(e.to_string()))
    }

    /// The recipe as JSON.
    pub fn to_json(&self) -> String {
        // A struct of numbers and names always serializes.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether ranges of activations are found by each run anew.
    pub fn is_dynamic(&self) -> bool {
        self.activation_range == ActivationRange::Dynamic
    }

    /// Whether ranges of activations come from pictures.
    pub fn calibrates(&self) -> bool {
        let quantizes = self.activation_bits < FLOAT_BITS
            || self.layers.iter().any(|rule| rule.activation_bits.is_some());
        quantizes && !self.is_dynamic()
    }

    /// Whether pictures decide anything: ranges, or what corrections measure.
    pub fn needs_pictures(&self) -> bool {
        let measures = self.equalize || self.absorb || self.weight_moments || self.rounds_weights();
        measures || self.bias_correction != BiasChoice::None || self.calibrates()
    }

    /// Whether weights or biases become others than rounding to nearest makes them.
    pub fn corrects(&self) -> bool {
        self.rounds_weights() || self.weight_moments || self.bias_correction != BiasChoice::None
    }

    /// Whether the rule for ranges is to be found by measuring before there can be a plan.
    pub fn leaves_ranges_open(&self) -> bool {
        self.activation_range == ActivationRange::HeldOut && self.calibrates()
    }

    /// Whether weights get other codes or ranges than a plan gives them: the matter of
    /// [`WeightRounding`](crate::quant::round::WeightRounding).
    pub fn rounds_weights(&self) -> bool {
        self.rounding != RoundingChoice::Nearest || self.weight_range == WeightRange::Output
    }

    /// Refuses what contradicts itself.
    fn check_rounding(&self) -> Result<(), RecipeError> {
        let reason = match (self.weight_grid, self.weight_range) {
            _ if self.rounding != RoundingChoice::Hqq => return Ok(()),
            (WeightGrid::PowerOfTwo, _) => {
                "`hqq` moves scales, which powers of two cannot do: take another rounding"
            }
            (_, WeightRange::Output) => {
                "`hqq` sees the weights alone, but the range `output` needs pictures: take the range `max` or `mse`, \
                 or another rounding"
            }
            _ => return Ok(()),
        };
        Err(RecipeError::Option { key: "rounding".to_owned(), reason: reason.to_owned() })
    }

    /// Checks version, ranges, and what goes together.
    ///
    /// # Errors
    /// [`RecipeError::Schema`], [`RecipeError::Bits`], [`RecipeError::Option`] of what does not go together.
    pub fn check(&self) -> Result<(), RecipeError> {
        if self.schema != RECIPE_SCHEMA {
            return Err(RecipeError::Schema { expected: RECIPE_SCHEMA, got: self.schema.into() });
        }
        let rules = self.layers.iter();
        for bits in [self.weight_bits].into_iter().chain(rules.clone().filter_map(|rule| rule.weight_bits)) {
            if !(2..=8).contains(&bits) {
                return Err(RecipeError::Bits { what: "weightBits", bits, allowed: "2 to 8" });
            }
        }
        let rules = rules.filter_map(|rule| rule.activation_bits);
        for bits in [self.activation_bits].into_iter().chain(rules) {
            if !matches!(bits, 2..=8 | 16 | FLOAT_BITS) {
                let allowed = "2 to 8, 16, or 32 for none";
                return Err(RecipeError::Bits { what: "activationBits", bits, allowed });
            }
            if self.is_dynamic() && !matches!(bits, 8 | FLOAT_BITS) {
                let reason = format!(
                    "ranges found while running have codes of 8 bits (ONNX DynamicQuantizeLinear), so \
                     activationBits must be 8, or 32 for none, and not {bits}"
                );
                return Err(RecipeError::Option { key: "activationRange".to_owned(), reason });
            }
        }
        if self.is_dynamic() && self.activation_grid != ActivationGrid::Asymmetric {
            let reason = format!(
                "ranges found while running have a zero point of their own (ONNX DynamicQuantizeLinear), so \
                 activationGrid must be asymmetric and not {}",
                self.activation_grid.name()
            );
            return Err(RecipeError::Option { key: "activationRange".to_owned(), reason });
        }
        self.check_rounding()
    }
}

/// What can be wrong with a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// It is not a recipe.
    #[error("this is not a Bitlens recipe: {reason}")]
    Json {
        /// What the reader said.
        reason: String,
    },
    /// It is of another version.
    #[error("the recipe has schema {got}; this version reads schema 1 and {expected}")]
    Schema {
        /// Version read here.
        expected: u32,
        /// Version found.
        got: u64,
    },
    /// A number of bits is out of range.
    #[error("{what} is {bits}, but must be {allowed}")]
    Bits {
        /// Which field.
        what: &'static str,
        /// Its value.
        bits: u8,
        /// What it may be.
        allowed: &'static str,
    },
    /// An option cannot be what was asked.
    #[error("option `{key}`: {reason}")]
    Option {
        /// Name of the option.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_survives_json_and_is_valid() {
        for &preset in Preset::ALL {
            let recipe = Recipe::preset(preset);
            assert_eq!(Recipe::from_json(&recipe.to_json()), Ok(recipe.clone()));
            assert_eq!(recipe.label(), preset.name());
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.name());
        }
    }

    #[test]
    fn rules_for_layers_survive_json() {
        let rule = LayerRule { weight_bits: Some(4), float: true, ..LayerRule::named("conv*") };
        let recipe = Recipe { layers: vec![rule], ..Recipe::default() };
        assert_eq!(Recipe::from_json(&recipe.to_json()), Ok(recipe));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refusal = |json: &str| Recipe::from_json(json).unwrap_err().to_string();
        assert!(refusal(r#"{"schema":2,"preset":"int8","magic":1}"#).contains("magic"));
        assert!(refusal(r#"{"schema":2,"layers":[{"nam":"conv"}]}"#).contains("nam"));
        assert!(refusal(r#"{"schema":2,"weightGrid":"round"}"#).contains("round"));
        assert_eq!(refusal(r#"{"schema":2,"weightBits":9}"#), "weightBits is 9, but must be 2 to 8");
        assert_eq!(
            refusal(r#"{"schema":2,"activationBits":12}"#),
            "activationBits is 12, but must be 2 to 8, 16, or 32 for none"
        );
        assert_eq!(
            refusal(r#"{"schema":2,"layers":[{"weightBits":1}]}"#),
            "weightBits is 1, but must be 2 to 8"
        );
        assert_eq!(
            Recipe::from_json(r#"{"schema":7}"#),
            Err(RecipeError::Schema { expected: RECIPE_SCHEMA, got: 7 })
        );
        let dynamic = |rest: &str| refusal(&format!(r#"{{"schema":2,"activationRange":"dynamic",{rest}}}"#));
        assert!(dynamic(r#""activationBits":4"#).contains("must be 8, or 32 for none, and not 4"));
        assert!(dynamic(r#""layers":[{"activationBits":16}]"#).contains("not 16"));
        assert!(dynamic(r#""activationGrid":"symmetric""#).contains("must be asymmetric and not symmetric"));
        assert!(refusal("{}").contains("schema") && refusal("4").contains("schema"));
    }

    #[test]
    fn recipes_of_the_first_version_are_read() {
        let first = r#"{"schema":1,"preset":"int8","weightBits":4,"activationBits":6}"#;
        let expected = Recipe { weight_bits: 4, activation_bits: 6, ..Recipe::default() };
        assert_eq!(Recipe::from_json(first), Ok(expected));
    }
}
