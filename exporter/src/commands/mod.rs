//! The subcommands, one file each.

mod bench;
mod engine;
mod eval;
mod export;
mod input;
mod inspect;
mod predict;
mod tables;

use clap::Subcommand;
use serde::Serialize;
use sparsecbm::{Error, ErrorKind, Result};

/// What is to be done.
#[derive(Subcommand)]
pub enum Command {
    /// Turn a checkpoint into one ONNX file, and check what was written.
    Export(export::Arguments),
    /// Show what a checkpoint or an exported file is: schema, sizes, densities, overlaps.
    Inspect(inspect::Arguments),
    /// Predict label and concepts of texts, and what corrections make of them.
    Predict(predict::Arguments),
    /// Measure how good a model is on labelled reviews.
    Eval(eval::Arguments),
    /// Measure how long loading, predicting and intervening take.
    Bench(bench::Arguments),
}

impl Command {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self {
            Command::Export(arguments) => export::run(&arguments),
            Command::Inspect(arguments) => inspect::run(&arguments),
            Command::Predict(arguments) => predict::run(&arguments),
            Command::Eval(arguments) => eval::run(&arguments),
            Command::Bench(arguments) => bench::run(&arguments),
        }
    }
}

/// Prints `value` as JSON on standard output.
fn print_json(value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value).map_err(|e| {
        Error::new(ErrorKind::Io, "standard output", e.to_string(), "JSON").caused_by(e)
    })?;
    print(&json)
}

/// Prints a text and a line's end on standard output. A reader that has gone is an error, not a panic.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}").map_err(|e| {
        Error::new(ErrorKind::Io, "standard output", e.to_string(), "an open stream").caused_by(e)
    })
}
