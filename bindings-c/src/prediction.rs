use std::ffi::{CString, c_char};
use std::sync::{Arc, OnceLock};

use crate::arguments::{Out, element, reference};
use crate::names::{self, Names, made_once};
use crate::status::{Failure, Status, entry, free};
use crate::tokens::{Token, pieces};

/// What a model says of one text, with the overrides that were made since. Never changes:
/// `scbm_intervene_…`, `scbm_correct_…` and `scbm_undo…` make another one, which shares what the model computed.
/// Belongs to one thread at a time, and may be handed to another. Keeps its model alive: the model may be freed
/// first. Freed by `scbm_prediction_free`.
pub struct Prediction {
    pub(crate) inner: sparsecbm::Prediction,
    pub(crate) names: Arc<Names>,
    /// The tokens' pieces, made when the first is asked for.
    pieces: OnceLock<Vec<CString>>,
    /// Made when it is asked for.
    json: OnceLock<CString>,
}

/// How much a prediction holds.
#[repr(C)]
pub struct PredictionInfo {
    /// K, the number of concepts.
    pub concept_count: usize,
    /// The number of tokens that the model read, special ones included.
    pub token_count: usize,
    /// How many tokens at the end of the text did not fit into the model's `max_length` and were left out.
    pub dropped_token_count: usize,
    /// S, the number of positions that have evidence: the tokens, then padding where the model reads it.
    pub position_count: usize,
}

/// The label of a prediction, after overrides. Its pointers live as long as the prediction.
#[repr(C)]
pub struct Label {
    /// The label's name.
    pub name: *const c_char,
    /// L, the number of its classes.
    pub class_count: usize,
    /// `class_count` names.
    pub class_names: *const *const c_char,
    /// The index of the most probable class.
    pub class_index: usize,
    /// Its name.
    pub class_name: *const c_char,
    /// `class_count` probabilities.
    pub probabilities: *const f32,
    /// `class_count` logits, of which the probabilities are the softmax.
    pub logits: *const f32,
    /// The mean under the probabilities of what the classes are worth, where the model tells that or every class
    /// name is a number (stars), else NaN.
    pub expected_value: f32,
}

/// One concept of a prediction. Its pointers live as long as the prediction.
#[repr(C)]
pub struct Concept {
    /// The concept's name.
    pub name: *const c_char,
    /// The number of its classes; concepts of one model may have different numbers.
    pub class_count: usize,
    /// `class_count` names.
    pub class_names: *const *const c_char,
    /// The index of the most probable class, after overrides.
    pub class_index: usize,
    /// Its name.
    pub class_name: *const c_char,
    /// `class_count` probabilities, after overrides.
    pub probabilities: *const f32,
    /// `class_count` logits: the model's own, before overrides.
    pub logits: *const f32,
    /// Whether the probabilities were given by an override; `scbm_prediction_get_question` tells what it asks.
    pub overridden: bool,
}

/// Frees a prediction; NULL is fine. What was read from it (strings, probabilities) is gone with it.
/// Threads: the prediction's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_free(prediction: *mut Prediction) {
    // SAFETY: as the caller promises.
    unsafe { free(prediction) }
}

/// How much a prediction holds.
///
/// `info`: receives it. Threads: the prediction's. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_get_info(
    prediction: *const Prediction,
    info: *mut PredictionInfo,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, info) =
            unsafe { (reference(prediction, "prediction")?, Out::new(info, "info")?) };
        let (concept_count, _, position_count) = prediction.inner.token_evidence().dim();
        info.write(PredictionInfo {
            concept_count,
            token_count: prediction.inner.tokens().len(),
            dropped_token_count: prediction.inner.dropped_tokens(),
            position_count,
        });
        Ok(())
    })
}

/// The whole prediction as JSON: label, concepts and tokens.
///
/// `json`: receives a string that lives as long as the prediction. Threads: the prediction's. Errors:
/// `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_get_json(
    prediction: *const Prediction,
    json: *mut *const c_char,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, json) =
            unsafe { (reference(prediction, "prediction")?, Out::new(json, "json")?) };
        json.write(made_once(&prediction.json, || names::json(&prediction.inner))?.as_ptr());
        Ok(())
    })
}

/// The label, after overrides.
///
/// `label`: receives it; its pointers live as long as the prediction. Threads: the prediction's. Errors:
/// `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_get_label(
    prediction: *const Prediction,
    label: *mut Label,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, out) =
            unsafe { (reference(prediction, "prediction")?, Out::new(label, "label")?) };
        let label = prediction.inner.label();
        let names = &prediction.names.label;
        out.write(Label {
            name: names.name.as_ptr(),
            class_count: names.class_count(),
            class_names: names.classes(),
            class_index: label.class_index,
            class_name: names.class(label.class_index),
            probabilities: label.probabilities.as_ptr(),
            logits: label.logits.as_ptr(),
            expected_value: label.expected_value.unwrap_or(f32::NAN),
        });
        Ok(())
    })
}

/// One concept, after overrides.
///
/// `index`: 0 to K − 1, in the model's order. `concept_out`: receives it; its pointers live as long as the
/// prediction. Threads: the prediction's. Errors: `ARGUMENT`, also where there is no such concept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_get_concept(
    prediction: *const Prediction,
    index: usize,
    concept_out: *mut Concept,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, out) = unsafe {
            (reference(prediction, "prediction")?, Out::new(concept_out, "concept_out")?)
        };
        let names = element(&prediction.names.concepts, index, "index")?;
        let concept = prediction.inner.concepts().nth(index).expect("as many concepts as names");
        out.write(Concept {
            name: names.name.as_ptr(),
            class_count: names.class_count(),
            class_names: names.classes(),
            class_index: concept.class_index,
            class_name: names.class(concept.class_index),
            probabilities: concept.probabilities.as_ptr(),
            logits: concept.logits.as_ptr(),
            overridden: concept.overridden,
        });
        Ok(())
    })
}

/// One token that the model read.
///
/// `index`: 0 to `token_count` − 1. `token`: receives it; its pointer lives as long as the prediction.
/// Threads: the prediction's. Errors: `MODEL` where a piece of the vocabulary holds a zero byte, `ARGUMENT`,
/// also where there is no such token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_get_token(
    prediction: *const Prediction,
    index: usize,
    token: *mut Token,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, out) =
            unsafe { (reference(prediction, "prediction")?, Out::new(token, "token")?) };
        out.write(Token::at(index, prediction.inner.tokens(), prediction.pieces()?)?);
        Ok(())
    })
}

/// What each position adds to one concept logit, before overrides: the sum over the positions plus the
/// bias of the concept's head is the logit, exactly.
///
/// `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `values`: receives a pointer
/// to S values, which live as long as the prediction; S is `position_count`. Threads: the prediction's. Errors:
/// `ARGUMENT`, also where there is no such concept or class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_get_evidence(
    prediction: *const Prediction,
    concept_index: usize,
    class_index: usize,
    values: *mut *const f32,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, out) =
            unsafe { (reference(prediction, "prediction")?, Out::new(values, "values")?) };
        let names = element(&prediction.names.concepts, concept_index, "concept_index")?;
        let evidence = prediction.inner.token_evidence();
        let (_, width, positions) = evidence.dim();
        if class_index >= names.class_count() {
            let expected = format!("0 to {}", names.class_count() - 1);
            return Err(Failure::argument("class_index", class_index.to_string(), &expected));
        }
        let all = evidence.to_slice().expect("evidence is kept row by row");
        out.write(all[(concept_index * width + class_index) * positions..].as_ptr());
        Ok(())
    })
}

impl Prediction {
    pub(crate) fn new(inner: sparsecbm::Prediction, names: &Arc<Names>) -> *mut Prediction {
        let names = Arc::clone(names);
        Box::into_raw(Box::new(Prediction {
            inner,
            names,
            pieces: OnceLock::new(),
            json: OnceLock::new(),
        }))
    }

    fn pieces(&self) -> Result<&[CString], Failure> {
        Ok(made_once(&self.pieces, || pieces(self.inner.tokens()))?)
    }
}
