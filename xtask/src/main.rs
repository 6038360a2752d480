//! `cargo xtask <command>`: the only build tool of the project.
//!
//! `serve` builds and serves the page, `test` runs every check; each first adds what the
//! machine lacks ([`setup`]) and says so. The wasm-bindgen generator and its test runner are
//! linked in as a library, so that nothing is installed beside the toolchain and Node, and no
//! version can drift from the one in `Cargo.lock`.

mod bench;
mod beside;
mod cases;
mod codegen;
mod process;
mod ran;
mod report;
mod serve;
mod setup;
mod steps;
mod summary;
mod test;
mod wasm;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask <command>

  build                     build the wasm package (pkg/) and the page (www/dist)
  package                   build the wasm package alone
  serve [--port PORT]       build, then serve the page and print its address
  test [--keep-going] [STEP…]
                            run every check, or only the named steps; `test --list` names them
  bench WHAT …              what networks and kernels take in a browser; `bench` says more
  report WHAT …             what recipes do to real networks; `report` says more
  codegen [--check]         write tests/snapshots/api.d.ts, or compare it with the build
  wasm-bindgen …            the wasm-bindgen generator, with its own arguments
  wasm-test-runner …        the wasm-bindgen test runner, as cargo calls it

What is missing (wasm target, npm packages, browsers for the tests) is added and named.";

fn main() -> ExitCode {
    match run(env::args_os().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE, // the command has said what failed
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Dispatches on the first argument; the rest belongs to the command. Returns whether the
/// command, having run, found everything in order.
fn run(mut arguments: Vec<OsString>) -> Result<bool> {
    if arguments.is_empty() {
        bail!("no command given\n\n{USAGE}");
    }
    let command = arguments.remove(0);
    if let Some(mut compiler) = wasm::compiler_call(&command, &arguments) {
        return Ok(compiler.status()?.success());
    }
    match command.to_str() {
        Some("test") => return test::test(&arguments),
        Some("codegen") => codegen::codegen(&arguments),
        Some("build") => {
            expect_none(&arguments)?;
            serve::build()
        }
        Some("package") => {
            expect_none(&arguments)?;
            wasm::build()
        }
        Some("serve") => serve::serve(&arguments),
        Some("bench") => bench::bench(&arguments),
        Some("report") => report::report(&arguments),
        Some("wasm-bindgen") => {
            wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(named("wasm-bindgen", arguments))
        }
        Some("wasm-test-runner") => {
            let arguments = named("wasm-bindgen-test-runner", arguments);
            wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(arguments)
        }
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown command `{}`\n\n{USAGE}", command.display()),
    }?;
    Ok(true)
}

/// The argument list of a program linked in as a library: its name comes first.
fn named(name: &str, arguments: Vec<OsString>) -> Vec<OsString> {
    let mut all = vec![OsString::from(name)];
    all.extend(arguments);
    all
}

/// Refuses arguments a command does not take, rather than ignoring them.
fn expect_none(arguments: &[OsString]) -> Result<()> {
    match arguments.first() {
        None => Ok(()),
        Some(extra) => bail!("unexpected argument `{}`\n\n{USAGE}", extra.display()),
    }
}
