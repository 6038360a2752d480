//! What the page offers is what recipes have: its forms are made of a file that is written here.

use std::fs;

use bitlens::quant::recipe::{Offer, OptionKind};
use bitlens::quant::{Preset, Recipe};

use crate::root;

/// Presets and options, for the forms of the page. `BITLENS_RECIPES=update` writes it.
#[test]
fn the_page_offers_what_recipes_have() {
    let file = root().join("www/src/engine/recipes.json");
    let mut expected = serde_json::to_string_pretty(&Offer::new()).unwrap();
    expected.push('\n');
    if std::env::var("BITLENS_RECIPES").is_ok_and(|value| value == "update") {
        fs::write(&file, &expected).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap();
    assert!(found == expected, "{} is old: BITLENS_RECIPES=update writes it", file.display());
}

#[test]
fn the_document_names_every_preset_option_and_value() {
    let text = fs::read_to_string(root().join("docs/recipe.md")).unwrap();
    let offer = Offer::new();
    let mut names: Vec<&str> = offer.presets.iter().map(|preset| preset.name).collect();
    for option in &offer.options {
        names.push(option.key);
        if let OptionKind::Choice { choices } = &option.kind {
            names.extend(choices.iter().map(|choice| choice.name));
        }
    }
    names.retain(|name| !text.contains(&format!("`{name}`")));
    assert!(names.is_empty(), "docs/recipe.md does not say what {names:?} are");
}

/// The example of the document is a recipe.
#[test]
fn the_example_is_read() {
    let text = fs::read_to_string(root().join("docs/recipe.md")).unwrap();
    let example = text.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let recipe = Recipe::from_json(example).unwrap();
    assert_eq!((recipe.preset, recipe.layers.len()), (Preset::W4a8, 2));
}
