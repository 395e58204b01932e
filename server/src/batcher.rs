//! Dynamic batching: texts of different requests that come at about the same time go through the model
//! together.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sparsecbm::{Model, Prediction, Tokens};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::options::Options;

/// A bounded queue of texts, and threads that take batches off it.
pub struct Batcher {
    jobs: Sender<Job>,
    /// One permit a text that may wait.
    room: Arc<Semaphore>,
    capacity: usize,
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

/// What a thread does with the queue.
struct Worker {
    model: Model,
    jobs: Arc<Mutex<Receiver<Job>>>,
    most: usize,
    window: Duration,
    metrics: Arc<Metrics>,
}

impl Batcher {
    pub fn start(model: &Model, options: &Options, metrics: &Arc<Metrics>) -> io::Result<Batcher> {
        let batching = options.batching(model.engine());
        let (sender, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let start = |_| {
            let worker = Worker {
                model: model.clone(),
                jobs: jobs.clone(),
                most: batching.most.get(),
                window: Duration::from_micros(options.window),
                metrics: metrics.clone(),
            };
            thread::Builder::new().name("model".into()).spawn(move || worker.run())
        };
        let capacity = options.queue.get();
        Ok(Batcher {
            jobs: sender,
            room: Arc::new(Semaphore::new(capacity)),
            capacity,
            workers: (0..batching.workers.get()).map(start).collect::<io::Result<_>>()?,
        })
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
        let arrived = Instant::now();
        let mut answers = Vec::with_capacity(texts.len());
        for tokens in texts {
            let (answer, waiting) = oneshot::channel();
            let room = room.split(1).expect("room was reserved for every text");
            let job = Job { tokens, arrived, answer, room };
            self.jobs.send(job).map_err(|_| Failure::gone())?;
            answers.push(waiting);
        }
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

impl Worker {
    fn run(self) {
        while let Some(batch) = self.collect() {
            self.answer(batch);
        }
    }

    /// The next batch; `None` once the server ends. A text waits for others no longer than the window, and
    /// not at all where others wait already.
    fn collect(&self) -> Option<Vec<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let first = jobs.recv().ok()?;
        let until = first.arrived + self.window;
        let mut batch = vec![first];
        while batch.len() < self.most {
            match jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => batch.push(job),
                Err(_) => break,
            }
        }
        Some(batch)
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
