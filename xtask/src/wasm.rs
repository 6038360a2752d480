//! The wasm builds of the package: cargo, the wasm-bindgen generator, the size budget.
//!
//! All builds are the same crate with other target features. The generated JavaScript of the first two
//! must be identical: that is what lets the loader decide at run time which wasm file one glue serves. The
//! third shares its memory between threads, for which the standard library has to be compiled as well; where
//! its sources cannot be had, there are two.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::process::{cargo, root, run, target_dir};
use crate::setup;

/// The compilation target of the page.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The name of every generated file; one name for both builds, because the wasm file imports
/// its glue by name.
const OUT_NAME: &str = "bitlens";

/// What one build may weigh, so that growth is noticed: a little above what it weighs today. The diagnosis on
/// the page (every layer alone, causes, remedies, and their report) and learned rounding together brought
/// 100,000 bytes of it, 45,000 in gzip.
const MAX_GZIP_BYTES: usize = 1_132_000;
const MAX_RAW_BYTES: usize = 2_963_000;

/// A function that is called in several places is repeated there only where it is very small, also where
/// the standard library would rather have it repeated. What time goes into is marked to be inlined.
const INLINE_LITTLE: &str = "-Cllvm-args=-inline-threshold=10 -inlinehint-threshold=10";

/// Flags for every crate of the build with threads, the standard library included: atomic instructions, and
/// a memory that comes from outside, up to all that wasm32 can address.
const THREADS: [&str; 8] = [
    "-Ctarget-feature=+simd128,+atomics",
    "-Clink-arg=--shared-memory",
    "-Clink-arg=--import-memory",
    "-Clink-arg=--max-memory=4294967296",
    "-Clink-arg=--export=__wasm_init_tls",
    "-Clink-arg=--export=__tls_size",
    "-Clink-arg=--export=__tls_align",
    "-Clink-arg=--export=__tls_base",
];

/// Where cargo looks for flags for all crates of the target.
const TARGET_FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// Lets a stable cargo compile the standard library. The switch that compilers have for it too,
/// `RUSTC_BOOTSTRAP`, would be seen by build scripts, which then want their crates compiled anew, and again
/// for the next build without it. So it is given to the compiler alone, and only where cargo hands it
/// unstable options; cargo has its own.
const CHANNEL: &str = "__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS";

/// Set for a cargo that compiles the standard library, and calls the compiler through this program.
const WITH_STD: &str = "XTASK_WITH_STD";

/// What starts the threads, beside the generated files.
const POOL: [&str; 3] = ["start.js", "start.d.ts", "thread.js"];

/// A wasm build: the same crate for engines with different instructions.
#[derive(Clone, Copy)]
pub(crate) enum Variant {
    /// The baseline, for every current browser.
    Simd128,
    /// With relaxed SIMD; engines without it refuse the module as a whole.
    Relaxed,
    /// With relaxed SIMD and threads, for pages that are cross-origin isolated.
    Threads,
}

impl Variant {
    /// Those that can be made everywhere.
    pub(crate) const ALL: [Self; 2] = [Self::Simd128, Self::Relaxed];

    /// The folder in `pkg/`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simd128 => "simd128",
            Self::Relaxed => "relaxed",
            Self::Threads => "threads",
        }
    }

    /// The compiler flags beyond the baseline's, which `.cargo/config.toml` sets.
    ///
    /// Given to the crate alone, they leave the dependencies shared between the builds.
    pub(crate) fn extra_flags(self) -> Option<&'static str> {
        match self {
            Self::Simd128 => None,
            Self::Relaxed | Self::Threads => Some("-Ctarget-feature=+simd128,+relaxed-simd"),
        }
    }

    /// What cargo must be told beyond what to build.
    fn configure(self, command: &mut Command) -> Result<()> {
        // Cargo names a cdylib without a hash of its flags, so the second build would replace the
        // first and each be compiled anew every time. With this variable the name has the hash.
        // (It is cargo's own, for building Rust; without it all is correct, but slow.)
        command.env("__CARGO_DEFAULT_LIB_METADATA", "bitlens");
        if let Self::Threads = self {
            command.arg("-Zbuild-std=std,panic_abort").env(TARGET_FLAGS, THREADS.join(" "));
            command.env(CHANNEL, "nightly").env("RUSTC_WRAPPER", std::env::current_exe()?).env(WITH_STD, "1");
        }
        Ok(())
    }

    /// Where the generated files go.
    fn folder(self) -> PathBuf {
        root().join("pkg").join(self.name())
    }

    fn wasm_file(self) -> PathBuf {
        self.folder().join(format!("{OUT_NAME}_bg.wasm"))
    }

    /// The generated TypeScript declarations.
    pub(crate) fn declarations(self) -> PathBuf {
        self.folder().join(format!("{OUT_NAME}.d.ts"))
    }
}

/// Builds all variants into `pkg/`.
pub(crate) fn build() -> Result<()> {
    setup::need_target()?;
    setup::need_npm()?;
    for variant in Variant::ALL {
        build_variant(variant)?;
    }
    same_glue()?;
    build_threads()
}

/// The build with threads, or none where that cannot be made.
fn build_threads() -> Result<()> {
    let folder = Variant::Threads.folder();
    if !setup::has_rust_src() {
        eprintln!(
            "Without the standard library's sources there is no build with threads: going on with two."
        );
        return if folder.exists() { Ok(fs::remove_dir_all(folder)?) } else { Ok(()) };
    }
    build_variant(Variant::Threads)?;
    for name in POOL {
        let source = root().join("src/web/pool").join(name);
        fs::copy(&source, folder.join(name)).with_context(|| format!("cannot copy {}", source.display()))?;
    }
    Ok(())
}

fn build_variant(variant: Variant) -> Result<()> {
    let mut command = cargo(&["rustc", "--release", "--lib", "--crate-type", "cdylib", "--target", TARGET]);
    command.args(["--features", if let Variant::Threads = variant { "web,threads" } else { "web" }]);
    variant.configure(&mut command)?;
    command.args(["--", "--deny=warnings", INLINE_LITTLE]).args(variant.extra_flags());
    run(&format!("cargo build ({})", variant.name()), &mut command)?;

    let built = target_dir().join(TARGET).join("release/bitlens.wasm");
    // The generator's last input; equal bytes give equal output, so a second run is quick.
    let previous = target_dir().join("xtask").join(format!("{}.wasm", variant.name()));
    let input = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    ensure!(
        uses(&input, "relaxed-simd") != matches!(variant, Variant::Simd128)
            && uses(&input, "atomics") == matches!(variant, Variant::Threads),
        "cargo made the {} build with the target features of another",
        variant.name()
    );
    if variant.wasm_file().exists() && fs::read(&previous).is_ok_and(|bytes| bytes == input) {
        return Ok(());
    }
    generate(variant, &built)?;
    fs::create_dir_all(target_dir().join("xtask"))?;
    fs::write(&previous, input).context("cannot keep the generator's input")
}

/// Builds what `bench` measures (`tests/bench/engine`) into `target/bench`, optimized as the package is.
pub(crate) fn build_bench(variants: &[Variant]) -> Result<()> {
    setup::need_target()?;
    let folder = target_dir().join("bench");
    fs::create_dir_all(&folder)?;
    for &variant in variants {
        let mut command = cargo(&["rustc", "--release", "--package", "bitlens-bench", "--lib"]);
        command.args(["--target", TARGET]);
        variant.configure(&mut command)?;
        let has_threads = matches!(variant, Variant::Threads);
        command.args(has_threads.then_some("--features=threads")).args(["--", INLINE_LITTLE]);
        command.args(has_threads.then_some("-Clink-arg=--export=__stack_pointer"));
        add_flags(&mut command, variant)?;
        run(&format!("cargo build (bench, {})", variant.name()), &mut command)?;
        let built = target_dir().join(TARGET).join("release/bitlens_bench.wasm");
        fs::copy(&built, folder.join(variant.name()).with_extension("wasm"))
            .with_context(|| format!("cannot copy {}", built.display()))?;
    }
    Ok(())
}

/// Set for a cargo whose calls of the compiler go through this program: flags to add to those for
/// the crate, since `cargo test` has no way to give flags to the crate alone.
const ADDED_FLAGS: &str = "XTASK_RUSTC_FLAGS";

/// `cargo test` of the crate for wasm, in one of the builds.
pub(crate) fn test_command(variant: Variant) -> Result<Command> {
    let mut command = cargo(&["test", "--profile", "checked", "--features", "web", "--lib"]);
    command.args(["--target", TARGET]);
    add_flags(&mut command, variant)?;
    Ok(command)
}

/// The variant's flags for the crates of the workspace, which are then compiled through this program.
fn add_flags(command: &mut Command, variant: Variant) -> Result<()> {
    if let Some(flags) = variant.extra_flags() {
        command.env(ADDED_FLAGS, flags);
        // With threads all crates are compiled through it.
        if !matches!(variant, Variant::Threads) {
            command.env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe()?);
        }
    }
    Ok(())
}

/// Compiles the wasm tests of both builds.
pub(crate) fn build_tests() -> Result<()> {
    setup::need_target()?;
    for variant in Variant::ALL {
        run(&format!("cargo test --no-run ({})", variant.name()), test_command(variant)?.arg("--no-run"))?;
    }
    Ok(())
}

/// The compiler as cargo calls it through this program, if this is such a call: the program, and
/// its arguments with the flags added that are for the crate.
pub(crate) fn compiler_call(program: &OsStr, arguments: &[OsString]) -> Option<Command> {
    let (flags, with_std) = (std::env::var_os(ADDED_FLAGS), std::env::var_os(WITH_STD).is_some());
    if Path::new(program).file_stem() != Some(OsStr::new("rustc")) || (flags.is_none() && !with_std) {
        return None;
    }
    let has = |text: &str| arguments.iter().any(|argument| argument.to_string_lossy().starts_with(text));
    let mut command = Command::new(program);
    command.args(arguments);
    if !with_std || has(OUT_NAME) {
        command.args(flags);
    }
    if with_std && has("unstable-options") {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    Some(command)
}

/// Reads the `target_features` section: an entry is `+`, the length of the name, the name.
fn uses(wasm: &[u8], feature: &str) -> bool {
    let entry = [&[b'+', feature.len() as u8], feature.as_bytes()].concat();
    wasm.windows(entry.len()).any(|bytes| bytes == entry)
}

/// JavaScript glue and TypeScript declarations.
fn generate(variant: Variant, built: &Path) -> Result<()> {
    let mut arguments: Vec<OsString> = [
        "wasm-bindgen",
        "--target",
        "web",
        "--omit-default-module-path",
        "--remove-name-section",
        "--remove-producers-section",
        "--out-name",
        OUT_NAME,
        "--out-dir",
    ]
    .map(OsString::from)
    .to_vec();
    arguments.extend([variant.folder().into(), built.into()]);
    wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(arguments)
        .with_context(|| format!("the wasm-bindgen generator failed ({})", variant.name()))
}

fn same_glue() -> Result<()> {
    let [baseline, relaxed] =
        Variant::ALL.map(|variant| fs::read(variant.folder().join(format!("{OUT_NAME}.js"))));
    ensure!(
        baseline? == relaxed?,
        "the two builds have different JavaScript glue, so pkg/loader.js cannot serve both with one: \
         an exported function or type must not depend on target features"
    );
    Ok(())
}

/// Says how large all builds are and fails if one is over the budget.
pub(crate) fn check_size() -> Result<()> {
    let threads = Some(Variant::Threads).filter(|variant| variant.wasm_file().exists());
    for variant in Variant::ALL.into_iter().chain(threads) {
        let bytes = fs::read(variant.wasm_file()).context("build the package first")?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        let gzip = encoder.finish()?.len();
        let name = variant.name();
        eprintln!(
            "    {name}: {} bytes of {MAX_RAW_BYTES}, gzip {gzip} bytes of {MAX_GZIP_BYTES}",
            bytes.len()
        );
        ensure!(
            bytes.len() <= MAX_RAW_BYTES && gzip <= MAX_GZIP_BYTES,
            "the {name} build is over its size budget"
        );
    }
    Ok(())
}
