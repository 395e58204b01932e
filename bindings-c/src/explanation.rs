use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::{Arc, OnceLock};

use sparsecbm::{ExplainOptions, Explanation as Inner};

use crate::arguments::{Out, element, reference};
use crate::names::{self, Names, c_string, made_once};
use crate::prediction::Prediction;
use crate::status::{Failure, Status, entry, free};

/// Why a model says what it says of one text: what each concept adds to the label, what the label would be
/// under other concepts, which words speak for which concept. Belongs to one thread at a time and may be
/// handed to another. Needs neither its prediction nor its model any more. Freed by `scbm_explanation_free`.
pub struct Explanation {
    pub(crate) inner: Inner,
    names: Arc<Names>,
    pub(crate) words: Vec<CString>,
    /// Indices of the words that were masked out, one at a time.
    pub(crate) occluded: Vec<usize>,
    /// Made when it is asked for.
    json: OnceLock<CString>,
}

/// How much an explanation holds.
#[repr(C)]
pub struct ExplanationInfo {
    /// K, the number of concepts.
    pub concept_count: usize,
    /// L, the number of classes of the label.
    pub label_class_count: usize,
    /// W, the number of words that the model read.
    pub word_count: usize,
    /// The number of suggestions: concepts that are not overridden.
    pub suggestion_count: usize,
    /// The number of changes in the smallest set of concept changes that gives another label; 0 where no set
    /// does.
    pub change_count: usize,
    /// The number of orders of words that were put to the test; 0 where that was not asked for.
    pub faithfulness_count: usize,
}

/// What one concept adds to each label logit. Its pointers live as long as the explanation.
#[repr(C)]
pub struct Contribution {
    /// L numbers. Where the concept is overridden in a model of two answers: what is asserted of it is worth,
    /// whatever the text said of it. In models of one answer its override's share is included.
    pub label_logits: *const f32,
    /// L numbers: what the override changed in the label logits; NULL where there is none.
    pub override_share: *const f32,
}

/// The label as it would be. Its pointers live as long as the explanation.
#[repr(C)]
pub struct Outcome {
    /// The index of the label's class.
    pub class_index: usize,
    /// Its name.
    pub class_name: *const c_char,
    /// L probabilities.
    pub probabilities: *const f32,
    /// The mean under the probabilities of what the classes are worth, as `scbm_label` has it, else NaN.
    pub expected_value: f32,
}

/// One concept, taken from one class to another.
#[repr(C)]
pub struct Change {
    /// The concept.
    pub concept_index: usize,
    /// Its class as it is.
    pub from_class_index: usize,
    /// The class supposed instead.
    pub to_class_index: usize,
}

/// What asking a person about one concept may gain.
#[repr(C)]
pub struct Suggestion {
    /// The concept.
    pub concept_index: usize,
    /// What the policy goes by, divided by the cost: the larger, the sooner to ask.
    pub score: f32,
    /// Entropy of the concept's probabilities in nats.
    pub uncertainty: f32,
    /// Mean over the label's classes of the size of the concept's contribution to the logit.
    pub contribution: f32,
    /// Total variation distance, 0 to 1, by which the label's probabilities are expected to move when the
    /// concept becomes known.
    pub expected_change: f32,
    /// What asking costs; 1 where nothing else was told.
    pub cost: f32,
}

/// Frees an explanation; NULL is fine. What was read from it is gone with it. Threads: the explanation's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_free(explanation: *mut Explanation) {
    // SAFETY: as the caller promises.
    unsafe { free(explanation) }
}

/// How much an explanation holds.
///
/// `info`: receives it. Threads: the explanation's. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_info(
    explanation: *const Explanation,
    info: *mut ExplanationInfo,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, info, "info", |explanation| {
            let inner = &explanation.inner;
            Ok(ExplanationInfo {
                concept_count: inner.contributions.concepts.len(),
                label_class_count: inner.contributions.baseline.len(),
                word_count: inner.evidence.words.len(),
                suggestion_count: inner.suggestions.len(),
                change_count: inner.counterfactual.as_ref().map_or(0, |c| c.changes.len()),
                faithfulness_count: inner.faithfulness.len(),
            })
        })
    }
}

/// The whole explanation as JSON.
///
/// `json`: receives a string that lives as long as the explanation. Threads: the explanation's. Errors:
/// `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_json(
    explanation: *const Explanation,
    json: *mut *const c_char,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, json, "json", |explanation| {
            Ok(made_once(&explanation.json, || names::json(&explanation.inner))?.as_ptr())
        })
    }
}

/// The label logits where every concept has its mean logits. These plus the contributions of all concepts plus
/// the rest (`scbm_explanation_get_rest`) are the label's logits, exactly.
///
/// `label_logits`: receives a pointer to L numbers, which live as long as the explanation. Threads: the
/// explanation's. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_baseline(
    explanation: *const Explanation,
    label_logits: *mut *const f32,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, label_logits, "label_logits", |explanation| {
            Ok(explanation.inner.contributions.baseline.as_ptr())
        })
    }
}

/// What else the text says: in a model of two answers an overridden concept counts as what is asserted of it, and
/// this is what is left. 0 without overrides and in models of one answer (`scbm_model_get_answer_count`).
///
/// `label_logits`: receives a pointer to L numbers, which live as long as the explanation. Threads: the
/// explanation's. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_rest(
    explanation: *const Explanation,
    label_logits: *mut *const f32,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, label_logits, "label_logits", |explanation| {
            Ok(explanation.inner.contributions.rest.as_ptr())
        })
    }
}

/// What one concept adds to each label logit, against the mean of the training examples.
///
/// `concept_index`: 0 to K − 1. `contribution`: receives it. Threads: the explanation's. Errors: `ARGUMENT`,
/// also where there is no such concept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_contribution(
    explanation: *const Explanation,
    concept_index: usize,
    contribution: *mut Contribution,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, contribution, "contribution", |explanation| {
            let concepts = &explanation.inner.contributions.concepts;
            let concept = element(concepts, concept_index, "concept_index")?;
            Ok(Contribution {
                label_logits: concept.label_logits.as_ptr(),
                override_share: concept
                    .override_share
                    .as_ref()
                    .map_or(ptr::null(), |share| share.as_ptr()),
            })
        })
    }
}

/// The label where one concept is supposed to be of one class and the others are as they are.
///
/// `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `outcome`: receives it.
/// Threads: the explanation's. Errors: `ARGUMENT`, also where there is no such concept or class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_what_if(
    explanation: *const Explanation,
    concept_index: usize,
    class_index: usize,
    outcome: *mut Outcome,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, outcome, "outcome", |explanation| {
            let concept = element(&explanation.inner.what_if, concept_index, "concept_index")?;
            let found = element(&concept.outcomes, class_index, "class_index")?;
            let probabilities = &found.label_probabilities;
            Ok(explanation.outcome(found.label_index, probabilities, found.expected_value))
        })
    }
}

/// One change of the smallest set of concept changes that gives another label.
///
/// `index`: 0 to `change_count` − 1. `change`: receives it. Threads: the explanation's. Errors: `ARGUMENT`,
/// also where there is no such change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_change(
    explanation: *const Explanation,
    index: usize,
    change: *mut Change,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, change, "change", |explanation| {
            let changes = explanation.inner.counterfactual.as_ref().map(|c| c.changes.as_slice());
            let change = element(changes.unwrap_or_default(), index, "index")?;
            let concept_index = explanation.concept_index(&change.concept);
            Ok(Change {
                concept_index,
                from_class_index: explanation.inner.what_if[concept_index].class_index,
                to_class_index: change.to_index,
            })
        })
    }
}

/// The label that follows from all those changes.
///
/// `outcome`: receives it. Threads: the explanation's. Errors: `INPUT` where no set of changes gives another
/// label (`change_count` is 0), `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_changed_label(
    explanation: *const Explanation,
    outcome: *mut Outcome,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, outcome, "outcome", |explanation| {
            let found = explanation.inner.counterfactual.as_ref().ok_or_else(|| {
                let expected = "a change of concepts that gives another label";
                sparsecbm::Error::new(sparsecbm::ErrorKind::Input, "changes", "none", expected)
            })?;
            let probabilities = &found.label_probabilities;
            Ok(explanation.outcome(found.label_index, probabilities, found.expected_value))
        })
    }
}

/// Which concept to ask a person about; the best comes first.
///
/// `index`: 0 to `suggestion_count` − 1. `suggestion`: receives it. Threads: the explanation's. Errors:
/// `ARGUMENT`, also where there is no such suggestion.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_suggestion(
    explanation: *const Explanation,
    index: usize,
    suggestion: *mut Suggestion,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, suggestion, "suggestion", |explanation| {
            let suggestion = element(&explanation.inner.suggestions, index, "index")?;
            Ok(Suggestion {
                concept_index: explanation.concept_index(&suggestion.concept),
                score: suggestion.score,
                uncertainty: suggestion.uncertainty,
                contribution: suggestion.contribution,
                expected_change: suggestion.expected_change,
                cost: suggestion.cost,
            })
        })
    }
}

/// Reads something from an explanation into `out`, which errors call `name`.
///
/// # Safety
/// Each pointer is NULL, or `explanation` is a live explanation and `out` valid for writes.
pub(crate) unsafe fn read<T>(
    explanation: *const Explanation,
    out: *mut T,
    name: &str,
    value: impl FnOnce(&Explanation) -> Result<T, Failure>,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (explanation, out) =
            unsafe { (reference(explanation, "explanation")?, Out::new(out, name)?) };
        out.write(value(explanation)?);
        Ok(())
    })
}

impl Explanation {
    pub(crate) fn new(
        prediction: &Prediction,
        options: &ExplainOptions,
    ) -> Result<*mut Explanation, Failure> {
        let inner = prediction.inner.explain(options)?;
        let all = &inner.evidence.words;
        // A word of the text may be a zero byte, at which C would end it: it is shown as U+FFFD.
        let words = all.iter().map(|word| c_string(&word.text.replace('\0', "\u{fffd}")));
        let words = words.collect::<Result<_, _>>()?;
        let occluded = inner.occlusion.iter().flat_map(|occlusion| &occlusion.words);
        let index = |word| all.iter().position(|known| known == word).expect("a word of the text");
        let occluded = occluded.map(index).collect();
        let names = Arc::clone(&prediction.names);
        let json = OnceLock::new();
        Ok(Box::into_raw(Box::new(Explanation { inner, names, words, occluded, json })))
    }

    fn outcome(&self, class: usize, probabilities: &[f32], mean: Option<f32>) -> Outcome {
        Outcome {
            class_index: class,
            class_name: self.names.label.class(class),
            probabilities: probabilities.as_ptr(),
            expected_value: mean.unwrap_or(f32::NAN),
        }
    }

    pub(crate) fn concept_index(&self, name: &str) -> usize {
        let concepts = &self.inner.contributions.concepts;
        concepts.iter().position(|c| c.name == name).expect("a concept of the same model")
    }
}
