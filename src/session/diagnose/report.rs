//! The report: findings with what helped, and all of it in a sentence.

use super::Work;
use super::causes::{Named, evidence, number};
use super::input::Better;
use crate::data::Preprocess;
use crate::quant::Recipe;
use crate::session::view::{Cause, Change, DiagnosisView, Effect, Finding, InputEffect, Remedy, Suggestion};

/// Answers whose mean entropy is above this share of the largest possible prefer nothing.
const UNDECIDED: f64 = 0.9;

pub(super) fn of(work: Work, own: &Recipe, preprocess: &Preprocess) -> DiagnosisView {
    let before = work.before();
    let input = work.check.now();
    let mut findings: Vec<Finding> = of_input(&work, &input, preprocess).into_iter().collect();
    let is_input_wrong = !findings.is_empty();
    findings.extend(work.named.iter().flatten().map(|named| {
        let remedy = work.best(named, own).map(|(fix, after, size_bytes)| Remedy {
            title: fix.title(),
            change: Change::Recipe { recipe: Box::new(fix.applied(own)), before, after, size_bytes },
        });
        finding(named.clone(), remedy)
    }));
    let suggestion = suggestion(&work, own);
    let healthy = work.is_healthy() && findings.is_empty();
    let summary = summary(&work, is_input_wrong, suggestion.as_ref());
    DiagnosisView {
        recipe: own.clone(),
        healthy,
        summary,
        input,
        before,
        weights_only: work.effects[1],
        activations_only: work.effects[2],
        size_bytes: work.layers.quantized.sizes().quantized,
        findings,
        suggestion,
        layers: work.layers.view.layers,
    }
}

fn finding(named: Named, remedy: Option<Remedy>) -> Finding {
    let Named { cause, layer, origin, message, evidence, .. } = named;
    Finding { cause, layer, origin, message, evidence, remedy }
}

fn suggestion(work: &Work, own: &Recipe) -> Option<Suggestion> {
    let recipe = work.together.recipe(own);
    let (after, size_bytes) = work.recipes.of(&recipe)?;
    let titles = work.together.taken.iter().map(super::Fix::title).collect();
    Some(Suggestion { titles, recipe, after, size_bytes })
}

/// What is wrong with the pictures as full precision sees them.
fn of_input(work: &Work, now: &InputEffect, preprocess: &Preprocess) -> Option<Finding> {
    if let Some(better) = &work.better {
        return Some(wrong_preparation(better.clone(), now));
    }
    let [most, entropy] = work.check.entropy();
    // Pictures of one class have one answer.
    let is_right = now.top1.is_some_and(|right| right > 0.5);
    let (cause, message) = if now.images >= 8 && now.answers == 1 && !is_right {
        let message = format!("Full precision gives all {} pictures the same answer.", now.images);
        (Cause::ConstantAnswers, message)
    } else if now.images >= 8 && most > 0.0 && entropy > UNDECIDED * most {
        let confidence = number(100.0 * now.confidence);
        let message = format!(
            "Full precision hardly prefers any answer: its first has a probability of {confidence} % on the mean."
        );
        (Cause::Undecided, message)
    } else {
        return None;
    };
    let range = crate::session::view::PreprocessView::range_of(preprocess);
    Some(Finding {
        cause,
        layer: None,
        origin: None,
        message: format!(
            "{message} Pixels come as {} to {}; check the preprocessing, and that the network fits these pictures.",
            number(f64::from(range[0])),
            number(f64::from(range[1]))
        ),
        evidence: vec![evidence("answers", now.answers as f64), evidence("confidence", now.confidence)],
        remedy: None,
    })
}

fn wrong_preparation(better: Better, now: &InputEffect) -> Finding {
    let Better { name, preprocess, is_order, after, pictures: [up, down] } = better;
    let change = match (now.top1, after.top1) {
        (Some(before), Some(after)) => format!(
            "full precision is right on {} % of them instead of {} %",
            number(100.0 * after),
            number(100.0 * before)
        ),
        _ => format!(
            "full precision's answers say {} nats about them instead of {}",
            number(after.information),
            number(now.information)
        ),
    };
    Finding {
        cause: if is_order { Cause::ChannelOrder } else { Cause::InputRange },
        layer: None,
        origin: None,
        message: format!(
            "The pictures do not seem to be prepared as the network was trained. Prepared as “{name}”, {change} (better on \
             {up} pictures, worse on {down})."
        ),
        evidence: vec![
            evidence("informationBefore", now.information),
            evidence("informationAfter", after.information),
            evidence("better", up as f64),
            evidence("worse", down as f64),
        ],
        remedy: Some(Remedy {
            title: format!("Prepare pictures as “{name}”"),
            change: Change::Preprocess { preprocess: Box::new(preprocess), before: *now, after },
        }),
    }
}

fn summary(work: &Work, is_input_wrong: bool, suggestion: Option<&Suggestion>) -> String {
    let Effect { images, agreement, kl, .. } = work.before();
    let percent = |share: f64| number(100.0 * share);
    let state = format!(
        "The quantized network answers {} % of {images} pictures as full precision does (divergence {} nats).",
        percent(agreement),
        number(kl)
    );
    if is_input_wrong {
        return format!("Full precision itself looks wrong: see to that first. {state}");
    }
    if work.is_healthy() {
        let why = if agreement < 0.95 { " The answers that changed were hardly decided." } else { "" };
        return format!("Nothing to repair. {state}{why}");
    }
    let (weights, activations) = (work.effects[1].kl, work.effects[2].kl);
    // What is corrected after rounding is in neither half.
    let is_corrected = work.layers.view.recipe.corrects();
    let blame = match () {
        () if is_corrected => "",
        () if weights > 3.0 * activations => " Most of it is lost in the weights.",
        () if activations > 3.0 * weights => " Most of it is lost in the activations.",
        () => " Weights and activations both lose.",
    };
    let help = match suggestion {
        Some(Suggestion { after, .. }) => format!(
            "With the remedies below it is {} % ({} nats).",
            percent(after.agreement),
            number(after.kl)
        ),
        None => "Nothing that was tried helps: give it more bits.".to_owned(),
    };
    format!("{state}{blame} {help}")
}
