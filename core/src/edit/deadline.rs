use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// When a search is to end.
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// `limit` from now.
    ///
    /// # Errors
    /// `Unavailable` for a limit where the platform has no clock.
    pub fn new(limit: Option<Duration>) -> Result<Deadline> {
        let Some(limit) = limit else { return Ok(Deadline(None)) };
        if cfg!(all(target_family = "wasm", target_os = "unknown")) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "time limit",
                "a platform without a clock",
                "none: `progress` can end the search",
            ));
        }
        // A limit beyond the clock's range is none.
        Ok(Deadline(Instant::now().checked_add(limit)))
    }

    pub fn is_over(&self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}
