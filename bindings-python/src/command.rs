use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command `sparsecbm`, whose name comes first, and returns its exit code.
#[pyfunction]
pub(crate) fn run(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| sparsecbm_cli::run(arguments))
}
