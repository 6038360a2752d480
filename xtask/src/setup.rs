//! What a fresh machine lacks: found, added, and named when it is added.
//!
//! Never installs a toolchain: `rustup target add` and `rustup component add` extend the one in use and
//! update nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{on_path, output, root, run};
use crate::wasm::TARGET;

/// The oldest Node that Vite 8 supports.
const NODE: (u32, u32) = (20, 19);

const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Adds the wasm target to the toolchain in use.
pub(crate) fn need_target() -> Result<()> {
    let libraries = output("rustc", &["--print", "target-libdir", "--target", TARGET]);
    if libraries.is_some_and(|folder| Path::new(&folder).is_dir()) {
        return Ok(());
    }
    eprintln!("The Rust target {TARGET} is missing: adding it.");
    run(
        "rustup target add",
        Command::new("rustup").args(["target", "add", TARGET]),
    )
    .with_context(|| {
        format!("the Rust target {TARGET} is missing; install Rust with rustup (https://rustup.rs), or add the target with your system's packages")
    })
}

/// Whether the standard library's sources are here, which `rustup component add` brings to the toolchain in
/// use; said when they cannot be had.
pub(crate) fn has_rust_src() -> bool {
    let Some(toolchain) = output("rustc", &["--print", "sysroot"]) else { return false };
    let found = || Path::new(&toolchain).join("lib/rustlib/src/rust/library/Cargo.lock").is_file();
    if !found() {
        eprintln!("The Rust component rust-src is missing: adding it.");
        let added =
            run("rustup component add", Command::new("rustup").args(["component", "add", "rust-src"]));
        if let Err(error) = added {
            eprintln!("{error:#}");
        }
    }
    found()
}

/// Checks Node, and installs the page's npm packages when the lock file is newer than they are.
pub(crate) fn need_npm() -> Result<()> {
    need_node()?;
    let www = root().join("www");
    let installed = www.join("node_modules/.package-lock.json");
    let modified = |file: &Path| fs::metadata(file).and_then(|data| data.modified()).ok();
    if modified(&installed) >= modified(&www.join("package-lock.json")) {
        return Ok(());
    }
    eprintln!("The npm packages of www/ are missing or old: installing them.");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&www);
    run("npm ci", &mut npm).context("npm, which comes with Node, could not install the packages of www/")
}

fn need_node() -> Result<()> {
    let (major, minor) = NODE;
    let Some(version) = output("node", &["--version"]) else {
        bail!("Node.js is missing: install version {major}.{minor} or newer (https://nodejs.org), with npm");
    };
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse);
    let (Some(Ok(have_major)), Some(Ok(have_minor))) = (numbers.next(), numbers.next()) else {
        bail!("`node --version` printed `{version}`, which is not a version");
    };
    ensure!(
        (have_major, have_minor) >= (major, minor),
        "Node.js {version} is too old: install version {major}.{minor} or newer (https://nodejs.org)"
    );
    Ok(())
}

/// A program that tests need on `PATH`, under one of these names, and Debian's package of it.
struct Tool {
    names: &'static [&'static str],
    package: &'static str,
}

/// A browser that tests run in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Browser {
    /// Chromium or Chrome, and a driver of its version.
    Chromium,
    /// Firefox, which needs no driver.
    Firefox,
    /// WebKitGTK, whose driver brings it along, and a screen that nobody sees.
    WebKit,
}

impl Browser {
    pub(crate) const ALL: [Self; 3] = [Self::Chromium, Self::Firefox, Self::WebKit];

    /// As the scripts of `tests/engines` call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::WebKit => "webkit",
        }
    }

    fn tools(self) -> &'static [Tool] {
        match self {
            Self::Chromium => &[
                Tool { names: &CHROMIUM, package: "chromium" },
                Tool { names: &["chromedriver"], package: "chromium-driver" },
            ],
            Self::Firefox => &[Tool { names: &["firefox-esr", "firefox"], package: "firefox-esr" }],
            Self::WebKit => &[
                Tool { names: &["WebKitWebDriver"], package: "webkit2gtk-driver" },
                Tool { names: &["Xvfb"], package: "xvfb" },
            ],
        }
    }
}

fn missing(browsers: &[Browser]) -> Vec<&'static Tool> {
    let tools = browsers.iter().flat_map(|browser| browser.tools());
    tools.filter(|tool| on_path(tool.names).is_none()).collect()
}

/// Words in one line: the name or the package of each tool.
fn listed(tools: &[&Tool], word: fn(&Tool) -> &'static str) -> String {
    tools.iter().map(|tool| word(tool)).collect::<Vec<_>>().join(" ")
}

/// Finds the browsers and their drivers. As root on Debian, what any test is going to want is installed
/// at once, so that a whole run asks for packages once.
pub(crate) fn need_browsers(wanted: &[Browser]) -> Result<()> {
    if missing(wanted).is_empty() {
        return Ok(());
    }
    if may_install() {
        let missing = missing(&Browser::ALL);
        let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
        eprintln!("{} missing: installing Debian's packages.", listed(&missing, |tool| tool.names[0]));
        apt_get(&["update"])?;
        apt_get(&[&["install", "--yes", "--no-install-recommends"], packages.as_slice()].concat())?;
    }
    let missing = missing(wanted);
    ensure!(
        missing.is_empty(),
        "the browser tests need on PATH: {} (Debian: sudo apt-get install {})",
        listed(&missing, |tool| tool.names[0]),
        listed(&missing, |tool| tool.package)
    );
    Ok(())
}

/// Finds Python 3 with pip, or installs Debian's as root.
pub(crate) fn need_python() -> Result<()> {
    let found = || output("python3", &["-m", "pip", "--version"]).is_some();
    if found() {
        return Ok(());
    }
    if may_install() {
        eprintln!("Python 3 or its pip is missing: installing Debian's packages.");
        apt_get(&["update"])?;
        apt_get(&["install", "--yes", "--no-install-recommends", "python3", "python3-pip"])?;
    }
    ensure!(
        found(),
        "the conformance cases come from a Python package: Python 3 with pip is needed on PATH \
         (Debian: sudo apt-get install python3 python3-pip)"
    );
    Ok(())
}

/// Whether packages can be installed here: as root, on Debian.
fn may_install() -> bool {
    output("id", &["-u"]).is_some_and(|id| id == "0") && on_path(&["apt-get"]).is_some()
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["--quiet=2", "--option=Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run(&format!("apt-get {}", arguments.join(" ")), &mut command)
}
