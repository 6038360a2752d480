//! `bitlens diagnose`.

use crate::args::DiagnoseArgs;
use crate::failure::{Failure, write};
use crate::output::{Bar, db, effect, json_line};
use crate::{data, model, recipe};
use bitlens::ops::Isa;
use bitlens::session::view::{Change, DiagnosisView, Finding, InputEffect, Remedy};
use bitlens::session::{Job as _, Session};
use std::sync::Arc;

pub(crate) fn diagnose(args: &DiagnoseArgs) -> Result<(), Failure> {
    let recipe = recipe::recipe(&args.recipe)?;
    let network = Arc::new(model::open(&args.model)?);
    let data = data::load(&args.data, &network)?;
    let session = Session::of(network, data.set, data.preprocess, Isa::best());
    let bar = Bar::new();
    let mut job = session.diagnose(&recipe, args.pictures)?;
    let found = job.run(&mut |progress| bar.show(progress))?;
    drop(bar);
    if let (Some(path), Some(suggestion)) = (&args.output, &found.suggestion) {
        write(path, suggestion.recipe.to_json().as_bytes())?;
    }
    if args.json {
        return json_line(&found);
    }
    print(&found)?;
    match (&args.output, &found.suggestion) {
        (Some(path), Some(_)) => say!("\nrecipe with all of it: {}", path.display()),
        (Some(path), None) => say!("\nno recipe is suggested, so {} is not written", path.display()),
        (None, Some(_)) => {
            say!("\n`-o RECIPE.json` writes the recipe with all of it, for `bitlens quantize --recipe`");
        }
        (None, None) => {}
    }
    Ok(())
}

fn print(found: &DiagnosisView) -> Result<(), Failure> {
    say!("{}", found.summary);
    say!("");
    say!("full precision    {}", input(&found.input));
    say!("quantized         {}", effect(&found.before));
    say!("weights only      {}", effect(&found.weights_only));
    say!("activations only  {}", effect(&found.activations_only));
    if found.recipe.corrects() {
        say!("(one half only: rounded to nearest, without the recipe's corrections of weights and biases)");
    }
    for finding in &found.findings {
        print_finding(finding)?;
    }
    if let Some(suggestion) = &found.suggestion {
        say!("\ntogether: {}", suggestion.titles.join("; "));
        say!("  {}", effect(&suggestion.after));
    }
    if found.layers.is_empty() {
        return Ok(());
    }
    say!("\nsignal over noise of each layer's output: alone (weight, what it reads); behind all before it");
    let widest = found.layers.iter().map(|layer| layer.layer.len()).max().unwrap_or(0);
    for layer in &found.layers {
        let noise = layer.output;
        let kl =
            layer.alone.map_or("not quantized".to_owned(), |alone| format!("{:.6} nats alone", alone.kl));
        say!(
            "  {:<widest$}  {:>9} ({:>9}, {:>9})  {:>9}  {kl}",
            layer.layer,
            db(noise.alone_db),
            db(noise.weight_db),
            db(noise.input_db),
            db(noise.accumulated_db)
        );
    }
    Ok(())
}

fn print_finding(finding: &Finding) -> Result<(), Failure> {
    say!("\n* {}", finding.message);
    if let Some(origin) = &finding.origin {
        say!("  {origin} makes it.");
    }
    match &finding.remedy {
        None => say!("  Nothing that was tried helps by itself."),
        Some(Remedy { title, change: Change::Recipe { before, after, .. } }) => {
            say!("  → {title}");
            say!("    before  {}", effect(before));
            say!("    after   {}", effect(after));
        }
        Some(Remedy { title, change: Change::Preprocess { before, after, .. } }) => {
            say!("  → {title}");
            say!("    before  {}", input(before));
            say!("    after   {}", input(after));
        }
    }
    Ok(())
}

fn input(of: &InputEffect) -> String {
    let top1 = of.top1.map_or(String::new(), |top1| format!(", {:.2} % right", 100.0 * top1));
    let (images, answers, confidence) = (of.images, of.answers, 100.0 * of.confidence);
    format!("{answers} different answers to {images} pictures{top1}, on the mean {confidence:.1} % sure")
}
