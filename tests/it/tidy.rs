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
        let lines = lines_without_tests(&fs::read_to_string(&file).unwrap());
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
    assert_eq!(lines_without_tests(source), 4);
}

/// Counts lines outside top-level `#[cfg(test)] mod … { … }`; rustfmt puts the closing brace of
/// such a module, and no other, at the start of a line.
fn lines_without_tests(source: &str) -> usize {
    let lines: Vec<_> = source.lines().collect();
    let mut count = 0;
    let mut at = 0;
    while at < lines.len() {
        let module_follows = lines[at + 1..].iter().find(|line| !line.starts_with("#["));
        let is_tests = lines[at] == "#[cfg(test)]"
            && module_follows.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'));
        if is_tests {
            at += lines[at..].iter().position(|line| *line == "}").unwrap_or(lines.len() - at);
        } else {
            count += 1;
        }
        at += 1;
    }
    count
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
