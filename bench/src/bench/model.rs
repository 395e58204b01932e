use std::path::Path;

use serde::Serialize;
use sparsecbm::{ConceptValue, Error, ErrorKind, LoadOptions, Model, Prediction, Result};

use super::timing::{Case, Clock, Timing, take_turns};

/// How many positions are predicted from, where the model takes this many.
pub(super) const LENGTHS: [usize; 6] = [16, 32, 64, 128, 256, 512];
/// The length that an intervention is compared with.
const REFERENCE_LENGTH: usize = 32;
/// How often the model is loaded.
const LOADS: usize = 5;
/// How many interventions are measured each round.
const INTERVENTIONS: usize = 50;
/// What is predicted from, as often as it takes to fill the positions.
const TEXT: &str = "The food was great, but it was so loud that we could not hear each other. ";

/// How long a model takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// The engine that ran it.
    pub engine: String,
    /// From the file to a model that is ready.
    pub load: Timing,
    /// From token ids to label and concepts; in the order of the lengths.
    pub encode: Vec<Encode>,
    /// From a prediction and a concept's new class to the new label.
    pub intervention: Timing,
    /// Median intervention / median prediction of 32 tokens, where the model takes this many.
    pub intervention_per_encode_32: Option<f64>,
}

/// How long a prediction takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Encode {
    /// Number of positions, special tokens included.
    pub tokens: usize,
    /// How long it takes.
    #[serde(flatten)]
    pub timing: Timing,
}

/// Measures loading, predicting and intervening, the latter two interleaved, `rounds` times around.
///
/// # Errors
/// Those of [`Model::load`] and [`Model::predict_tokens`].
pub fn bench_model(path: &Path, options: &LoadOptions, rounds: usize) -> Result<BenchReport> {
    let load = || Model::load(path, options).map(drop);
    let load =
        take_turns(&mut [Case { run: Box::new(load), repeats: 1 }], LOADS, Clock::Wall)?.remove(0);
    let model = Model::load(path, options)?;
    let lengths: Vec<usize> =
        LENGTHS.into_iter().filter(|&n| n <= model.schema().max_length).collect();
    let inputs = lengths.iter().map(|&n| token_ids(&model, n)).collect::<Result<Vec<_>>>()?;
    let prediction = model.predict(TEXT)?;

    let mut cases: Vec<Case> = inputs.iter().map(|ids| predicting(&model, ids)).collect();
    cases.push(Case { run: Box::new(intervention(&prediction)), repeats: INTERVENTIONS });
    let mut timings = take_turns(&mut cases, rounds, Clock::Wall)?;
    let intervention = timings.pop().expect("a timing a case");
    let encode: Vec<Encode> = lengths
        .into_iter()
        .zip(timings)
        .map(|(tokens, timing)| Encode { tokens, timing })
        .collect();
    let reference = encode.iter().find(|encode| encode.tokens == REFERENCE_LENGTH);
    Ok(BenchReport {
        engine: model.engine().into(),
        load,
        intervention_per_encode_32: reference
            .map(|reference| intervention.median_us / reference.timing.median_us),
        encode,
        intervention,
    })
}

/// A prediction of these token ids, once a turn.
pub(super) fn predicting<'a>(model: &'a Model, ids: &'a [u32]) -> Case<'a> {
    Case { run: Box::new(|| model.predict_tokens(ids).map(drop)), repeats: 1 }
}

/// `length` positions of text between the model's own special tokens.
pub(super) fn token_ids(model: &Model, length: usize) -> Result<Vec<u32>> {
    let tokens = model.tokenize(&TEXT.repeat(length))?.tokens;
    let (special, own): (Vec<_>, Vec<_>) = tokens.iter().partition(|token| token.span.is_none());
    if special.len() + own.len() < length {
        let found = format!("{} tokens", tokens.len());
        return Err(Error::new(ErrorKind::Model, "tokenizer", found, format!("{length} tokens")));
    }
    let mut room = length - special.len();
    let fits = |token: &&sparsecbm::Token| {
        let wanted = token.span.is_none() || room > 0;
        room -= usize::from(wanted && token.span.is_some());
        wanted
    };
    Ok(tokens.iter().filter(fits).map(|token| token.id).collect())
}

/// Sets each concept in turn to each of its classes in turn.
fn intervention(prediction: &Prediction) -> impl FnMut() -> Result<()> {
    let schema = prediction.model().schema();
    let all = (0..schema.concept_count())
        .flat_map(|k| (0..schema.class_count()).map(move |class| (k, class)));
    let mut turns = all.collect::<Vec<_>>().into_iter().cycle();
    move || {
        let (k, class) = turns.next().expect("a model has concepts and classes");
        let name = &schema.concepts[k].name;
        prediction.intervene([(name, ConceptValue::ClassIndex(class))]).map(drop)
    }
}
