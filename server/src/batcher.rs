//! Texts of all requests, on the threads that run the model: those of like length that come at about the same time go
//! through it together, where that is worth it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sparsecbm::schema::Pooling;
use sparsecbm::{Model, Prediction, Tokens};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::queue::Queue;

/// A bounded queue of texts, and threads that take runs off it.
pub struct Batcher {
    jobs: Arc<Jobs>,
    /// One permit a text that may wait.
    room: Arc<Semaphore>,
    capacity: usize,
    /// Positions that every text is padded to, where the model pads.
    padded: Option<usize>,
    workers: Vec<JoinHandle<()>>,
}

/// A text that waits.
struct Job {
    tokens: Tokens,
    arrived: Instant,
    answer: oneshot::Sender<Result<Prediction, Failure>>,
    /// Its place in the queue, given back when it runs.
    room: OwnedSemaphorePermit,
}

/// What requests and workers share.
struct Jobs {
    state: Mutex<State>,
    /// Told when a text comes, and when none will.
    changed: Condvar,
}

struct State {
    queue: Queue<Job>,
    /// Whether more may come.
    open: bool,
    /// Threads that still run.
    workers: usize,
}

/// What a thread does with the queue.
struct Worker {
    model: Model,
    jobs: Arc<Jobs>,
    positions: usize,
    window: Duration,
    metrics: Arc<Metrics>,
}

impl Batcher {
    pub fn start(model: &Model, options: &Options, metrics: &Arc<Metrics>) -> io::Result<Batcher> {
        let batching = options.batching(model.engine());
        let count = batching.workers.get();
        let state = State { queue: Queue::new(), open: true, workers: count };
        let jobs = Arc::new(Jobs { state: Mutex::new(state), changed: Condvar::new() });
        let capacity = options.queue.get();
        let schema = model.schema();
        let mut batcher = Batcher {
            jobs: jobs.clone(),
            room: Arc::new(Semaphore::new(capacity)),
            capacity,
            padded: (schema.pooling == Pooling::PaddedMean).then_some(schema.max_length),
            workers: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let worker = Worker {
                model: model.clone(),
                jobs: jobs.clone(),
                positions: batching.positions,
                window: Duration::from_micros(options.window),
                metrics: metrics.clone(),
            };
            let thread = thread::Builder::new().name("model".into());
            batcher.workers.push(thread.spawn(move || worker.run())?);
        }
        Ok(batcher)
    }

    /// Room for `count` texts in the queue, or the failure that there is none.
    pub fn reserve(&self, count: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(count).map_err(|_| Failure::overload("the queue"))
    }

    /// The predictions of texts for which `room` was reserved, in their order.
    pub async fn predict(
        &self,
        mut room: OwnedSemaphorePermit,
        texts: Vec<Tokens>,
    ) -> Result<Vec<Prediction>, Failure> {
        let mut answers = Vec::with_capacity(texts.len());
        {
            let arrived = Instant::now();
            let mut state = self.jobs.lock();
            if state.workers == 0 {
                return Err(Failure::gone());
            }
            for tokens in texts {
                let (answer, waiting) = oneshot::channel();
                let room = room.split(1).expect("room was reserved for every text");
                let positions = self.padded.unwrap_or(tokens.tokens.len());
                state.queue.push(Job { tokens, arrived, answer, room }, positions);
                answers.push(waiting);
            }
        }
        answers.iter().for_each(|_| self.jobs.changed.notify_one());
        let mut predictions = Vec::with_capacity(answers.len());
        for answer in answers {
            predictions.push(answer.await.map_err(|_| Failure::gone())??);
        }
        Ok(predictions)
    }

    /// Texts that wait.
    pub fn waiting(&self) -> usize {
        self.capacity - self.room.available_permits()
    }

    /// Whether every thread is there to answer.
    pub fn is_alive(&self) -> bool {
        self.workers.iter().all(|worker| !worker.is_finished())
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.jobs.lock().open = false;
        self.jobs.changed.notify_all();
    }
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn run(self) {
        while let Some(batch) = self.collect() {
            self.answer(batch);
        }
    }

    /// The texts of the next run; `None` once the server ends. Where runs have room for several, a text waits for
    /// others no longer than the window, and not at all where enough wait already.
    fn collect(&self) -> Option<Vec<Job>> {
        let Jobs { changed, .. } = &*self.jobs;
        let mut state = self.jobs.lock();
        loop {
            let Some(first) = state.queue.first() else {
                if !state.open {
                    return None;
                }
                state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = (first.arrived + self.window).saturating_duration_since(Instant::now());
            if left.is_zero() || state.queue.tokens() >= self.positions {
                return Some(state.queue.take(self.positions));
            }
            let waited = changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn answer(&self, batch: Vec<Job>) {
        // Where a client has gone, nobody reads the answer.
        let asked = batch.into_iter().filter(|job| !job.answer.is_closed());
        let (texts, answers): (Vec<_>, Vec<_>) = asked
            .map(|job| {
                drop(job.room);
                (job.tokens, job.answer)
            })
            .unzip();
        if texts.is_empty() {
            return;
        }
        self.metrics.batch_texts.observe(texts.len() as f64);
        let start = Instant::now();
        let predictions = self.model.predict_tokenized(texts);
        self.metrics.run_seconds.observe(start.elapsed().as_secs_f64());
        match predictions {
            Ok(predictions) => {
                for (answer, prediction) in answers.into_iter().zip(predictions) {
                    // A failure to send says that the client has gone.
                    let _ = answer.send(Ok(prediction));
                }
            }
            Err(error) => {
                let failure = Failure::from(error);
                for answer in answers {
                    let _ = answer.send(Err(failure.clone()));
                }
            }
        }
    }
}

impl Drop for Worker {
    /// Where the last thread panics, what waits is told that nobody will answer.
    fn drop(&mut self) {
        let mut state = self.jobs.lock();
        state.workers -= 1;
        if state.workers == 0 {
            state.queue.clear();
        }
    }
}
