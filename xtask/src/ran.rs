//! What became of steps, in memory and as the text that one lane hands to the other.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::steps::{Outcome, Step};
use crate::summary::{Counts, Summary};

/// A step that ran.
pub(crate) struct Ran {
    pub(crate) step: &'static Step,
    pub(crate) outcome: Result<Outcome>,
    pub(crate) time: Duration,
}

impl Ran {
    pub(crate) fn failed(&self) -> bool {
        self.outcome.as_ref().map_or(true, |outcome| outcome.failed)
    }

    /// The tests of the step. A failure that no test accounts for (a lint, a compile error)
    /// counts as one, so that the closing line never says `0 failed` of a failed run.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts =
            self.outcome.as_ref().map_or_else(|_| Counts::default(), |outcome| outcome.summary.counts);
        if self.failed() {
            counts.failed = counts.failed.max(1);
        }
        counts
    }

    pub(crate) fn verdict(&self) -> &'static str {
        if self.failed() { "FAILED" } else { "passed" }
    }

    /// A line with the figures, then the lines of the runners' summaries, indented.
    pub(crate) fn write(&self) -> String {
        let (milliseconds, failed) = (self.time.as_millis(), self.failed());
        let Counts { passed, failed: wrong, skipped } = self.counts();
        let mut text = format!("{} {milliseconds} {failed} {passed} {wrong} {skipped}\n", self.step.name);
        match &self.outcome {
            Ok(outcome) => {
                for line in &outcome.summary.lines {
                    let _ = writeln!(text, " {line}");
                }
            }
            Err(error) => {
                let _ = writeln!(text, "!{}", format!("{error:#}").replace('\n', " "));
            }
        }
        text
    }
}

/// Reads what [`Ran::write`] wrote of some of `steps`.
pub(crate) fn read(text: &str, steps: &[&'static Step]) -> Result<Vec<Ran>> {
    let mut all: Vec<Ran> = Vec::new();
    for line in text.lines() {
        if let Some(error) = line.strip_prefix('!') {
            all.last_mut().context("an error of no step")?.outcome = Err(anyhow!("{error}"));
        } else if let Some(line) = line.strip_prefix(' ') {
            if let Some(Ran { outcome: Ok(outcome), .. }) = all.last_mut() {
                outcome.summary.lines.push(line.to_owned());
            }
        } else {
            all.push(first_line(line, steps).with_context(|| format!("the second lane wrote `{line}`"))?);
        }
    }
    Ok(all)
}

fn first_line(line: &str, steps: &[&'static Step]) -> Option<Ran> {
    let words: Vec<&str> = line.split(' ').collect();
    let &[name, milliseconds, failed, passed, wrong, skipped] = words.as_slice() else { return None };
    let step = steps.iter().find(|step| step.name == name)?;
    let counts =
        Counts { passed: passed.parse().ok()?, failed: wrong.parse().ok()?, skipped: skipped.parse().ok()? };
    let outcome = Outcome { failed: failed.parse().ok()?, summary: Summary { lines: Vec::new(), counts } };
    Some(Ran { step, outcome: Ok(outcome), time: Duration::from_millis(milliseconds.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::STEPS;

    #[test]
    fn what_became_of_steps_survives_the_file() -> Result<()> {
        let counts = Counts { passed: 7, failed: 0, skipped: 1 };
        let lines = vec!["test result: ok. 4 passed".to_owned(), "test result: ok. 3 passed".to_owned()];
        let passed = Outcome { failed: false, summary: Summary { lines: lines.clone(), counts } };
        let time = Duration::from_millis(61_204);
        let before = [
            Ran { step: &STEPS[1], outcome: Ok(passed), time },
            Ran { step: &STEPS[0], outcome: Err(anyhow!("first\nsecond").context("lint")), time },
        ];
        let text: String = before.iter().map(Ran::write).collect();
        let after = read(&text, &STEPS.iter().collect::<Vec<_>>())?;
        assert_eq!(after.iter().map(|ran| ran.step.name).collect::<Vec<_>>(), [STEPS[1].name, STEPS[0].name]);
        assert_eq!(after.iter().map(Ran::counts).collect::<Vec<_>>(), before.map(|ran| ran.counts()));
        assert_eq!((after[0].time, after[0].failed(), after[1].failed()), (time, false, true));
        assert_eq!(after[0].outcome.as_ref().map(|o| o.summary.lines.clone()).ok(), Some(lines));
        assert_eq!(
            after[1].outcome.as_ref().map_err(|e| format!("{e:#}")).err(),
            Some("lint: first second".into())
        );
        Ok(())
    }

    #[test]
    fn text_of_no_step_is_refused() {
        assert!(read("nothing 1 false 0 0 0\n", &STEPS.iter().collect::<Vec<_>>()).is_err());
        assert!(read("!error\n", &[]).is_err());
    }
}
