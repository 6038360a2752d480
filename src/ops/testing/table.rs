//! The table of operators in `docs/operators.md`, made of what each operator's file and samples say.
//!
//! `BITLENS_OPERATORS=update` writes it anew. The last column, how many of ONNX's node cases pass, is
//! left as it is: the conformance test knows it.

use super::codes::Moved;
use super::{Kind, Op, Sample, codes, differentiable_inputs};
use crate::ops::file_op_types;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands around the rows.
const MARKS: [&str; 2] = [
    "| operator | definitions | gradient | on codes | node cases |\n|---|---|---|---|---|\n",
    "\n<!-- end of operators -->",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The module documentation of all operators, file by file.
fn documentation() -> Vec<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["src/ops", "src/ops/composed"] {
        files.extend(fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let lines = |text: String| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim);
        lines.collect::<Vec<_>>().join(" ")
    };
    files.into_iter().map(|path| lines(fs::read_to_string(path).unwrap())).collect()
}

/// The opsets whose definitions of an operator are read, as its file states them.
fn definitions(name: &str, files: &[String]) -> String {
    if name.contains('.') {
        return "1".to_owned();
    }
    let stated = files.iter().find_map(|text| {
        let (_, rest) = text.split_once(&format!("`{name}` ("))?;
        let range = rest.split_once(')')?.0;
        let range = range.trim_start_matches("ONNX opsets ").trim_start_matches("ONNX opset ");
        let range = range.split([',', ';']).next()?;
        range.split('–').all(|end| end.parse::<u32>().is_ok()).then(|| range.to_owned())
    });
    stated.unwrap_or_else(|| panic!("no file in src/ops begins with `{name}` (ONNX opsets …)"))
}

fn gradient(op_type: &str, samples: &[Sample]) -> &'static str {
    let ops: Vec<_> = samples.iter().map(|sample| sample.import(op_type)).collect();
    if ops.iter().any(|(op, _)| op.facts().kind == Kind::Quantize) {
        "straight through"
    } else if ops.iter().any(|(op, slots)| !differentiable_inputs(op, slots).is_empty()) {
        "yes"
    } else {
        "–"
    }
}

/// What an operator becomes on codes.
fn on_codes(op_type: &'static str, samples: &[Sample]) -> String {
    let found: BTreeSet<&str> = samples
        .iter()
        .filter_map(|sample| codes::forms(op_type, sample, Moved::Unchanged))
        .flatten()
        .collect();
    let names = found.iter().map(|&name| match name.strip_prefix("bitlens.") {
        Some(form) => format!("`{form}`"),
        None if name == op_type => "itself".to_owned(),
        None => format!("`{name}`"),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { "–".to_owned() } else { names }
}

/// The rows, with what stood in their last column.
fn rows(before: &str) -> String {
    let counts: BTreeMap<&str, &str> = before
        .lines()
        .filter_map(|line| {
            Some((line.split('`').nth(1)?, line.trim_end_matches('|').rsplit('|').next()?.trim()))
        })
        .collect();
    let files = documentation();
    let samples: BTreeMap<&str, Vec<Sample>> = Op::samples().into_iter().collect();
    let mut names: Vec<&'static str> = file_op_types().collect();
    names.sort_unstable_by_key(|name| (name.contains('.'), *name));
    let mut table = String::new();
    for name in names {
        let (gradient, form) = match samples.get(name) {
            Some(samples) => (gradient(name, samples).to_owned(), on_codes(name, samples)),
            None => ("of its parts".to_owned(), "of its parts".to_owned()),
        };
        let count = counts.get(name).copied().unwrap_or("–");
        writeln!(table, "| `{name}` | {} | {gradient} | {form} | {count} |", definitions(name, &files))
            .unwrap();
    }
    table
}

#[test]
fn the_table_of_operators_is_current() {
    let path = root().join("docs/operators.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(MARKS[0]).expect("the table has its columns");
    let (before, tail) = rest.split_once(MARKS[1]).expect("the table ends");
    let current = format!("{head}{}{}{}{tail}", MARKS[0], rows(before).trim_end(), MARKS[1]);
    if std::env::var_os("BITLENS_OPERATORS").is_some_and(|mode| mode == "update") {
        fs::write(&path, current).unwrap();
        return;
    }
    let changed: Vec<_> = current.lines().filter(|line| !text.lines().any(|old| old == *line)).collect();
    assert!(
        text == current,
        "docs/operators.md is not what the operators say; BITLENS_OPERATORS=update cargo test --lib \
         table_of_operators writes it anew. It lacks:\n{}",
        changed.join("\n")
    );
}
