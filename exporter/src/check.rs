//! Runs an exported file and compares every output with the checkpoint's own evaluation.

use bytes::Bytes;
use ndarray::{ArrayView, ArrayView1, Dimension};
use serde::Serialize;
use sparsecbm::format::tensors;
use sparsecbm::schema::Pooling;
use sparsecbm::{
    EngineChoice, Error, ErrorKind, HeadGraph, LoadOptions, Model, Prediction, Question, Result,
};

use crate::checkpoint::Checkpoint;
use crate::options::ExportOptions;
use crate::reference::{ConceptLayerOutputs, EncoderOutputs, Input, Override, Reference};
use crate::weights::WeightForm;

/// The inputs are random but always the same.
const SEED: u64 = 20_240_219;
/// Lengths of the random inputs, beside an empty text and one of the model's maximum length.
const LENGTHS: [usize; 2] = [7, 32];

/// What the check of an exported file found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// How many token sequences were run, each with no, one and every concept supposed and corrected.
    pub inputs: usize,
    /// The largest absolute differences between the file's outputs and the reference's, which is given
    /// the weights as the file stores them.
    pub differences: Differences,
    /// The engines that ran them: each that is always there where it was compiled in and knows the model.
    pub engines: Vec<String>,
    /// How far rounding the weights moved the reference's outputs; `None` where the form is exact.
    pub rounding: Option<Differences>,
}

/// The largest absolute difference in each output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Differences {
    /// In `concept_logits`.
    pub concept_logits: f32,
    /// In `concept_values`.
    pub concept_values: f32,
    /// In `label_logits`.
    pub label_logits: f32,
    /// In `token_evidence`.
    pub token_evidence: f32,
}

impl Differences {
    /// Each output's name with its difference.
    pub fn by_output(&self) -> [(&'static str, f32); 4] {
        [
            (tensors::CONCEPT_LOGITS, self.concept_logits),
            (tensors::CONCEPT_VALUES, self.concept_values),
            (tensors::LABEL_LOGITS, self.label_logits),
            (tensors::TOKEN_EVIDENCE, self.token_evidence),
        ]
    }

    fn add_encoder(&mut self, found: &Outputs, expected: &EncoderOutputs) {
        raise(&mut self.concept_logits, found.concept_logits, expected.concept_logits.view());
        raise(&mut self.token_evidence, found.token_evidence, expected.token_evidence.view());
    }

    fn add_concept_layer(&mut self, found: &Outputs, expected: &ConceptLayerOutputs) {
        raise(&mut self.concept_values, found.concept_values, expected.concept_values.view());
        raise(&mut self.label_logits, found.label_logits, expected.label_logits.view());
    }
}

/// The outputs of one run.
struct Outputs<'a> {
    concept_logits: ArrayView<'a, f32, ndarray::Ix2>,
    token_evidence: ArrayView<'a, f32, ndarray::Ix3>,
    concept_values: ArrayView<'a, f32, ndarray::Ix2>,
    label_logits: ArrayView1<'a, f32>,
}

impl<'a> Outputs<'a> {
    fn by_file(prediction: &'a Prediction) -> Outputs<'a> {
        Outputs {
            concept_logits: prediction.concept_logits(),
            token_evidence: prediction.token_evidence(),
            concept_values: prediction.concept_values(),
            label_logits: ArrayView1::from(prediction.label().logits),
        }
    }

    fn by_reference(encoded: &'a EncoderOutputs, forward: &'a ConceptLayerOutputs) -> Outputs<'a> {
        Outputs {
            concept_logits: encoded.concept_logits.view(),
            token_evidence: encoded.token_evidence.view(),
            concept_values: forward.concept_values.view(),
            label_logits: forward.label_logits.view(),
        }
    }
}

/// Each concept's override, if it has one.
type Overrides = Vec<Option<Override>>;

/// Runs the file `bytes` that was made from `checkpoint`.
///
/// # Errors
/// `Model` where an output differs by more than `options.atol`; whatever loading and running the file
/// gives.
pub(crate) fn check(
    checkpoint: &Checkpoint,
    bytes: Bytes,
    options: &ExportOptions,
) -> Result<CheckReport> {
    let models = on_every_engine(&bytes)?;
    let head = match cfg!(feature = "tract") {
        true => Some(HeadGraph::from_bytes(bytes, &on(EngineChoice::Tract))?),
        false => None,
    };
    let mut random = fastrand::Rng::with_seed(SEED);
    let ids = token_ids(checkpoint, &models[0], &mut random)?;
    let overrides = overrides(checkpoint, &mut random);
    let inputs: Vec<Input> = ids.iter().map(|ids| padded(checkpoint, ids)).collect();

    let stored = Reference::rounded(checkpoint, options.weights, options.masks)?;
    let expected = stored.encode(&inputs)?;
    let mut differences = Differences::default();
    let runs =
        models.iter().flat_map(|model| ids.iter().zip(&expected).map(move |run| (model, run)));
    for (model, (ids, expected)) in runs {
        let prediction = model.predict_tokens(ids)?;
        for overrides in &overrides {
            let overridden = overridden(checkpoint, &prediction, overrides)?;
            let found = Outputs::by_file(&overridden);
            differences.add_encoder(&found, expected);
            let expected = stored.concept_layer(&expected.concept_logits, overrides);
            differences.add_concept_layer(&found, &expected);
            let Some(head) = &head else { continue };
            let [values, label] = by_head(head, &found, overrides)?;
            let shape = found.concept_values.raw_dim();
            let by_graph = Outputs {
                concept_values: ArrayView::from_shape(shape, &values).map_err(wrong_shape)?,
                label_logits: ArrayView1::from(&label),
                ..found
            };
            differences.add_concept_layer(&by_graph, &expected);
        }
    }
    let too_large = |value: f32| value.is_nan() || value > options.atol;
    let wrong = differences.by_output().into_iter().find(|(_, value)| too_large(*value));
    if let Some((output, value)) = wrong {
        return Err(Error::new(
            ErrorKind::Model,
            format!("check of the exported file: {output}"),
            format!("a difference of {value:e} from the checkpoint"),
            format!("at most {:e}", options.atol),
        ));
    }
    let rounding = match options.weights {
        WeightForm::F32 => None,
        WeightForm::F16 | WeightForm::Int8 => {
            Some(rounding(checkpoint, &stored, &expected, &inputs, &overrides)?)
        }
    };
    let engines = models.iter().map(|model| model.engine().into()).collect();
    Ok(CheckReport { inputs: inputs.len(), differences, engines, rounding })
}

/// The model on the engines that are there on every machine, so that a file passes everywhere or nowhere: tract, and
/// the sparse kernels where they know the backbone, since they are what is chosen then.
fn on_every_engine(bytes: &Bytes) -> Result<Vec<Model>> {
    let mut models = Vec::new();
    if cfg!(feature = "tract") {
        models.push(Model::from_bytes(bytes.clone(), &on(EngineChoice::Tract))?);
    }
    match Model::from_bytes(bytes.clone(), &on(EngineChoice::Sparse)) {
        Ok(model) => models.push(model),
        Err(e) if e.kind() == ErrorKind::Unavailable && !models.is_empty() => {}
        Err(e) => return Err(e),
    }
    Ok(models)
}

fn on(engine: EngineChoice) -> LoadOptions {
    LoadOptions::default().with_engine(engine)
}

/// `concept_values` and `label_logits` as the file's own graph makes them from the same concept logits.
fn by_head(head: &HeadGraph, found: &Outputs<'_>, overrides: &Overrides) -> Result<[Vec<f32>; 2]> {
    let logits: Vec<f32> = found.concept_logits.iter().copied().collect();
    let classes = found.concept_logits.ncols();
    let none = vec![0.0; classes];
    let given = overrides.iter().flat_map(|o| o.as_ref().map_or(&none, |(_, given)| given));
    let mask = overrides.iter().map(|given| match given {
        None => 0.0,
        Some((Question::Correct, _)) => 2.0,
        Some(_) => 1.0,
    });
    head.run(&logits, &given.copied().collect::<Vec<f32>>(), &mask.collect::<Vec<f32>>())
}

fn wrong_shape(error: ndarray::ShapeError) -> Error {
    let place = "check of the exported file: concept_values";
    Error::new(ErrorKind::Model, place, error.to_string(), "one value per concept and class")
}

/// How far the rounded weights' outputs are from those of the checkpoint's own.
fn rounding(
    checkpoint: &Checkpoint,
    stored: &Reference,
    by_stored: &[EncoderOutputs],
    inputs: &[Input],
    overrides: &[Overrides],
) -> Result<Differences> {
    let exact = Reference::exact(checkpoint)?;
    let mut differences = Differences::default();
    for (found, expected) in by_stored.iter().zip(exact.encode(inputs)?) {
        for overrides in overrides {
            let forward = stored.concept_layer(&found.concept_logits, overrides);
            let found = Outputs::by_reference(found, &forward);
            differences.add_encoder(&found, &expected);
            differences.add_concept_layer(
                &found,
                &exact.concept_layer(&expected.concept_logits, overrides),
            );
        }
    }
    Ok(differences)
}

/// The special tokens alone, and random ids in several lengths up to the longest.
fn token_ids(
    checkpoint: &Checkpoint,
    model: &Model,
    random: &mut fastrand::Rng,
) -> Result<Vec<Vec<u32>>> {
    let longest = checkpoint.schema.max_length;
    let empty: Vec<u32> = model.tokenize("")?.tokens.iter().map(|token| token.id).collect();
    let vocabulary = &checkpoint.vocabulary.ids;
    let lengths = LENGTHS.into_iter().filter(|&length| length < longest).chain([longest]);
    let mut ids: Vec<Vec<u32>> = lengths
        .map(|length| (0..length).map(|_| vocabulary[random.usize(..vocabulary.len())]).collect())
        .collect();
    // A tokenizer may add nothing to a text, and no position at all cannot be run.
    if !empty.is_empty() {
        ids.push(empty);
    }
    Ok(ids)
}

/// No concept overridden, one supposed, one corrected, all of them supposed and corrected alternately.
fn overrides(checkpoint: &Checkpoint, random: &mut fastrand::Rng) -> [Overrides; 4] {
    let schema = &checkpoint.schema;
    let (k, c) = (schema.concept_count(), schema.class_count());
    let mut probabilities = |k: usize| {
        let parts: Vec<f32> =
            schema.concepts[k].classes.iter().map(|_| 0.01 + random.f32()).collect();
        let sum: f32 = parts.iter().sum();
        let mut row: Vec<f32> = parts.into_iter().map(|part| part / sum).collect();
        row.resize(c, 0.0);
        row
    };
    let mut one = |question| {
        let mut one = vec![None; k];
        one[k - 1] = Some((question, probabilities(k - 1)));
        one
    };
    let (supposed, corrected) = (one(Question::Suppose), one(Question::Correct));
    let turn = |k: usize| if k.is_multiple_of(2) { Question::Suppose } else { Question::Correct };
    let all = (0..k).map(|k| Some((turn(k), probabilities(k)))).collect();
    [vec![None; k], supposed, corrected, all]
}

fn overridden(
    checkpoint: &Checkpoint,
    prediction: &Prediction,
    overrides: &Overrides,
) -> Result<Prediction> {
    let concepts = checkpoint.schema.concepts.iter().zip(overrides);
    prediction.overridden(concepts.filter_map(|(concept, given)| {
        let (question, probabilities) = given.as_ref()?;
        Some((*question, &concept.name, &probabilities[..concept.classes.len()]))
    }))
}

/// The input as the graph reads it: padded to the maximum length where the mean goes over padding.
fn padded(checkpoint: &Checkpoint, ids: &[u32]) -> Input {
    let mut padded = ids.to_vec();
    if checkpoint.schema.pooling == Pooling::PaddedMean {
        padded.resize(checkpoint.schema.max_length, checkpoint.vocabulary.padding);
    }
    Input { ids: padded, attended: ids.len() }
}

/// Raises `largest` to the largest absolute difference of two arrays; NaN counts as infinite.
fn raise<D: Dimension>(largest: &mut f32, found: ArrayView<f32, D>, expected: ArrayView<f32, D>) {
    if found.shape() != expected.shape() {
        *largest = f32::INFINITY;
        return;
    }
    for (a, b) in found.iter().zip(expected.iter()) {
        let difference = (a - b).abs();
        *largest = largest.max(if difference.is_nan() { f32::INFINITY } else { difference });
    }
}
