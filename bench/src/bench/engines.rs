use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use sparsecbm::{EngineChoice, LoadOptions, Model, Result};

use super::model::token_ids;
use super::timing::{Case, Clock, Timing, take_turns};

/// Positions of each text, where none are given and the model takes this many.
const LENGTHS: [usize; 3] = [16, 32, 128];
/// How long callers are counted.
const COUNTED: Duration = Duration::from_millis(500);

/// What engines are compared on.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Texts of one call.
    pub texts: Vec<usize>,
    /// Positions of each text, special tokens included; where there are none, 16, 32 and 128 of those that the
    /// model takes.
    pub tokens: Vec<usize>,
    /// Threads that ask at once.
    pub callers: Vec<usize>,
    /// How often each batch is measured.
    pub rounds: usize,
}

/// How long engines take for the same batches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnginesReport {
    /// Where each engine ran, in the order of all timings.
    pub devices: Vec<String>,
    /// One entry a batch size and length.
    pub batches: Vec<BatchTimings>,
    /// One entry a number of callers.
    pub callers: Vec<CallerRates>,
}

/// How long engines take for one batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchTimings {
    /// Texts in the batch.
    pub texts: usize,
    /// Positions of each, special tokens included.
    pub tokens: usize,
    /// One entry an engine.
    pub timings: Vec<Timing>,
}

/// How many predictions engines make when several threads ask at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallerRates {
    /// Threads that ask.
    pub callers: usize,
    /// Predictions of 32 tokens a second, one entry an engine: the median of the rounds.
    pub per_second: Vec<f64>,
}

/// Measures every batch on every engine, all interleaved; then how many predictions each number of callers gets,
/// interleaved too.
///
/// # Errors
/// `Model` where the model does not take this many positions; those of [`Model::load`] and of predicting.
pub fn bench_engines(
    path: &Path,
    engines: &[EngineChoice],
    options: &LoadOptions,
    workload: &Workload,
) -> Result<EnginesReport> {
    let load = |&engine: &EngineChoice| {
        let mut options = options.clone();
        options.engine = engine;
        Model::load(path, &options)
    };
    let models = engines.iter().map(load).collect::<Result<Vec<Model>>>()?;
    let Some(first) = models.first() else {
        return Ok(EnginesReport { devices: vec![], batches: vec![], callers: vec![] });
    };
    let mut lengths = workload.tokens.clone();
    if lengths.is_empty() {
        lengths.extend(LENGTHS.into_iter().filter(|&n| n <= first.schema().max_length));
    }
    let mut shapes = Vec::new();
    for &texts in &workload.texts {
        for &tokens in &lengths {
            shapes.push((texts, tokens, vec![token_ids(first, tokens)?; texts]));
        }
    }
    let mut cases: Vec<Case> = shapes
        .iter()
        .flat_map(|(_, _, batch)| models.iter().map(move |model| (model, batch)))
        .map(|(model, batch)| {
            let run = || model.predict_tokens_batch(batch).map(drop);
            Case { run: Box::new(run), repeats: 1 }
        })
        .collect();
    let timings = take_turns(&mut cases, workload.rounds, Clock::Wall)?;
    let batches = shapes.iter().zip(timings.chunks(models.len()));
    let batches = batches.map(|((texts, tokens, _), timings)| BatchTimings {
        texts: *texts,
        tokens: *tokens,
        timings: timings.to_vec(),
    });
    Ok(EnginesReport {
        devices: models.iter().map(|model| model.device().to_string()).collect(),
        batches: batches.collect(),
        callers: workload
            .callers
            .iter()
            .map(|&callers| rates(&models, callers, workload.rounds))
            .collect::<Result<_>>()?,
    })
}

fn rates(models: &[Model], callers: usize, rounds: usize) -> Result<CallerRates> {
    let ids = token_ids(&models[0], 32)?;
    let mut all = vec![Vec::new(); models.len()];
    // Each round takes half a second an engine.
    for _ in 0..rounds.clamp(1, 5) {
        for (model, rates) in models.iter().zip(&mut all) {
            rates.push(rate(model, &ids, callers)?);
        }
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    Ok(CallerRates { callers, per_second: all.into_iter().map(median).collect() })
}

/// Predictions a second of all callers together.
fn rate(model: &Model, ids: &[u32], callers: usize) -> Result<f64> {
    let ready = Barrier::new(callers);
    let call = || -> Result<f64> {
        // What the first call of a thread prepares is not counted.
        model.predict_tokens(ids)?;
        ready.wait();
        let (start, mut count) = (Instant::now(), 0.0);
        while start.elapsed() < COUNTED {
            model.predict_tokens(ids)?;
            count += 1.0;
        }
        Ok(count / start.elapsed().as_secs_f64())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a caller does not panic")).sum()
    })
}
