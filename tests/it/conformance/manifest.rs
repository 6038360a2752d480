//! `tests/conformance/node.toml`: what is expected of each case.
//!
//! Rules written by hand say what is not wanted (`[[skip]]`) or fails for a reason
//! (`[[known_failure]]`).
//! For the rest the file records how it went: a case that fails by its name or, where the whole
//! family fails, its family's; the other cases of a family must pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use super::case::Case;

/// What stands above the part of the file that is written anew.
const GENERATED: &str = "# ---- What follows is written by BITLENS_CONFORMANCE=update. ----\n";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(default)]
    skip: Vec<Rule>,
    #[serde(default)]
    known_failure: Vec<Rule>,
    #[serde(default)]
    pass: Passing,
    #[serde(default)]
    failing: Failing,
}

/// Cases and the reason why nothing or something else is expected of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    reason: String,
    /// Operators: cases whose network has one of them, whatever their family.
    #[serde(default)]
    operators: Vec<String>,
    /// Names, in which `*` stands for anything.
    #[serde(default)]
    cases: Vec<String>,
}

/// Families of which every case passes that no other rule names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Passing {
    operators: BTreeSet<String>,
}

/// What does not pass yet, with the message.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failing {
    /// Families of which no case passes, with the message of the first.
    #[serde(default)]
    operators: BTreeMap<String, String>,
    #[serde(default)]
    cases: BTreeMap<String, String>,
}

/// What is expected of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Pass,
    KnownFailure,
    Skip,
}

impl Manifest {
    /// Reads the file, in which every exception must have its reason.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if manifest.by_hand().any(|rule| rule.reason.is_empty()) {
            return Err("a rule without a reason".to_owned());
        }
        Ok(manifest)
    }

    /// What the one rule that counts for a case says: of those written by hand, else that of its
    /// name, else that of its family.
    ///
    /// # Errors
    /// There is none, or there are two that are equally specific.
    pub(super) fn expected(&self, case: &Case) -> Result<Expected, String> {
        let skips = self.skip.iter().map(|rule| (rule, Expected::Skip));
        let failures = self.known_failure.iter().map(|rule| (rule, Expected::KnownFailure));
        let mut found: Vec<_> =
            skips.chain(failures).filter(|(rule, _)| rule.covers(case)).map(|(_, says)| says).collect();
        found.dedup();
        if found.is_empty() && self.failing.cases.contains_key(&case.name) {
            found.push(Expected::KnownFailure);
        }
        if found.is_empty() {
            found.extend(self.pass.operators.contains(&case.family).then_some(Expected::Pass));
            let fails = self.failing.operators.contains_key(&case.family);
            found.extend(fails.then_some(Expected::KnownFailure));
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!("no rule covers it (family {})", case.family)),
            _ => Err(format!("several rules cover it (family {})", case.family)),
        }
    }

    fn by_hand(&self) -> impl Iterator<Item = &Rule> {
        self.skip.iter().chain(&self.known_failure)
    }

    /// Entries that no case makes use of.
    pub(super) fn idle(&self, cases: &[Case]) -> Vec<String> {
        let is_family = |family: &&String| cases.iter().any(|case| case.family == **family);
        let mut idle: Vec<String> = Vec::new();
        let is_used = |name: &&String| cases.iter().any(|case| case.operators.contains(name));
        for rule in self.by_hand() {
            idle.extend(rule.operators.iter().filter(|name| !is_used(name)).cloned());
            let patterns = rule.cases.iter();
            idle.extend(patterns.filter(|p| !cases.iter().any(|case| matches(p, &case.name))).cloned());
        }
        let families = self.pass.operators.iter().chain(self.failing.operators.keys());
        idle.extend(families.filter(|name| !is_family(name)).cloned());
        let names = self.failing.cases.keys();
        idle.extend(names.filter(|name| !cases.iter().any(|case| case.name == **name)).cloned());
        idle
    }

    /// The text of the file with the generated part made from results: `None` for a case that
    /// passed, else what was wrong.
    pub(super) fn rewritten(&self, text: &str, results: &[(&Case, Option<String>)]) -> String {
        let mut families: BTreeMap<&str, Vec<(&Case, &Option<String>)>> = BTreeMap::new();
        for (case, result) in results {
            if !self.known_failure.iter().any(|rule| rule.covers(case)) {
                families.entry(&case.family).or_default().push((case, result));
            }
        }
        let (mut pass, mut operators, mut cases) = (String::new(), String::new(), String::new());
        // Writing to a String does not fail.
        for (family, results) in families {
            let failures = results.iter().filter_map(|(case, result)| Some((*case, result.as_ref()?)));
            let failures: Vec<(&Case, &String)> = failures.collect();
            if failures.len() == results.len() {
                let _ = writeln!(operators, "{} = {}", quoted(family), quoted(failures[0].1));
                continue;
            }
            let _ = writeln!(pass, "    {},", quoted(family));
            for (case, message) in failures {
                let _ = writeln!(cases, "{} = {}", case.name, quoted(message));
            }
        }
        let by_hand = text.split(GENERATED).next().unwrap_or_default();
        format!(
            "{by_hand}{GENERATED}\n[pass]\noperators = [\n{pass}]\n\n\
             [failing.operators]\n{operators}\n[failing.cases]\n{cases}"
        )
    }
}

impl Rule {
    fn covers(&self, case: &Case) -> bool {
        self.operators.iter().any(|name| case.operators.contains(name))
            || self.cases.iter().any(|pattern| matches(pattern, &case.name))
    }
}

/// Whether a name has the form of a pattern, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).any(|at| name.is_char_boundary(at) && matches(rest, &name[at..]))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

mod tests {
    use super::*;

    const TEXT: &str = r#"
[[skip]]
reason = "no strings"
operators = ["StringConcat"]
cases = ["test_cast_*STRING*"]

[[known_failure]]
reason = "cannot be right"
cases = ["test_relu_odd"]

[pass]
operators = ["Cast", "Relu"]

[failing.operators]
Sin = "missing"

[failing.cases]
test_cast_x = "wrong"
"#;

    fn case(name: &str, family: &str) -> Case {
        Case::new(name.to_owned(), family.to_owned(), vec![family.to_owned()])
    }

    #[test]
    fn rules_by_hand_come_first_then_names_then_families() {
        let manifest = Manifest::parse(TEXT).unwrap();
        let expected = |name, family| manifest.expected(&case(name, family));
        assert_eq!(expected("test_relu", "Relu"), Ok(Expected::Pass));
        assert_eq!(expected("test_relu_odd", "Relu"), Ok(Expected::KnownFailure));
        assert_eq!(expected("test_cast_x", "Cast"), Ok(Expected::KnownFailure));
        assert_eq!(expected("test_cast_STRING_to_FLOAT", "Cast"), Ok(Expected::Skip));
        assert_eq!(expected("test_sin", "Sin"), Ok(Expected::KnownFailure));
        assert!(expected("test_cos", "Cos").unwrap_err().starts_with("no rule"));
    }

    #[test]
    fn an_operator_that_is_not_wanted_is_found_in_any_family() {
        let manifest = Manifest::parse(TEXT).unwrap();
        let with = |operator: &str| {
            let operators = vec!["Relu".to_owned(), operator.to_owned()];
            manifest.expected(&Case::new("test_relu_expanded".to_owned(), "Relu".to_owned(), operators))
        };
        assert_eq!((with("StringConcat"), with("Sin")), (Ok(Expected::Skip), Ok(Expected::Pass)));
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused() {
        let manifest = Manifest::parse(&TEXT.replace("Sin = ", "Relu = ")).unwrap();
        assert!(manifest.expected(&case("test_relu", "Relu")).unwrap_err().starts_with("several"));
    }

    #[test]
    fn rules_for_cases_that_do_not_exist_are_found() {
        let manifest = Manifest::parse(TEXT).unwrap();
        let cases = [case("test_relu_odd", "Relu"), case("test_cast_x", "Cast"), case("test_sin", "Sin")];
        assert_eq!(manifest.idle(&cases), ["StringConcat", "test_cast_*STRING*"]);
    }

    #[test]
    fn a_rule_needs_a_reason() {
        assert!(Manifest::parse(&TEXT.replace("no strings", "")).is_err());
    }

    #[test]
    fn what_is_written_expects_what_was_found() {
        let manifest = Manifest::parse(TEXT).unwrap();
        let [relu, odd, x, y, sin] = [
            case("test_relu", "Relu"),
            case("test_relu_odd", "Relu"),
            case("test_cast_x", "Cast"),
            case("test_cast_y", "Cast"),
            case("test_sin", "Sin"),
        ];
        let wrong = |text: &str| Some(text.to_owned());
        let results = [
            (&relu, wrong("new")),
            (&odd, wrong("odd")),
            (&x, wrong("still \"wrong\"")),
            (&y, None),
            (&sin, None),
        ];
        let text = manifest.rewritten(TEXT.split("[pass]").next().unwrap(), &results);
        let new = Manifest::parse(&text).unwrap();
        let expected = [&relu, &odd, &x, &y, &sin].map(|case| new.expected(case).unwrap() == Expected::Pass);
        assert_eq!(expected, [false, false, false, true, true]);
        assert_eq!(new.failing.cases["test_cast_x"], "still \"wrong\"");
        assert_eq!(new.failing.operators["Relu"], "new");
        assert!(new.failing.cases.len() == 1 && new.failing.operators.len() == 1);
        assert_eq!(new.rewritten(&text, &results), text);
    }
}
