use serde::{Serialize, Serializer};

use super::edits::EditEffect;
use super::policies::PolicyCurve;

/// What [`evaluate`](super::evaluate) found; all shares in 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Number of reviews.
    pub reviews: usize,
    /// How many of them were longer than the model reads, and were cut.
    pub reviews_cut: usize,
    /// Share of right concept classes, over all reviews and concepts.
    pub concept_accuracy: f64,
    /// Mean over the concepts of their ordinary macro-F1.
    pub concept_macro_f1: f64,
    /// Mean over the concepts of the macro-F1 that the paper's figures are in.
    pub concept_macro_f1_paper: f64,
    /// Share of right label classes.
    pub label_accuracy: f64,
    /// The label's ordinary macro-F1.
    pub label_macro_f1: f64,
    /// The macro-F1 that the paper's figures are in.
    pub label_macro_f1_paper: f64,
    /// One entry a concept, in the schema's order; in JSON an object by name.
    #[serde(serialize_with = "by_name")]
    pub concepts: Vec<ConceptReport>,
    /// `[K + 1]`: label accuracy when the first n wrong concepts of each review, in the schema's
    /// order, are put right.
    pub intervention_curve: Vec<f64>,
    /// How good the label becomes as a person is asked about one concept after another: every policy of
    /// [`suggest_interventions`](sparsecbm::Prediction::suggest_interventions), and random orders.
    pub policies: Vec<PolicyCurve>,
    /// Present where the data holds human edits and the label's classes are numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit_effect: Option<EditEffect>,
    /// What was left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One concept's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConceptReport {
    /// The concept's name.
    #[serde(skip)]
    pub name: String,
    /// Share of right classes.
    pub accuracy: f64,
    /// The ordinary macro-F1.
    pub macro_f1: f64,
    /// The macro-F1 that the paper's figures are in.
    pub macro_f1_paper: f64,
}

fn by_name<S: Serializer>(
    concepts: &[ConceptReport],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(concepts.iter().map(|concept| (&concept.name, concept)))
}
