use std::path::{Path, PathBuf};

use plotters::prelude::SeriesLabelPosition;
use serde::Serialize;
use sparsecbm::{EngineChoice, LoadOptions, Model, Result};

use super::load::{exported, one_thread};
use super::model::{predicting, token_ids};
use super::timing::{Case, Clock, Timing, take_turns};
use crate::charts::{Area, Line, lines_chart, write_charts};
use crate::variants::{one_dense_pass, with_concepts};
use sparsecbm_exporter::{Checkpoint, MaskForm};

const CONCEPTS: [usize; 6] = [1, 2, 4, 8, 12, 16];
const LENGTHS: [usize; 8] = [8, 16, 32, 48, 64, 80, 96, 128];
/// The length at which concepts are varied, where the model reads so much.
const USUAL_LENGTH: usize = 32;

/// How the time of a prediction grows; one thread, whose
/// processor time is counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrowthReport {
    /// Positions of the texts for which concepts are varied.
    pub tokens: usize,
    /// By number of concepts.
    pub by_concepts: Vec<Growth>,
    /// By length of text, with the checkpoint's own concepts.
    pub by_tokens: Vec<Growth>,
}

/// One point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Growth {
    /// Concepts or positions.
    pub count: usize,
    /// The sparse kernels.
    pub ours: Timing,
    /// ONNX Runtime on folded masks.
    pub ort_folded: Timing,
    /// ONNX Runtime on one pass of the backbone without masks.
    pub ort_one_dense_pass: Timing,
}

/// Measures, all interleaved, `rounds` times around. `open` gives the checkpoint.
///
/// # Errors
/// As [`bench_sparse`](super::bench_sparse).
pub fn bench_growth(
    open: impl Fn() -> Result<Checkpoint>,
    options: &LoadOptions,
    rounds: usize,
) -> Result<GrowthReport> {
    let load = |checkpoint: &Checkpoint, engine, masks| {
        one_thread(exported(checkpoint, masks)?, engine, options)
    };
    let both = |checkpoint: &Checkpoint| -> Result<[Model; 2]> {
        Ok([
            load(checkpoint, EngineChoice::Sparse, MaskForm::Packed)?,
            load(checkpoint, EngineChoice::OrtCpu, MaskForm::Folded)?,
        ])
    };
    let own = open()?;
    let own_models = both(&own)?;
    let dense = load(&one_dense_pass(own)?, EngineChoice::OrtCpu, MaskForm::Folded)?;
    let longest = dense.schema().max_length;
    let tokens = USUAL_LENGTH.min(longest);
    let lengths: Vec<usize> = LENGTHS.into_iter().filter(|&n| n <= longest).collect();
    let grown = CONCEPTS
        .iter()
        .map(|&count| both(&with_concepts(open()?, count)?))
        .collect::<Result<Vec<_>>>()?;

    let mut points: Vec<([&Model; 3], Vec<u32>)> = Vec::new();
    for [ours, ort] in &grown {
        points.push(([ours, ort, &dense], token_ids(&dense, tokens)?));
    }
    for &length in &lengths {
        let [ours, ort] = &own_models;
        points.push(([ours, ort, &dense], token_ids(&dense, length)?));
    }
    let mut cases: Vec<Case> = points
        .iter()
        .flat_map(|(models, ids)| models.iter().map(move |model| (model, ids)))
        .map(|(model, ids)| predicting(model, ids))
        .collect();
    let timings = take_turns(&mut cases, rounds, Clock::Thread)?;
    let counts = CONCEPTS.into_iter().chain(lengths);
    let mut all = counts.zip(timings.chunks(3)).map(|(count, timings)| Growth {
        count,
        ours: timings[0].clone(),
        ort_folded: timings[1].clone(),
        ort_one_dense_pass: timings[2].clone(),
    });
    let by_concepts = all.by_ref().take(CONCEPTS.len()).collect();
    Ok(GrowthReport { tokens, by_concepts, by_tokens: all.collect() })
}

/// Draws both as SVG files in `folder`: `growth-concepts.svg` and `growth-tokens.svg`.
///
/// # Errors
/// `Io` where a file cannot be written.
pub fn write_growth(report: &GrowthReport, folder: &Path) -> Result<Vec<PathBuf>> {
    let lines = |points: &[Growth]| -> Vec<Line> {
        let line = |name: &str, timing: fn(&Growth) -> &Timing| {
            let point = |p: &Growth| (p.count as f64, timing(p).median_us / 1e3);
            (name.to_string(), points.iter().map(point).collect())
        };
        vec![
            line("sparse kernels", |p| &p.ours),
            line("ONNX Runtime, masks folded", |p| &p.ort_folded),
            line("ONNX Runtime, one dense pass", |p| &p.ort_one_dense_pass),
        ]
    };
    let concepts = format!("concepts (texts of {} tokens)", report.tokens);
    let time = "milliseconds a prediction, one thread";
    let draw = |area: &Area, points: &[Growth], x: &str| {
        lines_chart(area, &lines(points), [x, time], SeriesLabelPosition::UpperLeft)
    };
    write_charts(
        folder,
        &[
            ("growth-concepts.svg", Box::new(|area| draw(area, &report.by_concepts, &concepts))),
            ("growth-tokens.svg", Box::new(|area| draw(area, &report.by_tokens, "tokens"))),
        ],
    )
}
