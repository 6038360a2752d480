//! The `bitlens` command line: the engine of the page, for scripts and checks.
//!
//! Exit codes: 0 done; 1 the work failed; 2 bad input, with the page's message.

#[macro_use]
mod output;

mod allocate;
mod args;
mod attribute;
mod codes;
mod compare;
mod data;
mod diagnose;
mod failure;
mod inspect;
mod model;
mod options;
mod quantize;
mod recipe;
mod run;

use args::{Arguments, Command};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Run(args) => run::run(&args),
        Command::Quantize(args) => quantize::quantize(&args),
        Command::Options(args) => options::options(&args),
        Command::Diagnose(args) => diagnose::diagnose(&args),
        Command::Allocate(args) => allocate::allocate(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Attribute(args) => attribute::attribute(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
