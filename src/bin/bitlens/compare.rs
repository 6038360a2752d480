//! `bitlens compare`.

use crate::args::CompareArgs;
use crate::failure::Failure;
use crate::output::{Bar, bytes, db, json_line};
use crate::{data, model};
use bitlens::session::view::{LatencyView, Summary};
use bitlens::session::{CompareJob, Job as _, LatencyJob};
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What the quantized network is held against, by whether the first file is quantized itself.
const FULL_PRECISION: &str = "full precision";
const DEFINITION: &str = "definition in float";

#[derive(Serialize)]
struct Comparison {
    images: usize,
    reference: &'static str,
    top1_fp: Option<f64>,
    top1_q: Option<f64>,
    agreement: f64,
    agreement_low: f64,
    agreement_high: f64,
    kl: f64,
    sqnr_db: Option<f64>,
    attribution: Maps,
    size_bytes: Pair<usize>,
    latency_ms: Pair<f64>,
    latency_runs: usize,
    isa: String,
}

#[derive(Serialize)]
struct Maps {
    method: String,
    spearman_mean: Option<f64>,
    kendall_tau_b_mean: Option<f64>,
    images: usize,
}

#[derive(Serialize)]
struct Pair<T> {
    fp: T,
    q: T,
}

pub(crate) fn compare(args: &CompareArgs) -> Result<(), Failure> {
    let network = model::open(&args.model)?;
    let (quantized, quantized_bytes) = model::open_quantized(&args.quantized)?;
    let size_bytes = Pair { fp: network.info.size_bytes, q: quantized_bytes };
    let data = data::load(&args.data, &network)?;
    let (network, quantized) = (Arc::new(network), Arc::new(quantized));

    let reference = if network.is_quantized() { DEFINITION } else { FULL_PRECISION };
    let bar = Bar::new();
    let (inputs, classes) = (data.inputs.clone(), Arc::new(data.classes));
    let mut job = CompareJob::new(Arc::clone(&network), Arc::clone(&quantized), inputs, classes);
    let summary = job.run(&mut |progress| bar.show(progress))?.summary;
    let first = data.inputs.get(0)?.value;
    let mut job = LatencyJob::new(network, quantized, first, args.runs, milliseconds);
    let latency = job.run(&mut |progress| bar.show(progress))?;
    drop(bar);
    let comparison = Comparison { reference, ..describe(&summary, &latency, size_bytes) };
    if args.json {
        return json_line(&comparison);
    }
    print(&comparison)
}

fn describe(summary: &Summary, latency: &LatencyView, size_bytes: Pair<usize>) -> Comparison {
    Comparison {
        images: summary.images,
        reference: FULL_PRECISION,
        top1_fp: summary.top1.as_ref().map(|t| t.full),
        top1_q: summary.top1.as_ref().map(|t| t.quantized),
        agreement: summary.agreement.value,
        agreement_low: summary.agreement.low,
        agreement_high: summary.agreement.high,
        kl: summary.kl,
        sqnr_db: summary.sqnr_db,
        attribution: Maps {
            method: summary.attribution.method.clone(),
            spearman_mean: summary.attribution.spearman_mean,
            kendall_tau_b_mean: summary.attribution.kendall_tau_b_mean,
            images: summary.attribution.images,
        },
        size_bytes,
        latency_ms: Pair { fp: latency.full.median_ms, q: latency.quantized.median_ms },
        latency_runs: latency.runs,
        isa: latency.isa.clone(),
    }
}

fn print(c: &Comparison) -> Result<(), Failure> {
    let percent = |v: f64| format!("{:.2} %", 100.0 * v);
    say!("pictures         {}", c.images);
    if c.reference == DEFINITION {
        say!("compared with    the {DEFINITION} of a file that is quantized already: figures say how far");
        say!("                 two ways of rounding drift apart, not what quantizing cost");
    }
    if let (Some(fp), Some(q)) = (c.top1_fp, c.top1_q) {
        say!("top-1            {} → {}", percent(fp), percent(q));
    }
    let (low, high) = (percent(c.agreement_low), percent(c.agreement_high));
    say!("same answer      {} (95 %: {low} to {high})", percent(c.agreement));
    say!("KL divergence    {:.5} nats", c.kl);
    say!("logits SQNR      {}", db(c.sqnr_db));
    if let (Some(spearman), Some(kendall)) = (c.attribution.spearman_mean, c.attribution.kendall_tau_b_mean) {
        let n = c.attribution.images;
        say!(
            "{} rank correlation  Spearman {spearman:.4}, Kendall τ-b {kendall:.4} (n = {n})",
            c.attribution.method
        );
    }
    say!("file             {} → {}", bytes(c.size_bytes.fp), bytes(c.size_bytes.q));
    let (fp, q) = (c.latency_ms.fp, c.latency_ms.q);
    say!("one picture      {fp:.2} ms → {q:.2} ms here ({}, median of {})", c.isa, c.latency_runs);
    Ok(())
}

/// Milliseconds since the first call.
fn milliseconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
}
