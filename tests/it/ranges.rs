//! The rule for ranges that is chosen on held-out pictures.

use bitlens::quant::Recipe;
use bitlens::quant::recipe::{ActivationRange, Preset};
use bitlens::session::view::RangeChoiceView;
use bitlens::session::{Job as _, QuantizedNetwork, Role, Session};

use crate::support::{
    SAMPLES, inputs, quantize, quantized_sample, sample, sample_network, sample_session, uncorrected,
};

/// As the recipe, with the rule left open.
fn held_out(recipe: &Recipe) -> Recipe {
    Recipe { activation_range: ActivationRange::HeldOut, ..recipe.clone() }
}

fn choice(session: &Session) -> RangeChoiceView {
    session.quantized().unwrap().view().range.unwrap()
}

fn divergence(view: &RangeChoiceView, rule: ActivationRange) -> f64 {
    view.tried.iter().find(|tried| tried.rule == rule).unwrap().kl
}

#[test]
fn the_rule_with_the_least_divergence_makes_what_it_makes_when_asked_for() {
    let recipes = [uncorrected(Preset::W4a4), Recipe::preset(Preset::Int8Corrected)];
    for (network, recipe) in SAMPLES.into_iter().zip(recipes) {
        let (session, quantized) = quantized_sample(network, &held_out(&recipe));
        let view = choice(&session);
        let least = view.tried.iter().map(|tried| tried.kl).fold(f64::INFINITY, f64::min);
        // All but itself and the one that needs no ranges.
        assert_eq!(view.tried.len(), ActivationRange::ALL.len() - 2);
        assert_eq!((view.pictures, view.all_seen), (20, false), "each of 20 in its turn");
        assert!(least > 0.0 && least.total_cmp(&divergence(&view, view.rule)).is_eq(), "{view:?}");
        let asked = Recipe { activation_range: view.rule, ..recipe.clone() };
        let (other, same) = quantized_sample(network, &asked);
        assert!(other.quantized().unwrap().view().range.is_none());
        assert_eq!(quantized.plan(), same.plan(), "{network} {}", recipe.label());
        let input = inputs(&session, Role::Evaluate).swap_remove(0).value;
        let scores = |made: &QuantizedNetwork| made.model().integer.scores(input.clone()).unwrap();
        assert_eq!(scores(&quantized), scores(&same), "{network} {}", recipe.label());
    }
}

/// What was held out tells of pictures that were neither seen nor held out.
#[test]
fn the_chosen_rule_is_nearer_to_full_precision_on_other_pictures() {
    for network in SAMPLES {
        let mut session = sample_session(network);
        let mut kl = |recipe: &Recipe| {
            quantize(&mut session, recipe);
            session.compare().unwrap().run(&mut |_| ()).unwrap().summary.kl
        };
        let [extremes, chosen] = {
            let recipe = uncorrected(Preset::W4a4);
            [kl(&recipe), kl(&held_out(&recipe))]
        };
        println!("{network} w4a4: KL {extremes:.4} with extremes, {chosen:.4} with the chosen rule");
        assert!(chosen < extremes, "{network}: {chosen:.4} instead of {extremes:.4}");
    }
}

#[test]
fn pictures_are_looked_at_once_whatever_the_bits() {
    let steps = |session: &mut Session, recipe: &Recipe| {
        let mut steps = 0;
        let mut job = session.quantize(recipe).unwrap();
        let quantized =
            job.run(&mut |progress| steps += usize::from(progress.phase == "choosing ranges")).unwrap();
        session.set_quantized(quantized);
        steps
    };
    let mut session = sample_session(SAMPLES[0]);
    let first = steps(&mut session, &held_out(&Recipe::preset(Preset::Int8)));
    let (tried, again) = (choice(&session), steps(&mut session, &held_out(&Recipe::preset(Preset::Int8))));
    // Ranges on each, and the answers of full precision.
    assert_eq!(first - again, 40);
    assert_eq!(tried, choice(&session));
    // Other layers have other ranges.
    assert!(steps(&mut session, &held_out(&Recipe::preset(Preset::Int8Corrected))) >= 40);
}

#[test]
fn three_pictures_are_too_few_to_hold_any_out() {
    let mut session = Session::new(bitlens::ops::Isa::best());
    session.load_model("sample.onnx", sample_network(SAMPLES[0])).unwrap();
    session.read_preprocess("preprocessor_config.json", &sample("preprocessor_config.json")).unwrap();
    let files = ["boat_0.png", "car_0.png", "cup_0.png"].map(|name| (name.to_owned(), sample(name)));
    session.add_pictures(files.to_vec());
    quantize(&mut session, &held_out(&Recipe::preset(Preset::Int8)));
    let view = choice(&session);
    assert_eq!((view.pictures, view.all_seen), (3, true));
}

#[test]
fn nothing_is_chosen_where_activations_stay_as_they_are() {
    let (session, _) = quantized_sample(SAMPLES[0], &held_out(&Recipe::preset(Preset::WeightOnly4)));
    assert!(session.quantized().unwrap().view().range.is_none());
}
