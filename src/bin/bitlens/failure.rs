//! What went wrong, and the exit code that says whose fault it is.

use bitlens::data::DataError;
use bitlens::onnx::ImportError;
use bitlens::quant::RecipeError;
use bitlens::session::SessionError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use thiserror::Error;

/// Why a command stopped.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Usage(String),
    #[error("{}: {source}", path.display())]
    Model { path: PathBuf, source: Box<SessionError> },
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error("the output could not be written: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    pub(crate) fn model(path: &Path) -> impl FnOnce(SessionError) -> Self + '_ {
        move |source| Self::Model { path: path.to_owned(), source: Box::new(source) }
    }

    /// Whether the input is to blame, rather than the work.
    fn is_bad_input(&self) -> bool {
        match self {
            Self::Session(error) => blames_input(error),
            Self::Model { source, .. } => blames_input(source),
            Self::Output(_) => false,
            _ => true,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Session(error) => error.hint(),
            Self::Model { source, .. } => source.hint(),
            _ => None,
        }
    }

    /// Prints the message and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if let Self::Output(error) = self
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS; // the reader has seen enough
        }
        eprintln!("error: {self}");
        if let Some(hint) = self.hint() {
            eprintln!("  {hint}");
        }
        ExitCode::from(if self.is_bad_input() { 2 } else { 1 })
    }
}

fn blames_input(error: &SessionError) -> bool {
    !matches!(error, SessionError::Export(_))
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        Self::Session(error.into())
    }
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// Writes a file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|source| Failure::File { path: path.to_owned(), source })
}
