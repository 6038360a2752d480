//! The reviewed snapshot of the boundary between wasm and page: `tests/snapshots/api.d.ts`.
//!
//! A change of the exported functions or types thus shows in review as a change of that file.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{root, target_dir};
use crate::wasm::{self, Variant};

const HEADER: &str =
    "// Written by `cargo xtask codegen` from the built package: do not edit, regenerate.\n\n";

/// From here on the generator lists every raw wasm export. The page cannot see them and they
/// change with each compiler, so they are no part of the interface.
const INTERNALS: &str = "export type InitInput";

/// `codegen` writes the snapshot, `codegen --check` compares; both build the package first.
pub(crate) fn codegen(arguments: &[OsString]) -> Result<()> {
    let check_only = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("usage: cargo xtask codegen [--check]"),
    };
    wasm::build()?;
    if check_only {
        return check();
    }
    let file = snapshot();
    fs::create_dir_all(root().join("tests/snapshots"))?;
    fs::write(&file, interface()?).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("Wrote {}.", file.display());
    Ok(())
}

/// Compares the package in `pkg/` with the snapshot and shows the difference.
pub(crate) fn check() -> Result<()> {
    let file = snapshot();
    ensure!(
        file.exists(),
        "tests/snapshots/api.d.ts is missing: write it with `cargo xtask codegen` and commit it"
    );
    let interface = interface()?;
    if fs::read_to_string(&file)? == interface {
        return Ok(());
    }
    let built = target_dir().join("xtask/api.d.ts");
    fs::create_dir_all(target_dir().join("xtask"))?;
    fs::write(&built, interface)?;
    // git's exit code says that they differ, which is known already.
    let _ =
        Command::new("git").args(["--no-pager", "diff", "--no-index", "--"]).args([&file, &built]).status();
    bail!(
        "the interface differs from tests/snapshots/api.d.ts (- committed, + built); if that is meant, \
         run `cargo xtask codegen` and commit the file"
    )
}

fn snapshot() -> PathBuf {
    root().join("tests/snapshots/api.d.ts")
}

/// The part of the generated declarations that the page may use.
fn interface() -> Result<String> {
    let file = Variant::Simd128.declarations();
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}: build first", file.display()))?;
    let public = text.split(INTERNALS).next().unwrap_or_default();
    Ok(format!("{HEADER}{}\n", public.trim_end()))
}
