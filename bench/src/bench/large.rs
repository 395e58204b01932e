use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use sparsecbm::{EngineChoice, LoadOptions, Model, Result};

use super::memory::status;
use super::model::{predicting, token_ids};
use super::timing::{Clock, Timing, take_turns};

/// What a large model takes on the sparse kernels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LargeReport {
    /// From the file to a model that is ready, all cores packing it.
    pub seconds_to_ready: f64,
    /// Memory of the process that is its own, before the model is loaded, in bytes: not what it maps of files.
    pub private_before: u64,
    /// The same when the model is ready.
    pub private_ready: u64,
    /// The same after the predictions.
    pub private_after: u64,
    /// Bytes of the packed weights, indices and biases.
    pub packed: u64,
    /// Weights under all masks that are multiplied.
    pub weights: u64,
    /// Positions of the text that is predicted.
    pub tokens: usize,
    /// A prediction on one thread.
    pub prediction: Timing,
}

/// Loads the file at `path` once and predicts from `tokens` positions, `rounds` times; for a process that does nothing
/// else.
///
/// # Errors
/// `Unavailable` where the system does not tell how much memory a process takes (only Linux does), and where the sparse
/// kernels do not know the model; else those of [`Model::load`].
pub fn bench_large(path: &Path, tokens: usize, rounds: usize) -> Result<LargeReport> {
    let private = || status("RssAnon:");
    let private_before = private()?;
    let start = Instant::now();
    let model = Model::load(path, &LoadOptions::default().with_engine(EngineChoice::Sparse))?;
    let seconds_to_ready = start.elapsed().as_secs_f64();
    let private_ready = private()?;
    let ids = token_ids(&model, tokens)?;
    let prediction = take_turns(&mut [predicting(&model, &ids)], rounds, Clock::Wall)?.remove(0);
    let sum = |count: fn(&sparsecbm::PlannedProduct) -> usize| {
        model.plan().iter().map(count).sum::<usize>() as u64
    };
    Ok(LargeReport {
        seconds_to_ready,
        private_before,
        private_ready,
        private_after: private()?,
        packed: sum(|product| product.bytes),
        weights: sum(|product| product.weights),
        tokens,
        prediction,
    })
}
