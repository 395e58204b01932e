use std::ffi::c_char;

use sparsecbm::Question;

use crate::intervene::{by_class, by_class_index, by_logits, by_probabilities};
use crate::prediction::Prediction;
use crate::status::Status;

/// Tells the model that a concept is of one class, by the class's name: the model misread the text, which is as
/// it was. The label follows from the text and from what is now known of the concept. Where another text is
/// meant, one in which the concept is so, `scbm_intervene_class` supposes.
///
/// Supposed and corrected concepts may be mixed. Else as `scbm_intervene_class`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_correct_class(
    prediction: *const Prediction,
    concept_name: *const c_char,
    class_name: *const c_char,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { by_class(Question::Correct, prediction, concept_name, class_name, changed) }
}

/// As `scbm_correct_class`, by the class's index; else as `scbm_intervene_class_index`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_correct_class_index(
    prediction: *const Prediction,
    concept_name: *const c_char,
    class_index: usize,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { by_class_index(Question::Correct, prediction, concept_name, class_index, changed) }
}

/// As `scbm_correct_class`, with probabilities; else as `scbm_intervene_probabilities`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_correct_probabilities(
    prediction: *const Prediction,
    concept_name: *const c_char,
    probabilities: *const f32,
    count: usize,
    changed: *mut *mut Prediction,
) -> Status {
    let asked = Question::Correct;
    // SAFETY: as the caller promises.
    unsafe { by_probabilities(asked, prediction, concept_name, probabilities, count, changed) }
}

/// As `scbm_correct_class`, with logits; else as `scbm_intervene_logits`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_correct_logits(
    prediction: *const Prediction,
    concept_name: *const c_char,
    logits: *const f32,
    count: usize,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { by_logits(Question::Correct, prediction, concept_name, logits, count, changed) }
}
