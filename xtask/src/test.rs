//! `cargo xtask test`: runs the steps and says, in the end, what each of them said.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::beside::{self, Beside};
use crate::ran::Ran;
use crate::steps::{NATIVE, STEPS, Step};
use crate::summary::Counts;

/// What is asked for on the command line.
struct Asked {
    steps: Vec<&'static Step>,
    keep_going: bool,
    /// Where to write what became of each step: given by the run that this one is the second lane of.
    results: Option<File>,
}

/// Runs all steps, or those named; stops at the first failure unless told `--keep-going`.
/// Returns whether everything passed.
pub(crate) fn test(arguments: &[OsString]) -> Result<bool> {
    if arguments.iter().any(|argument| argument == "--list") {
        for step in STEPS {
            println!("{:<20} {}", step.name, step.title);
        }
        return Ok(true);
    }
    let mut asked = read(arguments)?;
    let begin = Instant::now();
    let ran = run(&mut asked)?;
    Ok(report(&asked.steps, &ran, begin.elapsed()))
}

fn read(arguments: &[OsString]) -> Result<Asked> {
    let (mut names, mut keep_going, mut results) = (Vec::new(), false, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let argument = argument.to_string_lossy();
        match &*argument {
            "--keep-going" => keep_going = true,
            "--results" => {
                let file = rest.next().context("--results needs the name of a file")?;
                results = Some(File::create(file).context("cannot write the results")?);
            }
            _ => names.push(argument),
        }
    }
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    // The second lane was told every step.
    let steps = if results.is_some() { named(&names) } else { select(&names)? };
    Ok(Asked { steps, keep_going, results })
}

/// Runs the steps in order. Those that can run beside others do so, if there are others, and their
/// turn in the order is when their lane is waited for.
fn run(asked: &mut Asked) -> Result<Vec<Ran>> {
    let (beside, first): (Vec<&Step>, Vec<&Step>) = asked.steps.iter().partition(|step| step.beside);
    let turn = asked.steps.iter().position(|step| step.beside).unwrap_or(0);
    let mut lane = None;
    if turn > 0 {
        asked.steps.iter().flat_map(|step| step.needs).try_for_each(|need| need())?;
        let makes_program = first.iter().any(|step| step.name == NATIVE);
        lane = Some(Beside::start(beside, asked.keep_going, makes_program)?);
    }
    let in_order = if lane.is_some() { first } else { asked.steps.clone() };
    let mut ran: Vec<Ran> = Vec::new();
    for (index, step) in in_order.iter().enumerate() {
        if index == turn
            && let Some(lane) = lane.take()
        {
            ran.extend(lane.finish()?);
        }
        if ran.last().is_some_and(Ran::failed) && !asked.keep_going {
            break;
        }
        let heading = format!("== {}: {} ({} of {})", step.name, step.title, index + 1, in_order.len());
        println!("\n{heading}");
        let start = Instant::now();
        let one = Ran { step, outcome: (step.run)(), time: start.elapsed() };
        println!("== {}: {} in {:.1} s", step.name, one.verdict(), one.time.as_secs_f64());
        if let Err(error) = &one.outcome {
            println!("   {error:#}");
        }
        if let Some(results) = &mut asked.results {
            results.write_all(one.write().as_bytes()).context("cannot write the results")?;
        }
        ran.push(one);
        if step.name == NATIVE && lane.is_some() {
            beside::say_program_made()?;
        }
    }
    let failed = ran.iter().any(Ran::failed);
    if let Some(lane) = lane.filter(|_| !failed || asked.keep_going) {
        ran.extend(lane.finish()?);
    }
    Ok(ran)
}

/// The steps of these names.
fn named(names: &[&str]) -> Vec<&'static Step> {
    STEPS.iter().filter(|step| names.contains(&step.name)).collect()
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

/// Prints a line for each step with the runners' own summaries, and the totals last.
fn report(selected: &[&Step], ran: &[Ran], time: Duration) -> bool {
    println!("\n== summary");
    let mut total = Counts::default();
    for one in ran {
        println!("{:<20} {} {:>7.1} s", one.step.name, one.verdict(), one.time.as_secs_f64());
        if let Ok(outcome) = &one.outcome {
            for line in &outcome.summary.lines {
                println!("    {line}");
            }
        }
        total += one.counts();
    }
    let is_missing = |step: &&&Step| !ran.iter().any(|one| one.step.name == step.name);
    for step in selected.iter().filter(is_missing) {
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
    fn steps_beside_others_stand_together_and_on_each_other_only() {
        // Their lane does not wait for the first one, and its turn is one moment.
        let places: Vec<_> = (0..STEPS.len()).filter(|&index| STEPS[index].beside).collect();
        assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1));
        let mut after = places.iter().filter_map(|&index| STEPS[index].after);
        assert!(after.all(|name| STEPS.iter().any(|step| step.name == name && step.beside)));
    }

    #[test]
    fn a_failure_without_tests_counts_as_one() {
        let ran = Ran { step: &STEPS[0], outcome: Err(anyhow::anyhow!("lint")), time: Duration::ZERO };
        assert_eq!(ran.counts(), Counts { passed: 0, failed: 1, skipped: 0 });
    }
}
