//! Work in steps.

use super::SessionError;
use super::view::PictureComparison;

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is being done: "calibrating".
    pub phase: &'static str,
    /// Units done.
    pub done: usize,
    /// Units in all.
    pub total: usize,
    /// A result that is known already.
    pub comparison: Option<PictureComparison>,
}

/// What one step came to.
#[derive(Debug)]
pub enum Step<T> {
    /// There is more to do.
    Running(Progress),
    /// The result.
    Done(T),
}

/// Work in steps of some milliseconds: a picture, a layer, a candidate at a time.
pub trait Job {
    /// What it makes.
    type Output;

    /// Does the next piece.
    ///
    /// # Errors
    /// What stopped the work; the job must not be stepped again.
    fn step(&mut self) -> Result<Step<Self::Output>, SessionError>;

    /// Does everything.
    ///
    /// # Errors
    /// As [`Job::step`].
    fn run(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<Self::Output, SessionError> {
        loop {
            match self.step()? {
                Step::Running(at) => progress(&at),
                Step::Done(output) => return Ok(output),
            }
        }
    }
}
