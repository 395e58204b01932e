use crate::engine::Sequence;

/// A text, or a point between it and its baseline, at which a concept's logits are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// `[S]`: token ids, padding included.
    pub ids: Vec<i64>,
    /// How many of the ids, from the left, are tokens; the rest is padding.
    pub attended: usize,
    /// `[S]`: the token that each position is at `alpha` 0.
    pub baseline: Vec<i64>,
    /// How far the words' embeddings are from the baseline's, 0, to the text's, 1.
    pub alpha: f32,
}

impl Point {
    /// The text itself.
    pub(crate) fn text(Sequence { ids, attended }: Sequence) -> Point {
        Point { baseline: ids.clone(), ids, attended, alpha: 1.0 }
    }
}
