//! `bitlens inspect`.

use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::model;
use crate::output::{bytes, json_line};
use bitlens::ir::Operation as _;
use bitlens::ops::Isa;
use bitlens::session::QuantizedModel;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspection {
    #[serde(flatten)]
    model: bitlens::session::view::ModelView,
    quantized: bool,
    /// Nodes of a quantized network that run on integers.
    integer_nodes: Option<usize>,
    /// Nodes of a quantized network that run in float.
    float_nodes: Option<Vec<String>>,
    operators: BTreeMap<&'static str, usize>,
}

pub(crate) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let network = model::open(&args.model)?;
    let mut operators = BTreeMap::new();
    for (_, node) in network.graph().nodes() {
        *operators.entry(node.op.op_type()).or_insert(0) += 1;
    }
    let quantized = network.is_quantized();
    let model = quantized.then(|| QuantizedModel::from_graph(network.graph(), Isa::best())).transpose()?;
    let found = Inspection {
        model: network.view(),
        quantized,
        integer_nodes: model.as_ref().map(|model| model.integer_nodes.len()),
        float_nodes: model.map(|model| model.float_nodes),
        operators,
    };
    if args.json {
        return json_line(&found);
    }
    let model = &found.model;
    say!("{} ({}, {})", model.name, model.file_name, bytes(model.size_bytes));
    say!("  written by   {} (opset {})", model.producer, model.opset);
    say!("  input        {} {}", model.input_name, model.input_shape);
    say!("  classes      {}", model.classes);
    say!("  parameters   {}", model.parameters);
    say!("  nodes        {} in the file, {} after simplifying", model.nodes, network.graph().node_count());
    say!("  layers       {} with weights{}", model.layers, if found.quantized { ", quantized" } else { "" });
    say!("  attribution  {}", model.attribution_layer.as_deref().unwrap_or("no tensor with positions"));
    if let (Some(integers), Some(floats)) = (found.integer_nodes, &found.float_nodes) {
        say!("  runs         {integers} nodes on integers, {} in float{}", floats.len(), listed(floats));
    }
    for (operator, count) in &found.operators {
        say!("  {count:>5} × {operator}");
    }
    for warning in &model.warnings {
        say!("  note: {warning}");
    }
    Ok(())
}

/// The first few names behind a colon.
fn listed(names: &[String]) -> String {
    const MOST: usize = 6;
    if names.is_empty() {
        return String::new();
    }
    let rest = if names.len() > MOST { ", …" } else { "" };
    format!(": {}{rest}", names[..names.len().min(MOST)].join(", "))
}
