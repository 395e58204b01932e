use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use ort::session::Session;
use ort::session::builder::PrepackedWeights;

use super::assignment;
use super::session::Sessions;
use crate::error::{Error, ErrorKind, Result};

/// Sessions of one graph, made when they are first needed: a session serves one run at a time.
pub(super) struct Pool {
    sessions: Sessions,
    weights: PrepackedWeights,
    most: usize,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    idle: Vec<Session>,
    /// Sessions there are, idle or not.
    made: usize,
}

impl Pool {
    /// A pool of at most `most` sessions (`None`: one per core), with the first of them made, and which provider
    /// runs how many of its nodes.
    pub(super) fn new(
        sessions: Sessions,
        most: Option<NonZeroUsize>,
    ) -> Result<(Pool, BTreeMap<String, usize>)> {
        let weights = PrepackedWeights::new();
        let first = sessions.create(&weights)?;
        let nodes = assignment::nodes(&first).map_err(|e| failed(&e, sessions.name))?;
        let most = most.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let state = Mutex::new(State { idle: vec![first], made: 1 });
        Ok((Pool { sessions, weights, most, state, freed: Condvar::new() }, nodes))
    }

    /// Runs on an idle session, a new one, or the next to become idle.
    pub(super) fn with<T>(&self, run: impl FnOnce(&mut Session) -> ort::Result<T>) -> Result<T> {
        let mut taken = Taken { pool: self, session: Some(self.take()?) };
        let session = taken.session.as_mut().expect("only dropping takes it out");
        run(session).map_err(|e| failed(&e, self.sessions.name))
    }

    fn take(&self) -> Result<Session> {
        let mut state = self.lock();
        loop {
            if let Some(session) = state.idle.pop() {
                return Ok(session);
            }
            if state.made < self.most {
                state.made += 1;
                break;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.sessions.create(&self.weights).inspect_err(|_| {
            self.lock().made -= 1;
            self.freed.notify_one();
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session out of its pool, to which dropping returns it.
struct Taken<'a> {
    pool: &'a Pool,
    session: Option<Session>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pool.lock().idle.extend(self.session.take());
        self.pool.freed.notify_one();
    }
}

fn failed(error: &ort::Error, name: &str) -> Error {
    Error::new(ErrorKind::Engine, name, error.message(), "a graph that ONNX Runtime can run")
}
