//! What people drop by mistake: each gets a message that says what, where and what to do, and the
//! session goes on with what it had.

use std::sync::Arc;

use bitlens::data::Preprocess;
use bitlens::onnx;
use bitlens::ops::Isa;
use bitlens::quant::Recipe;
use bitlens::session::view::ErrorView;
use bitlens::session::{Job as _, Role, Session, SessionError};

use crate::bad_networks;
use crate::support::{bits, inputs, quantize, sample, sample_network, sample_session};

const NETWORK: &str = "sample_resnet";

/// A session with a quantized network that has been compared, as after some minutes on the page.
fn busy_session() -> Session {
    let mut session = sample_session(NETWORK);
    quantize(&mut session, &bits(8, 8));
    session
}

/// Still has its network, its pictures and its quantized network, and all of them work.
fn assert_goes_on(session: &mut Session, what: &str) {
    assert_eq!(session.network().unwrap().file, "sample_resnet.onnx", "{what}");
    assert_eq!(session.pictures().len(), 40, "{what}");
    let quantized = session.quantized().unwrap_or_else(|_| panic!("{what}: the quantized network is gone"));
    let picture = inputs(session, Role::Evaluate).swap_remove(0).value;
    assert!(quantized.verify_file(&[picture], Isa::best()).unwrap(), "{what}");
    let lens = session.lens(20, None).unwrap();
    assert!(lens.full_top.probability > 0.5 && !lens.flipped, "{what}");
}

fn assert_says(found: &SessionError, code: &str, message: &str, what: &str) -> ErrorView {
    let view = ErrorView::from(found);
    assert_eq!((view.code.as_str(), view.message.as_str()), (code, message), "{what}");
    view
}

#[test]
fn a_bad_network_is_refused_and_the_one_before_stays() {
    let mut session = busy_session();
    for (file, bytes) in bad_networks::one_of_each_code() {
        session.load_model(&file, bytes).expect_err(&file);
        assert_goes_on(&mut session, &file);
    }
}

#[test]
fn a_bad_network_leaves_an_empty_session_usable() {
    for (file, bytes) in bad_networks::one_of_each_code() {
        let mut session = Session::new(Isa::best());
        session.load_model(&file, bytes).expect_err(&file);
        assert_says(&session.network().unwrap_err(), "session/no-model", "No network is open.", &file);
        session.load_model("sample_resnet.onnx", sample_network(NETWORK)).unwrap();
        assert!(session.network().is_ok());
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = sample_network(NETWORK);
    // Every length of the first bytes, where the header is, and of the last ones, and some between.
    let lengths = (1..200).chain((200..whole.len()).step_by(9973)).chain(whole.len() - 40..whole.len());
    for length in lengths {
        let error = onnx::import(&whole[..length]).expect_err("a part is no network");
        let view = ErrorView::from(&SessionError::from(error));
        assert!(view.message.ends_with('.') && view.hint.is_some(), "{length}: {view:?}");
    }
}

#[test]
fn pictures_of_another_shape_are_refused_with_both_shapes() {
    let mut session = busy_session();
    let before = session.preprocess().clone();
    let config = br#"{"size": {"height": 32, "width": 32}, "do_center_crop": false}"#;
    session.read_preprocess("small.json", config).unwrap();
    let error = session.quantize(&Recipe::default()).unwrap().run(&mut |_| ()).unwrap_err();
    let message = "input `input` should be float32 batch×3×64×64, but the data is float32 1×3×32×32";
    let view = assert_says(&error, "run/failed", message, "32×32");
    assert!(view.hint.unwrap().contains("preprocessing"));

    let grey = Preprocess::from_json("grey.json", br#"{"channel_order": "grey"}"#).unwrap().0;
    session.set_preprocess(grey);
    let error = session.quantize(&Recipe::default()).unwrap().run(&mut |_| ()).unwrap_err();
    let message = "input `input` should be float32 batch×3×64×64, but the data is float32 1×1×64×64";
    assert_says(&error, "run/failed", message, "grey");

    session.set_preprocess(before);
    quantize(&mut session, &bits(8, 8));
    assert_goes_on(&mut session, "preprocessing");
}

#[test]
fn without_pictures_there_is_nothing_to_calibrate_on() {
    let mut session = Session::new(Isa::best());
    let error = session.quantize(&Recipe::default()).unwrap_err();
    assert_says(&error, "session/no-model", "No network is open.", "no network");
    session.load_model("sample_resnet.onnx", sample_network(NETWORK)).unwrap();
    let error = session.quantize(&Recipe::default()).unwrap_err();
    let view = assert_says(&error, "session/no-pictures", "There is no picture to calibrate on.", "quantize");
    assert_eq!(view.hint.unwrap(), "Drop some pictures, or a folder of them.");
    let error = session.compare().unwrap_err();
    assert_says(&error, "session/no-pictures", "There is no picture to look at.", "compare");
    let error = session.preview(0).unwrap_err();
    assert_says(&error, "session/no-such-picture", "Picture 0 does not exist: there are 0.", "preview");

    session.add_pictures(vec![("car_0.png".to_owned(), sample("car_0.png"))]);
    let error = session.compare().unwrap_err();
    assert_says(&error, "session/not-quantized", "The network is not quantized yet.", "compare too early");
    quantize(&mut session, &Recipe::default());
    assert_eq!(session.compare().unwrap().run(&mut |_| ()).unwrap().summary.images, 1);
}

#[test]
fn a_picture_that_does_not_decode_leaves_the_others() {
    let mut session = Session::new(Isa::best());
    session.load_model("sample_resnet.onnx", sample_network(NETWORK)).unwrap();
    let whole = sample("cup_1.png");
    let files = vec![
        ("car_0.png".to_owned(), sample("car_0.png")),
        ("cut.png".to_owned(), whole[..whole.len() / 2].to_vec()),
        ("notes.txt".to_owned(), b"no picture".to_vec()),
        ("records.bin".to_owned(), vec![0; 3000]),
        ("cup_1.png".to_owned(), whole),
    ];
    let (pictures, refused) = session.add_pictures(files);
    let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
    assert_eq!(names, ["car_0.png", "cup_1.png"]);
    let refused: Vec<_> = refused.iter().map(|r| (r.name.as_str(), r.error.code.as_str())).collect();
    let code = "data/unreadable";
    assert_eq!(refused, [("cut.png", code), ("notes.txt", code), ("records.bin", code)]);
    quantize(&mut session, &Recipe::default());
    assert_eq!(session.quantized().unwrap().statistics().runs(), 2);
}

#[test]
fn what_is_wrong_with_a_picture_is_said_with_its_name() {
    let mut session = Session::new(Isa::best());
    let say = |session: &mut Session, name: &str, bytes: &[u8]| {
        let (_, mut refused) = session.add_pictures(vec![(name.to_owned(), bytes.to_vec())]);
        refused.remove(0).error.message
    };
    assert_eq!(
        say(&mut session, "notes.txt", b"no picture"),
        "`notes.txt` is not a picture that can be read here. Use JPEG, PNG, WebP, BMP or GIF."
    );
    let cut = &sample("cup_1.png")[..200];
    let message = say(&mut session, "cut.png", cut);
    assert!(message.starts_with("`cut.png` does not decode as PNG: "), "{message}");
    assert!(message.ends_with("save it again as PNG or JPEG, and try that file."), "{message}");
    let message = say(&mut session, "records.bin", &[0; 3000]);
    assert!(message.starts_with("`records.bin` has 3000 bytes, "), "{message}");
}

#[test]
fn a_recipe_that_makes_no_sense_is_refused() {
    let mut session = busy_session();
    for (recipe, message) in [
        (bits(9, 8), "weightBits is 9, but must be 2 to 8"),
        (bits(8, 1), "activationBits is 1, but must be 2 to 8, 16, or 32 for none"),
        (
            Recipe { schema: 3, ..Recipe::default() },
            "the recipe has schema 3; this version reads schema 1 and 2",
        ),
    ] {
        let error = session.quantize(&recipe).unwrap_err();
        assert_says(&error, "quantize/failed", message, message);
        assert_goes_on(&mut session, message);
    }
}

#[test]
fn label_and_preprocessing_files_that_are_none_are_refused() {
    let mut session = busy_session();
    let nonsense: [(&str, &[u8], &str); 4] = [
        (
            "labels.json",
            b"{nonsense",
            "`labels.json` cannot be read: its JSON is broken: key must be a string at line 1 column 2",
        ),
        ("labels.json", b"[]", "`labels.json` cannot be read: it has no labels"),
        ("labels.json", b"17", "`labels.json` cannot be read: expected a list or an object of labels"),
        ("labels.json", b"\xff\xfe", "`labels.json` cannot be read: it is not UTF-8 text (byte 0)"),
    ];
    for (file, bytes, message) in nonsense {
        let error = session.set_labels(file, bytes).unwrap_err();
        assert_says(&error, "data/unreadable", message, message);
        assert_goes_on(&mut session, message);
    }
    let before = session.preprocess().clone();
    let file = "preprocessor_config.json";
    for bytes in
        [&b"no json"[..], br#"{"image_mean": 0.5, "image_std": 0}"#, br#"{"do_resize": true, "size": -1}"#]
    {
        let error = session.read_preprocess(file, bytes).unwrap_err();
        assert_eq!(error.code(), "data/unreadable");
        assert!(error.to_string().contains("`preprocessor_config.json`"), "{error}");
        assert_eq!(*session.preprocess(), before);
        assert_goes_on(&mut session, &error.to_string());
    }
}

#[test]
fn a_class_that_does_not_exist_is_refused() {
    let mut session = busy_session();
    let error = session.lens(0, Some(10)).unwrap_err();
    assert_says(&error, "attribution/failed", "class 10 does not exist: the network has 10", "class 10");
    let error = session.lens(40, None).unwrap_err();
    assert_says(&error, "session/no-such-picture", "Picture 40 does not exist: there are 40.", "picture 40");
    assert_goes_on(&mut session, "lens");
}

#[test]
fn results_of_another_network_are_forgotten() {
    let mut session = busy_session();
    let old = Arc::clone(&session.quantized().unwrap());
    session.load_model("sample_mobilenet.onnx", sample_network("sample_mobilenet")).unwrap();
    assert_says(
        &session.quantized().unwrap_err(),
        "session/not-quantized",
        "The network is not quantized yet.",
        "another network",
    );
    quantize(&mut session, &bits(8, 8));
    assert_ne!(session.quantized().unwrap().layers().len(), old.layers().len());
}
