use serde::Serialize;
use sparsecbm::explain::Policy;
use sparsecbm::{Prediction, Result};

use super::metrics::accuracy;
use super::reviews::Review;

/// How many random orders of concepts the baseline is the mean of.
const RANDOM_ORDERS: usize = 10;

/// How good the label becomes as a person is asked about one concept after another and the answers are
/// put in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyCurve {
    /// What chose the concepts: a policy's name, or `random`, the mean of ten random orders.
    pub policy: String,
    /// `[K + 1]`: label accuracy after 0, 1, … K concepts.
    pub label_accuracy: Vec<f64>,
    /// `[K + 1]`: mean distance between the label's mean and its right value; `None` where the label's
    /// classes are not numbers.
    pub label_error: Option<Vec<f64>>,
}

/// The curve of every policy and of random orders, over all reviews.
///
/// # Errors
/// `Engine` where the engine fails.
pub fn policy_curves(
    predictions: &[Prediction],
    reviews: &[Review],
    seed: u64,
) -> Result<Vec<PolicyCurve>> {
    let mut curves = Vec::new();
    for policy in Policy::ALL {
        let mut tally = Tally::default();
        for (prediction, review) in predictions.iter().zip(reviews) {
            let mut asked = prediction.clone();
            let mut left: Vec<usize> = (0..review.concepts.len()).collect();
            tally.add(0, &asked, review);
            for step in 1..=review.concepts.len() {
                // A concept that nobody labelled is asked about in vain, once.
                let suggestions = asked.suggest_interventions(&policy.into())?;
                let best = suggestions.iter().find_map(|suggestion| {
                    let schema = asked.model().schema();
                    left.iter().position(|&k| schema.concepts[k].name == suggestion.concept)
                });
                let k = left.swap_remove(best.unwrap_or(0));
                asked = answered(&asked, k, review)?;
                tally.add(step, &asked, review);
            }
        }
        curves.push(tally.curve(policy.name()));
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = Tally::default();
    for _ in 0..RANDOM_ORDERS {
        for (prediction, review) in predictions.iter().zip(reviews) {
            let mut order: Vec<usize> = (0..review.concepts.len()).collect();
            random.shuffle(&mut order);
            let mut asked = prediction.clone();
            tally.add(0, &asked, review);
            for (step, k) in order.into_iter().enumerate() {
                asked = answered(&asked, k, review)?;
                tally.add(step + 1, &asked, review);
            }
        }
    }
    curves.push(tally.curve("random"));
    Ok(curves)
}

/// The prediction once a person has said what concept k is, where somebody labelled it.
fn answered(prediction: &Prediction, k: usize, review: &Review) -> Result<Prediction> {
    let name = &prediction.model().schema().concepts[k].name;
    prediction.correct(review.concepts[k].map(|class| (name, class)))
}

/// What the label was after each number of answers.
#[derive(Default)]
struct Tally {
    predicted: Vec<Vec<usize>>,
    gold: Vec<Vec<usize>>,
    /// Empty where the label's classes are not numbers.
    errors: Vec<Vec<f64>>,
}

impl Tally {
    fn add(&mut self, step: usize, prediction: &Prediction, review: &Review) {
        if step == self.predicted.len() {
            self.predicted.push(Vec::new());
            self.gold.push(Vec::new());
            self.errors.push(Vec::new());
        }
        let label = prediction.label();
        self.predicted[step].push(label.class_index);
        self.gold[step].push(review.label);
        let values = prediction.model().schema().label.class_values();
        if let (Some(mean), Some(values)) = (label.expected_value, values) {
            self.errors[step].push(f64::from((mean - values[review.label]).abs()));
        }
    }

    fn curve(self, policy: &str) -> PolicyCurve {
        let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let steps = self.predicted.iter().zip(&self.gold);
        PolicyCurve {
            policy: policy.into(),
            label_accuracy: steps.map(|(predicted, gold)| accuracy(predicted, gold)).collect(),
            label_error: self
                .errors
                .iter()
                .all(|errors| !errors.is_empty())
                .then(|| self.errors.iter().map(mean).collect()),
        }
    }
}
