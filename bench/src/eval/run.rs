use std::collections::HashMap;

use sparsecbm::{Model, Prediction, Result};

use super::edits::{EditEffect, HumanEdit, human_edits};
use super::metrics::{accuracy, macro_f1, mean, paper_macro_f1};
use super::policies::{PolicyCurve, policy_curves};
use super::report::{ConceptReport, Report};
use super::reviews::Review;

/// How many reviews an engine is given at once.
const BATCH: usize = 16;
/// Where the random orders begin that policies are compared with.
const SEED: u64 = 0;

/// Predicts every review, corrects it, and compares with what is right.
///
/// `progress` is told, now and then, how many reviews are done. `reviews` must not be empty, and must
/// come from [`read_reviews`](super::read_reviews) under the model's own schema.
///
/// # Errors
/// Those of [`Model::predict`].
pub fn evaluate(
    model: &Model,
    reviews: &[Review],
    mut progress: impl FnMut(usize),
) -> Result<Report> {
    let values = model.schema().label.class_values();
    let mut notes = Vec::new();
    let mut edits_of: HashMap<usize, Vec<HumanEdit>> = HashMap::new();
    for edit in human_edits(reviews) {
        edits_of.entry(edit.original).or_default().push(edit);
    }
    if values.is_none() && !edits_of.is_empty() {
        notes.push("edit_effect is left out: the label's classes are not numbers".to_string());
    }
    let mut found = Found::default();
    let mut predictions = Vec::with_capacity(reviews.len());
    for (batch, chunk) in reviews.chunks(BATCH).enumerate() {
        let texts: Vec<&str> = chunk.iter().map(|review| review.text.as_str()).collect();
        let batch_predictions = model.predict_batch(&texts)?;
        for (row, prediction) in batch_predictions.iter().enumerate() {
            let index = batch * BATCH + row;
            found.add(prediction, &reviews[index])?;
            if let Some(values) = &values {
                for edit in edits_of.get(&index).into_iter().flatten() {
                    found.add_edit(prediction, edit, values)?;
                }
            }
        }
        predictions.extend(batch_predictions);
        progress(batch * BATCH + chunk.len());
    }
    let policies = policy_curves(&predictions, reviews, SEED)?;
    Ok(found.report(model, reviews, policies, notes))
}

/// What the model said, review by review.
#[derive(Default)]
struct Found {
    /// Of each review, the concepts' classes.
    concepts: Vec<Vec<usize>>,
    /// Of each review, the label's class after n = 0, 1, … K corrections.
    labels: Vec<Vec<usize>>,
    cut: usize,
    /// Of each human edit, the change of the label's value: what the override says, and what was.
    changes: (Vec<f64>, Vec<f64>),
}

impl Found {
    fn add(&mut self, prediction: &Prediction, review: &Review) -> Result<()> {
        let classes: Vec<usize> = prediction.concepts().map(|c| c.class_index).collect();
        let mut labels = vec![prediction.label().class_index];
        let mut corrected = prediction.clone();
        for (k, right) in review.concepts.iter().enumerate() {
            if classes[k] != *right {
                corrected = assert_class(&corrected, k, *right)?;
                labels.push(corrected.label().class_index);
            }
        }
        // Further steps find nothing wrong any more.
        labels.resize(classes.len() + 1, corrected.label().class_index);
        self.cut += usize::from(prediction.dropped_tokens() > 0);
        self.concepts.push(classes);
        self.labels.push(labels);
        Ok(())
    }

    fn add_edit(
        &mut self,
        prediction: &Prediction,
        edit: &HumanEdit,
        values: &[f32],
    ) -> Result<()> {
        let changed = assert_class(prediction, edit.concept, edit.class)?;
        self.changes.0.push(expected_value(&changed, values) - expected_value(prediction, values));
        self.changes.1.push(f64::from(values[edit.label_after] - values[edit.label_before]));
        Ok(())
    }

    fn report(
        self,
        model: &Model,
        reviews: &[Review],
        policies: Vec<PolicyCurve>,
        notes: Vec<String>,
    ) -> Report {
        let schema = model.schema();
        let concept = |k: usize| {
            let predicted: Vec<usize> = self.concepts.iter().map(|classes| classes[k]).collect();
            let gold: Vec<usize> = reviews.iter().map(|review| review.concepts[k]).collect();
            let classes = schema.class_count();
            ConceptReport {
                name: schema.concepts[k].name.clone(),
                accuracy: accuracy(&predicted, &gold),
                macro_f1: macro_f1(&predicted, &gold, classes),
                macro_f1_paper: paper_macro_f1(&predicted, &gold, classes),
            }
        };
        let concepts: Vec<ConceptReport> = (0..schema.concept_count()).map(concept).collect();
        let gold: Vec<usize> = reviews.iter().map(|review| review.label).collect();
        let labels_at =
            |n: usize| -> Vec<usize> { self.labels.iter().map(|labels| labels[n]).collect() };
        let predicted = labels_at(0);
        let (changes, real) = &self.changes;
        Report {
            reviews: reviews.len(),
            reviews_cut: self.cut,
            // Every concept has as many reviews, so the mean of their shares is the share of all.
            concept_accuracy: mean(concepts.iter().map(|c| c.accuracy)),
            concept_macro_f1: mean(concepts.iter().map(|c| c.macro_f1)),
            concept_macro_f1_paper: mean(concepts.iter().map(|c| c.macro_f1_paper)),
            label_accuracy: accuracy(&predicted, &gold),
            label_macro_f1: macro_f1(&predicted, &gold, schema.label_count()),
            label_macro_f1_paper: paper_macro_f1(&predicted, &gold, schema.label_count()),
            intervention_curve: (0..=schema.concept_count())
                .map(|n| accuracy(&labels_at(n), &gold))
                .collect(),
            concepts,
            policies,
            edit_effect: (!real.is_empty()).then(|| EditEffect::new(changes, real)),
            notes,
        }
    }
}

fn assert_class(prediction: &Prediction, concept: usize, class: usize) -> Result<Prediction> {
    let name = &prediction.model().schema().concepts[concept].name;
    prediction.intervene([(name, class)])
}

/// The label's mean value under its probabilities.
fn expected_value(prediction: &Prediction, values: &[f32]) -> f64 {
    let probabilities = prediction.label().probabilities;
    values.iter().zip(probabilities).map(|(v, p)| f64::from(*v) * f64::from(*p)).sum()
}
