//! Recipes as the command line states them.

use crate::args::RecipeArgs;
use crate::failure::{Failure, read};
use bitlens::quant::Recipe;

/// The recipe that the arguments ask for.
pub(crate) fn recipe(args: &RecipeArgs) -> Result<Recipe, Failure> {
    let mut recipe = match &args.recipe {
        Some(path) => Recipe::from_json(&String::from_utf8_lossy(&read(path)?))?,
        None => Recipe::preset(args.preset),
    };
    recipe.weight_bits = args.weight_bits.unwrap_or(recipe.weight_bits);
    recipe.activation_bits = args.activation_bits.unwrap_or(recipe.activation_bits);
    for option in &args.options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        recipe = recipe.with(key, value)?;
    }
    recipe.check()?;
    Ok(recipe)
}
