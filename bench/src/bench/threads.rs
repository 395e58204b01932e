use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;

use serde::Serialize;
use sparsecbm::{EngineChoice, Error, ErrorKind, LoadOptions, Model, Result};

use super::model::{LENGTHS, predicting, token_ids};
use super::timing::{Case, Clock, Timing, take_turns};

/// Positions of the texts of the list, over and over again.
const LENGTHS_OF_A_LIST: [usize; 4] = [16, 32, 64, 128];

/// Texts of the list.
const TEXTS: usize = 64;

/// What threads gain on the sparse kernels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadsReport {
    /// Subnetworks.
    pub concepts: usize,
    /// The processor's instructions that the kernels use.
    pub instructions: String,
    /// How many cores the system says that there are.
    pub cores: usize,
    /// One text of each length, and a list of texts.
    pub rows: Vec<ThreadsRow>,
}

/// The same texts on several numbers of threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadsRow {
    /// How many texts.
    pub texts: usize,
    /// Positions of the longest, special tokens included.
    pub tokens: usize,
    /// For each number of threads, 1 first.
    pub rates: Vec<ThreadsRate>,
}

/// Texts on some threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadsRate {
    /// How many threads.
    pub threads: usize,
    /// All of the texts, once.
    pub timing: Timing,
    /// By the median.
    pub texts_per_second: f64,
    /// Median on one thread / this median.
    pub times_one_thread: f64,
}

/// Predicts the same texts on each of these numbers of `threads`, all interleaved, `rounds` times around; where none is
/// said, on 1, 2, 4 and 8, and on all cores, of those that the machine has. One thread is always among them.
///
/// # Errors
/// `Model` where the threads do not give the same bits; `Unavailable` where the sparse kernels do not know the model;
/// else those of [`Model::load`].
pub fn bench_threads(
    path: &Path,
    options: &LoadOptions,
    threads: &[NonZeroUsize],
    rounds: usize,
) -> Result<ThreadsReport> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut threads: Vec<usize> = match threads {
        [] => [2, 4, 8, cores].into_iter().filter(|&count| count <= cores).collect(),
        said => said.iter().map(|count| count.get()).collect(),
    };
    threads.push(1);
    threads.sort_unstable();
    threads.dedup();
    let load = |&count: &usize| {
        let mut options = options.clone().with_engine(EngineChoice::Sparse);
        options.sparse.threads = NonZeroUsize::new(count);
        Model::load(path, &options)
    };
    let models = threads.iter().map(load).collect::<Result<Vec<_>>>()?;
    let fits = |length: &usize| *length <= models[0].schema().max_length;
    let ids = |length| token_ids(&models[0], length);
    let single: Vec<Vec<u32>> = LENGTHS.into_iter().filter(fits).map(ids).collect::<Result<_>>()?;
    let lengths: Vec<usize> = LENGTHS_OF_A_LIST.into_iter().filter(fits).collect();
    let list: Vec<Vec<u32>> =
        lengths.into_iter().cycle().take(TEXTS).map(ids).collect::<Result<_>>()?;
    for ids in &single {
        same_bits(&models, &threads, ids)?;
    }

    let mut cases: Vec<Case> = Vec::new();
    for ids in &single {
        cases.extend(models.iter().map(|model| predicting(model, ids)));
    }
    for model in models.iter().filter(|_| !list.is_empty()) {
        let run = || model.predict_tokens_list(&list, None).map(drop);
        cases.push(Case { run: Box::new(run), repeats: 1 });
    }
    let timings = take_turns(&mut cases, rounds, Clock::Wall)?;
    drop(cases);
    let shapes = single.iter().map(|ids| (1, ids.len()));
    let longest = list.iter().map(Vec::len).max();
    let shapes = shapes.chain(longest.map(|longest| (list.len(), longest)));
    let row = |((texts, tokens), timings): ((usize, usize), &[Timing])| {
        let rate = |(&threads, timing): (&usize, &Timing)| ThreadsRate {
            threads,
            timing: timing.clone(),
            texts_per_second: texts as f64 / timing.median_us * 1e6,
            times_one_thread: timings[0].median_us / timing.median_us,
        };
        ThreadsRow { texts, tokens, rates: threads.iter().zip(timings).map(rate).collect() }
    };
    Ok(ThreadsReport {
        concepts: models[0].schema().concept_count(),
        instructions: models[0].device().instructions.clone().unwrap_or_default(),
        cores,
        rows: shapes.zip(timings.chunks(threads.len())).map(row).collect(),
    })
}

/// # Errors
/// `Model` where these models do not say the same of a text.
fn same_bits(models: &[Model], threads: &[usize], ids: &[u32]) -> Result<()> {
    let first = models[0].predict_tokens(ids)?;
    for (model, threads) in models.iter().zip(threads) {
        if model.predict_tokens(ids)?.concept_logits() != first.concept_logits() {
            let (place, found) = (format!("{threads} threads"), "other concept logits");
            return Err(Error::new(ErrorKind::Model, place, found, "those of one thread"));
        }
    }
    Ok(())
}
