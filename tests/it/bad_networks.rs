//! What is said about networks that cannot be read: the files of `tests/bad_networks`, each with its
//! exact message, code, node and hint in `messages.toml` beside them.
//!
//! With `BITLENS_MESSAGES=update` the table is written anew; the diff is then for a person to judge.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bitlens::ops::Isa;
use bitlens::session::view::ErrorView;
use bitlens::session::{ExternalFiles, Opening, Session};
use serde::Deserialize;

use crate::{files_below, root};

const FOLDER: &str = "tests/bad_networks";

/// How the table begins.
const HEAD: &str = "\
# What is said about each file of this folder: through the session, and so on the page, and by
# `bitlens inspect`. Written by BITLENS_MESSAGES=update, see CONTRIBUTING.md; judge the difference.
";

/// What is said about a file.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    code: String,
    node: Option<String>,
    message: String,
    hint: Option<String>,
}

impl Said {
    /// The entry of a file in the table.
    fn entry(&self, file: &str) -> String {
        let fields = [
            ("code", Some(&self.code)),
            ("node", self.node.as_ref()),
            ("message", Some(&self.message)),
            ("hint", self.hint.as_ref()),
        ];
        let lines = fields.into_iter().filter_map(|(key, text)| Some((key, text?)));
        let lines = lines.map(|(key, text)| format!("{key} = {}\n", toml::Value::String(text.clone())));
        format!("\n[{}]\n{}", toml::Value::String(file.to_owned()), lines.collect::<String>())
    }

    /// What a message lacks: what is wrong, where, and what to do.
    fn lacks(&self) -> Option<&'static str> {
        let names_node = self.node.as_ref().is_none_or(|node| self.message.contains(&format!("`{node}`")));
        let has_hint = self.hint.as_ref().is_some_and(|hint| hint.ends_with('.'));
        let is_for_people =
            !["Some(", "None", "Err(", "\\u{"].iter().any(|debug| self.message.contains(debug));
        match (names_node, has_hint, is_for_people) {
            (false, ..) => Some("the message does not name the node"),
            (_, false, _) => Some("there is no hint, or it is no sentence"),
            (.., false) => Some("the message shows values as Rust does"),
            _ => None,
        }
    }
}

/// The names and paths of the files, sorted.
fn files() -> BTreeMap<String, PathBuf> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files_below(FOLDER, &["onnx"]).into_iter().map(|path| (name(&path), path)).collect()
}

fn is_update() -> bool {
    std::env::var_os("BITLENS_MESSAGES").is_some_and(|mode| mode == "update")
}

fn table() -> BTreeMap<String, Said> {
    let path = root().join(FOLDER).join("messages.toml");
    toml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The weights that stand beside the files.
fn weights() -> ExternalFiles {
    let mut external = ExternalFiles::new();
    for path in files_below(FOLDER, &["data"]) {
        external.insert(path.file_name().unwrap().to_str().unwrap(), fs::read(&path).unwrap());
    }
    external
}

/// One file of each code with its bytes, for tests that need not see all.
pub(crate) fn one_of_each_code() -> Vec<(String, Vec<u8>)> {
    let (files, mut found) = (files(), BTreeMap::new());
    for (name, said) in table() {
        found.entry(said.code).or_insert(name);
    }
    let with_bytes = |name: String| {
        let bytes = fs::read(&files[&name]).unwrap();
        (name, bytes)
    };
    found.into_values().map(with_bytes).collect()
}

#[test]
fn every_file_is_refused_in_the_words_of_the_table() {
    let mut wrong = Vec::new();
    let mut said = BTreeMap::new();
    for (name, path) in files() {
        let mut session = Session::new(Isa::best());
        let opening = Opening { external: weights(), ..Opening::default() };
        match session.load_model_with(&name, fs::read(path).unwrap(), opening) {
            Ok(_) => wrong.push(format!("{name} opens")),
            Err(error) => {
                let ErrorView { code, message, node, hint, .. } = ErrorView::from(&error);
                said.insert(name, Said { code, node, message, hint });
            }
        }
    }
    let lacking = said.iter().filter_map(|(name, said)| Some((name, said.lacks()?)));
    wrong.extend(lacking.map(|(name, what)| format!("{name}: {what}")));
    if is_update() {
        let entries: String = said.iter().map(|(name, said)| said.entry(name)).collect();
        fs::write(root().join(FOLDER).join("messages.toml"), format!("{HEAD}{entries}")).unwrap();
    } else {
        let table = table();
        let differs = |(name, said): (&String, &Said)| match table.get(name) {
            None => Some(format!("{name} has no entry")),
            Some(expected) if expected != said => Some(format!("{name}:\n  {expected:?}\n  {said:?}")),
            Some(_) => None,
        };
        wrong.extend(said.iter().filter_map(differs));
        let idle = table.keys().filter(|name| !said.contains_key(*name));
        wrong.extend(idle.map(|name| format!("the table has {name}, which is not there or opens")));
    }
    assert!(wrong.is_empty(), "BITLENS_MESSAGES=update writes the table anew:\n{}", wrong.join("\n"));
}

#[cfg(feature = "cli")]
#[test]
fn the_command_line_says_the_same_and_ends_with_code_2() {
    use std::process::Command;
    if is_update() {
        return; // the table is being written
    }
    let (files, mut wrong) = (files(), Vec::new());
    for (name, said) in table() {
        let path = files[&name].to_str().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_bitlens")).args(["inspect", path]).output().unwrap();
        let hint = said.hint.map(|hint| format!("  {hint}\n")).unwrap_or_default();
        let expected = format!("error: {path}: {}\n{hint}", said.message);
        let found = String::from_utf8(output.stderr).unwrap();
        if output.status.code() != Some(2) || found != expected {
            wrong.push(format!("{name} ({}):\n{expected}{found}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
