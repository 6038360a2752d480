//! `bench`: what networks and kernels take in a browser, ours beside a peer. No part of the tests.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{output, root, run, target_dir};
use crate::serve;
use crate::setup;
use crate::wasm::{self, Variant};

const USAGE: &str = "\
usage: cargo xtask bench peer [--rounds N] [NETWORK…]   both builds and onnxruntime-web, in turns
       cargo xtask bench threads [--rounds N] [--threads 1,2] [NETWORK…]
                                                        the build with threads on one and on several
       cargo xtask bench kernels [FILTER]               rates of the kernels of both builds
       cargo xtask bench page [NETWORK PREPROCESS PICTURES]
                                                        what a person waits for on the page
       cargo xtask bench quantize [--rounds N] [--pictures N] [NETWORK [PICTURES]]
                                                        a network quantized in the browser and by
                                                        onnxruntime in Python, in turns
       cargo xtask bench team [--rounds N] [--pictures N] [NETWORK [PICTURES]]
                                                        calibrating and comparing on the page with one
                                                        worker and with two
       cargo xtask bench growth [--rounds N]            latency by size of the picture and of the network
       cargo xtask bench profile BUILD NETWORK [RUNS]   each node of a network; BUILD: relaxed or simd128

Networks: squeezenet mobilenet_v2 resnet18 resnet50 (profile: also with _int8). All that is made lies in
target/bench.";

/// Builds what is measured and hands the rest of the arguments to a script of `tests/bench`.
pub(crate) fn bench(arguments: &[OsString]) -> Result<()> {
    let Some((what, rest)) = arguments.split_first() else { bail!("{USAGE}") };
    setup::need_browsers(&[setup::Browser::Chromium])?;
    setup::need_npm()?;
    match what.to_str() {
        Some("peer") => {
            need_peer()?;
            need_networks(&[])?;
            wasm::build_bench(&Variant::ALL)?;
            script("peer.mjs", rest)
        }
        Some("threads") => {
            need_networks(&[])?;
            ensure!(setup::has_rust_src(), "the build with threads needs the Rust component rust-src");
            wasm::build_bench(&[Variant::Threads])?;
            script("threads.mjs", rest)
        }
        Some("quantize") => {
            need_networks(&[])?;
            wasm::build()?;
            script("quantize.mjs", rest)
        }
        Some("team") => {
            need_networks(&[])?;
            serve::build()?;
            script("team.mjs", rest)
        }
        Some("growth") => {
            need_networks(&["--growth"])?;
            wasm::build_bench(&[Variant::Relaxed])?;
            script("growth.mjs", rest)
        }
        Some("page") => {
            serve::build()?;
            script("visit.mjs", rest)
        }
        Some("profile") => {
            let variant =
                Variant::ALL.into_iter().find(|v| rest.first().is_some_and(|name| name == v.name()));
            let Some(variant) = variant else { bail!("{USAGE}") };
            need_networks(&[])?;
            wasm::build_bench(&[variant])?;
            script("profile.mjs", rest)
        }
        Some("kernels") => {
            wasm::build_bench(&Variant::ALL)?;
            for variant in Variant::ALL {
                let mut arguments = vec![OsString::from(variant.name())];
                arguments.extend_from_slice(rest);
                script("kernels.mjs", &arguments)?;
            }
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

fn script(name: &str, arguments: &[OsString]) -> Result<()> {
    let mut command = Command::new("node");
    command.arg(root().join("tests/bench").join(name)).args(arguments);
    run(name, command.env("BITLENS_BENCH", target_dir().join("bench")))
}

/// Installs the peer when the lock file is newer than it is.
fn need_peer() -> Result<()> {
    let folder = root().join("tests/bench");
    let modified = |file: &str| fs::metadata(folder.join(file)).and_then(|data| data.modified()).ok();
    if modified("node_modules/.package-lock.json") >= modified("package-lock.json") {
        return Ok(());
    }
    eprintln!("The peer's npm packages are missing or old: installing them in tests/bench.");
    let mut npm = Command::new("npm");
    run("npm ci", npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder))
}

/// Makes the networks that are missing; which, the arguments of the script say.
fn need_networks(which: &[&str]) -> Result<()> {
    let folder = target_dir().join("bench/networks");
    let listed = if which.is_empty() { "networks.json" } else { "growth.json" };
    if folder.join(listed).is_file() {
        return Ok(());
    }
    setup::need_python()?;
    let found = output("python3", &["-c", "import numpy, onnx, onnxruntime"]).is_some();
    ensure!(found, "the networks are made with onnxruntime: pip install -r tests/tools/requirements.txt");
    let mut python = Command::new("python3");
    run("making networks", python.arg(root().join("tests/bench/make_networks.py")).args(which).arg(&folder))
        .with_context(|| format!("cannot make the networks in {}", folder.display()))
}
