use serde::Serialize;

use crate::prediction::Prediction;

/// What each concept adds to each label logit, against the mean of the training examples.
///
/// This is no estimate: `baseline` plus the sum over `concepts` plus `rest` is the label's logits.
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
    /// `[L]`: what else the text says, where a concept is overridden in a model that supposes and corrects: an
    /// overridden concept counts as what is asserted of it, and this is what is left. Else 0.
    pub rest: Vec<f32>,
}

/// What one concept adds to each label logit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConceptContribution {
    /// The concept's name.
    pub name: String,
    /// Its most probable class, after overrides.
    pub class: String,
    /// `[L]`: what it adds to each label logit.
    pub label_logits: Vec<f32>,
    /// `[L]`: what its override changed in the label logits; `None` where there is none.
    pub override_share: Option<Vec<f32>>,
}

impl Prediction {
    /// What each concept adds to each label logit, exactly. With c the concept logits, W and b the label
    /// head, T the temperature and m the calibration's mean concept logits, the baseline is
    /// (W·m + b) / T and concept k adds W\[:, k\]·(cₖ − mₖ) / T.
    ///
    /// In a model that supposes and corrects, an overridden concept adds instead what the asserted class is
    /// worth: by the suppose head, against the concept's mean probabilities. What it asserts cannot raise what
    /// it should lower, whatever the text said; the difference stands in [`Contributions::rest`].
    /// In a model of one answer an override adds its own exact share: E\[:, k\]·(p′ₖ − pₖ) in an `effect` model,
    /// W\[:, k\]·(c′ₖ − cₖ) / T in a `replace` model.
    pub fn contributions(&self) -> Contributions {
        let label = &self.model().schema().label;
        let logits = self.concept_logits();
        let logits = logits.as_slice().expect("row-major");
        let shares = self.model().concept_layer().contributions(logits, self.overrides());
        let concepts =
            self.concepts().zip(&shares.concepts).map(|(concept, share)| ConceptContribution {
                name: concept.name.into(),
                class: concept.class.into(),
                label_logits: narrow(&share.total),
                override_share: share.by_override.as_deref().map(narrow),
            });
        Contributions {
            label: label.name.clone(),
            label_classes: label.classes.clone(),
            label_logits: self.label().logits.to_vec(),
            baseline: narrow(&shares.baseline),
            concepts: concepts.collect(),
            rest: narrow(&shares.rest),
        }
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
