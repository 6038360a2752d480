//! The second lane: steps that run in a process of their own, beside the others.
//!
//! Compiling is most of a run, and long stretches of it keep one core busy. What compiles with the
//! tests' profile would wait for one another; the release builds, and the page that is made of them, need
//! nothing of that, so each is a lane.
//! The second one is an ordinary `cargo xtask test` of its steps; what it prints is shown when the
//! first lane has come to its end, and what became of its steps is handed over in a file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::target_dir;
use crate::ran::{self, Ran};
use crate::steps::Step;

/// Tells the second lane of the file that appears when the first one has made the native program.
const PROGRAM_MADE: &str = "XTASK_PROGRAM_MADE";

/// After this long the second lane makes the program itself.
const PATIENCE: Duration = Duration::from_mins(20);

fn program_made() -> PathBuf {
    target_dir().join("xtask/program-made")
}

/// Called by the first lane when its native program is made, or will not be.
pub(crate) fn say_program_made() -> Result<()> {
    let file = program_made();
    fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))
}

/// Whether this is a second lane whose first one makes the native program, which it has done when this
/// returns. To ask cargo for the program would mean to wait until the first lane compiles nothing.
pub(crate) fn wait_for_program() -> bool {
    let Some(file) = std::env::var_os(PROGRAM_MADE).map(PathBuf::from) else { return false };
    let begin = Instant::now();
    while !file.exists() {
        if begin.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(200));
    }
    true
}

/// The second lane at work; ended when dropped.
pub(crate) struct Beside {
    child: Child,
    log: PathBuf,
    results: PathBuf,
    steps: Vec<&'static Step>,
}

impl Beside {
    /// Starts a lane with these steps, beside one that makes the native program or does not.
    pub(crate) fn start(steps: Vec<&'static Step>, keep_going: bool, makes_program: bool) -> Result<Self> {
        let folder = target_dir().join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let (log, results) = (folder.join("beside.log"), folder.join("beside.txt"));
        fs::write(&results, "").with_context(|| format!("cannot write {}", results.display()))?;
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut program = Command::new(std::env::current_exe()?);
        program.arg("test").args(keep_going.then_some("--keep-going")).arg("--results").arg(&results);
        program.args(steps.iter().map(|step| step.name));
        program.stdout(output.try_clone()?).stderr(output);
        let made = program_made();
        if made.exists() {
            fs::remove_file(&made).with_context(|| format!("cannot remove {}", made.display()))?;
        }
        if makes_program {
            program.env(PROGRAM_MADE, made);
        }
        let child = program.spawn().context("could not start the second lane")?;
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        println!("(beside the others, shown after them: {})", names.join(", "));
        Ok(Self { child, log, results, steps })
    }

    /// Shows what the lane printed and prints until its end; what became of its steps.
    pub(crate) fn finish(mut self) -> Result<Vec<Ran>> {
        println!("\n(beside the others:)");
        let status = self.show().with_context(|| format!("cannot show {}", self.log.display()))?;
        let text = fs::read_to_string(&self.results)
            .with_context(|| format!("cannot read {}", self.results.display()))?;
        let ran = ran::read(&text, &self.steps)?;
        // A lane that stops at a failure says so of the last step; one that broke off does not.
        let complete = ran.len() == self.steps.len() || ran.last().is_some_and(Ran::failed);
        ensure!(complete, "the second lane broke off ({status})");
        Ok(ran)
    }

    fn show(&mut self) -> io::Result<ExitStatus> {
        let mut log = File::open(&self.log)?;
        loop {
            let ended = self.child.try_wait()?;
            let mut printed = Vec::new();
            log.read_to_end(&mut printed)?;
            io::stdout().write_all(&printed)?;
            if let Some(status) = ended {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Beside {
    /// Without effect on a lane that has ended. Compilers that it started end with their work.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
