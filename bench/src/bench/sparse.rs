use serde::Serialize;
use sparsecbm::sparse::InstructionSet;
use sparsecbm::{EngineChoice, Error, ErrorKind, LoadOptions, Model, Result};

use super::kernel::peak;
use super::load::{exported, one_thread};
use super::model::{LENGTHS, predicting, token_ids};
use super::timing::{Case, Clock, Timing, take_turns};
use crate::variants::{one_dense_pass, with_length};
use sparsecbm_exporter::{Checkpoint, MaskForm};

/// The engines must say the same of the same text, to this in concept logits.
const TOLERANCE: f32 = 1e-3;

/// What K subnetworks cost on the sparse kernels, beside other ways to run them and beside one dense
/// pass of the same backbone; one thread, whose
/// processor time is counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SparseReport {
    /// Number of concepts: of subnetworks.
    pub concepts: usize,
    /// The processor's instructions that the sparse kernels use.
    pub instructions: String,
    /// ONNX Runtime as it reports itself.
    pub onnxruntime: String,
    /// Multiply-adds a second, in 10⁹, that one core reaches with nothing else to do.
    pub peak_giga_multiply_adds: f64,
    /// Bytes of packed weights and indices of all concepts, all of which each prediction reads.
    pub packed_bytes: usize,
    /// The largest difference in concept logits between the ways to run the same model.
    pub largest_difference: f32,
    /// One entry a length of text.
    pub lengths: Vec<SparseRow>,
}

/// The same text in four ways.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SparseRow {
    /// Positions, special tokens included.
    pub tokens: usize,
    /// The sparse kernels, all concepts.
    pub ours: Timing,
    /// ONNX Runtime on the file with masks folded into weights, all concepts.
    pub ort_folded: Timing,
    /// tract, all concepts.
    pub tract: Timing,
    /// ONNX Runtime on the backbone without masks, once for all concepts.
    pub ort_one_dense_pass: Timing,
    /// Median of ours / median of ONNX Runtime's one dense pass: below 1, all subnetworks together cost
    /// less than the dense backbone once.
    pub ours_over_ort_one_dense_pass: f64,
    /// Median of ours / median of ONNX Runtime's with all concepts.
    pub ours_over_ort_folded: f64,
    /// Median of ours / median of tract's.
    pub ours_over_tract: f64,
    /// Multiply-adds that the masks leave: products and attention of all concepts.
    pub multiply_adds: usize,
    /// Those of one dense pass.
    pub multiply_adds_one_dense_pass: usize,
    /// Share of the peak that the sparse kernels reach with the multiply-adds that count, in their
    /// fastest run.
    pub share_of_peak: f64,
    /// The same of ONNX Runtime's one dense pass.
    pub share_of_peak_one_dense_pass: f64,
}

/// Measures the four ways on texts of several lengths, all interleaved, `rounds` times around. `open` gives
/// the checkpoint, which is made to read the longest of these texts where it does not; `options` may name ONNX
/// Runtime's
/// library, and the instructions of the sparse kernels.
///
/// # Errors
/// `Unavailable` where ONNX Runtime's library is not found or the kernels do not know the backbone;
/// `Model` where the ways do not agree; those of [`export`](sparsecbm_exporter::export).
pub fn bench_sparse(
    open: impl Fn() -> Result<Checkpoint>,
    options: &LoadOptions,
    rounds: usize,
) -> Result<SparseReport> {
    let load = |bytes, engine| one_thread(bytes, engine, options);
    let checkpoint = with_length(open()?, LENGTHS[LENGTHS.len() - 1])?;
    let packed = exported(&checkpoint, MaskForm::Packed)?;
    let folded = exported(&checkpoint, MaskForm::Folded)?;
    let dense = exported(&one_dense_pass(checkpoint)?, MaskForm::Folded)?;
    let counted = load(dense.clone(), EngineChoice::Sparse)?;
    let ours = load(packed.clone(), EngineChoice::Sparse)?;
    let models = [
        &ours,
        &load(folded, EngineChoice::OrtCpu)?,
        &load(packed, EngineChoice::Tract)?,
        &load(dense, EngineChoice::OrtCpu)?,
    ];
    let inputs = LENGTHS.iter().map(|&n| token_ids(&ours, n)).collect::<Result<Vec<_>>>()?;
    let largest_difference = differences(&models[..3], &inputs)?;

    let mut cases: Vec<Case> = inputs
        .iter()
        .flat_map(|ids| models.iter().map(move |model| (model, ids)))
        .map(|(model, ids)| predicting(model, ids))
        .collect();
    let timings = take_turns(&mut cases, rounds, Clock::Thread)?;
    let peak =
        peak(options.sparse.instructions.unwrap_or_else(InstructionSet::best), rounds.max(20))?;
    let row = |(&tokens, timings): (&usize, &[Timing])| {
        let [ours_timing, ort_folded, tract, ort_one_dense_pass] = timings else {
            unreachable!("as many timings as ways")
        };
        let ratio = |other: &Timing| ours_timing.median_us / other.median_us;
        let share = |work: usize, timing: &Timing| work as f64 / timing.fastest_us / 1e3 / peak;
        let needed = |model: &Model| model.multiply_adds(tokens).unwrap_or_default();
        SparseRow {
            tokens,
            ours_over_ort_one_dense_pass: ratio(ort_one_dense_pass),
            ours_over_ort_folded: ratio(ort_folded),
            ours_over_tract: ratio(tract),
            multiply_adds: needed(&ours),
            multiply_adds_one_dense_pass: needed(&counted),
            share_of_peak: share(needed(&ours), ours_timing),
            share_of_peak_one_dense_pass: share(needed(&counted), ort_one_dense_pass),
            ours: ours_timing.clone(),
            ort_folded: ort_folded.clone(),
            tract: tract.clone(),
            ort_one_dense_pass: ort_one_dense_pass.clone(),
        }
    };
    Ok(SparseReport {
        concepts: ours.schema().concept_count(),
        instructions: ours.device().instructions.clone().unwrap_or_default(),
        onnxruntime: models[3].device().to_string(),
        peak_giga_multiply_adds: peak,
        packed_bytes: ours.plan().iter().map(|product| product.bytes).sum(),
        largest_difference,
        lengths: LENGTHS.iter().zip(timings.chunks(models.len())).map(row).collect(),
    })
}

/// The largest difference of the first model's concept logits from the others'.
fn differences(models: &[&Model], inputs: &[Vec<u32>]) -> Result<f32> {
    let mut largest = 0.0_f32;
    for ids in inputs {
        let first = models[0].predict_tokens(ids)?;
        for model in &models[1..] {
            let other = model.predict_tokens(ids)?;
            let pairs = first.concept_logits().into_iter().zip(other.concept_logits());
            largest = pairs.fold(largest, |largest, (a, b)| largest.max((a - b).abs()));
        }
    }
    if largest <= TOLERANCE {
        return Ok(largest);
    }
    let found = format!("concept logits that differ by {largest}");
    Err(Error::new(ErrorKind::Model, "engines", found, format!("at most {TOLERANCE}")))
}
