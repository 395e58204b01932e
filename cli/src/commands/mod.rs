//! The subcommands, one file each.

mod bench;
mod edit;
mod engine;
mod eval;
mod explain;
mod export;
mod forms;
mod generate;
mod gradients;
mod input;
mod inspect;
mod load;
mod measure;
mod overrides;
mod predict;
mod study;
mod tables;

use std::io::Write;
use std::path::Path;

use anstyle::Style;
use clap::{Parser, Subcommand};
use serde::Serialize;
use sparsecbm::{Error, ErrorKind, Model, Result};

pub use explain::describe as describe_explanation;
pub use predict::describe_prediction;

/// Export, run, explain and correct sparse concept bottleneck text models.
#[derive(Parser)]
#[command(name = "sparsecbm", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What is to be done.
#[derive(Subcommand)]
pub enum Command {
    /// Turn a checkpoint into one ONNX file, and check what was written.
    Export(export::Arguments),
    /// Show what a checkpoint or an exported file is: schema, sizes, densities, overlaps.
    Inspect(inspect::Arguments),
    /// Predict label and concepts of texts, and what corrections make of them.
    Predict(predict::Arguments),
    /// Say why: by concepts, by words, by subnetworks.
    Explain(explain::Arguments),
    /// Correct a concept by its mask: the fewest bits that turn it for some texts.
    Edit(edit::Arguments),
    /// Measure how good a model is on labelled reviews.
    Eval(eval::Arguments),
    /// Measure whether explanations and corrections hold what they promise.
    Study(study::Arguments),
    /// Measure how long loading, predicting and intervening take.
    Bench(bench::Arguments),
    /// Print completions of this command for a shell.
    Completions(generate::CompletionsArguments),
    /// Write manual pages.
    Man(generate::ManArguments),
}

impl Command {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self {
            Command::Export(arguments) => export::run(&arguments),
            Command::Inspect(arguments) => inspect::run(&arguments),
            Command::Predict(arguments) => predict::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Edit(arguments) => edit::run(&arguments),
            Command::Eval(arguments) => eval::run(&arguments),
            Command::Study(arguments) => study::run(&arguments),
            Command::Bench(arguments) => bench::run(&arguments),
            Command::Completions(arguments) => generate::completions(&arguments),
            Command::Man(arguments) => generate::man(&arguments),
        }
    }
}

/// Writes a text to a file.
fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| {
        let place = path.display().to_string();
        Error::new(ErrorKind::Io, place, e.to_string(), "a file that can be written").caused_by(e)
    })
}

/// Prints `value` as JSON on standard output.
fn print_json(value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value).map_err(|e| {
        Error::new(ErrorKind::Io, "standard output", e.to_string(), "JSON").caused_by(e)
    })?;
    print(&json)
}

/// Prints a text and a line's end on standard output; its colours are left out where that is no terminal that shows
/// them, or NO_COLOR is set.
fn print(text: &str) -> Result<()> {
    written(writeln!(anstream::stdout(), "{text}"))
}

/// Which engine runs a model, and the first of the reasons why: the last line for people.
fn engine_line(model: &Model) -> String {
    let dimmed = Style::new().dimmed();
    let device = model.device();
    let reason = device.reason.as_deref().and_then(|reason| reason.split("; ").next());
    let reason = reason.map(|reason| format!(", because {reason}")).unwrap_or_default();
    format!("{dimmed}Engine: {}{reason}{dimmed:#}", device.engine)
}

/// What became of writing on standard output. A reader that has gone, as `head` goes, wants no more: the command ends
/// in silence, as it would have ended.
fn written(result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(|e| {
            let expected = "an open stream";
            Error::new(ErrorKind::Io, "standard output", e.to_string(), expected).caused_by(e)
        }),
    }
}
