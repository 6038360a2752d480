//! Running other programs: one heading, one time and one error message for each.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo puts its output.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The cargo that started this program, at the repository's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Node, in the page's folder.
pub(crate) fn node(arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(root().join("www"));
    command
}

/// Runs a command under a heading and says how long it took.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("  > {what}");
    let start = Instant::now();
    let status = command.status().with_context(|| could_not_run(command))?;
    eprintln!("    {:.1} s", start.elapsed().as_secs_f64());
    ensure!(status.success(), "{what} failed ({status})");
    Ok(())
}

/// Runs a command, shows its standard output as it comes, and returns it with whether the
/// command succeeded. Standard error goes straight through.
pub(crate) fn run_and_read(command: &mut Command) -> Result<(bool, Vec<String>)> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| could_not_run(command))?;
    let mut lines = Vec::new();
    if let Some(output) = child.stdout.take() {
        // Test output may hold any bytes: a stray one must not end the reading.
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
            println!("{line}");
            lines.push(line);
        }
    }
    Ok((child.wait()?.success(), lines))
}

/// The standard output of a command, or `None` if it is missing or fails.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The first of `names` found in a folder of `PATH`.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
}

fn could_not_run(command: &Command) -> String {
    format!("could not run `{}`", command.get_program().display())
}
