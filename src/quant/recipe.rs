//! [`Recipe`]: everything the user chose, as one JSON document.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Version of the recipe format that is written.
pub const RECIPE_SCHEMA: u32 = 1;

/// A named set of choices to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub enum Preset {
    /// Per-channel symmetric signed weights, per-tensor unsigned activations, ranges from the
    /// extremes seen while calibrating, 32-bit biases.
    #[default]
    Int8,
}

impl Preset {
    /// All presets.
    pub const ALL: &'static [Self] = &[Self::Int8];

    /// The name used in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
        }
    }
}

/// What the user asked for. Fields that are not known are refused: a recipe means one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Recipe {
    /// Version of this format.
    pub schema: u32,
    /// What the other fields started from.
    pub preset: Preset,
    /// Bits of a weight, 2–8.
    pub weight_bits: u8,
    /// Bits of an activation, 2–8.
    pub activation_bits: u8,
}

impl Default for Recipe {
    fn default() -> Self {
        Self::preset(Preset::default())
    }
}

impl Recipe {
    /// The recipe that a preset stands for.
    pub const fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Int8 => Self { schema: RECIPE_SCHEMA, preset, weight_bits: 8, activation_bits: 8 },
        }
    }

    /// A short name for files: `int8`, `w4a8`.
    pub fn label(&self) -> String {
        if *self == Self::preset(self.preset) {
            return self.preset.name().to_owned();
        }
        format!("w{}a{}", self.weight_bits, self.activation_bits)
    }

    /// Reads a recipe from JSON and checks it.
    ///
    /// # Errors
    /// [`RecipeError`] when it is not JSON, of another version, or out of range.
    pub fn from_json(json: &str) -> Result<Self, RecipeError> {
        let recipe: Self =
            serde_json::from_str(json).map_err(|e| RecipeError::Json { reason: e.to_string() })?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as JSON.
    pub fn to_json(&self) -> String {
        // A struct of numbers and names always serializes.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Checks version and ranges.
    ///
    /// # Errors
    /// [`RecipeError::Schema`], [`RecipeError::Bits`].
    pub fn check(&self) -> Result<(), RecipeError> {
        if self.schema != RECIPE_SCHEMA {
            return Err(RecipeError::Schema { expected: RECIPE_SCHEMA, got: self.schema });
        }
        for (what, bits) in [("weightBits", self.weight_bits), ("activationBits", self.activation_bits)] {
            if !(2..=8).contains(&bits) {
                return Err(RecipeError::Bits { what, bits });
            }
        }
        Ok(())
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
    #[error("the recipe has schema {got}; this version reads schema {expected}")]
    Schema {
        /// Version read here.
        expected: u32,
        /// Version found.
        got: u32,
    },
    /// A number of bits is out of range.
    #[error("{what} is {bits}, but must be 2 to 8")]
    Bits {
        /// Which field.
        what: &'static str,
        /// Its value.
        bits: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_survives_json() {
        let recipe = Recipe { weight_bits: 4, ..Recipe::default() };
        assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let unknown = r#"{"schema":1,"preset":"int8","weightBits":8,"activationBits":8,"magic":1}"#;
        assert!(Recipe::from_json(unknown).unwrap_err().to_string().contains("magic"));
        let bits = r#"{"schema":1,"preset":"int8","weightBits":9,"activationBits":8}"#;
        assert_eq!(Recipe::from_json(bits).unwrap_err().to_string(), "weightBits is 9, but must be 2 to 8");
        let schema = r#"{"schema":7,"preset":"int8","weightBits":8,"activationBits":8}"#;
        assert_eq!(Recipe::from_json(schema).unwrap_err(), RecipeError::Schema { expected: 1, got: 7 });
    }
}
