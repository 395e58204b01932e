//! Whether explanations and corrections hold what they promise, measured on labelled reviews: which
//! concept to ask about, whether the words named matter, what an override does, what each concept's own
//! part of the model is worth, and what edits of masks do.

pub mod edits;
mod faithfulness;
mod figures;
mod overrides;
mod words;

use std::path::Path;

use serde::Serialize;
use sparsecbm::explain::Responsibility;
use sparsecbm::{LoadOptions, Model, Prediction, Result};

pub use faithfulness::{ConceptFaithfulness, MeanCurve, faithfulness};
pub use figures::write_figures;
pub use overrides::{OverrideEffect, override_effects};
pub use words::{EditedWords, edited_words};

use crate::eval::{PolicyCurve, Review, policy_curves};

/// How many reviews an engine is given at once.
const BATCH: usize = 16;

/// How a study is made.
#[derive(Debug, Clone)]
pub struct StudyOptions {
    /// On how many reviews, spread evenly over the data, words are masked out and subnetworks switched
    /// off: many runs each.
    pub sample: usize,
    /// Where the random orders begin.
    pub seed: u64,
    /// How the model is loaded again with weights switched off.
    pub load: LoadOptions,
}

impl Default for StudyOptions {
    /// A hundred reviews.
    fn default() -> StudyOptions {
        StudyOptions { sample: 100, seed: 0, load: LoadOptions::default() }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// The engine that ran the model.
    pub engine: String,
    /// Number of reviews.
    pub reviews: usize,
    /// How many of them were taken for words and subnetworks.
    pub sample: usize,
    /// Label accuracy against the number of concepts asked about.
    pub policies: Vec<PolicyCurve>,
    /// Whether the words named are those that matter.
    pub faithfulness: Vec<ConceptFaithfulness>,
    /// Whether the words named are those that people changed; empty where the data has no edits.
    pub edited_words: Vec<EditedWords>,
    /// What overrides predict of human edits; empty where the data has none or the label's classes
    /// are not numbers.
    pub overrides: Vec<OverrideEffect>,
    /// What each concept loses without its own weights.
    pub responsibility: Vec<Responsibility>,
}

/// Makes the whole study of an exported file. `progress` is told what is being done.
///
/// # Errors
/// Those of loading and running the model.
pub fn study(
    file: &Path,
    reviews: impl FnOnce(&Model) -> Result<Vec<Review>>,
    options: &StudyOptions,
    mut progress: impl FnMut(&str),
) -> Result<Study> {
    let model = Model::load(file, &options.load)?;
    let reviews = reviews(&model)?;
    progress("predicting the reviews");
    let predictions = predict(&model, &reviews)?;
    progress("asking about concepts");
    let policies = policy_curves(&predictions, &reviews, options.seed)?;
    progress("comparing overrides with human edits");
    let overrides = override_effects(&predictions, &reviews)?;
    let sample: Vec<usize> = spread(reviews.len(), options.sample);
    progress("masking out words");
    let chosen: Vec<&Prediction> = sample.iter().map(|&index| &predictions[index]).collect();
    let faithfulness = faithfulness(&chosen, options.seed)?;
    let edited_words = edited_words(&predictions, &reviews, options.sample)?;
    progress("switching off subnetworks");
    let texts: Vec<&str> = sample.iter().map(|&index| reviews[index].text.as_str()).collect();
    let responsibility =
        |concept: &sparsecbm::schema::Variable| model.responsibility(&concept.name, &texts);
    Ok(Study {
        engine: model.engine().into(),
        reviews: reviews.len(),
        sample: sample.len(),
        policies,
        faithfulness,
        edited_words,
        overrides,
        responsibility: model
            .schema()
            .concepts
            .iter()
            .map(responsibility)
            .collect::<Result<_>>()?,
    })
}

fn predict(model: &Model, reviews: &[Review]) -> Result<Vec<Prediction>> {
    let mut predictions = Vec::with_capacity(reviews.len());
    for chunk in reviews.chunks(BATCH) {
        let texts: Vec<&str> = chunk.iter().map(|review| review.text.as_str()).collect();
        predictions.extend(model.predict_batch(&texts)?);
    }
    Ok(predictions)
}

/// `count` of `total` indices, spread evenly; all where there are no more.
fn spread(total: usize, count: usize) -> Vec<usize> {
    let count = count.min(total);
    (0..count).map(|nth| nth * total / count).collect()
}
