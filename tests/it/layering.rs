//! The layers of ARCHITECTURE.md, enforced: which module of the crate may use which.
//!
//! Sources are read as tokens, so comments and strings do not count, and a path counts however
//! it is written: `use crate::ir::Graph`, `use crate::{ir, ops::Op}`, `crate::ir::Graph::new()`,
//! `$crate::ir` in a macro. Code under `#[cfg(test)]` may use anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::{files_below, is_for_tests, root, shown};

/// Each module with those it may use; every module may use itself. A row uses rows above it,
/// except `error`, whose one enum is made of the errors of all modules.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", EVERYTHING),
    ("tensor", &["error"]),
    ("kernels", &["error"]),
    ("ir", &["error", "tensor"]),
    ("ops", &["error", "ir", "kernels", "tensor"]),
    ("onnx", &["error", "ir", "ops", "tensor"]),
    ("passes", &["error", "ir", "ops", "tensor"]),
    ("exec", &["error", "ir", "ops", "passes", "tensor"]),
    ("metrics", &["error", "ir", "tensor"]),
    (
        "quant",
        // Of `kernels` only `quantize`, which defines rounding.
        &["error", "exec", "ir", "kernels", "metrics", "ops", "passes", "tensor"],
    ),
    ("data", &["error", "tensor"]),
    // Never `quant`: it sees a model, full-precision or quantized.
    ("attribution", &["error", "exec", "ir", "metrics", "ops", "tensor"]),
    ("session", EVERYTHING),
    // Of `kernels` the instruction sets and the probe, of `quant` the recipe, of `data` preprocessing:
    // types that the session takes and the page writes.
    ("web", &["data", "error", "kernels", "quant", "session", "tensor"]),
];

/// All modules below `session`.
const EVERYTHING: &[&str] = &[
    "attribution",
    "data",
    "error",
    "exec",
    "ir",
    "kernels",
    "metrics",
    "onnx",
    "ops",
    "passes",
    "quant",
    "tensor",
];

#[test]
fn modules_use_only_the_layers_below_them() {
    let mut forbidden = Vec::new();
    for file in files_below("src", &["rs"]) {
        if is_for_tests(&file) {
            continue;
        }
        let Some(module) = module_of(&file) else {
            continue;
        };
        let allowed = LAYERS.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.unwrap_or_else(|| {
            panic!("{}: `{module}` is no module of the table in tests/it/layering.rs", shown(&file))
        });
        for used in modules_used(&fs::read_to_string(&file).unwrap()) {
            let is_module = LAYERS.iter().any(|(name, _)| *name == used);
            if is_module && used != module && !allowed.contains(&used.as_str()) {
                forbidden.push(format!("{}: {module} may not use {used}", shown(&file)));
            }
        }
    }
    assert!(forbidden.is_empty(), "layers are crossed:\n{}", forbidden.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = LAYERS
        .iter()
        .filter(|(name, _)| *name != "error")
        .map(|(name, uses)| (*name, uses.iter().copied().filter(|u| *u != "error").collect()))
        .collect();
    // Take away, again and again, the modules that stand on nothing.
    while let Some(lowest) = below.iter().find(|(_, uses)| uses.is_empty()).map(|(name, _)| *name) {
        below.remove(lowest);
        for uses in below.values_mut() {
            uses.remove(lowest);
        }
    }
    assert!(below.is_empty(), "a cycle among {:?}", below.keys());
}

#[test]
fn the_table_names_the_modules_of_the_crate() {
    let mut declared: Vec<_> = fs::read_to_string(root().join("src/lib.rs"))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned))
        .collect();
    let mut listed: Vec<_> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    declared.sort();
    listed.sort();
    assert_eq!(declared, listed);
}

#[test]
fn finds_every_form_of_a_path() {
    let source = "
        use crate::ir::Graph;
        use crate::{ops::{self, Op}, tensor as t, exec::Executor};
        // crate::search in a comment, and \"crate::data\" in the string below
        const TEXT: &str = \"crate::data\";
        macro_rules! m { () => { $crate::quant::run() } }
        fn f() -> crate::metrics::Score { let _: Vec<crate::error::Error>; }
        #[cfg(test)] mod tests { use crate::session::Session; }
        #[cfg(test)] use crate::web;
        #[cfg(all(test, unix))] #[allow(unused)] fn g() { crate::web::x() }
        #[cfg(not(test))] use crate::passes;
    ";
    let used: Vec<_> = modules_used(source).into_iter().collect();
    assert_eq!(used, ["error", "exec", "ir", "metrics", "ops", "passes", "quant", "tensor"]);
}

/// The top-level module a file belongs to; `None` for the crate root and the command line,
/// which stand above all layers.
fn module_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.iter().next()?.to_str()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib" && module != "bin").then(|| module.to_owned())
}

/// The first segment of every `crate::…` path outside test code.
fn modules_used(source: &str) -> BTreeSet<String> {
    let tokens: TokenStream = source.parse().expect("the file compiles, so it has tokens");
    let mut used = BTreeSet::new();
    collect(tokens, &mut used);
    used
}

fn collect(tokens: TokenStream, used: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_test_attribute(&tokens[at..]) {
            at += 2;
            at += item_length(&tokens[at..]);
            continue;
        }
        if is_ident(&tokens[at], "crate") && is_path_separator(&tokens[at + 1..]) {
            first_segments(tokens.get(at + 3), used);
        }
        if let TokenTree::Group(group) = &tokens[at] {
            collect(group.stream(), used);
        }
        at += 1;
    }
}

/// The name after `crate::`, or the names that begin the branches of `crate::{…}`.
fn first_segments(after: Option<&TokenTree>, used: &mut BTreeSet<String>) {
    match after {
        Some(TokenTree::Ident(name)) => {
            used.insert(name.to_string());
        }
        Some(TokenTree::Group(branches)) => {
            let mut begins = true;
            for token in branches.stream() {
                if let (true, TokenTree::Ident(name)) = (begins, &token) {
                    used.insert(name.to_string());
                }
                begins = matches!(&token, TokenTree::Punct(comma) if comma.as_char() == ',');
            }
        }
        _ => {}
    }
}

/// `#[cfg(test)]` or `#[cfg(all(test, …))]`: what follows is not in the product.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else {
        return false;
    };
    let text: String = group.stream().to_string().split_whitespace().collect();
    hash.as_char() == '#' && (text == "cfg(test)" || text.starts_with("cfg(all(test,"))
}

/// The tokens of an item: up to its braces, or to the semicolon.
fn item_length(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => is_braces(group),
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let is_use = tokens.iter().take(3).any(|token| is_ident(token, "use"));
    let end = tokens.iter().position(|token| {
        if is_use { matches!(token, TokenTree::Punct(p) if p.as_char() == ';') } else { ends(token) }
    });
    end.map_or(tokens.len(), |end| end + 1)
}

fn is_braces(group: &Group) -> bool {
    group.delimiter() == Delimiter::Brace
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ':');
    tokens.len() >= 2 && tokens[..2].iter().all(is_colon)
}
