use std::path::{Path, PathBuf};

use plotters::prelude::SeriesLabelPosition;
use serde::{Deserialize, Serialize};
use sparsecbm::{EngineChoice, LoadOptions, Model, Result};

use super::load::{exported, one_thread};
use super::model::{Encode, LENGTHS, predicting, token_ids};
use super::timing::{Case, Clock, Timing, take_turns};
use crate::charts::{Area, Line, lines_chart, write_charts};
use crate::variants::{in_single_weights, one_dense_pass, with_masks_at_random};
use sparsecbm_exporter::{Checkpoint, MaskForm};

const SPARSITIES: [f64; 6] = [0.0, 0.5, 0.7, 0.8, 0.9, 0.95];
/// Heights of the blocks in which weights are kept.
const BLOCKS: [usize; 2] = [4, 1];
/// The length that accuracies are drawn over.
const USUAL_LENGTH: usize = 32;

/// What sparsity is worth: the time of K subnetworks on the sparse kernels at several sparsities; one thread, whose
/// processor time is counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveReport {
    /// Number of concepts: of subnetworks.
    pub concepts: usize,
    /// The processor's instructions that the sparse kernels use.
    pub instructions: String,
    /// ONNX Runtime as it reports itself.
    pub onnxruntime: String,
    /// ONNX Runtime's one pass of the backbone without masks, one entry a length.
    pub one_dense_pass: Vec<Encode>,
    /// The checkpoint's own masks first, in both forms, then one entry a sparsity and form.
    pub points: Vec<CurvePoint>,
}

/// Which masks a model has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveMasks {
    /// The checkpoint's own.
    Own,
    /// As many weights, but single ones ([`in_single_weights`]).
    OwnInSingleWeights,
    /// At random ([`with_masks_at_random`]).
    ByChance(MaskShape),
}

impl CurveMasks {
    /// The shape of masks at random.
    pub fn shape(self) -> Option<MaskShape> {
        match self {
            CurveMasks::ByChance(shape) => Some(shape),
            _ => None,
        }
    }
}

/// One sparsity in one form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Which masks.
    pub masks: CurveMasks,
    /// What models with such masks reached, where it is known.
    pub accuracy: Option<Accuracy>,
    /// Bytes of packed weights and indices of all concepts.
    pub packed_bytes: usize,
    /// The sparse kernels, all concepts, one entry a length.
    pub ours: Vec<Timing>,
    /// Median of ours / median of ONNX Runtime's one dense pass, one entry a length.
    pub ours_over_ort_one_dense_pass: Vec<f64>,
}

/// How many weights masks keep, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MaskShape {
    /// Share of the weights that each mask leaves out, in 0 to 1.
    pub sparsity: f64,
    /// Height of the blocks in which weights are kept.
    pub block_rows: usize,
}

/// Shares of right classes, in 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Of concepts.
    pub concepts: f64,
    /// Of the label.
    pub label: f64,
}

/// What models trained with such masks reached.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Trained {
    #[serde(flatten)]
    masks: MaskShape,
    #[serde(flatten)]
    accuracy: Accuracy,
}

/// Measures the checkpoint that `open` gives under its own masks, in both forms, and under masks at random, all
/// interleaved, `rounds` times around. Time depends on how many weights masks keep, and on which of them only where
/// they kill whole rows or columns.
///
/// # Errors
/// As [`bench_sparse`](super::bench_sparse).
pub fn bench_curve(
    open: impl Fn() -> Result<Checkpoint>,
    trained: &[Trained],
    options: &LoadOptions,
    rounds: usize,
) -> Result<CurveReport> {
    let sparse = |checkpoint: &Checkpoint| {
        one_thread(exported(checkpoint, MaskForm::Packed)?, EngineChoice::Sparse, options)
    };
    let own = [CurveMasks::Own, CurveMasks::OwnInSingleWeights].into_iter();
    let mut models = Vec::new();
    for masks in own.chain(shapes().map(CurveMasks::ByChance)) {
        let checkpoint = match masks {
            CurveMasks::Own => open(),
            CurveMasks::OwnInSingleWeights => in_single_weights(open()?),
            CurveMasks::ByChance(shape) => {
                with_masks_at_random(open()?, shape.sparsity, shape.block_rows)
            }
        };
        models.push((masks, sparse(&checkpoint?)?));
    }
    let dense = exported(&one_dense_pass(open()?)?, MaskForm::Folded)?;
    let dense = one_thread(dense, EngineChoice::OrtCpu, options)?;
    let longest = dense.schema().max_length;
    let lengths: Vec<usize> = LENGTHS.into_iter().filter(|&n| n <= longest).collect();
    let inputs = lengths.iter().map(|&n| token_ids(&dense, n)).collect::<Result<Vec<_>>>()?;

    let all = || std::iter::once(&dense).chain(models.iter().map(|(_, model)| model));
    let mut cases: Vec<Case> =
        all().flat_map(|model| inputs.iter().map(move |ids| predicting(model, ids))).collect();
    let timings = take_turns(&mut cases, rounds, Clock::Thread)?;
    let (passes, ours) = timings.split_at(lengths.len());
    let pass = |(&tokens, timing): (&usize, &Timing)| Encode { tokens, timing: timing.clone() };
    let point = |((masks, model), ours): (&(CurveMasks, Model), &[Timing])| CurvePoint {
        masks: *masks,
        accuracy: trained.iter().find(|t| Some(t.masks) == masks.shape()).map(|t| t.accuracy),
        packed_bytes: model.plan().iter().map(|product| product.bytes).sum(),
        ours_over_ort_one_dense_pass: ours
            .iter()
            .zip(passes)
            .map(|(ours, pass)| ours.median_us / pass.median_us)
            .collect(),
        ours: ours.to_vec(),
    };
    Ok(CurveReport {
        concepts: dense.schema().concept_count(),
        instructions: models[0].1.device().instructions.clone().unwrap_or_default(),
        onnxruntime: dense.device().to_string(),
        one_dense_pass: lengths.iter().zip(passes).map(pass).collect(),
        points: models.iter().zip(ours.chunks(lengths.len())).map(point).collect(),
    })
}

/// All sparsities in all forms; where nothing is left out, there is one.
fn shapes() -> impl Iterator<Item = MaskShape> {
    let with_blocks =
        |block_rows| SPARSITIES.map(|sparsity| MaskShape { sparsity, block_rows }).into_iter();
    let all = with_blocks(BLOCKS[0]);
    all.chain(with_blocks(BLOCKS[1]).filter(|masks| masks.sparsity > 0.0))
}

/// Draws `curve-latency.svg` (time by sparsity) and, where accuracies are known, `curve-accuracy.svg` (the label's
/// accuracy by time) in `folder`.
///
/// # Errors
/// `Io` where a file cannot be written.
pub fn write_curve(report: &CurveReport, folder: &Path) -> Result<Vec<PathBuf>> {
    let form = |block_rows: usize| if block_rows == 1 { "single weights" } else { "blocks" };
    // All weights belong to both forms.
    let of_form = |block_rows: usize| {
        let points = report.points.iter().filter_map(|point| Some((point.masks.shape()?, point)));
        points.filter(move |(masks, _)| masks.block_rows == block_rows || masks.sparsity == 0.0)
    };
    let mut latency: Vec<Line> = Vec::new();
    for (length, pass) in report.one_dense_pass.iter().enumerate() {
        for block_rows in BLOCKS.into_iter().filter(|_| [32, 128].contains(&pass.tokens)) {
            let ratio = |(masks, point): (MaskShape, &CurvePoint)| {
                (100.0 * masks.sparsity, point.ours_over_ort_one_dense_pass[length])
            };
            let name = format!("{}, {} tokens", form(block_rows), pass.tokens);
            latency.push((name, of_form(block_rows).map(ratio).collect()));
        }
    }
    let usual = report.one_dense_pass.iter().position(|pass| pass.tokens == USUAL_LENGTH);
    let accuracy = |block_rows: usize| -> Line {
        let reached = |(_, point): (MaskShape, &CurvePoint)| {
            let label = 100.0 * point.accuracy?.label;
            Some((point.ours_over_ort_one_dense_pass[usual?], label))
        };
        (form(block_rows).into(), of_form(block_rows).filter_map(reached).collect())
    };
    let accuracy: Vec<Line> =
        BLOCKS.into_iter().map(accuracy).filter(|(_, points)| !points.is_empty()).collect();
    let time = format!("time of {} subnetworks / one dense pass of ONNX Runtime", report.concepts);
    let draw_latency = |area: &Area| {
        let axes = ["sparsity, %", &time];
        lines_chart(area, &latency, axes, SeriesLabelPosition::LowerLeft)
    };
    let of_usual = format!("{time}, {USUAL_LENGTH} tokens");
    let draw_accuracy = |area: &Area| {
        let axes = [of_usual.as_str(), "accuracy of the label, %"];
        lines_chart(area, &accuracy, axes, SeriesLabelPosition::LowerRight)
    };
    let mut written = write_charts(folder, &[("curve-latency.svg", Box::new(draw_latency))])?;
    if !accuracy.is_empty() {
        written.extend(write_charts(folder, &[("curve-accuracy.svg", Box::new(draw_accuracy))])?);
    }
    Ok(written)
}
