//! `cargo xtask test`: runs the steps and says, in the end, what each of them said.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::ahead::Ahead;
use crate::steps::{Outcome, STEPS, Step};
use crate::summary::Counts;

/// A step that ran.
struct Ran {
    step: &'static Step,
    outcome: Result<Outcome>,
    time: Duration,
}

impl Ran {
    fn failed(&self) -> bool {
        self.outcome.as_ref().map_or(true, |outcome| outcome.failed)
    }

    /// The tests of the step. A failure that no test accounts for (a lint, a compile error)
    /// counts as one, so that the closing line never says `0 failed` of a failed run.
    fn counts(&self) -> Counts {
        let mut counts =
            self.outcome.as_ref().map_or_else(|_| Counts::default(), |outcome| outcome.summary.counts);
        if self.failed() {
            counts.failed = counts.failed.max(1);
        }
        counts
    }
}

/// Runs all steps, or those named; stops at the first failure unless told `--keep-going`.
/// Returns whether everything passed.
pub(crate) fn test(arguments: &[OsString]) -> Result<bool> {
    let mut arguments: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for step in STEPS {
            println!("{:<20} {}", step.name, step.title);
        }
        return Ok(true);
    }
    let all = arguments.len();
    arguments.retain(|argument| argument != "--keep-going");
    let keep_going = arguments.len() < all;
    let names: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();

    let selected = select(&names)?;
    let begin = Instant::now();
    let mut ahead = start_ahead(&selected)?;
    let mut ran: Vec<Ran> = Vec::new();
    for (index, step) in selected.iter().enumerate() {
        println!("\n== {}: {} ({} of {})", step.name, step.title, index + 1, selected.len());
        let start = Instant::now();
        let outcome = if ahead.has(step.name) {
            ahead.finish(step.name).map(|()| Outcome::default())
        } else {
            (step.run)()
        };
        let time = start.elapsed();
        ran.push(Ran { step, outcome, time });
        let Some(last) = ran.last() else { continue };
        println!("== {}: {} in {:.1} s", step.name, verdict(last), time.as_secs_f64());
        if let Err(error) = &last.outcome {
            println!("   {error:#}");
        }
        if last.failed() && !keep_going {
            break;
        }
    }
    drop(ahead);
    Ok(report(&selected, &ran, begin.elapsed()))
}

/// Starts the steps that run beside the others, where there are others before them.
fn start_ahead(selected: &[&'static Step]) -> Result<Ahead> {
    let lane: Vec<_> = selected.iter().skip(1).filter_map(|step| Some((step.name, step.ahead?))).collect();
    Ahead::start(&lane)
}

/// The steps whose name or prefix is given, with those they stand on; all where none is given.
fn select(names: &[&str]) -> Result<Vec<&'static Step>> {
    for name in names {
        if !STEPS.iter().any(|step| matches(step, name)) {
            bail!("no step `{name}`: `cargo xtask test --list` names them");
        }
    }
    let mut wanted: Vec<bool> =
        STEPS.iter().map(|step| names.is_empty() || names.iter().any(|name| matches(step, name))).collect();
    // A step stands after those it needs, so one pass from the end finds them all.
    for index in (0..STEPS.len()).rev() {
        if wanted[index] {
            for earlier in 0..index {
                wanted[earlier] |= STEPS[index].after == Some(STEPS[earlier].name);
            }
        }
    }
    Ok(STEPS.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(step, _)| step).collect())
}

/// `web` selects `web-node-simd128`; `e2e` only itself.
fn matches(step: &Step, name: &str) -> bool {
    step.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn verdict(ran: &Ran) -> &'static str {
    if ran.failed() { "FAILED" } else { "passed" }
}

/// Prints a line for each step with the runners' own summaries, and the totals last.
fn report(selected: &[&Step], ran: &[Ran], time: Duration) -> bool {
    println!("\n== summary");
    let mut total = Counts::default();
    for one in ran {
        println!("{:<20} {} {:>7.1} s", one.step.name, verdict(one), one.time.as_secs_f64());
        if let Ok(outcome) = &one.outcome {
            for line in &outcome.summary.lines {
                println!("    {line}");
            }
        }
        total += one.counts();
    }
    for step in &selected[ran.len()..] {
        println!("{:<20} not run", step.name);
    }
    let failed: Vec<_> = ran.iter().filter(|one| one.failed()).map(|one| one.step.name).collect();
    println!("\n{:.0} s in all", time.as_secs_f64());
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    failed.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(selected: &[&Step]) -> Vec<&'static str> {
        selected.iter().map(|step| step.name).collect()
    }

    #[test]
    fn no_name_selects_everything() -> Result<()> {
        assert_eq!(select(&[])?.len(), STEPS.len());
        Ok(())
    }

    #[test]
    fn a_step_brings_the_steps_it_stands_on() -> Result<()> {
        assert_eq!(names(&select(&["e2e"])?), ["package", "site", "e2e"]);
        Ok(())
    }

    #[test]
    fn a_prefix_selects_its_family() -> Result<()> {
        assert!(names(&select(&["web"])?).iter().all(|name| name.starts_with("web-")));
        assert_eq!(select(&["web-node"])?.len(), 2);
        Ok(())
    }

    #[test]
    fn an_unknown_step_is_refused() {
        assert!(select(&["nativ"]).is_err());
    }

    #[test]
    fn every_prerequisite_is_an_earlier_step() {
        for (index, step) in STEPS.iter().enumerate() {
            if let Some(after) = step.after {
                assert!(STEPS[..index].iter().any(|earlier| earlier.name == after), "{}", step.name);
            }
        }
    }

    #[test]
    fn a_step_that_starts_ahead_needs_no_other() {
        // It would not wait for what it stands on.
        let mut ahead = STEPS.iter().filter(|step| step.ahead.is_some());
        assert!(ahead.all(|step| step.after.is_none()));
    }

    #[test]
    fn a_failure_without_tests_counts_as_one() {
        let ran = Ran { step: &STEPS[0], outcome: Err(anyhow::anyhow!("lint")), time: Duration::ZERO };
        assert_eq!(ran.counts(), Counts { passed: 0, failed: 1, skipped: 0 });
    }
}
