//! `bitlens quantize`.

use crate::args::QuantizeArgs;
use crate::failure::{Failure, write};
use crate::output::{Bar, bytes, json_line};
use crate::{data, model, recipe};
use bitlens::ops::Isa;
use bitlens::session::view::QuantizedView;
use bitlens::session::{Found, Job as _, QuantizeJob};
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
    let data = data::load(&args.data, &network)?;
    let bar = Bar::new();
    let mut job = QuantizeJob::new(Arc::new(network), recipe, data.inputs, Found::default(), isa);
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
    Ok(())
}
