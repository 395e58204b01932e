use std::path::{Path, PathBuf};

use plotters::prelude::SeriesLabelPosition;
use serde::Serialize;
use sparsecbm::{EngineChoice, Error, ErrorKind, LoadOptions, Model, Result};

use super::model::{predicting, token_ids};
use super::timing::{Case, Clock, Timing, take_turns};
use crate::charts::{Area, Line, lines_chart, write_charts};

/// How the time of a prediction on the sparse kernels grows with the weights that masks keep; one thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeightsReport {
    /// The processor's instructions that the kernels use.
    pub instructions: String,
    /// Positions of the text.
    pub tokens: usize,
    /// From few weights to many.
    pub models: Vec<WeightsRow>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeightsRow {
    /// Its file.
    pub model: PathBuf,
    /// Subnetworks.
    pub concepts: usize,
    /// Weights under all masks that are multiplied.
    pub weights: usize,
    /// A prediction.
    pub prediction: Timing,
}

/// Predicts from `tokens` positions with each of these exported models, all interleaved, `rounds` times around.
///
/// # Errors
/// `Input` where there are no models; `Unavailable` where the sparse kernels do not know one; else those of
/// [`Model::load`].
pub fn bench_weights(paths: &[PathBuf], tokens: usize, rounds: usize) -> Result<WeightsReport> {
    let options = LoadOptions::default().with_engine(EngineChoice::Sparse);
    let load = |path: &PathBuf| {
        let model = Model::load(path, &options)?;
        let ids = token_ids(&model, tokens)?;
        let weights = model.plan().iter().map(|product| product.weights).sum();
        Ok(Loaded { path: path.clone(), model, ids, weights })
    };
    let mut models = paths.iter().map(load).collect::<Result<Vec<_>>>()?;
    models.sort_by_key(|loaded| loaded.weights);
    let Some(first) = models.first() else {
        return Err(Error::new(ErrorKind::Input, "models", "none", "one at least"));
    };
    let instructions = first.model.device().instructions.clone().unwrap_or_default();
    let mut cases: Vec<Case> =
        models.iter().map(|loaded| predicting(&loaded.model, &loaded.ids)).collect();
    let timings = take_turns(&mut cases, rounds, Clock::Thread)?;
    drop(cases);
    let row = |(loaded, prediction): (Loaded, Timing)| WeightsRow {
        model: loaded.path,
        concepts: loaded.model.schema().concept_count(),
        weights: loaded.weights,
        prediction,
    };
    let models = models.into_iter().zip(timings).map(row).collect();
    Ok(WeightsReport { instructions, tokens, models })
}

/// A model, and what it is to predict from.
struct Loaded {
    path: PathBuf,
    model: Model,
    ids: Vec<u32>,
    weights: usize,
}

/// Draws it as `growth-weights.svg` in `folder`.
///
/// # Errors
/// `Io` where a file cannot be written.
pub fn write_weights(report: &WeightsReport, folder: &Path) -> Result<Vec<PathBuf>> {
    let point = |row: &WeightsRow| (row.weights as f64 / 1e6, row.prediction.median_us / 1e3);
    let line: Line = ("sparse kernels".into(), report.models.iter().map(point).collect());
    let x = format!("million weights that all masks keep (texts of {} tokens)", report.tokens);
    let axes = [&x, "milliseconds a prediction, one thread"];
    let draw = |area: &Area| {
        lines_chart(area, std::slice::from_ref(&line), axes, SeriesLabelPosition::UpperLeft)
    };
    write_charts(folder, &[("growth-weights.svg", Box::new(draw))])
}
