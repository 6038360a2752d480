//! The checks of `cargo xtask test`, in order.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cases::need_cases;
use crate::process::{cargo, node, root, run, run_and_read};
use crate::setup::{Browser, has_rust_src, need_browsers, need_npm, need_python, need_target};
use crate::summary::{Runner, Summary};
use crate::wasm::{self, TARGET, Variant};
use crate::{beside, codegen, serve};

/// One named check.
pub(crate) struct Step {
    /// As typed: `cargo xtask test native`. A name also selects those it is a prefix of.
    pub(crate) name: &'static str,
    /// What it does, for the heading.
    pub(crate) title: &'static str,
    /// The name of a step whose output it reads.
    pub(crate) after: Option<&'static str>,
    /// What it may add to the machine. Both lanes at once would be in each other's way, so the steps of
    /// two lanes have it added before they start.
    pub(crate) needs: &'static [fn() -> Result<()>],
    /// Whether it runs in the second lane, beside the steps before it.
    pub(crate) beside: bool,
    /// `Err` if it could not run or failed without a summary.
    pub(crate) run: fn() -> Result<Outcome>,
}

/// How a step ended.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) failed: bool,
    pub(crate) summary: Summary,
}

const fn step(name: &'static str, title: &'static str, run: fn() -> Result<Outcome>) -> Step {
    Step { name, title, after: None, needs: &[], beside: false, run }
}

impl Step {
    const fn after(mut self, name: &'static str) -> Self {
        self.after = Some(name);
        self
    }

    const fn needs(mut self, needs: &'static [fn() -> Result<()>]) -> Self {
        self.needs = needs;
        self
    }

    const fn beside(mut self) -> Self {
        self.beside = true;
        self
    }
}

/// Every step, in the order in which they run: two lanes of about equal length. The native tests come early,
/// since the second lane needs the program that they are compiled with.
#[rustfmt::skip]
pub(crate) const STEPS: &[Step] = &[
    step("fmt", "formatting", formatting),
    step(NATIVE, "native tests", native),
    step("conformance", "ONNX's own node cases", conformance).needs(&[need_python]),
    step("clippy-native", "lints, native", clippy_native),
    step("clippy-wasm", "lints, wasm32", clippy_wasm).needs(&[need_target]),
    step("docs", "documentation builds without warnings", docs),
    step("web-build", "wasm tests, compiled", || done(wasm::build_tests())).needs(&[need_target, need_npm]),
    step("web-node-simd128", "wasm tests in Node, simd128", || in_node(Variant::Simd128)),
    step("web-browser-simd128", "wasm tests in a Chromium worker, simd128", || in_browser(Variant::Simd128)).needs(BROWSERS),
    step("web-node-relaxed", "wasm tests in Node, relaxed SIMD", || in_node(Variant::Relaxed)),
    step("web-browser-relaxed", "wasm tests in a Chromium worker, relaxed SIMD", || in_browser(Variant::Relaxed)).needs(BROWSERS),
    step("web-firefox-simd128", "wasm tests in a Firefox worker, simd128", || in_engine(Browser::Firefox, Variant::Simd128)).needs(BROWSERS),
    step("web-webkit-simd128", "wasm tests in a WebKitGTK worker, simd128", || in_engine(Browser::WebKit, Variant::Simd128)).needs(BROWSERS),
    step("web-firefox-relaxed", "wasm tests in a Firefox worker, relaxed SIMD", || in_engine(Browser::Firefox, Variant::Relaxed)).needs(BROWSERS),
    step("package", "the wasm builds", || done(wasm::build())).needs(&[need_target, need_npm, || { has_rust_src(); Ok(()) }]).beside(),
    step("size", "size budget of the wasm builds", || done(wasm::check_size())).after("package").beside(),
    step("codegen", "interface snapshot", || done(codegen::check())).after("package").beside(),
    step("types", "TypeScript", || check("tsc", &mut node(&["node_modules/typescript/bin/tsc", "--noEmit"]))).after("package").beside(),
    step("page", "unit tests of the page", page).after("package").beside(),
    step("site", "production build of the page", || done(serve::build_page())).after("package").beside(),
    step("e2e", "the page and the wasm builds in Chromium", end_to_end).after("site").needs(BROWSERS).beside(),
    step("engines", "integers and the page in Chromium, Firefox and WebKitGTK", engines).after("site").needs(BROWSERS).beside(),
    step("xtask", "lints and tests of the build tool", build_tool).beside(),
];

/// The step that makes the native program on its way.
pub(crate) const NATIVE: &str = "native";

const BROWSERS: &[fn() -> Result<()>] = &[|| need_browsers(&Browser::ALL)];

/// A command that only passes or fails.
fn check(what: &str, command: &mut Command) -> Result<Outcome> {
    done(run(what, command))
}

fn done(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::default())
}

/// A command that runs tests. One that ran none at all has lost them, which is a failure.
fn tests(runner: Runner, mut command: Command) -> Result<Outcome> {
    let (succeeded, output) = run_and_read(&mut command)?;
    let summary = runner.summarize(&output);
    ensure!(!summary.lines.is_empty(), "{} printed no summary of tests", command.get_program().display());
    let failed = !succeeded || summary.counts.failed > 0;
    Ok(Outcome { failed, summary })
}

/// Runs every test binary even after a failing one, and shows what tests printed: the figures
/// they measured, and what they skipped.
fn cargo_test(mut command: Command) -> Result<Outcome> {
    command.args(["--no-fail-fast", "--", "--show-output"]);
    tests(Runner::Cargo, command)
}

fn formatting() -> Result<Outcome> {
    run("cargo fmt", &mut cargo(&["fmt", "--all", "--check"]))?;
    // The operators' modules are declared by a macro, where cargo fmt does not look for files.
    // Folders are modules of `mod.rs`, which it does see.
    let mut operators: Vec<PathBuf> =
        fs::read_dir(root().join("src/ops"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    operators.retain(|path| path.is_file());
    operators.sort();
    let mut command = Command::new("rustfmt");
    command.args(["--check", "--edition", "2024"]).args(operators);
    check("rustfmt (src/ops)", &mut command)
}

/// The strictness of lints that are not for wasm.
const DENY_WARNINGS: [&str; 3] = ["--", "--deny", "warnings"];

/// The tests' profile, so that what runs at compile time is compiled once for lints and tests.
fn clippy_native() -> Result<Outcome> {
    let mut library = cargo(&["clippy", "--profile", "checked", "--all-targets", "--features", "cli"]);
    check("cargo clippy (bitlens)", library.args(DENY_WARNINGS))
}

/// With the profile that this program was compiled with, so that neither lane waits for the other's compilers.
fn build_tool() -> Result<Outcome> {
    let mut lints = cargo(&["clippy", "--all-targets", "--package", "xtask"]);
    run("cargo clippy (xtask)", lints.args(DENY_WARNINGS))?;
    cargo_test(cargo(&["test", "--package", "xtask"]))
}

/// The build with relaxed SIMD, which has all the code of the first, with its tests and benches, and the code
/// of threads, which needs no flags to be linted. What the compiler itself has to say of either build is denied
/// where the package is built.
fn clippy_wasm() -> Result<Outcome> {
    need_target()?;
    let packages = [
        "--package",
        "bitlens",
        "--package",
        "bitlens-bench",
        "--features",
        "bitlens/web,bitlens-bench/threads",
    ];
    let mut command = cargo(&["clippy", "--profile", "checked", "--all-targets", "--target", TARGET]);
    command.args(packages).args(["--", "--deny=warnings"]).args(Variant::Relaxed.extra_flags());
    done(run("cargo clippy (wasm32)", &mut command))
}

/// The test that asks for ONNX's own cases, which have a step of their own.
const CONFORMANCE: &str = "conformance::every_case";

fn native() -> Result<Outcome> {
    let mut command = cargo(&["test", "--profile", "checked", "--features", "cli", "--no-fail-fast"]);
    command.args(["--", "--show-output", "--skip", CONFORMANCE]);
    tests(Runner::Cargo, command)
}

/// From the same binary that the step `native` builds.
fn conformance() -> Result<Outcome> {
    let mut command = cargo(&["test", "--profile", "checked", "--features", "cli", "--test", "it"]);
    command.arg(CONFORMANCE).env("BITLENS_ONNX_CASES", need_cases()?);
    cargo_test(command)
}

fn page() -> Result<Outcome> {
    let mut command = node(&["node_modules/vitest/vitest.mjs", "run"]);
    command.env("NO_COLOR", "1");
    tests(Runner::Vitest, command)
}

fn end_to_end() -> Result<Outcome> {
    need_browsers(&[Browser::Chromium])?;
    command_line()?;
    node_tests("tests/e2e")
}

fn engines() -> Result<Outcome> {
    need_browsers(&Browser::ALL)?;
    command_line()?;
    node_tests("tests/engines")
}

/// The test files of a folder, in Node.
fn node_tests(folder: &str) -> Result<Outcome> {
    let folder = root().join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("cannot list {}", folder.display()))?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    let mut command = node(&["--test", "--test-reporter=spec"]);
    command.args(files).env("NO_COLOR", "1");
    tests(Runner::Node, command)
}

/// The native program, for tests that compare the page with it. Made as the step `native` makes it, for
/// its own tests: `cargo build` would compile the dependencies anew, without what only tests ask of them.
fn command_line() -> Result<()> {
    if beside::wait_for_program() {
        return Ok(());
    }
    let mut program = cargo(&["test", "--profile", "checked", "--features", "cli", "--test", "it"]);
    run("cargo test --no-run (command line)", program.arg("--no-run"))
}

fn in_node(variant: Variant) -> Result<Outcome> {
    wasm_tests(variant, |command| {
        if matches!(variant, Variant::Relaxed) {
            command.env("NODE_ARGS", "--experimental-wasm-relaxed-simd");
        }
    })
}

fn in_browser(variant: Variant) -> Result<Outcome> {
    need_browsers(&[Browser::Chromium])?;
    wasm_tests(variant, |command| {
        command.env("WASM_BINDGEN_USE_DEDICATED_WORKER", "1");
    })
}

/// In a worker of a browser whose driver wasm-bindgen's runner does not know.
fn in_engine(browser: Browser, variant: Variant) -> Result<Outcome> {
    need_browsers(&[browser])?;
    let script = root().join("tests/engines/wasm_tests.mjs");
    let runner =
        format!("node {} {} {}", script.display(), browser.name(), std::env::current_exe()?.display());
    wasm_tests(variant, |command| {
        command.env(RUNNER, runner);
    })
}

/// Where cargo looks for the program that runs wasm tests.
const RUNNER: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER";

/// The crate's wasm tests. Where they run is the runner's matter, so Node and the browser share
/// one compilation.
fn wasm_tests(variant: Variant, configure: impl FnOnce(&mut Command)) -> Result<Outcome> {
    need_target()?;
    need_npm()?;
    let mut command = wasm::test_command(variant)?;
    command.arg("--no-fail-fast");
    // This very program, instead of one more cargo call for each test binary.
    let runner = format!("{} wasm-test-runner", std::env::current_exe()?.display());
    command.env(RUNNER, runner);
    configure(&mut command);
    tests(Runner::Cargo, command)
}

fn docs() -> Result<Outcome> {
    need_target()?;
    let strict = |arguments: &[&str]| {
        let mut command = cargo(&["doc", "--profile", "checked", "--no-deps"]);
        command.args(arguments).env("RUSTDOCFLAGS", "--deny warnings");
        command
    };
    run("cargo doc (native)", &mut strict(&["--features", "cli"]))?;
    let mut web = strict(&["--features", "web", "--target", TARGET]);
    done(run("cargo doc (wasm32)", &mut web))
}
