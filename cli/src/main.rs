//! The `sparsecbm` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(sparsecbm_cli::run(std::env::args_os()))
}
