use std::ops::ControlFlow;

use serde::Serialize;

use super::words::{Word, support};
use crate::error::{Error, ErrorKind, Result};
use crate::prediction::Prediction;

/// How many texts are given to the engine at once.
const BATCH: usize = 16;

/// How words are masked out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OcclusionOptions {
    /// The token id that stands in for each token of a word. `None`: the tokenizer's mask token, else
    /// its unknown token, else its padding token.
    pub replacement: Option<u32>,
    /// At most so many words are occluded, one run of the model each: those with the most evidence for
    /// or against any class of any concept. `None`: all.
    pub max_words: Option<usize>,
}

/// How far a computation of many runs has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Runs done.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
}

/// What the model loses with each word: its logits less those of the text with the word masked out.
///
/// Unlike evidence, which says where the concept's value was read off, this counts what a word does to
/// the reading of the others; it is what a model is really sensitive to, and costs a run a word.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Occlusion {
    /// The W words that were occluded, in the order of the text.
    pub words: Vec<Word>,
    /// Whether these are all words of the text.
    pub complete: bool,
    /// One entry a concept, in the schema's order.
    pub concepts: Vec<ConceptOcclusion>,
    /// `[L][W]`: what each label logit loses, under the prediction's overrides.
    pub label_logits: Vec<Vec<f32>>,
}

/// What one concept loses with each word.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConceptOcclusion {
    /// The concept's name.
    pub name: String,
    /// `[C]`: its class names.
    pub classes: Vec<String>,
    /// `[C][W]`: what each logit loses, before overrides.
    pub logits: Vec<Vec<f32>>,
}

impl ConceptOcclusion {
    /// `[W]`: how much each word speaks for `class` rather than for the others.
    pub fn support(&self, class: usize) -> Vec<f32> {
        support(&self.logits, class)
    }
}

impl Prediction {
    /// Masks out one word at a time and measures what the concept and label logits lose.
    ///
    /// After every few runs `progress` is called; where it breaks, the result holds the words done so
    /// far. Words come in the order of their evidence, so that an early end keeps the best.
    ///
    /// # Errors
    /// `Input` where the vocabulary lacks the replacement; `Engine` where the engine fails.
    pub fn occlusion(
        &self,
        options: &OcclusionOptions,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Occlusion> {
        let replacement = self.replacement(options.replacement)?;
        let words = self.words();
        let mut chosen = self.by_evidence(&words);
        chosen.truncate(options.max_words.unwrap_or(usize::MAX));
        let total = chosen.len();
        let mut lost = Vec::with_capacity(total);
        for batch in chosen.chunks(BATCH) {
            let texts = batch.iter().map(|&word| self.ids_without(&words, &[word], replacement));
            for (&word, without) in batch.iter().zip(self.model().encode_ids(texts.collect())?) {
                let label = self.label_logits_for(&without.concept_logits);
                lost.push((word, without.concept_logits, label));
            }
            if progress(Progress { done: lost.len(), total }).is_break() {
                break;
            }
        }
        lost.sort_by_key(|(word, ..)| *word);
        let label_logits = self.label().logits;
        let schema = self.model().schema();
        let concept_logits = self.concept_logits();
        let concepts = schema.concepts.iter().enumerate().map(|(k, concept)| {
            let classes = concept.classes.len();
            let of_class = |c: usize| {
                let without =
                    lost.iter().map(|(_, logits, _)| logits[k * schema.class_count() + c]);
                without.map(|without| concept_logits[[k, c]] - without).collect()
            };
            ConceptOcclusion {
                name: concept.name.clone(),
                classes: concept.classes.clone(),
                logits: (0..classes).map(of_class).collect(),
            }
        });
        let of_label =
            |(l, now): (usize, &f32)| lost.iter().map(|(_, _, without)| now - without[l]).collect();
        Ok(Occlusion {
            complete: lost.len() == words.len(),
            concepts: concepts.collect(),
            label_logits: label_logits.iter().enumerate().map(of_label).collect(),
            words: lost.iter().map(|(word, ..)| words[*word].clone()).collect(),
        })
    }

    /// The id that stands in for masked-out tokens.
    pub(super) fn replacement(&self, given: Option<u32>) -> Result<u32> {
        let size = self.model().vocabulary_size();
        match given {
            Some(id) if id as usize >= size => Err(Error::new(
                ErrorKind::Input,
                "replacement of occluded tokens",
                format!("id {id}"),
                format!("an id of the vocabulary, below {size}"),
            )),
            Some(id) => Ok(id),
            None => Ok(self.model().mask_id()),
        }
    }

    /// The input with the tokens of some words replaced.
    pub(super) fn ids_without(&self, words: &[Word], out: &[usize], replacement: u32) -> Vec<i64> {
        let mut ids: Vec<i64> = self.tokens().iter().map(|token| token.id.into()).collect();
        for &word in out {
            ids[words[word].positions.clone()].fill(replacement.into());
        }
        ids
    }

    /// The words, those with the largest evidence for any class of any concept first.
    fn by_evidence(&self, words: &[Word]) -> Vec<usize> {
        let evidence = self.word_evidence();
        let size = |word: usize| {
            let rows = evidence.concepts.iter().flat_map(|concept| &concept.evidence);
            rows.map(|row| row[word].abs()).fold(0.0, f32::max)
        };
        let mut order: Vec<usize> = (0..words.len()).collect();
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
        order
    }
}
