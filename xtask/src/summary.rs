//! Reading the test runners' own summaries, so that the closing line adds up what they said.

use std::ops::AddAssign;

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// A program that runs tests and prints a summary of its own form.
#[derive(Clone, Copy)]
pub(crate) enum Runner {
    /// libtest, and wasm-bindgen's runner, which copies its form.
    Cargo,
    /// `node --test --test-reporter=spec`.
    Node,
    /// vitest's default reporter.
    Vitest,
}

/// What a runner said at its end.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) lines: Vec<String>,
    pub(crate) counts: Counts,
}

impl Runner {
    /// Finds the summary lines in a runner's output and adds them up.
    pub(crate) fn summarize(self, output: &[String]) -> Summary {
        let mut summary = Summary::default();
        for line in output {
            if let Some(counts) = self.counts(line) {
                summary.lines.push(line.trim().to_owned());
                summary.counts += counts;
            }
        }
        if matches!(self, Self::Cargo) {
            let skipped = tests_that_skipped_themselves(output).min(summary.counts.passed);
            summary.counts.passed -= skipped;
            summary.counts.skipped += skipped;
        }
        summary
    }

    /// The counts in a summary line; `None` for any other line.
    fn counts(self, line: &str) -> Option<Counts> {
        let line = line.trim();
        match self {
            Self::Cargo => line.strip_prefix("test result: ").map(|rest| Counts {
                passed: number_before(rest, "passed"),
                failed: number_before(rest, "failed"),
                skipped: number_before(rest, "ignored"),
            }),
            Self::Vitest => line.strip_prefix("Tests  ").map(|rest| Counts {
                passed: number_before(rest, "passed"),
                failed: number_before(rest, "failed"),
                skipped: number_before(rest, "skipped") + number_before(rest, "todo"),
            }),
            Self::Node => {
                let (label, count) = line.strip_prefix("ℹ ")?.split_once(' ')?;
                let count = count.parse().ok()?;
                let none = Counts::default();
                match label {
                    "pass" => Some(Counts { passed: count, ..none }),
                    "fail" | "cancelled" => Some(Counts { failed: count, ..none }),
                    "skipped" | "todo" => Some(Counts { skipped: count, ..none }),
                    _ => None,
                }
            }
        }
    }
}

/// The whole number before a word, 0 where the word does not occur: `3` in `3 passed; 1 failed`.
fn number_before(text: &str, word: &str) -> usize {
    let words: Vec<_> = text.split([' ', ';', '.', '|']).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// libtest knows no skipping at run time. A test that finds no data prints `skipped: reason`
/// and returns; run with `--show-output`, it is told by that line under its own heading.
fn tests_that_skipped_themselves(output: &[String]) -> usize {
    let mut skipped = 0;
    let mut counted = true; // lines before the first heading belong to no test
    for line in output {
        if line.starts_with("---- ") && line.ends_with(" ----") {
            counted = false;
        } else if !counted && line.starts_with("skipped: ") {
            skipped += 1;
            counted = true;
        }
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn adds_up_the_binaries_of_a_cargo_test_run() {
        let output = lines(
            "running 4 tests\n\
             test a ... ok\n\
             test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.1s\n\
             test result: ok. 10 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out",
        );
        let summary = Runner::Cargo.summarize(&output);
        assert_eq!(summary.counts, Counts { passed: 13, failed: 1, skipped: 2 });
        assert_eq!(summary.lines.len(), 2);
    }

    #[test]
    fn counts_a_test_without_data_as_skipped_once() {
        let output = lines(
            "skipped: not under a test\n\
             ---- onnx::reads_all_models stdout ----\n\
             skipped: no data\n\
             skipped: no data\n\
             ---- onnx::prints stdout ----\n\
             some text\n\
             test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        let summary = Runner::Cargo.summarize(&output);
        assert_eq!(summary.counts, Counts { passed: 4, failed: 0, skipped: 1 });
    }

    #[test]
    fn reads_vitest_and_not_its_count_of_files() {
        let output =
            lines(" Test Files  1 failed | 2 passed (3)\n      Tests  1 failed | 8 passed | 2 skipped (11)");
        let summary = Runner::Vitest.summarize(&output);
        assert_eq!(summary.counts, Counts { passed: 8, failed: 1, skipped: 2 });
        assert_eq!(summary.lines.len(), 1);
    }

    #[test]
    fn reads_node_and_counts_a_cancelled_test_as_failed() {
        let output = lines(
            "ℹ tests 7\nℹ suites 1\nℹ pass 4\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\nℹ duration_ms 91.2",
        );
        let summary = Runner::Node.summarize(&output);
        assert_eq!(summary.counts, Counts { passed: 4, failed: 2, skipped: 1 });
    }

    #[test]
    fn finds_no_summary_in_other_output() {
        let summary = Runner::Cargo.summarize(&lines("no tests to run!"));
        assert!(summary.lines.is_empty());
    }
}
