//! The `sparsecbm` command.

mod commands;
mod report;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

/// Export, run, explain and correct sparse concept bottleneck text models.
#[derive(Parser)]
#[command(name = "sparsecbm", version)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

/// What every failure ends with, as wrong usage does.
const FAILURE: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = error.to_string();
            eprintln!("error: {message}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                // Often the message says it already.
                if !message.contains(&inner.to_string()) {
                    eprintln!("  caused by: {inner}");
                }
                cause = inner.source();
            }
            ExitCode::from(FAILURE)
        }
    }
}
