//! What a gradient is taken by, where one is: word embeddings between two texts, and mask bits that are inputs.

/// The values of the graph that gradients are taken by.
#[derive(Default)]
pub(crate) struct Variables {
    /// `[batch, sequence, E]`, and what it is made of.
    pub(crate) words: Option<Words>,
    /// Of each masked layer its name and the mask as floats, `[out, in]`, or `[out / B, 1, in]` where blocks
    /// are B > 1 high.
    pub(crate) masks: Vec<(String, String)>,
}

/// Word embeddings on the straight line between those of two texts.
pub(crate) struct Words {
    /// e(baseline) + alpha · (e(input) − e(baseline))
    pub(crate) between: String,
    /// e(input) − e(baseline)
    pub(crate) change: String,
}
