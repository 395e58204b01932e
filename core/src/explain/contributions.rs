use serde::Serialize;

use super::Heads;
use crate::{Prediction, Schema};

/// What each concept adds to each label logit, against the mean of the training examples.
///
/// The head is linear, so this is no estimate: `baseline` plus the sum over `concepts` is the label's
/// logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Contributions {
    /// The label's name.
    pub label: String,
    /// `[L]`: the label's class names.
    pub label_classes: Vec<String>,
    /// `[L]`: the label logits, after overrides.
    pub label_logits: Vec<f32>,
    /// `[L]`: the label logits where every concept has its mean logits.
    pub baseline: Vec<f32>,
    /// One entry a concept, in the schema's order.
    pub concepts: Vec<ConceptContribution>,
}

/// What one concept adds to each label logit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConceptContribution {
    /// The concept's name.
    pub name: String,
    /// Its most probable class, after overrides.
    pub class: String,
    /// `[L]`: what it adds to each label logit, its override included.
    pub label_logits: Vec<f32>,
    /// `[L]`: the part of `label_logits` that the override made; `None` where there is none.
    pub override_share: Option<Vec<f32>>,
}

impl Prediction {
    /// What each concept adds to each label logit, exactly. With c the concept logits, W and b the label
    /// head, T the temperature and m the calibration's mean concept logits, the baseline is
    /// (W·m + b) / T and concept k adds W\[:, k\]·(cₖ − mₖ) / T. An override adds its own exact share:
    /// E\[:, k\]·(p′ₖ − pₖ) in an `effect` model, W\[:, k\]·(c′ₖ − cₖ) / T in a `replace` model.
    pub fn contributions(&self) -> Contributions {
        let schema = self.model().schema();
        let concepts = self.concepts().enumerate().map(|(k, concept)| {
            let given = concept.overridden.then_some(concept.probabilities);
            let (own, override_share) =
                shares(schema, self.model().heads(), k, concept.logits, given);
            let total = match &override_share {
                Some(share) => own.iter().zip(share).map(|(own, share)| own + share).collect(),
                None => own,
            };
            ConceptContribution {
                name: concept.name.into(),
                class: concept.class.into(),
                label_logits: narrow(&total),
                override_share: override_share.as_deref().map(narrow),
            }
        });
        Contributions {
            label: schema.label.name.clone(),
            label_classes: schema.label.classes.clone(),
            label_logits: self.label().logits.to_vec(),
            baseline: narrow(&baseline(schema, self.model().heads())),
            concepts: concepts.collect(),
        }
    }
}

/// `[L]`: (W·m + b) / T.
fn baseline(schema: &Schema, heads: &Heads) -> Vec<f64> {
    let temperature = f64::from(schema.calibration.temperature);
    let mut logits: Vec<f64> = heads.label_bias.iter().map(|&b| f64::from(b)).collect();
    for (k, mean) in schema.calibration.mean_concept_logits.iter().enumerate() {
        let mean: Vec<f64> = mean.iter().map(|&m| f64::from(m)).collect();
        for (logit, share) in logits.iter_mut().zip(product(schema, &heads.label, k, &mean)) {
            *logit += share;
        }
    }
    logits.iter().map(|logit| logit / temperature).collect()
}

/// `[L]` twice: what concept k adds by the model's own logits, and what an override that gave it
/// probabilities adds to that. The other concepts have no part in either.
fn shares(
    schema: &Schema,
    heads: &Heads,
    k: usize,
    logits: &[f32],
    given: Option<&[f32]>,
) -> (Vec<f64>, Option<Vec<f64>>) {
    let temperature = f64::from(schema.calibration.temperature);
    let through_label_head = |change: &[f64]| -> Vec<f64> {
        product(schema, &heads.label, k, change).into_iter().map(|v| v / temperature).collect()
    };
    let own = through_label_head(&difference(logits, &schema.calibration.mean_concept_logits[k]));
    let of_override = given.map(|given| match &heads.effect {
        Some(effect) => {
            product(schema, effect, k, &difference(given, &crate::intervention::softmax(logits)))
        }
        None => through_label_head(&difference(&replaced(schema, k, given), logits)),
    });
    (own, of_override)
}

/// `[C]`: the logits that a `replace` model feeds its label head for these probabilities.
fn replaced(schema: &Schema, k: usize, probabilities: &[f32]) -> Vec<f32> {
    let per_class = &schema.calibration.class_logits[k];
    let logit = |c: usize| {
        let terms = probabilities.iter().zip(per_class).map(|(p, logits)| p * logits[c]);
        terms.sum()
    };
    (0..probabilities.len()).map(logit).collect()
}

/// `[L]`: concept k's columns of a head `[L, K * C]` times a vector `[C]`.
fn product(schema: &Schema, head: &[f32], k: usize, vector: &[f64]) -> Vec<f64> {
    let (concepts, classes) = (schema.concept_count(), schema.class_count());
    let row = |row: &[f32]| {
        let columns = &row[k * classes..(k + 1) * classes];
        columns.iter().zip(vector).map(|(&weight, v)| f64::from(weight) * v).sum()
    };
    head.chunks(concepts * classes).map(row).collect()
}

fn difference(values: &[f32], from: &[f32]) -> Vec<f64> {
    values.iter().zip(from).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
