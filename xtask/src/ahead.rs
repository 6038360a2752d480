//! Steps that start before their turn, one after another, beside the others.
//!
//! The wasm builds and the compilation of the wasm tests keep one core busy for minutes, and
//! nothing before them in the list needs them. So a second lane runs them from the start, each in a
//! process of its own; when the turn of one comes, what it printed is shown and its result taken.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::target_dir;
use crate::setup;

/// The second lane at work; ended when dropped.
pub(crate) struct Ahead {
    steps: BTreeMap<&'static str, Waiting>,
    now: Arc<Mutex<Now>>,
}

/// A step whose turn has not come yet.
struct Waiting {
    ended: Receiver<Result<ExitStatus>>,
    log: PathBuf,
}

/// What the lane does at this moment.
#[derive(Default)]
struct Now {
    child: Option<Child>,
    stopped: bool,
}

impl Ahead {
    /// Starts the lane with steps and the commands of this program that do them. What they may
    /// have to add to the machine is added first, in words that are seen, and by nobody else at the
    /// same time.
    pub(crate) fn start(lane: &[(&'static str, &'static str)]) -> Result<Self> {
        let now = Arc::default();
        if lane.is_empty() {
            return Ok(Self { steps: BTreeMap::new(), now });
        }
        setup::need_target()?;
        setup::need_npm()?;
        let folder = target_dir().join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let (mut steps, mut work) = (BTreeMap::new(), Vec::new());
        for &(name, command) in lane {
            let (tell, ended) = channel();
            let log = folder.join(format!("{name}.log"));
            work.push((command, log.clone(), tell));
            steps.insert(name, Waiting { ended, log });
            println!("(step {name} runs beside the others)");
        }
        let shared = Arc::clone(&now);
        thread::spawn(move || run_lane(work, &shared));
        Ok(Self { steps, now })
    }

    /// Whether the lane has the step `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.steps.contains_key(name)
    }

    /// Waits for the end of the step and shows what it printed.
    pub(crate) fn finish(&mut self, name: &str) -> Result<()> {
        let step = self.steps.remove(name).with_context(|| format!("step {name} was not started"))?;
        let status = step.ended.recv().with_context(|| format!("step {name} was given up"))??;
        let printed = fs::read(&step.log).with_context(|| format!("cannot read {}", step.log.display()))?;
        print!("{}", String::from_utf8_lossy(&printed));
        ensure!(status.success(), "step {name} failed ({status})");
        Ok(())
    }
}

impl Drop for Ahead {
    /// Without effect on a lane that has ended. Compilers that it started end with their work.
    fn drop(&mut self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.stopped = true;
        if let Some(child) = &mut now.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run_lane(work: Vec<(&'static str, PathBuf, Sender<Result<ExitStatus>>)>, now: &Mutex<Now>) {
    for (command, log, tell) in work {
        // Nobody listens where the run stopped at an earlier step.
        let _ = tell.send(run_one(command, &log, now));
    }
}

/// Runs one command of this program to its end.
fn run_one(command: &str, log: &Path, now: &Mutex<Now>) -> Result<ExitStatus> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut program = Command::new(std::env::current_exe()?);
    program.arg(command).stdout(file.try_clone()?).stderr(file);
    {
        let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(!now.stopped, "the run has stopped");
        now.child = Some(program.spawn().with_context(|| format!("could not start `xtask {command}`"))?);
    }
    // Asked from time to time and not waited for, so that the lane can be stopped meanwhile.
    loop {
        {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            let child = now.child.as_mut().context("the run has stopped")?;
            if let Some(status) = child.try_wait()? {
                now.child = None;
                return Ok(status);
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
}
