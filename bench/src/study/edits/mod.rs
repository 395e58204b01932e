//! What edits of masks are worth, measured on labelled reviews: whether they put wrong concepts right and
//! with how many bits, what they do to right ones, and whether an edit made for some reviews serves others.

mod carry;
mod single;
mod unsigned;

use serde::Serialize;
use sparsecbm::edit::EditOptions;
use sparsecbm::{Gradients, Model, Prediction, Result};

pub use self::carry::{CarryOver, Recipe};
pub use self::single::{Control, RuleReport};
use super::{predict, spread};
use crate::eval::{Review, argmax};

/// How a study of edits is made.
#[derive(Debug, Clone)]
pub struct EditStudyOptions {
    /// On how many reviews, spread evenly over the data, single edits are made.
    pub sample: usize,
    /// On how many reviews the edits made of others are measured.
    pub others: usize,
    /// How edits carry over: each recipe is tried.
    pub recipes: Vec<Recipe>,
    /// How many edits of each concept are made by each recipe, at most.
    pub draws: usize,
    /// The shares of kept weights that the unsigned rule prunes.
    pub unsigned: Vec<f64>,
    /// How far edits may go.
    pub edit: EditOptions,
    /// Where random choices begin.
    pub seed: u64,
}

impl Default for EditStudyOptions {
    /// The unsigned rule at 0.5, 10 and 30 %; 1 or 8 examples with 0 or 32 guards.
    fn default() -> EditStudyOptions {
        let recipe = |examples, guards| Recipe { examples, guards };
        EditStudyOptions {
            sample: 100,
            others: 400,
            recipes: vec![recipe(1, 0), recipe(1, 32), recipe(8, 0), recipe(8, 32)],
            draws: 3,
            unsigned: vec![0.005, 0.1, 0.3],
            edit: EditOptions::default(),
            seed: 0,
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditStudy {
    /// The engines that ran model and gradients.
    pub engines: [String; 2],
    /// How many reviews single edits were looked for on.
    pub sample: usize,
    /// Wrong concepts of the sample.
    pub wrong: usize,
    /// The signed rule, the unsigned one at each share, and an override of the concept instead.
    pub rules: Vec<RuleReport>,
    /// What the signed rule does to right concepts.
    pub control: Control,
    /// On how many other reviews edits were measured.
    pub others: usize,
    /// What edits do to reviews that they were not made for.
    pub carry_over: Vec<CarryOver>,
}

/// Makes the study, of the reviews whose concepts are all labelled. `progress` is told what is being done.
///
/// # Errors
/// Those of predicting and of [`Gradients::edit`].
pub fn study_edits(
    model: &Model,
    gradients: &Gradients,
    reviews: &[Review],
    options: &EditStudyOptions,
    mut progress: impl FnMut(&str),
) -> Result<EditStudy> {
    progress("predicting the reviews");
    let labelled = |review: &&Review| review.concepts.iter().all(Option::is_some);
    let reviews: Vec<Review> = reviews.iter().filter(labelled).cloned().collect();
    let predictions = predict(model, &reviews)?;
    let known = Known { model, gradients, reviews: &reviews, predictions: &predictions };
    let sample = spread(reviews.len(), options.sample);
    let (rules, control) = single::measure(&known, &sample, options, &mut progress)?;
    let wrong = rules.first().map_or(0, |rule| rule.cases);
    let (others, carry_over) = carry::measure(&known, options, &mut progress)?;
    Ok(EditStudy {
        engines: [model.engine().into(), gradients.device().engine.clone()],
        sample: sample.len(),
        wrong,
        rules,
        control,
        others,
        carry_over,
    })
}

/// What a study works on.
struct Known<'a> {
    model: &'a Model,
    gradients: &'a Gradients,
    reviews: &'a [Review],
    predictions: &'a [Prediction],
}

impl Known<'_> {
    /// The class that the model reads for concept k of a review.
    fn class(&self, review: usize, k: usize) -> usize {
        argmax(&self.logits(review, k))
    }

    fn logits(&self, review: usize, k: usize) -> Vec<f32> {
        self.predictions[review].concept_logits().row(k).to_vec()
    }

    fn is_right(&self, review: usize, k: usize) -> bool {
        self.class(review, k) == self.gold(review, k)
    }

    /// The right class of concept k of a review.
    fn gold(&self, review: usize, k: usize) -> usize {
        self.reviews[review].concepts[k].expect("reviews that lack a class were left out")
    }

    fn concepts(&self) -> std::ops::Range<usize> {
        0..self.model.schema().concept_count()
    }
}
