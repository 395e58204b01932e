//! The subcommands, one file each.

mod export;
mod inspect;

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
}

impl Command {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self {
            Command::Export(arguments) => export::run(&arguments),
            Command::Inspect(arguments) => inspect::run(&arguments),
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
