//! What a reviewer would otherwise have to watch for in every change.

use std::fs;
use std::process::Command;

use crate::{files_below, is_for_tests, root, shown};

/// The longest a source file may be, its tests left out: what is read in one sitting.
const MAX_LINES: usize = 500;

/// Longer files, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

#[test]
fn source_files_are_short_enough_to_read() {
    let sources = [
        files_below("src", &["rs"]),
        files_below("xtask/src", &["rs"]),
        files_below("www/src", &["ts", "tsx", "css"]),
    ];
    let mut long = Vec::new();
    for file in sources.concat() {
        if is_for_tests(&file) {
            continue;
        }
        let name = shown(&file);
        let lines = lines_without_tests(&fs::read_to_string(&file).unwrap()).len();
        let excepted = LONG_FILES.iter().any(|(file, _reason)| *file == name);
        if lines > MAX_LINES && !excepted {
            long.push(format!("{name}: {lines} lines"));
        }
        assert!(lines > MAX_LINES || !excepted, "{name} has {lines} lines: it needs no exception any more");
    }
    assert!(long.is_empty(), "over {MAX_LINES} lines without tests:\n{}", long.join("\n"));
}

#[test]
fn tests_do_not_count_as_lines() {
    let source = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n\nfn c() {}\n";
    let lines = lines_without_tests(source);
    assert_eq!(lines, [(1, "fn a() {}"), (2, ""), (7, ""), (8, "fn c() {}")]);
}

/// The lines outside top-level `#[cfg(test)] mod … { … }`, with their numbers; rustfmt puts the
/// closing brace of such a module, and no other, at the start of a line.
fn lines_without_tests(source: &str) -> Vec<(usize, &str)> {
    let lines: Vec<_> = source.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let module_follows = lines[at + 1..].iter().find(|line| !line.starts_with("#["));
        let is_tests = lines[at] == "#[cfg(test)]"
            && module_follows.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'));
        if is_tests {
            at += lines[at..].iter().position(|line| *line == "}").unwrap_or(lines.len() - at);
        } else {
            found.push((at + 1, lines[at]));
        }
        at += 1;
    }
    found
}

/// Methods of floats whose last bits `std` leaves to the platform.
const PLATFORM_FUNCTIONS: &[&str] = &[
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "exp", "exp2",
    "exp_m1", "hypot", "ln", "ln_1p", "log", "log10", "log2", "powf", "powi", "sin", "sin_cos", "sinh",
    "tan", "tanh",
];

#[test]
fn functions_that_differ_between_platforms_come_from_libm() {
    let mut found = Vec::new();
    for file in files_below("src", &["rs"]).iter().filter(|file| !is_for_tests(file)) {
        let source = fs::read_to_string(file).unwrap();
        for (number, line) in lines_without_tests(&source) {
            if !line.trim_start().starts_with("//") && calls_the_platform(line) {
                found.push(format!("{}:{number}: {}", shown(file), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "other numbers natively than in a browser:\n{}", found.join("\n"));
}

/// Whether a line has `x.exp(` or `f64::exp`.
fn calls_the_platform(line: &str) -> bool {
    PLATFORM_FUNCTIONS.iter().any(|name| {
        let paths = ["f32", "f64"].map(|ty| format!("{ty}::{name}"));
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        line.contains(&format!(".{name}("))
            || paths.iter().any(|path| line.split(path.as_str()).skip(1).any(ends))
    })
}

#[test]
fn calls_of_the_platform_are_told_from_others() {
    for line in ["let y = x.exp();", "x.map(f64::exp)", "f32::powf(x, 2.0)"] {
        assert!(calls_the_platform(line), "{line}");
    }
    for line in ["libm::exp(x)", "x.exponent()", "f64::exponent", "x.explain()", "Op::Log"] {
        assert!(!calls_the_platform(line), "{line}");
    }
}

/// Folders and hosts that exist on somebody's machine only. Each is split so that this list is
/// not itself a finding.
const MACHINE_SPECIFIC: &[(&str, &str)] = &[
    ("/hom", "e/"),
    ("/roo", "t/"),
    ("/wor", "k/"),
    ("/User", "s/"),
    ("C:\\User", "s"),
    ("\"resolv", "ed\":"),
    ("registry.npm", "js.org"),
    ("index.crates", ".io"),
];

#[test]
fn tracked_files_name_no_machine_and_no_package_registry() {
    let listed = Command::new("git").arg("ls-files").current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        println!("skipped: not a git checkout");
        return;
    };
    let mut found = Vec::new();
    for name in String::from_utf8(listed.stdout).unwrap().lines() {
        // Pictures and networks are not text; a file deleted but not yet committed is no matter.
        let Ok(text) = fs::read_to_string(root().join(name)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (begin, end) in MACHINE_SPECIFIC {
                if line.contains(&format!("{begin}{end}")) {
                    found.push(format!("{name}:{}: {begin}{end}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "specific to one machine:\n{}", found.join("\n"));
}
