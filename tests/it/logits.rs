//! What a session hands out of one picture, in full.

use bitlens::metrics::softmax;
use bitlens::ops::Isa;
use bitlens::quant::Recipe;
use bitlens::session::{Role, Session, SessionError};

use crate::support::{SAMPLES, inputs, quantize, quantized_sample, sample_network, sample_session};

#[test]
fn logits_are_those_of_both_networks_on_that_picture() {
    for network in SAMPLES {
        let (session, quantized) = quantized_sample(network, &Recipe::default());
        for input in inputs(&session, Role::Evaluate).into_iter().take(3) {
            let found = session.logits(input.picture).unwrap();
            assert_eq!(found.picture, input.picture);
            assert_eq!(found.input_shape, input.value.shape());
            assert_eq!(found.input, input.value.as_slice::<f32>().unwrap());
            // Against runs that keep every value, as the maps need them.
            let full = session.network().unwrap().model.run(input.value.clone()).unwrap().logits;
            assert_eq!(found.full, full, "{network}");
            let integer = quantized.model().integer.run(input.value).unwrap().logits;
            assert_eq!(found.quantized.as_deref(), Some(&integer[..]), "{network}");
            assert_ne!(found.full, integer, "eight bits change something");
        }
    }
}

#[test]
fn logits_are_what_the_answers_shown_come_from() {
    let (mut session, _) = quantized_sample(SAMPLES[0], &Recipe::default());
    let picture = inputs(&session, Role::Evaluate)[0].picture;
    let (found, lens) = (session.logits(picture).unwrap(), session.lens(picture, None).unwrap());
    let (full, quantized) = (softmax(&found.full).unwrap(), softmax(&found.quantized.unwrap()).unwrap());
    assert!(lens.answers.len() >= 5);
    for row in lens.answers {
        assert_eq!((row.full, row.quantized), (full[row.class], quantized[row.class]), "{}", row.name);
    }
}

#[test]
fn logits_follow_the_preprocessing_and_need_no_quantized_network() {
    let mut session = sample_session(SAMPLES[0]);
    let before = session.logits(0).unwrap();
    assert_eq!(before.quantized, None);
    quantize(&mut session, &Recipe::default());
    assert!(session.logits(0).unwrap().quantized.is_some());
    let mut other = session.preprocess().clone();
    other.rescale_factor *= 0.5;
    session.set_preprocess(other);
    let after = session.logits(0).unwrap();
    assert_ne!((&after.input, &after.full), (&before.input, &before.full));
    assert_eq!(after.quantized, None, "what was quantized belonged to other inputs");
}

#[test]
fn logits_that_cannot_be_had_say_why() {
    let mut session = Session::new(Isa::best());
    assert_eq!(session.logits(0), Err(SessionError::NoModel));
    session.load_model("net.onnx", sample_network(SAMPLES[0])).unwrap();
    assert!(matches!(session.logits(0), Err(SessionError::NoPictures { .. })));
    let missing = sample_session(SAMPLES[0]).logits(40);
    assert_eq!(missing, Err(SessionError::NoSuchPicture { index: 40, count: 40 }));
}
