//! What runs the graph. An engine sees encoded ONNX bytes and plain arrays; no type of its own leaves
//! this folder.

mod tract;

use crate::onnx::{self, ModelProto};
use crate::{Result, Schema};

/// Runs the two parts of a model's graph.
pub(crate) trait Engine: Send + Sync {
    /// The backbone: from token ids to concept logits and token evidence, one result a sequence.
    fn encode(&self, sequences: &[Sequence]) -> Result<Vec<Encoded>>;

    /// The concept layer: from concept logits `[K, C]` and overrides to the label.
    fn decide(&self, concept_logits: &[f32], overrides: &Overrides) -> Result<Decision>;

    /// What it is and where it runs, for people.
    fn description(&self) -> String;
}

/// One text as the graph reads it.
pub(crate) struct Sequence {
    /// Token ids, padding included.
    pub ids: Vec<i64>,
    /// How many of the ids, from the left, are tokens; the rest is padding.
    pub attended: usize,
}

/// What the backbone says of one sequence; row-major.
pub(crate) struct Encoded {
    /// `[K, C]`
    pub concept_logits: Vec<f32>,
    /// `[K, C, S]`
    pub token_evidence: Vec<f32>,
}

/// The graph's override inputs for one sequence; row-major.
pub(crate) struct Overrides {
    /// `concept_override`, `[K, C]`.
    pub probabilities: Vec<f32>,
    /// `concept_override_mask`, `[K]`.
    pub mask: Vec<f32>,
}

/// What the concept layer says of one sequence; row-major.
#[derive(Clone)]
pub(crate) struct Decision {
    /// `concept_values`, `[K, C]`.
    pub concept_values: Vec<f32>,
    /// `label_logits`, `[L]`.
    pub label_logits: Vec<f32>,
}

/// The engine `choice` asks for, loaded with `model`.
pub(crate) fn load(
    model: &ModelProto,
    schema: &Schema,
    choice: EngineChoice,
) -> Result<Box<dyn Engine>> {
    let encoder =
        onnx::cut(model, &["input_ids", "attention_mask"], &["concept_logits", "token_evidence"])?;
    let head = onnx::cut(
        model,
        &["concept_logits", "concept_override", "concept_override_mask"],
        &["concept_values", "label_logits"],
    )?;
    match choice {
        EngineChoice::Auto | EngineChoice::Tract => {
            Ok(Box::new(tract::TractEngine::load(&encoder, &head, schema)?))
        }
    }
}

/// Which engine is to run a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineChoice {
    /// The best one there is; [`Model::engine`](crate::Model::engine) says which it was.
    #[default]
    Auto,
    /// tract: pure Rust, on any processor, no library needed.
    Tract,
}
