use serde::Serialize;

use crate::concept_layer::softmax;
use crate::error::{Error, ErrorKind, Result};
use crate::prediction::Prediction;

/// How deletion and insertion curves are made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaithfulnessOptions {
    /// Into how many steps the words are divided, at most; each costs two runs of the model.
    pub steps: usize,
    /// As in [`OcclusionOptions`](super::OcclusionOptions).
    pub replacement: Option<u32>,
}

impl Default for FaithfulnessOptions {
    /// Ten steps.
    fn default() -> FaithfulnessOptions {
        FaithfulnessOptions { steps: 10, replacement: None }
    }
}

/// Whether an order of words is the order in which they matter to the model: the probability of the
/// class that the model reads, as words are masked out (deletion) or put back (insertion) in that order.
///
/// After Petsiuk et al., *RISE*, BMVC 2018: under a good order deletion falls early (small area) and
/// insertion rises early (large area).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Faithfulness {
    /// The concept's name.
    pub concept: String,
    /// The class that the model reads in the whole text, before overrides.
    pub class: String,
    /// What ordered the words: `evidence`, `occlusion` or the caller's own word.
    pub method: String,
    /// From 0 to 1: shares of the words, one a point of the curves.
    pub shares: Vec<f32>,
    /// The class's probability with that share of the words masked out.
    pub deletion: Vec<f32>,
    /// The class's probability with only that share of the words left.
    pub insertion: Vec<f32>,
    /// Area under `deletion`.
    pub deletion_area: f32,
    /// Area under `insertion`.
    pub insertion_area: f32,
}

impl Prediction {
    /// The deletion and insertion curves of an order of this prediction's words, the most important
    /// first. `method` says what ordered them.
    ///
    /// # Errors
    /// `Input` where the model has no such concept, `order` does not name each word once, there are no
    /// steps or the vocabulary lacks the replacement; `Engine` where the engine fails.
    pub fn faithfulness(
        &self,
        concept: &str,
        method: &str,
        order: &[usize],
        options: &FaithfulnessOptions,
    ) -> Result<Faithfulness> {
        let k = self.model().schema().concept_index(concept)?;
        let words = self.words();
        let refused = |place: &str, found: String, expected: String| {
            Err(Error::new(ErrorKind::Input, place, found, expected))
        };
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if sorted.iter().copied().ne(0..words.len()) {
            let expected = format!("each of 0 to {} once", words.len().saturating_sub(1));
            return refused("order of words", format!("{} indices", order.len()), expected);
        }
        if options.steps == 0 {
            return refused("steps of the curves", "0".into(), "1 or more".into());
        }
        let replacement = self.replacement(options.replacement)?;
        let steps = options.steps.min(words.len());
        let counts: Vec<usize> =
            (0..=steps).map(|step| (step * words.len()).div_ceil(steps.max(1))).collect();
        let without = |out: &[usize]| self.ids_without(&words, out.iter().copied(), replacement);
        let deleted = counts.iter().map(|&count| without(&order[..count]));
        let inserted = counts.iter().map(|&count| without(&order[count..]));
        let texts = deleted.chain(inserted).collect();
        let class = self.own_class(k);
        let row = k * self.model().schema().class_count();
        let classes = self.model().schema().concepts[k].classes.len();
        let probability = |logits: &[f32]| softmax(&logits[row..row + classes])[class];
        let encoded = self.model().encode_ids(texts)?;
        let values: Vec<f32> = encoded.iter().map(|e| probability(&e.concept_logits)).collect();
        let (deletion, insertion) = values.split_at(counts.len());
        let share = |&count: &usize| count as f32 / words.len().max(1) as f32;
        let shares: Vec<f32> = counts.iter().map(share).collect();
        Ok(Faithfulness {
            concept: concept.into(),
            class: self.model().schema().concepts[k].classes[class].clone(),
            method: method.into(),
            deletion_area: area(&shares, deletion),
            insertion_area: area(&shares, insertion),
            deletion: deletion.to_vec(),
            insertion: insertion.to_vec(),
            shares,
        })
    }

    /// The class that the model itself reads for concept k, whatever the overrides.
    pub(crate) fn own_class(&self, k: usize) -> usize {
        crate::prediction::argmax(&self.concept_logits().row(k).to_vec())
    }
}

/// Area under a curve by the trapezoid rule; the value itself where there is one point.
fn area(shares: &[f32], values: &[f32]) -> f32 {
    if values.len() == 1 {
        return values[0];
    }
    let trapezoids = shares.windows(2).zip(values.windows(2));
    trapezoids.map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0).sum()
}
