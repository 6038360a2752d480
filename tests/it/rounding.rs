//! Rounding of weights by what layers make of them: the bundled networks, and a real one where the data is
//! there.

use std::fs;

use bitlens::metrics::sqnr_db;
use bitlens::ops::Isa;
use bitlens::quant::recipe::{
    BiasChoice, LayerRule, RoundingChoice, WeightGranularity, WeightGrid, WeightRange,
};
use bitlens::quant::{FLOAT_BITS, Recipe};
use bitlens::session::view::RoundingView;
use bitlens::session::{Network, QuantizedNetwork, Role, Session};
use bitlens::tensor::Value;

use crate::support::{SAMPLES, data_folder, inputs, quantize, quantized_sample, sample_session, scores};

fn recipe(rounding: RoundingChoice, weight_bits: u8) -> Recipe {
    Recipe { weight_bits, rounding, ..Recipe::default() }
}

/// `Σ E / tr(W·H·Wᵀ)` over all layers: of nearest codes, and of what was accepted.
fn sums(layers: &[RoundingView]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for layer in layers {
        let (nearest, accepted) = (layer.nearest.unwrap(), layer.accepted.unwrap());
        assert!(accepted <= nearest, "{}: {accepted} {nearest}", layer.layer);
        assert_eq!(layer.note.is_some(), layer.rounding == RoundingChoice::Nearest, "{layer:?}");
        sums[0] += nearest;
        sums[1] += accepted;
    }
    sums
}

/// Signal over noise of the answers to pictures of a session's network by a recipe, and the [`sums`].
fn quality(session: &mut Session, recipe: &Recipe, (full, pictures): (&[f32], &[Value])) -> (f64, [f64; 2]) {
    quantize(session, recipe);
    let quantized = session.quantized().unwrap();
    let found = scores(&quantized.model().integer, pictures).concat();
    (sqnr_db(full, &found).unwrap(), sums(&quantized.view().rounding))
}

#[test]
fn chosen_codes_bring_the_bundled_networks_nearer_to_full_precision() {
    for network in SAMPLES {
        let mut session = sample_session(network);
        let pictures: Vec<Value> = inputs(&session, Role::Evaluate).into_iter().map(|p| p.value).collect();
        let full = scores(&session.network().unwrap().model, &pictures).concat();
        for bits in [4, 3] {
            let mut of = |recipe: &Recipe| quality(&mut session, recipe, (&full, &pictures));
            let (before, _) = of(&recipe(RoundingChoice::Nearest, bits));
            for rounding in [RoundingChoice::Gptq, RoundingChoice::Comq, RoundingChoice::AdaRound] {
                let (after, [nearest, accepted]) = of(&recipe(rounding, bits));
                println!(
                    "{network} {} with {bits} bits: error {accepted:.4} of {nearest:.4}, logits {after:.1} dB of {before:.1}",
                    rounding.name()
                );
                assert!(accepted <= 0.6 * nearest && after > before, "{network} {rounding:?} {bits}");
            }
        }
    }
}

#[test]
fn rounding_goes_with_everything_else_that_a_recipe_asks_for() {
    let rounded = Recipe { rounding: RoundingChoice::Gptq, weight_bits: 4, ..Recipe::default() };
    let float = LayerRule { float: true, ..LayerRule::named("*expand") };
    let recipes = [
        Recipe { equalize: true, bias_correction: BiasChoice::Empirical, ..rounded.clone() },
        Recipe { weight_granularity: WeightGranularity::Tensor, ..rounded.clone() },
        Recipe { weight_granularity: WeightGranularity::Group16, ..rounded.clone() },
        Recipe { weight_grid: WeightGrid::Asymmetric, ..rounded.clone() },
        Recipe { weight_grid: WeightGrid::PowerOfTwo, ..rounded.clone() },
        Recipe { weight_range: WeightRange::Output, ..rounded.clone() },
        Recipe { weight_range: WeightRange::Mse, rounding: RoundingChoice::Comq, ..rounded.clone() },
        Recipe { activation_bits: FLOAT_BITS, ..rounded.clone() },
        Recipe { layers: vec![float.clone()], ..rounded.clone() },
        Recipe { activation_bits: FLOAT_BITS, rounding: RoundingChoice::Hqq, ..rounded },
    ];
    let mut session = sample_session(SAMPLES[1]);
    for recipe in recipes {
        quantize(&mut session, &recipe);
        let view = session.quantized().unwrap().view();
        let in_float = view.layers.iter().filter(|layer| layer.weight_bits == FLOAT_BITS).count();
        assert_eq!(in_float > 0, !recipe.layers.is_empty(), "{in_float} {recipe:?}");
        assert_eq!(view.rounding.len(), view.layers.len() - in_float, "{recipe:?}");
        let [nearest, accepted] = sums(&view.rounding);
        assert!(accepted < nearest, "{recipe:?}: {accepted} {nearest}");
    }
}

#[test]
fn what_cannot_go_together_is_refused_with_what_to_do() {
    let session = sample_session(SAMPLES[0]);
    let hqq = recipe(RoundingChoice::Hqq, 4);
    for (other, says) in [
        (Recipe { weight_grid: WeightGrid::PowerOfTwo, ..hqq.clone() }, "powers of two"),
        (Recipe { weight_range: WeightRange::Output, ..hqq }, "take the range `max` or `mse`"),
    ] {
        let error = session.quantize(&other).err().unwrap().to_string();
        assert!(error.starts_with("option `rounding`") && error.contains(says), "{error}");
    }
}

#[test]
fn the_same_pictures_make_the_same_file() {
    let recipe = Recipe { weight_range: WeightRange::Output, ..recipe(RoundingChoice::Comq, 3) };
    let [(_, first), (_, second)] = [0, 1].map(|_| quantized_sample(SAMPLES[0], &recipe));
    assert!(first.file() == second.file());
    let (_, nearest) = quantized_sample(SAMPLES[0], &Recipe { weight_bits: 3, ..Recipe::default() });
    assert_eq!(
        first.file().len(),
        nearest.file().len() + recipe.to_json().len() - nearest.recipe().to_json().len()
    );
}

#[test]
fn the_file_has_the_codes_that_were_chosen() {
    let (session, quantized) = quantized_sample(SAMPLES[0], &recipe(RoundingChoice::Gptq, 3));
    let (_, nearest) = quantized_sample(SAMPLES[0], &recipe(RoundingChoice::Nearest, 3));
    let codes = |network: &QuantizedNetwork| {
        let file = Network::load("again.onnx", network.file().to_vec(), Isa::best()).unwrap();
        let of = |(_, value): (_, &bitlens::ir::ValueData)| {
            let codes = value.constant.as_ref().filter(|_| value.name.ends_with("_quantized"))?;
            Some((value.name.clone(), codes.as_slice::<i8>().ok()?.to_vec()))
        };
        file.graph().values().filter_map(of).collect::<Vec<_>>()
    };
    let (chosen, nearest) = (codes(&quantized), codes(&nearest));
    assert_eq!((chosen.len(), nearest.len()), (quantized.layers().len(), quantized.layers().len()));
    let (mut moved, mut all) = (0, 0);
    for ((name, chosen), (other, nearest)) in chosen.iter().zip(&nearest) {
        assert_eq!(name, other);
        assert!(chosen.iter().all(|code| (-3..=3).contains(code)), "{name}");
        moved += chosen.iter().zip(nearest).filter(|(a, b)| a != b).count();
        all += chosen.len();
    }
    assert!(moved > all / 50 && moved < all / 2, "{moved} of {all}");
    let pictures: Vec<Value> = inputs(&session, Role::Evaluate).into_iter().map(|p| p.value).collect();
    assert!(quantized.verify_file(&pictures[..4], Isa::best()).unwrap());
}

#[test]
fn chosen_codes_halve_the_error_of_a_real_network() {
    let Some(data) = data_folder() else { return };
    let bytes = fs::read(data.join("models/cifar10/resnet20.onnx")).unwrap();
    let mut session = Session::new(Isa::best());
    session.load_model("resnet20.onnx", bytes).unwrap();
    let preprocess = fs::read(data.join("preprocess/cifar10/resnet20.json")).unwrap();
    session.read_preprocess("resnet20.json", &preprocess).unwrap();
    let mut pictures = |file: &str, count: usize| {
        let records = fs::read(data.join("images/cifar10").join(file)).unwrap();
        session.clear_pictures();
        session.add_pictures(vec![("pictures.bin".to_owned(), records[..count * 3073].to_vec())]);
        let made: Vec<Value> = inputs(&session, Role::Any).into_iter().map(|input| input.value).collect();
        assert_eq!(made.len(), count);
        made
    };
    let evaluation = pictures("test_jpeg_2000.bin", 100);
    pictures("train_lossless_1000.bin", 64); // to calibrate on
    let full = scores(&session.network().unwrap().model, &evaluation).concat();
    for bits in [4, 3] {
        let mut of = |recipe: &Recipe| quality(&mut session, recipe, (&full, &evaluation));
        let (before, _) = of(&recipe(RoundingChoice::Nearest, bits));
        let mut choices = vec![RoundingChoice::Gptq, RoundingChoice::Comq];
        // It takes ten times as long.
        choices.extend((bits == 3).then_some(RoundingChoice::AdaRound));
        for rounding in choices {
            let (after, [nearest, accepted]) = of(&recipe(rounding, bits));
            println!(
                "{} with {bits} bits: error {accepted:.4} of {nearest:.4}, logits {after:.2} dB of {before:.2}",
                rounding.name()
            );
            assert!(accepted <= 0.6 * nearest && after > before + 1.0, "{rounding:?} {bits}");
        }
    }
}
