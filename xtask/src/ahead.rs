//! A step that starts before its turn, beside the others.
//!
//! Both wasm builds are one long compilation that keeps one core busy, and nothing before them in
//! the list needs them. So they run in a process of their own from the start; when their turn
//! comes, what they printed is shown and their result taken.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};

use crate::process::target_dir;
use crate::setup;
use crate::steps::Step;

/// A step at work in a process of its own, ended with it when dropped.
pub(crate) struct Ahead {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Ahead {
    /// Starts the step. What it may have to add to the machine is added first, in words that are
    /// seen, and by nobody else at the same time.
    pub(crate) fn start(step: &Step, command: &str) -> Result<Self> {
        setup::need_target()?;
        setup::need_npm()?;
        let folder = target_dir().join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log = folder.join(format!("{}.log", step.name));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut program = Command::new(std::env::current_exe()?);
        program.arg(command).stdout(file.try_clone()?).stderr(file);
        let child = program.spawn().with_context(|| format!("could not start step {}", step.name))?;
        println!("(step {} has started beside the others)", step.name);
        Ok(Self { name: step.name, child, log })
    }

    /// Whether this is the step `name`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Waits for the end and shows what was printed.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        let printed = fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        print!("{}", String::from_utf8_lossy(&printed));
        ensure!(status.success(), "step {} failed ({status})", self.name);
        Ok(())
    }
}

impl Drop for Ahead {
    /// Without effect on a process that has ended. Compilers that it started end with their work.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
