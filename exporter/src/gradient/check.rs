//! Runs a gradient file and compares what it says with the checkpoint's own evaluation: the logits, and along
//! random directions the gradients with differences of logits.

use bytes::Bytes;
use ndarray::{Array1, Array2};
use serde::Serialize;
use sparsecbm::gradients::{GradientFile, Point};
use sparsecbm::schema::Pooling;
use sparsecbm::{EngineChoice, Error, ErrorKind, LoadOptions, Mask, Result};

use crate::checkpoint::{Checkpoint, MaskedLayer};
use crate::options::ExportOptions;
use crate::reference::{Input, Reference};
use crate::weights::MaskForm;

/// The inputs are random but always the same.
const SEED: u64 = 20_261_126;
/// Tokens of the random input.
const LENGTH: usize = 7;
/// The most layers whose gradients are compared, evenly among all.
const MOST_LAYERS: usize = 16;
/// How far the differences go to each side; the best counts, for long ones meet the kinks of ReLU and short ones
/// the rounding of logits.
const STEPS: [f32; 3] = [0.01, 0.001, 0.0001];
/// The largest error of a gradient in a direction that is allowed, as a share of the gradient's length.
/// Differences of 32-bit logits are themselves no better than about a thousandth.
const LARGEST_ERROR: f64 = 0.01;

/// What the check of a gradient file found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GradientCheck {
    /// The largest absolute difference of the concept logits from the reference's.
    pub concept_logits: f32,
    /// How far the gradient by the word embeddings is from a difference of the reference's logits, along a
    /// random direction of length 1, as a share of the gradient's length.
    pub embedding_gradient: f64,
    /// The largest of the same by the masks of one layer.
    pub mask_gradient: f64,
    /// How many layers' masks were compared.
    pub layers: usize,
}

/// Runs the gradient file `bytes` that was made from `checkpoint`.
///
/// # Errors
/// `Model` where logits differ by more than `options.atol`, or a gradient's error is above a hundredth of it;
/// `Engine` where the file cannot be run.
pub(super) fn check(
    checkpoint: &Checkpoint,
    bytes: &Bytes,
    options: &ExportOptions,
) -> Result<GradientCheck> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let input = input(checkpoint, &mut random);
    let concept = checkpoint.schema.concept_count() - 1;
    let direction = |count: usize, random: &mut fastrand::Rng| -> Vec<f32> {
        (0..count).map(|_| if random.bool() { 1.0 } else { -1.0 }).collect()
    };
    let logit_gradient = direction(checkpoint.schema.class_count(), &mut random);
    let found = evaluated(checkpoint, bytes, &input, concept, &logit_gradient)?;

    let reference = Reference::rounded(checkpoint, options.weights, MaskForm::Packed)?;
    let mut probe = reference.probe(concept, &input)?;
    let (positions, width) = (input.ids.len(), checkpoint.backbone.word_table().columns);
    let expected = probe.with_words(&Array2::zeros((positions, width)));
    let logits = Array1::from(found.concept_logits);
    let difference = (&logits - &expected).iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if logits.iter().any(|x| x.is_nan()) || difference > options.atol {
        let found = format!("a difference of {difference:e} from the checkpoint");
        return Err(wrong("concept_logits", found, &format!("at most {:e}", options.atol)));
    }

    // f at a place along the way.
    let weighted = |logits: Array1<f32>| -> f64 {
        logits.iter().zip(&logit_gradient).map(|(&logit, &g)| f64::from(logit) * f64::from(g)).sum()
    };
    let gradient = &found.embedding_gradient;
    let way = direction(gradient.len(), &mut random);
    let embedding_gradient = error("embedding_gradient", gradient, &way, |step| {
        let change = way.iter().map(|way| way * step).collect();
        let change = Array2::from_shape_vec((positions, width), change);
        Ok(weighted(probe.with_words(&change.expect("as many as words have"))))
    })?;

    let mut mask_gradient = 0.0_f64;
    let stride = checkpoint.layers.len().div_ceil(MOST_LAYERS);
    let layers = checkpoint.layers.iter().zip(&found.mask_gradients).step_by(stride);
    let layers: Vec<_> = layers.collect();
    for (MaskedLayer { layer, block_rows }, gradient) in &layers {
        let name = format!("{}.mask_gradient", layer.name);
        let way = direction(gradient.len(), &mut random);
        let error = error(&name, gradient, &way, |step| {
            let blocks = way.chunks(layer.columns);
            let rows = blocks.flat_map(|row| std::iter::repeat_n(row, *block_rows));
            let change: Vec<f32> = rows.flatten().map(|way| way * step).collect();
            Ok(weighted(probe.with_mask(layer, &change)?))
        })?;
        mask_gradient = mask_gradient.max(error);
    }
    Ok(GradientCheck {
        concept_logits: difference,
        embedding_gradient,
        mask_gradient,
        layers: layers.len(),
    })
}

/// Random tokens, padded to the maximum length where the mean goes over padding.
fn input(checkpoint: &Checkpoint, random: &mut fastrand::Rng) -> Input {
    let (vocabulary, longest) = (&checkpoint.vocabulary, checkpoint.schema.max_length);
    let attended = LENGTH.min(longest);
    let mut ids: Vec<u32> =
        (0..attended).map(|_| vocabulary.ids[random.usize(..vocabulary.ids.len())]).collect();
    if checkpoint.schema.pooling == Pooling::PaddedMean {
        ids.resize(longest, vocabulary.padding);
    }
    Input { ids, attended }
}

/// What a gradient file says of one text.
struct GradientOutputs {
    /// `[C]`
    concept_logits: Vec<f32>,
    /// `[S, E]`
    embedding_gradient: Vec<f32>,
    /// `[rows / block_rows, columns]` of each layer.
    mask_gradients: Vec<Vec<f32>>,
}

/// What the file says of a concept under its own masks.
fn evaluated(
    checkpoint: &Checkpoint,
    bytes: &Bytes,
    input: &Input,
    concept: usize,
    logit_gradient: &[f32],
) -> Result<GradientOutputs> {
    let on_tract = LoadOptions::default().with_engine(EngineChoice::Tract);
    let file = GradientFile::from_bytes(bytes.clone(), &on_tract)?;
    let mask = checkpoint.schema.mask_of(concept);
    let masks = checkpoint.layers.iter().map(|known| checkpoint.mask(&known.layer, mask));
    let masks: Vec<Mask> = masks.collect::<Result<_>>()?;
    let points = [Point {
        ids: input.ids.iter().map(|&id| id.into()).collect(),
        attended: input.attended,
        baseline: vec![checkpoint.vocabulary.padding.into(); input.ids.len()],
        alpha: 1.0,
    }];
    let given = [logit_gradient.to_vec()];
    let mut logits = file.logits(concept, &masks, &points)?;
    let mut embeddings = file.embedding_gradients(concept, &masks, &points, &given)?;
    Ok(GradientOutputs {
        concept_logits: logits.swap_remove(0),
        embedding_gradient: embeddings.swap_remove(0).gradient,
        mask_gradients: file.mask_gradients(concept, &masks, &points, &given)?,
    })
}

/// How far the gradient along `way` is from differences of `value`, a function of how far one goes that way, as a
/// share of the gradient's length.
fn error(
    name: &str,
    gradient: &[f32],
    way: &[f32],
    mut value: impl FnMut(f32) -> Result<f64>,
) -> Result<f64> {
    let wide = || gradient.iter().map(|&g| f64::from(g));
    let along: f64 = wide().zip(way).map(|(g, &way)| g * f64::from(way)).sum();
    let length = wide().map(|g| g * g).sum::<f64>().sqrt();
    let mut error = f64::INFINITY;
    let mut measured = Vec::new();
    for step in STEPS {
        let slope = (value(step)? - value(-step)?) / f64::from(2.0 * step);
        measured.push(slope);
        // A layer that nothing passes through has no gradient, and nothing is measured either.
        error = error.min((along - slope).abs() / length.max(f64::from(f32::MIN_POSITIVE)));
    }
    if !length.is_finite() || error > LARGEST_ERROR {
        let found = format!("{along:e} in a direction where differences give {measured:?}");
        let expected = format!("a difference of at most {LARGEST_ERROR} of its length, {length:e}");
        return Err(wrong(name, found, &expected));
    }
    Ok(error)
}

fn wrong(output: &str, found: String, expected: &str) -> Error {
    let place = format!("check of the gradient file: {output}");
    Error::new(ErrorKind::Model, place, found, expected)
}
