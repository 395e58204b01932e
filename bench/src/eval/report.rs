use serde::{Serialize, Serializer};

use super::calibration::Calibration;
use super::edits::SupposeReport;
use super::policies::PolicyCurve;

/// What [`evaluate`](super::evaluate) found; all shares in 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Number of reviews.
    pub reviews: usize,
    /// How many of them were longer than the model reads, and were cut.
    pub reviews_cut: usize,
    /// Share of right concept classes, over all reviews and concepts that somebody labelled.
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
    /// Whether probabilities can be believed.
    pub calibration: CalibrationReport,
    /// What correcting concepts is worth.
    pub correct: CorrectReport,
    /// How well supposing predicts people's edits; present where the data holds such edits and the label's classes
    /// are worth something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppose: Option<SupposeReport>,
    /// What was left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Calibration of every variable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalibrationReport {
    /// The label's.
    pub label: Calibration,
    /// Each concept's by name, in the schema's order.
    #[serde(serialize_with = "by_concept")]
    pub concepts: Vec<(String, Calibration)>,
}

/// How good the label becomes as concepts are corrected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorrectReport {
    /// `[K + 1]`: label accuracy when the first n wrong concepts of each review, in the schema's order, are corrected.
    pub curve: Vec<f64>,
    /// How good the label becomes as a person is asked about one concept after another: every policy of
    /// [`suggest_interventions`](sparsecbm::Prediction::suggest_interventions), and random orders.
    pub policies: Vec<PolicyCurve>,
}

/// One concept's figures, over the reviews that somebody labelled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConceptReport {
    /// The concept's name.
    #[serde(skip)]
    pub name: String,
    /// How many reviews that is.
    pub labelled: usize,
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

fn by_concept<S: Serializer>(
    concepts: &[(String, Calibration)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(concepts.iter().map(|(name, calibration)| (name, calibration)))
}
