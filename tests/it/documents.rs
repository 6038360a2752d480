//! What the documents say of the code, compared with the code.

use std::collections::BTreeSet;
use std::fs;

use bitlens::ops::file_op_types;

use crate::root;

/// The documents at the root and in `docs/`.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/numerics.md",
    "docs/operators.md",
    "docs/recipe.md",
    "docs/security.md",
];

#[test]
fn the_readme_lists_the_operators_that_files_may_use() {
    let text = read("README.md");
    let after = text.split_once("<!-- operators:").map(|(_, after)| after);
    let list = after.and_then(|after| after.split_once("<!-- end of operators -->")).unwrap().0;
    let listed: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    let known: BTreeSet<&str> = file_op_types().collect();
    assert_eq!(listed, known);
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons = read("ARCHITECTURE.md");
    let mut names = cargo_dependencies(&read("Cargo.toml"));
    names.extend(cargo_dependencies(&read("xtask/Cargo.toml")));
    names.extend(npm_dependencies(&read("www/package.json")));
    assert!(names.len() > 20, "found only {names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !reasons.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md gives no reason for {missing:?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let folder = root().join(document);
        let folder = folder.parent().unwrap();
        let text = read(document);
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            let is_local = !target.is_empty() && !target.contains("://");
            if is_local && !folder.join(target).exists() {
                broken.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "nothing there:\n{}", broken.join("\n"));
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The keys of all tables whose name ends in `dependencies`, and of `[dependencies.name]`.
fn cargo_dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = table.ends_with("dependencies");
            names.extend(table.strip_prefix("dependencies.").map(str::to_owned));
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = ")) {
            names.insert(name.to_owned());
        }
    }
    names
}

fn npm_dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap();
    let of = |table: &str| manifest[table].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    [of("dependencies"), of("devDependencies")].concat().into_iter().collect()
}
