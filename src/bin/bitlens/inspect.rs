//! `bitlens inspect`.

use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::model;
use crate::output::{bytes, json_line};
use bitlens::ops::Isa;
use bitlens::session::SessionError;
use bitlens::session::view::{ErrorView, ModelView, OperatorView, SupportView};
use serde::Serialize;

/// How many names of nodes stand in one line.
const MAX_LISTED: usize = 4;

#[derive(Serialize)]
struct Refusal {
    error: ErrorView,
}

pub(crate) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let network = match model::open(&args.model) {
        Err(Failure::Model { path, source }) => {
            print_refusal(&source, args.json)?;
            return Err(Failure::Model { path, source });
        }
        opened => opened?,
    };
    let model = ModelView { operators: network.operators(Isa::best()), ..network.view() };
    if args.json {
        return json_line(&model);
    }
    say!("{} ({}, {})", model.name, model.file_name, bytes(model.size_bytes));
    say!("  written by   {} (opset {})", model.producer, model.opset);
    say!("  input        {} {}", model.input_name, model.input_shape);
    say!("  classes      {}", model.classes);
    say!("  parameters   {}", model.parameters);
    say!("  nodes        {} in the file, {} after simplifying", model.nodes, network.graph().node_count());
    say!("  layers       {} with weights{}", model.layers, if model.quantized { ", quantized" } else { "" });
    say!("  attribution  {}", model.attribution_layer.as_deref().unwrap_or("no tensor with positions"));
    print_operators(&model.operators)?;
    for warning in &model.warnings {
        say!("  note: {warning}");
    }
    Ok(())
}

/// The operators of a network some of whose nodes cannot be read.
fn print_refusal(error: &SessionError, json: bool) -> Result<(), Failure> {
    match error.support() {
        Some(_) if json => json_line(&Refusal { error: ErrorView::from(error) }),
        Some(support) => {
            print_operators(&SupportView::from(support).operators)?;
            say!("  {} of {} nodes do not need what cannot be read", support.computable, support.nodes);
            Ok(())
        }
        None => Ok(()),
    }
}

/// A line for each operator: how many nodes, what runs how, what cannot be read.
fn print_operators(operators: &[OperatorView]) -> Result<(), Failure> {
    for operator in operators {
        say!("  {:>5} × {:<24} {}", operator.nodes, operator.op_type, how(operator));
        for refused in operator.refused.iter().take(MAX_LISTED) {
            say!("            {}", refused.reason);
        }
    }
    Ok(())
}

fn how(operator: &OperatorView) -> String {
    if !operator.refused.is_empty() {
        return format!("cannot be read: {}", named(operator.refused.iter().map(|node| node.node.as_str())));
    }
    let float = || named(operator.float_nodes.iter().map(String::as_str));
    match operator.integer_nodes {
        None => "can be read".to_owned(),
        Some(0) if operator.float_nodes.is_empty() => "between integers and float".to_owned(),
        Some(_) if operator.float_nodes.is_empty() => "integers".to_owned(),
        Some(0) => format!("float: {}", float()),
        Some(integers) => format!("{integers} on integers; in float: {}", float()),
    }
}

/// "a, b, c, d and 3 more".
fn named<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_LISTED);
    let listed = names.take(MAX_LISTED).collect::<Vec<_>>().join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}
