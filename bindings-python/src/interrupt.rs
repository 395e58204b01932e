//! Long work that Python's signals can end.

use std::ops::ControlFlow;

use pyo3::prelude::*;

use crate::error::to_python;

/// Lets Python's signals, Ctrl-C above all, end long work.
pub(crate) struct Interruptible(Option<PyErr>);

impl Interruptible {
    pub(crate) fn new() -> Interruptible {
        Interruptible(None)
    }

    /// Whether the work may go on.
    pub(crate) fn look(&mut self) -> ControlFlow<()> {
        match Python::attach(|py| py.check_signals()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.0 = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// What the work gave, or the exception that ended it.
    pub(crate) fn finish<T>(self, result: sparsecbm::Result<T>) -> PyResult<T> {
        match self.0 {
            Some(error) => Err(error),
            None => result.map_err(to_python),
        }
    }
}
