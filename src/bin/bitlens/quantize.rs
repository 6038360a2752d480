//! `bitlens quantize`.

use crate::args::QuantizeArgs;
use crate::failure::{Failure, write};
use crate::output::{Bar, bytes, json_line};
use crate::{data, model, recipe};
use bitlens::ops::Isa;
use bitlens::session::view::{QuantizedView, RangeChoiceView, RoundingView};
use bitlens::session::{Found, Job as _, PictureInputs, QuantizeJob};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    model: String,
    #[serde(flatten)]
    quantized: QuantizedView,
}

pub(crate) fn quantize(args: &QuantizeArgs) -> Result<(), Failure> {
    let name = args.model.file_name().unwrap_or_default().to_string_lossy();
    let recipe = recipe::recipe(&args.recipe)?;
    let isa = Isa::best();
    let network = model::open(&args.model)?;
    let inputs = match &args.data {
        Some(data) => data::load(data, &network)?.inputs,
        None if recipe.needs_pictures() => {
            let needed = "this recipe looks at pictures, so --data must say where they are";
            return Err(Failure::Usage(needed.to_owned()));
        }
        None => PictureInputs::none(network.stated_preprocess().unwrap_or(network.default_preprocess())),
    };
    let bar = Bar::new();
    let mut job = QuantizeJob::new(Arc::new(network), recipe, inputs, Found::default(), isa);
    let quantized = job.run(&mut |progress| bar.show(progress))?;
    drop(bar);
    write(&args.output, quantized.file())?;
    let report = Report { model: name.into_owned(), quantized: quantized.view() };
    if let Some(path) = &args.report {
        let json = serde_json::to_vec_pretty(&report).map_err(std::io::Error::from)?;
        write(path, &json)?;
    }
    if args.json {
        return json_line(&report);
    }
    let view = &report.quantized;
    let (full, small) = (view.size_bytes.full, view.size_bytes.quantized);
    say!(
        "{}: {} → {} ({:.2}×)",
        args.output.display(),
        bytes(full),
        bytes(small),
        full as f64 / small as f64
    );
    say!("calibrated on {} pictures; {}", view.calibration_pictures, view.path_reason);
    view.range.as_ref().map_or(Ok(()), say_range)?;
    say_rounding(&view.rounding)
}

/// The rule for ranges that was chosen, beside the others.
fn say_range(range: &RangeChoiceView) -> Result<(), Failure> {
    let pictures = match (range.pictures, range.all_seen) {
        (count, false) => format!("{count} pictures held out"),
        (count, true) => format!("{count} pictures, too few to hold any out"),
    };
    let tried: Vec<_> =
        range.tried.iter().map(|tried| format!("{} {:.5}", tried.rule.name(), tried.kl)).collect();
    say!("ranges: {}, by divergence on {pictures}: {}", range.rule.name(), tried.join(", "));
    Ok(())
}

/// What rounding has won, and where nearest codes were kept.
fn say_rounding(layers: &[RoundingView]) -> Result<(), Failure> {
    let measured = layers.iter().filter_map(|layer| Some([layer.nearest?, layer.accepted?]));
    let sums =
        measured.clone().fold([0.0; 2], |[near, own], [nearest, accepted]| [near + nearest, own + accepted]);
    if measured.clone().count() > 0 {
        let count = measured.count();
        say!("rounding: error of {count} layers {:.4} in all, {:.4} with nearest codes", sums[1], sums[0]);
    }
    for (layer, note) in layers.iter().filter_map(|layer| Some((&layer.layer, layer.note.as_ref()?))) {
        say!("  {layer}: nearest codes, because {note}");
    }
    Ok(())
}
