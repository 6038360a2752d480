//! `bitlens attribute`.

use crate::args::AttributeArgs;
use crate::failure::Failure;
use crate::output::{Bar, json_line};
use crate::{data, model};
use bitlens::attribution::{AttributionError, GradCam, Method as _, Model};
use bitlens::ops::Isa;
use bitlens::session::{Explained, METHOD, QuantizedModel, SessionError};
use bitlens::tensor::Value;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    method: &'a str,
    target: usize,
    height: usize,
    width: usize,
    map: &'a [f32],
}

pub(crate) fn attribute(args: &AttributeArgs) -> Result<(), Failure> {
    let network = model::open(&args.model)?;
    let data = data::load(&args.data, &network)?;
    let quantized = if network.is_quantized() {
        Some(QuantizedModel::from_graph(network.graph(), Isa::best())?)
    } else {
        None
    };
    let definition = quantized.as_ref().map(QuantizedModel::definition).transpose()?;
    let model = definition.as_deref().unwrap_or(&network.model);
    let bar = Bar::new();
    for position in 0..data.inputs.len() {
        let input = data.inputs.get(position)?;
        let found = Explained::of(model, &input, args.target)?;
        let file = data.names[position].as_str();
        let Some(map) = &found.map else {
            return Err(why_no_map(model, input.value, found.target).into());
        };
        if args.json {
            let (height, width) = (map.height, map.width);
            json_line(&Line { file, method: METHOD, target: found.target, height, width, map: &map.map })?;
        } else {
            let strongest =
                map.map.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
            let (row, column) = (strongest / map.width, strongest % map.width);
            say!(
                "{file}: class {}, {METHOD} {}×{}, strongest at row {row}, column {column}",
                found.target,
                map.height,
                map.width
            );
        }
        bar.step("explaining", position + 1, data.inputs.len());
    }
    Ok(())
}

/// What keeps a network from having maps.
fn why_no_map(model: &Model, input: Value, target: usize) -> SessionError {
    let made = model.run(input).and_then(|run| GradCam.attribute(model, &run, target));
    made.err().unwrap_or(AttributionError::NoSpatialLayer).into()
}
