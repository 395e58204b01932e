use std::ffi::c_char;

use crate::arguments::element;
use crate::explanation::{Explanation, read};
use crate::status::Status;

/// One word that the model read. Its pointers live as long as the explanation.
#[repr(C)]
pub struct Word {
    /// The word; the token's piece where token ids were given.
    pub text: *const c_char,
    /// Whether the word is a part of a text: not where token ids were given.
    pub has_span: bool,
    /// Where it begins in the text, in bytes; 0 where there is no text.
    pub start: usize,
    /// Where it ends: the first byte after it; 0 where there is no text.
    pub end: usize,
    /// The first of the prediction's tokens that stand for it.
    pub first_token: usize,
    /// How many tokens stand for it.
    pub token_count: usize,
}

/// What words add to one concept logit, before overrides: the sum over the words plus `special` plus `bias`
/// is the logit. Its pointer lives as long as the explanation.
#[repr(C)]
pub struct WordEvidence {
    /// W numbers, one a word.
    pub words: *const f32,
    /// What the positions outside all words add: special tokens, padding.
    pub special: f32,
    /// The bias of the concept's head.
    pub bias: f32,
}

/// One word that the model read, in the order of the text.
///
/// `index`: 0 to W − 1. `word`: receives it. Threads: the explanation's. Errors: `ARGUMENT`, also where
/// there is no such word.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_word(
    explanation: *const Explanation,
    index: usize,
    word: *mut Word,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, word, "word", |explanation| {
            let word = element(&explanation.inner.evidence.words, index, "index")?;
            let span = word.utf8.clone();
            Ok(Word {
                text: explanation.words[index].as_ptr(),
                has_span: span.is_some(),
                start: span.as_ref().map_or(0, |span| span.start),
                end: span.map_or(0, |span| span.end),
                first_token: word.positions.start,
                token_count: word.positions.len(),
            })
        })
    }
}

/// What the words add to one concept logit, before overrides.
///
/// `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `evidence`: receives it. Threads:
/// the explanation's. Errors: `ARGUMENT`, also where there is no such concept or class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_word_evidence(
    explanation: *const Explanation,
    concept_index: usize,
    class_index: usize,
    evidence: *mut WordEvidence,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, evidence, "evidence", |explanation| {
            let concepts = &explanation.inner.evidence.concepts;
            let concept = element(concepts, concept_index, "concept_index")?;
            let words = element(&concept.evidence, class_index, "class_index")?;
            Ok(WordEvidence {
                words: words.as_ptr(),
                special: concept.special[class_index],
                bias: concept.bias[class_index],
            })
        })
    }
}
