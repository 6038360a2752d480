//! `build` and `serve`: the page from nothing to an address.

use std::ffi::OsString;
use std::fs;

use anyhow::{Result, bail};

use crate::process::{node, root, run};
use crate::wasm;

/// Vite's production build of the page, for the wasm package in `pkg/`.
pub(crate) fn build_page() -> Result<()> {
    run("vite build", &mut node(&["node_modules/vite/bin/vite.js", "build"]))
}

/// Builds the wasm package and the page.
pub(crate) fn build() -> Result<()> {
    wasm::build()?;
    build_page()?;
    let page = root().join("www/dist");
    let files = fs::read_dir(&page)?.count();
    eprintln!("The page is in {} ({files} entries).", page.display());
    Ok(())
}

/// Builds, then serves the page with the isolation headers until interrupted.
///
/// Without `--port` the first free port from 4173 on is taken; Vite prints the address.
pub(crate) fn serve(arguments: &[OsString]) -> Result<()> {
    let arguments: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    let port = match arguments.as_slice() {
        [] => None,
        [flag, port] if flag == "--port" => Some(port.parse::<u16>()?),
        _ => bail!("usage: cargo xtask serve [--port PORT]"),
    };
    build()?;
    let mut command = node(&["node_modules/vite/bin/vite.js", "preview"]);
    if let Some(port) = port {
        command.args(["--strictPort", "--port", &port.to_string()]);
    }
    run("serving the page (Ctrl-C ends)", &mut command)
}
