//! The names of nodes: what a value is of, then the operator.

/// A node of a part of the graph. The second of that name is followed by `_2`, and so on.
pub fn name(part: &str, operator: &str) -> String {
    format!("{part}/{operator}")
}

/// The part that a node called `node` is of, where it is named after its operator.
pub fn part<'a>(node: &'a str, operator: &str) -> &'a str {
    node.strip_suffix(operator).and_then(|part| part.strip_suffix('/')).unwrap_or(node)
}

/// A part of a concept's branch; shared parts are called by their own names alone.
pub fn of_concept(concept: &str, part: &str) -> String {
    format!("{}{part}", branch(concept))
}

/// What the names of a branch's parts begin with.
pub fn branch(concept: &str) -> String {
    format!("{concept}/")
}

/// The concept heads.
pub const CONCEPT_HEAD: &str = "concept_head";
/// The first layer of heads that have two.
pub const CONCEPT_EXPANSION: &str = "concept_expansion";
/// The weights of the mean over positions.
pub const POOLING: &str = "pooling";
/// What hides positions from attention.
pub const ATTENTION_MASK: &str = "attention_mask";
/// The sum of embeddings.
pub const EMBEDDINGS: &str = "embeddings";
