//! What layers cost, and bits chosen by it, on the bundled networks.

use bitlens::ops::Isa;
use bitlens::quant::recipe::{ActivationRange, BiasChoice, Ends};
use bitlens::quant::{Preset, Recipe};
use bitlens::session::allocate::{AllocationMethod, AllocationQuestion};
use bitlens::session::sensitivity::{Questions, Sensitivity};
use bitlens::session::view::{AllocationView, Effect};
use bitlens::session::{AllocateJob, Found, Job as _, PictureInputs, Role, SensitivityJob, Session};

use crate::support::{SAMPLES, quantize, sample_session, uncorrected};

fn by_role(session: &Session) -> (PictureInputs, PictureInputs) {
    let of = |role| session.pictures().inputs_of(session.preprocess(), role).unwrap();
    (of(Role::Calibrate), of(Role::Evaluate))
}

fn measured(network: &str, recipe: &Recipe, questions: Questions) -> Sensitivity {
    let session = sample_session(network);
    let asked = (recipe.clone(), questions);
    let (network, pictures) = (session.network().unwrap(), by_role(&session));
    let job = SensitivityJob::new(network, asked, pictures, Found::default(), Isa::best());
    job.unwrap().run(&mut |at| assert!(at.done <= at.total)).unwrap()
}

fn allocated(network: &str, question: AllocationQuestion) -> AllocationView {
    let session = sample_session(network);
    let (network, pictures) = (session.network().unwrap(), by_role(&session));
    let job = AllocateJob::new(network, question, pictures, Found::default(), Isa::best());
    job.unwrap().run(&mut |_| ()).unwrap()
}

#[test]
fn layers_alone_and_accumulated_lie_between_full_precision_and_the_whole() {
    let recipe = uncorrected(Preset::W4a8);
    let questions = Questions { alone: true, accumulated: true, ..Questions::default() };
    let found = measured(SAMPLES[0], &recipe, questions).view;
    let first = &found.layers[0];
    // Nothing is quantized before the first layer.
    assert_eq!(first.output.alone_db, first.output.accumulated_db);
    assert_eq!(first.alone, first.accumulated);
    // Everything is, up to the last.
    let last = found.layers.last().unwrap().accumulated.unwrap();
    assert!((last.kl - found.whole.kl).abs() <= 1e-9, "{} {}", last.kl, found.whole.kl);
    assert!((last.agreement - found.whole.agreement).abs() < 1e-9);
    let sum: f64 = found.layers.iter().filter_map(|layer| layer.alone.map(|alone| alone.kl)).sum();
    assert!(sum > 0.0 && found.whole.kl > 0.0);
    for layer in &found.layers {
        let noise = layer.output;
        let [alone, weight, input] = [noise.alone_db, noise.weight_db, noise.input_db].map(Option::unwrap);
        // Two noises together are no less than the larger one, up to what they have in common.
        assert!(alone < weight.min(input) + 1.0, "{}: {alone} {weight} {input}", layer.layer);
        assert!(layer.alone.is_some() && layer.weights > 0 && layer.multiply_accumulates > 0);
    }
}

#[test]
fn what_layers_cost_alone_is_what_rounding_costs_whatever_is_corrected() {
    let plain = Recipe { weight_bits: 3, ..Recipe::default() };
    let fitted = Recipe { bias_correction: BiasChoice::LeastSquares, weight_moments: true, ..plain.clone() };
    let of = |recipe: &Recipe| {
        let questions = Questions { alone: true, ..Questions::default() };
        measured(SAMPLES[0], recipe, questions).view
    };
    let (plain, fitted) = (of(&plain), of(&fitted));
    assert!(fitted.whole.kl < plain.whole.kl);
    for (one, other) in plain.layers.iter().zip(&fitted.layers) {
        assert_eq!((one.alone, one.output.alone_db), (other.alone, other.output.alone_db), "{}", one.layer);
    }
}

#[test]
fn a_layer_in_full_precision_costs_nothing() {
    let recipe = Recipe { ends: Ends::Float, ..uncorrected(Preset::W4a8) };
    let questions = Questions { alone: true, ..Questions::default() };
    let found = measured(SAMPLES[0], &recipe, questions).view;
    let (first, second) = (&found.layers[0], &found.layers[1]);
    assert!(first.alone.is_none() && first.output.alone_db.is_none() && first.accumulated.is_none());
    assert!(second.alone.unwrap().kl > 0.0);
}

#[test]
fn fewer_bits_cost_more() {
    let questions =
        Questions { weight_bits: vec![8, 2], activation_bits: vec![8, 2], ..Questions::default() };
    let found = measured(SAMPLES[1], &Recipe::default(), questions).view;
    assert!(found.layers.len() > 8);
    for layer in &found.layers {
        let of = |effects: &[bitlens::session::view::BitsEffect]| {
            let bits: Vec<u8> = effects.iter().map(|effect| effect.bits).collect();
            assert_eq!(bits, [8, 2]);
            let kl = |effect: &Effect| effect.distortion;
            (kl(&effects[0].effect), kl(&effects[1].effect))
        };
        for (eight, two) in [of(&layer.weight_bits), of(&layer.activation_bits)] {
            assert!(eight < two, "{}: {eight} {two}", layer.layer);
        }
    }
}

#[test]
fn bits_under_a_budget_of_bytes_beat_uniform_ones() {
    for network in SAMPLES {
        let question = AllocationQuestion::new(uncorrected(Preset::W4a8), "bytes=w4".parse().unwrap());
        let question = AllocationQuestion { weight_bits: vec![2, 3, 4, 5, 6, 8], ..question };
        let rough = AllocationQuestion { method: AllocationMethod::Lagrangian, ..question.clone() };
        let best = allocated(network, question);
        let uniform = best.uniform.as_ref().unwrap();
        assert_eq!(uniform.cost, best.budget);
        assert!(best.chosen.cost <= best.budget);
        assert!(best.chosen.predicted_kl <= uniform.predicted_kl);
        // All layers are measured again for the other way to choose: once will do.
        if network == SAMPLES[0] {
            let rough = allocated(network, rough).chosen;
            assert!(best.chosen.predicted_kl <= rough.predicted_kl);
            assert!(rough.predicted_kl <= uniform.predicted_kl);
        }
        let (chosen, uniform) = (&best.chosen.measured, &uniform.measured);
        assert!(chosen.kl < uniform.kl, "{network}: {} {}", chosen.kl, uniform.kl);

        // The recipe says it all: whoever takes it gets the same network.
        let read = Recipe::from_json(&best.chosen.recipe.to_json()).unwrap();
        let mut session = sample_session(network);
        quantize(&mut session, &read);
        let again = session.quantized().unwrap();
        assert_eq!(again.sizes().quantized, best.chosen.size_bytes);
        for (row, layer) in best.layers.iter().zip(again.layers()) {
            assert_eq!((&row.layer, row.weight_bits), (&layer.name, layer.weight_bits));
        }
    }
}

#[test]
fn bits_under_a_budget_of_operations_fit_it_as_quantized() {
    let network = SAMPLES[1];
    // A rule for ranges that is found by measuring, too.
    let activation_range = ActivationRange::HeldOut;
    let recipe = Recipe { ends: Ends::Same, activation_range, ..uncorrected(Preset::W4a4) };
    let found = allocated(network, AllocationQuestion::new(recipe, "bops=w4a6".parse().unwrap()));
    assert!(found.chosen.cost <= found.budget, "{network}");
    let uniform = found.uniform.unwrap();
    assert!(found.chosen.predicted_kl <= uniform.predicted_kl);
    assert!(found.layers.iter().any(|layer| layer.activation_bits != found.layers[0].activation_bits));
    let mut session = sample_session(network);
    quantize(&mut session, &found.chosen.recipe);
    let products: Vec<u64> =
        found.sensitivity.layers.iter().map(|layer| layer.multiply_accumulates).collect();
    let quantized = session.quantized().unwrap();
    let layers = quantized.layers().iter().zip(products);
    let cost = |(layer, products): (&bitlens::session::view::LayerView, u64)| {
        products * u64::from(layer.weight_bits) * u64::from(layer.activation_bits)
    };
    assert_eq!(layers.map(cost).sum::<u64>(), found.chosen.cost, "{network}");
}

#[test]
fn a_budget_that_is_too_small_is_refused() {
    let session = sample_session(SAMPLES[0]);
    let question = AllocationQuestion::new(Recipe::default(), "bytes=100".parse().unwrap());
    let (network, pictures) = (session.network().unwrap(), by_role(&session));
    let job = AllocateJob::new(network, question, pictures, Found::default(), Isa::best());
    let error = job.unwrap().run(&mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("the fewest bits cost"), "{error}");
}
