//! Calls that read objects. What they give is looked at at once, so that a sanitizer sees whether it is there.

use std::ffi::{CStr, c_char};
use std::hint::black_box;
use std::ptr::null_mut;
use std::slice;

use sparsecbm_c as c;

use super::input::Input;
use super::outcome::{given, made};

/// # Safety
/// `model` lives or is NULL.
pub(super) unsafe fn at_model(input: &mut Input, model: *const c::Model) {
    let (index, name) = (input.number(), input.name());
    // SAFETY: as the caller promises; names end in a zero byte, and places are valid.
    unsafe {
        let found = given(|place| c::scbm_model_find_concept(model, name.as_ptr(), place));
        black_box(found.is_some());
        let variables = [
            given(|place| c::scbm_model_get_concept(model, index, place)),
            given(|place| c::scbm_model_get_label(model, place)),
        ];
        for variable in variables.into_iter().flatten() {
            look_at_name(variable.name);
        }
        if let Some(schema) = given(|place| c::scbm_model_get_schema_json(model, place)) {
            look_at_name(schema);
        }
        look_at_name(c::scbm_status_name(index as i32));
    }
}

/// # Safety
/// `model` lives or is NULL.
pub(super) unsafe fn at_tokens(input: &mut Input, model: *const c::Model) {
    let (text, index, mut tokens) = (input.text(), input.number(), null_mut());
    // SAFETY: as the caller promises; the text is as long as is said, and places are valid. What is made is freed last.
    unsafe {
        let status = c::scbm_tokenize(model, text.as_ptr().cast(), text.len(), &mut tokens);
        if !made(status, tokens) {
            return;
        }
        let info = given(|place| c::scbm_tokens_get_info(tokens, place)).expect("they live");
        black_box(slice::from_raw_parts(info.ids, info.token_count).iter().max());
        if let Some(token) = given(|place| c::scbm_tokens_get_token(tokens, index, place)) {
            look_at_name(token.piece);
            assert!(token.end <= text.len(), "a token ends beyond its text");
        }
        c::scbm_tokens_free(tokens);
    }
}

/// # Safety
/// `prediction` lives or is NULL.
pub(super) unsafe fn at_outputs(input: &mut Input, prediction: *const c::Prediction) {
    // SAFETY: as the caller promises; places are valid.
    unsafe {
        if let Some(label) = given(|place| c::scbm_prediction_get_label(prediction, place)) {
            look_at(label.probabilities, label.class_count);
            look_at(label.logits, label.class_count);
            look_at_name(label.class_name);
        }
        let index = input.number();
        let concept = given(|place| c::scbm_prediction_get_concept(prediction, index, place));
        if let Some(concept) = concept {
            look_at(concept.probabilities, concept.class_count);
            look_at(concept.logits, concept.class_count);
            look_at_name(concept.class_name);
        }
    }
}

/// # Safety
/// `prediction` lives or is NULL.
pub(super) unsafe fn at_positions(input: &mut Input, prediction: *const c::Prediction) {
    let (index, class) = (input.number(), input.number());
    // SAFETY: as the caller promises; places are valid.
    unsafe {
        if let Some(token) = given(|place| c::scbm_prediction_get_token(prediction, index, place)) {
            look_at_name(token.piece);
            assert!(token.start <= token.end, "a token ends before it begins");
        }
        let evidence =
            given(|place| c::scbm_prediction_get_evidence(prediction, index, class, place));
        let info = given(|place| c::scbm_prediction_get_info(prediction, place));
        if let (Some(evidence), Some(info)) = (evidence, info) {
            look_at(evidence, info.position_count);
        }
    }
}

/// # Safety
/// `prediction` lives or is NULL.
pub(super) unsafe fn at_prediction_json(prediction: *const c::Prediction) {
    // SAFETY: as the caller promises; the place is valid.
    unsafe {
        if let Some(json) = given(|place| c::scbm_prediction_get_json(prediction, place)) {
            look_at_name(json);
        }
    }
}

/// # Safety
/// `explanation` lives or is NULL.
pub(super) unsafe fn at_explanation_json(explanation: *const c::Explanation) {
    // SAFETY: as the caller promises; the place is valid.
    unsafe {
        if let Some(json) = given(|place| c::scbm_explanation_get_json(explanation, place)) {
            look_at_name(json);
        }
    }
}

/// # Safety
/// `explanation` lives or is NULL.
pub(super) unsafe fn at_concept(input: &mut Input, explanation: *const c::Explanation) {
    let (concept, class) = (input.number(), input.number());
    // SAFETY: as the caller promises; places are valid.
    unsafe {
        let info = given(|place| c::scbm_explanation_get_info(explanation, place));
        let outcome =
            given(|place| c::scbm_explanation_get_what_if(explanation, concept, class, place));
        let words = given(|place| {
            c::scbm_explanation_get_word_evidence(explanation, concept, class, place)
        });
        let share =
            given(|place| c::scbm_explanation_get_contribution(explanation, concept, place));
        let Some(info) = info else { return };
        let of_label = [outcome.map(|o| o.probabilities), share.map(|s| s.label_logits)];
        for values in of_label.into_iter().flatten() {
            look_at(values, info.label_class_count);
        }
        if let Some(words) = words {
            look_at(words.words, info.word_count);
        }
    }
}

/// # Safety
/// `explanation` lives or is NULL.
pub(super) unsafe fn at_lists(input: &mut Input, explanation: *const c::Explanation) {
    let index = input.number();
    // SAFETY: as the caller promises; places are valid.
    unsafe {
        let change = given(|place| c::scbm_explanation_get_change(explanation, index, place));
        black_box(change.is_some());
        let suggestion =
            given(|place| c::scbm_explanation_get_suggestion(explanation, index, place));
        black_box(suggestion.is_some());
        if let Some(word) = given(|place| c::scbm_explanation_get_word(explanation, index, place)) {
            look_at_name(word.text);
        }
        let outcome = given(|place| c::scbm_explanation_get_changed_label(explanation, place));
        if let Some(outcome) = outcome {
            look_at_name(outcome.class_name);
        }
    }
}

/// # Safety
/// `subnetworks` live or are NULL.
pub(super) unsafe fn at_subnetworks(input: &mut Input, subnetworks: *const c::Subnetworks) {
    let index = input.number();
    // SAFETY: as the caller promises; places are valid.
    unsafe {
        let layer = given(|place| c::scbm_subnetworks_get_layer(subnetworks, index, place));
        black_box(layer.is_some());
        let concept = given(|place| c::scbm_subnetworks_get_concept(subnetworks, index, place));
        black_box(concept.is_some());
        if let Some(json) = given(|place| c::scbm_subnetworks_get_json(subnetworks, place)) {
            look_at_name(json);
        }
    }
}

/// Reads all values.
///
/// # Safety
/// How many are there.
unsafe fn look_at(values: *const f32, count: usize) {
    // SAFETY: as the caller promises, whom the library tells.
    black_box(unsafe { slice::from_raw_parts(values, count) }.iter().sum::<f32>());
}

/// # Safety
/// It is a string that ends in a zero byte.
unsafe fn look_at_name(name: *const c_char) {
    // SAFETY: as the caller promises, whom the library tells.
    black_box(unsafe { CStr::from_ptr(name) }.to_bytes().len());
}
