//! The `sparsecbm` command as a function, and the pages that it writes: the Python package has both.

mod commands;
mod hints;
pub mod report;

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::Parser;
use sparsecbm::Prediction;
use sparsecbm::explain::Explanation;

use commands::Cli;

/// What every failure ends with, as wrong usage does.
const FAILURE: u8 = 2;

/// Runs the command with `arguments`, whose first is the program's name, and returns its exit code: 0, or 2 where it
/// failed and said why on standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let code = match Cli::try_parse_from(arguments) {
        Ok(cli) => match cli.command.run() {
            Ok(()) => 0,
            Err(error) => {
                tell(&error);
                FAILURE
            }
        },
        // Help and version are no failures; where they cannot be printed there is nobody to tell.
        Err(usage) => {
            let _ = usage.print();
            usage.exit_code().try_into().unwrap_or(FAILURE)
        }
    };
    // Only Rust's own programs do that at their end. A reader that has gone wants no more.
    let _ = std::io::stdout().flush();
    code
}

/// What `predict` prints of a prediction that may have overrides, without colours.
pub fn describe_prediction(prediction: &Prediction) -> String {
    anstream::adapter::strip_str(&commands::describe_prediction(prediction)).to_string()
}

/// What `explain` prints of an explanation, without colours.
pub fn describe_explanation(prediction: &Prediction, explanation: &Explanation) -> String {
    anstream::adapter::strip_str(&commands::describe_explanation(prediction, explanation))
        .to_string()
}

/// The failure, what caused it and what to do next, on standard error.
fn tell(error: &sparsecbm::Error) {
    let message = error.to_string();
    let failure = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let advice = Style::new().fg_color(Some(AnsiColor::Cyan.into())).bold();
    anstream::eprintln!("{failure}error:{failure:#} {message}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Often the message says it already.
        if !message.contains(&inner.to_string()) {
            anstream::eprintln!("  caused by: {inner}");
        }
        cause = inner.source();
    }
    if let Some(hint) = hints::hint(error) {
        anstream::eprintln!("{advice}help:{advice:#} {hint}");
    }
}
