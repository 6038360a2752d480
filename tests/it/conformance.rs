//! The node cases of ONNX's own backend suite, compared with what `tests/conformance/node.toml`
//! expects of each.
//!
//! The cases (25 MB) come from the Python package `onnx`; `cargo xtask test conformance` obtains
//! them. Without the folder `$BITLENS_ONNX_CASES` the test is skipped. With
//! `BITLENS_CONFORMANCE=update` it writes the manifest, the counts of the README and those of
//! `docs/operators.md` anew; the summary and the differences are then for the person at the diff to
//! judge.

mod case;
mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bitlens::ops::Op;

use crate::root;
use case::Case;
use manifest::{Expected, Manifest};

const MANIFEST: &str = "tests/conformance/node.toml";

/// The table of operators, whose last column has the counts of each.
const OPERATORS: &str = "docs/operators.md";

/// What stands in the README around the counts.
const COUNTS: [&str; 2] = [
    "<!-- conformance: written by BITLENS_CONFORMANCE=update, see CONTRIBUTING.md -->\n",
    "<!-- end of conformance -->",
];

#[test]
fn every_case_does_what_the_manifest_expects() {
    let Some(folder) = std::env::var_os("BITLENS_ONNX_CASES").map(PathBuf::from) else {
        println!("skipped: no conformance cases");
        return;
    };
    let cases = Case::all(&folder);
    assert!(!cases.is_empty(), "{} holds no cases", folder.display());
    let text = fs::read_to_string(root().join(MANIFEST)).unwrap();
    let manifest = Manifest::parse(&text).unwrap_or_else(|error| panic!("{MANIFEST}: {error}"));
    let is_update = std::env::var_os("BITLENS_CONFORMANCE").is_some_and(|mode| mode == "update");
    let (mut results, mut wrong) = (Vec::new(), Vec::new());
    for case in &cases {
        let expected = manifest.expected(case);
        if expected == Ok(Expected::Skip) {
            continue;
        }
        let result = case.run().err();
        match (expected, &result) {
            (Err(message), _) => wrong.push(format!("{}: {message}", case.name)),
            (Ok(Expected::Pass), Some(message)) => wrong.push(format!("{} fails: {message}", case.name)),
            (Ok(Expected::KnownFailure), None) => wrong.push(format!("{} passes now", case.name)),
            _ => {}
        }
        results.push((case, result));
    }
    wrong.extend(manifest.idle(&cases).iter().map(|rule| format!("`{rule}` is no case and no family")));
    let counts = counts(&cases, &results);
    println!("conformance: {counts}");
    if is_update {
        fs::write(root().join(MANIFEST), manifest.rewritten(&text, &results)).unwrap();
        fs::write(root().join("README.md"), with_counts(&counts)).unwrap();
        fs::write(root().join(OPERATORS), with_cases(&cases, &results)).unwrap();
        println!("updated; before it was:\n{}", wrong.join("\n"));
        return;
    }
    if fs::read_to_string(root().join("README.md")).unwrap() != with_counts(&counts) {
        wrong.push("README.md has other counts".to_owned());
    }
    if fs::read_to_string(root().join(OPERATORS)).unwrap() != with_cases(&cases, &results) {
        wrong.push(format!("{OPERATORS} has other counts"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases are not as {MANIFEST} says; BITLENS_CONFORMANCE=update writes it anew:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// `… of … cases of the supported operators pass, … in all`.
fn counts(cases: &[Case], results: &[(&Case, Option<String>)]) -> String {
    let passing = results.iter().filter(|(_, result)| result.is_none()).count();
    let supported = cases.iter().filter(|case| case.is_supported).count();
    format!("{passing} passing / {supported} of supported operators, {} in all", cases.len())
}

/// The README with these counts.
fn with_counts(counts: &str) -> String {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let (before, rest) = text.split_once(COUNTS[0]).expect("the README has a place for the counts");
    let (_, after) = rest.split_once(COUNTS[1]).expect("the place for the counts ends");
    let sentence = format!("- **Conformance** with ONNX's own node cases (onnx 1.22.0): {counts}.\n");
    format!("{before}{}{sentence}{}{after}", COUNTS[0], COUNTS[1])
}

/// The table of operators with how many cases about each pass, of all that there are.
fn with_cases(cases: &[Case], results: &[(&Case, Option<String>)]) -> String {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for case in cases {
        counts.entry(Op::current_name(&case.family)).or_default()[1] += 1;
    }
    for (case, _) in results.iter().filter(|(_, result)| result.is_none()) {
        counts.entry(Op::current_name(&case.family)).or_default()[0] += 1;
    }
    let text = fs::read_to_string(root().join(OPERATORS)).unwrap();
    let row = |line: &str| {
        let name = line.strip_prefix("| `").and_then(|rest| rest.split('`').next());
        let parts = name.zip(line.strip_suffix('|').and_then(|line| line.rsplit_once('|')));
        let Some((name, (before, _))) = parts else { return line.to_owned() };
        let count = counts.get(name).map_or("–".to_owned(), |[passing, all]| format!("{passing} / {all}"));
        format!("{before}| {count} |")
    };
    text.lines().map(|line| row(line) + "\n").collect()
}
