use serde::Serialize;

/// How the graph runs the backbone under each mask. Inputs, outputs and results are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One branch a concept: for processors, and the only layout that the engine `sparse` knows.
    #[default]
    Branches,
    /// All concepts at once, each product a batch of K: for GPUs. Only transformers of as-intended
    /// semantics.
    Batched,
}
