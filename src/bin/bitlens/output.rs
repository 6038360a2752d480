//! Lines for people, JSON for machines, progress on the error stream.

use crate::failure::Failure;
use bitlens::session::Progress;
use bitlens::session::view::Effect;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::Write as _;

/// A progress bar on the error stream; nothing where that is not a terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(crate) fn show(&self, progress: &Progress) {
        self.0.set_length(progress.total as u64);
        self.0.set_message(progress.phase);
        self.0.set_position(progress.done as u64);
    }

    pub(crate) fn step(&self, phase: &'static str, done: usize, total: usize) {
        self.show(&Progress { phase, done, total, comparison: None });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Prints a line, or fails where nobody reads it any more.
macro_rules! say {
    ($($text:tt)*) => {
        crate::output::line(format_args!($($text)*))?
    };
}

/// See [`say`].
pub(crate) fn line(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// A size for people.
pub(crate) fn bytes(size: usize) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{:.1} kB", size as f64 / 1e3),
        _ => format!("{:.2} MB", size as f64 / 1e6),
    }
}

/// Decibels for people.
pub(crate) fn db(value: Option<f64>) -> String {
    value.map_or("identical".to_owned(), |db| format!("{db:.1} dB"))
}

/// What quantizing does to the answers, for people.
pub(crate) fn effect(of: &Effect) -> String {
    let top1 = of.top1.map_or(String::new(), |top1| format!(", {:.2} % right", 100.0 * top1));
    let (same, images) = (100.0 * of.agreement, of.images);
    format!("{same:.2} % the same answer (n = {images}){top1}, KL {:.5} nats", of.kl)
}
