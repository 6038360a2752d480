//! The node cases of ONNX's backend suite: fetched once from the package index that pip is set up
//! for, checked, and kept under `target/`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{output, root, run, target_dir};
use crate::setup::need_python;

/// Later versions of the package may hold other cases, and the newest only code that makes them.
const PACKAGE: &str = "onnx==1.22.0";

/// What `tests/tools/unpack_cases.py` says of the cases in it.
const SHA_256: &str = "976c89fae1da90ff4f044691bfa421f3c77b43a2d0f178bfde444b436b19d9f2";

/// The folder of the cases; obtains them first where it must.
pub(crate) fn need_cases() -> Result<PathBuf> {
    let home = target_dir().join("onnx-cases");
    let (folder, checked) = (home.join("node"), home.join("checked"));
    if fs::read_to_string(&checked).is_ok_and(|digest| digest == SHA_256) {
        return Ok(folder);
    }
    eprintln!("The conformance cases are missing: fetching them with pip ({PACKAGE}).");
    need_python()?;
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary", ":all:", "--dest"]).arg(&home).arg(PACKAGE);
    run("pip download", &mut pip)?;
    let wheel = fs::read_dir(&home)?.next().context("pip downloaded nothing")??.path();
    let script = root().join("tests/tools/unpack_cases.py");
    let arguments = [&script, &wheel, &folder].map(|path| path.to_string_lossy().into_owned());
    let digest = output("python3", &arguments.each_ref().map(String::as_str));
    match digest {
        None => bail!("{} could not be unpacked", wheel.display()),
        Some(digest) => ensure!(
            digest == SHA_256,
            "the conformance cases in {} are not the expected ones: SHA-256 {digest} instead of {SHA_256}",
            wheel.display()
        ),
    }
    fs::remove_file(&wheel)?;
    fs::write(&checked, SHA_256)?;
    Ok(folder)
}
