//! What a shell and `man` know of the command, made by clap's own generators.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use sparsecbm::{Error, ErrorKind, Result};

use super::{Cli, print, written};

#[derive(Args)]
pub struct CompletionsArguments {
    /// The shell that is to complete the command.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions of a shell.
pub fn completions(arguments: &CompletionsArguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "sparsecbm", &mut script);
    written(std::io::stdout().write_all(&script))
}

#[derive(Args)]
pub struct ManArguments {
    /// The folder for the pages, such as man1; it is made where it is not there.
    folder: PathBuf,
}

/// Writes a manual page for the command and one for each subcommand.
pub fn man(arguments: &ManArguments) -> Result<()> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|e| cannot_write(folder, e))?;
    print(&format!("Wrote the manual pages into {0}: man -l {0}/sparsecbm.1", folder.display()))
}

fn cannot_write(folder: &Path, error: std::io::Error) -> Error {
    let place = folder.display().to_string();
    Error::new(ErrorKind::Io, place, error.to_string(), "a folder that can be written")
        .caused_by(error)
}
