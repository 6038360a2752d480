//! `bitlens run`.

use crate::args::RunArgs;
use crate::codes::CodeFiles;
use crate::failure::Failure;
use crate::output::json_line;
use crate::{data, model};
use bitlens::attribution::Model;
use bitlens::ops::Isa;
use bitlens::session::{QuantizedModel, SessionError, answer};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    label: Option<usize>,
    top: Vec<(usize, f64)>,
    logits: &'a [f32],
}

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let name = args.model.file_name().unwrap_or_default().to_string_lossy();
    let network = model::open(&args.model)?;
    let data = data::load(&args.data, &network)?;
    let quantized = if network.is_quantized() {
        Some(QuantizedModel::from_graph(network.graph(), Isa::best())?)
    } else {
        None
    };
    let definition = quantized.as_ref().filter(|_| args.float).map(QuantizedModel::definition).transpose()?;
    let model: &Model = match (&definition, &quantized) {
        (Some(definition), _) => definition,
        (None, Some(quantized)) => &quantized.integer,
        (None, None) => &network.model,
    };
    if args.codes.is_some() && quantized.is_none() {
        return Err(Failure::Usage(format!(
            "--codes needs a quantized network, and {name} is in full precision"
        )));
    }
    let mut files = args.codes.as_deref().map(CodeFiles::new);
    let mut right = 0;
    for position in 0..data.inputs.len() {
        let input = data.inputs.get(position)?;
        if let Some(files) = &mut files {
            files.add(model, input.value.clone())?;
        }
        let logits = model.scores(input.value).map_err(SessionError::from)?;
        let top = answer(&logits, &data.classes, data.label_offset);
        let (file, label) = (data.names[position].as_str(), data.labels[position]);
        right +=
            usize::from(label.is_some_and(|l| top.first().is_some_and(|t| t.class == l + data.label_offset)));
        if args.json {
            let top = top.iter().map(|t| (t.class, t.probability)).collect();
            json_line(&Line { file, label, top, logits: &logits })?;
        } else {
            let names: Vec<String> =
                top.iter().map(|t| format!("{} {:.1} %", t.name, 100.0 * t.probability)).collect();
            say!("{file}: {}", names.join(", "));
        }
    }
    if let Some(files) = files {
        files.write()?;
    }
    let labelled = data.labels.iter().flatten().count();
    if !args.json && labelled > 0 {
        say!("top-1 {:.2} % of {labelled} labelled pictures", 100.0 * right as f64 / labelled as f64);
    }
    Ok(())
}
