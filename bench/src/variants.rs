//! Checkpoints made from a checkpoint, to measure what its shape costs. Their answers mean nothing: weights that are 0
//! get a value, so that whoever counts or skips zeros finds none.

use sparsecbm::format::tensors;
use sparsecbm::schema::Semantics;
use sparsecbm::{Mask, MaskSet, Result};
use sparsecbm_exporter::Checkpoint;

/// In the place of zeros: ordinary, and exact in 16 bits.
const SOME_WEIGHT: f32 = 1.0 / 1024.0;

/// Where masks at random begin.
const SEED: u64 = 0;

/// The same backbone without masks, run once for all concepts: what the price of subnetworks is compared with.
///
/// # Errors
/// `Model` where a mask or weight cannot be read.
pub fn one_dense_pass(mut checkpoint: Checkpoint) -> Result<Checkpoint> {
    let mut schema = checkpoint.schema().clone();
    schema.semantics = Semantics::AsExecuted;
    checkpoint.replace_schema(schema);
    with_masks(checkpoint, |own| {
        let one =
            Mask::pack(&vec![true; own.rows() / own.block_rows() * own.columns()], own.columns());
        set(own, own.block_rows(), own.count(), one.repeat(own.count()))
    })
}

/// The same model under masks at random, each of which leaves out the share `sparsity` of a layer's weights, in blocks
/// of `block_rows` outputs (one where they do not divide the layer's): what is measured to see how costs fall with
/// sparsity.
///
/// # Errors
/// `Model` where a mask or weight cannot be read.
pub fn with_masks_at_random(
    checkpoint: Checkpoint,
    sparsity: f64,
    block_rows: usize,
) -> Result<Checkpoint> {
    let mut random = fastrand::Rng::with_seed(SEED);
    with_masks(checkpoint, |own| {
        let block_rows = if own.rows().is_multiple_of(block_rows) { block_rows } else { 1 };
        let blocks = own.rows() / block_rows * own.columns();
        let count = ((1.0 - sparsity) * blocks as f64).round() as usize;
        let mut kept: Vec<bool> = (0..blocks).map(|block| block < count).collect();
        let one = |_| {
            random.shuffle(&mut kept);
            Mask::pack(&kept, own.columns())
        };
        let bits = (0..own.count()).flat_map(one).collect();
        set(own, block_rows, own.count(), bits)
    })
}

/// The same model under masks that keep as many weights of each layer as its own, but single ones: at random, in the
/// rows and columns of which its own keep something, so that whole heads and neurons that are gone stay so.
///
/// # Errors
/// `Model` where a mask or weight cannot be read.
pub fn in_single_weights(checkpoint: Checkpoint) -> Result<Checkpoint> {
    let mut random = fastrand::Rng::with_seed(SEED);
    with_masks(checkpoint, |own| {
        let bits = own.masks().flat_map(|mask| {
            let kept = single_weights(&mask, &mut random);
            Mask::pack(&kept, own.columns())
        });
        set(own, 1, own.count(), bits.collect())
    })
}

/// As many weights as `mask` keeps, in the rows and columns of which it keeps something.
fn single_weights(mask: &Mask, random: &mut fastrand::Rng) -> Vec<bool> {
    let (rows, columns) = (mask.rows(), mask.columns());
    let in_column = |&column: &usize| (0..mask.blocks()).any(|block| mask.keeps(block, column));
    let live_columns: Vec<usize> = (0..columns).filter(in_column).collect();
    let live_rows = (0..rows).filter(|&row| mask.kept_in_row(row) > 0);
    let mut indices: Vec<usize> = live_rows
        .flat_map(|row| live_columns.iter().map(move |column| row * columns + column))
        .collect();
    random.shuffle(&mut indices);
    indices.truncate(mask.kept_weights());
    let mut kept = vec![false; rows * columns];
    indices.into_iter().for_each(|index| kept[index] = true);
    kept
}

/// The checkpoint with what `other` makes of each layer's masks, and without zeros among the weights.
fn with_masks(
    mut checkpoint: Checkpoint,
    mut other: impl FnMut(&MaskSet) -> MaskSet,
) -> Result<Checkpoint> {
    for own in checkpoint.mask_sets().collect::<Result<Vec<_>>>()? {
        checkpoint.replace_masks(&other(&own));
        let name = format!("{}.weight", own.layer());
        let (shape, mut weight) = checkpoint.tensor(&name)?;
        weight.iter_mut().filter(|w| **w == 0.0).for_each(|w| *w = SOME_WEIGHT);
        checkpoint.replace_tensor(&name, shape, &weight);
    }
    Ok(checkpoint)
}

/// Masks of the matrix that `own` are of.
fn set(own: &MaskSet, block_rows: usize, count: usize, bits: Vec<u8>) -> MaskSet {
    MaskSet::new(own.layer(), [own.rows(), own.columns()], block_rows, count, bits)
        .expect("as many bits as the layer's sizes say")
}

/// A model of `count` concepts, made by taking this one's in rotation, each with its mask and heads: what is measured
/// to see how costs grow with concepts.
///
/// # Errors
/// `Model` where a mask or head cannot be read.
pub fn with_concepts(mut checkpoint: Checkpoint, count: usize) -> Result<Checkpoint> {
    let own = checkpoint.schema().concept_count();
    let chosen: Vec<usize> = (0..count).map(|k| k % own).collect();
    for masks in checkpoint.mask_sets().collect::<Result<Vec<_>>>()? {
        let bits = chosen.iter().flat_map(|&k| masks.mask(k).bits().to_vec()).collect();
        checkpoint.replace_masks(&set(&masks, masks.block_rows(), count, bits));
    }
    for name in checkpoint.tensor_names() {
        // Concept heads are `[K, …]`, what reads all concepts is `[…, K · C]`, the rest has no concepts.
        let of_concepts = [
            tensors::CONCEPT_HEAD_WEIGHT,
            tensors::CONCEPT_HEAD_BIAS,
            tensors::CONCEPT_EXPANSION_WEIGHT,
            tensors::CONCEPT_EXPANSION_BIAS,
        ];
        let over_concepts = [
            tensors::LABEL_HEAD_WEIGHT,
            tensors::EFFECT_HEAD_WEIGHT,
            tensors::SUPPOSE_HEAD_WEIGHT,
            tensors::CORRECT_HEAD_WEIGHT,
            tensors::SUPPOSE_HIDDEN_READ,
            tensors::SUPPOSE_HIDDEN_ASSERTED,
        ];
        let axis = match &*name {
            name if of_concepts.contains(&name) => 0,
            name if over_concepts.contains(&name) => 1,
            _ => continue,
        };
        let (mut shape, values) = checkpoint.tensor(&name)?;
        let size: usize = shape[axis..].iter().product();
        let part = |row: &[f32], k: usize| row[k * size / own..(k + 1) * size / own].to_vec();
        let repeated: Vec<f32> = values
            .chunks(size)
            .flat_map(|row| chosen.iter().flat_map(move |&k| part(row, k)))
            .collect();
        shape[axis] = shape[axis] / own * count;
        checkpoint.replace_tensor(&name, shape, &repeated);
    }
    let mut schema = checkpoint.schema().clone();
    let calibration = &mut schema.calibration;
    if !calibration.class_logits.is_empty() {
        take(&mut calibration.class_logits, &chosen);
    }
    take(&mut calibration.mean_concept_logits, &chosen);
    take(&mut calibration.mean_concept_probabilities, &chosen);
    take(&mut schema.concepts, &chosen);
    for (k, concept) in schema.concepts.iter_mut().enumerate().skip(own) {
        let field = schema.data_fields.concepts[&concept.name].clone();
        concept.name = format!("{} {}", concept.name, k / own + 1);
        schema.data_fields.concepts.insert(concept.name.clone(), field);
    }
    checkpoint.replace_schema(schema);
    Ok(checkpoint)
}

/// The same model for texts of up to `tokens` positions: beyond its table of position embeddings, rows are taken
/// again from its start.
///
/// # Errors
/// `Model` where the table cannot be read.
pub fn with_length(mut checkpoint: Checkpoint, tokens: usize) -> Result<Checkpoint> {
    let mut schema = checkpoint.schema().clone();
    if schema.max_length >= tokens {
        return Ok(checkpoint);
    }
    schema.max_length = tokens;
    checkpoint.replace_schema(schema);
    if let Some((name, first)) = checkpoint.position_table() {
        let (mut shape, mut values) = checkpoint.tensor(&name)?;
        let columns = shape[1];
        let own = values[first * columns..].to_vec();
        let count = shape[0].max(first + tokens);
        values.extend(own.iter().cycle().take((count - shape[0]) * columns));
        shape[0] = count;
        checkpoint.replace_tensor(&name, shape, &values);
    }
    Ok(checkpoint)
}

fn take<T: Clone>(values: &mut Vec<T>, chosen: &[usize]) {
    *values = chosen.iter().map(|&k| values[k].clone()).collect();
}
