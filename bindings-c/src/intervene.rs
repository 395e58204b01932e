use std::ffi::c_char;

use sparsecbm::{ConceptValue, Question};

use crate::arguments::{Out, array, reference, string};
use crate::prediction::Prediction;
use crate::status::{Failure, Status, entry};

/// Supposes that a concept is of one class, by the class's name: as it would be if. The label follows as it does
/// when a person edits the text. Where the model misread the text, `scbm_correct_class` is meant.
///
/// The new prediction has this override on top of those that `prediction` has; of one concept the last holds,
/// whatever it asks, and else the order does not matter. Only the label is computed again, not what the model
/// says of the text.
///
/// `concept_name`, `class_name`: UTF-8, end in a zero byte. `changed`: receives the new prediction, which is
/// the caller's to free; `prediction` stays as it is. Threads: the prediction's. Errors: `INPUT` where the
/// model has no such concept or class, `ENGINE`, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_intervene_class(
    prediction: *const Prediction,
    concept_name: *const c_char,
    class_name: *const c_char,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { by_class(Question::Suppose, prediction, concept_name, class_name, changed) }
}

/// Supposes that a concept is of one class, by the class's index, 0 to the concept's `class_count` − 1. Else as
/// `scbm_intervene_class`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_intervene_class_index(
    prediction: *const Prediction,
    concept_name: *const c_char,
    class_index: usize,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { by_class_index(Question::Suppose, prediction, concept_name, class_index, changed) }
}

/// Supposes that a concept has these probabilities.
///
/// `probabilities`: `count` numbers from 0 to 1 whose sum is 1, one a class. Errors: also `INPUT` where they
/// are not that or `count` is not the concept's `class_count`. Else as `scbm_intervene_class`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_intervene_probabilities(
    prediction: *const Prediction,
    concept_name: *const c_char,
    probabilities: *const f32,
    count: usize,
    changed: *mut *mut Prediction,
) -> Status {
    let asked = Question::Suppose;
    // SAFETY: as the caller promises.
    unsafe { by_probabilities(asked, prediction, concept_name, probabilities, count, changed) }
}

/// Supposes that a concept has these logits, of which the softmax is taken.
///
/// `logits`: `count` finite numbers, one a class. Errors: also `INPUT` where they are not that or `count`
/// is not the concept's `class_count`. Else as `scbm_intervene_class`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_intervene_logits(
    prediction: *const Prediction,
    concept_name: *const c_char,
    logits: *const f32,
    count: usize,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { by_logits(Question::Suppose, prediction, concept_name, logits, count, changed) }
}

/// Takes back the override of one concept, if it has one.
///
/// `concept_name`: UTF-8, ends in a zero byte. `changed`: receives the new prediction, which is the caller's
/// to free. Threads: the prediction's. Errors: `INPUT` where the model has no such concept, `ENGINE`,
/// `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_undo(
    prediction: *const Prediction,
    concept_name: *const c_char,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    let name = || unsafe { string(concept_name, "concept_name") };
    // SAFETY: as the caller promises.
    unsafe { change(prediction, changed, |prediction| Ok(prediction.undo(name()?)?)) }
}

/// Takes back every override: bit for bit what the model said at first.
///
/// `changed`: receives the new prediction, which is the caller's to free. Threads: the prediction's. Errors:
/// `ENGINE`, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_undo_all(
    prediction: *const Prediction,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { change(prediction, changed, |prediction| Ok(prediction.undo_all())) }
}

/// # Safety
/// As for the functions above; as for all that follow.
pub(crate) unsafe fn by_class(
    question: Question,
    prediction: *const Prediction,
    concept_name: *const c_char,
    class_name: *const c_char,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    let class = || Ok(unsafe { string(class_name, "class_name") }?.into());
    // SAFETY: as the caller promises.
    unsafe { override_concept(question, prediction, concept_name, class, changed) }
}

pub(crate) unsafe fn by_class_index(
    question: Question,
    prediction: *const Prediction,
    concept_name: *const c_char,
    class_index: usize,
    changed: *mut *mut Prediction,
) -> Status {
    let class = || Ok(class_index.into());
    // SAFETY: as the caller promises.
    unsafe { override_concept(question, prediction, concept_name, class, changed) }
}

pub(crate) unsafe fn by_probabilities(
    question: Question,
    prediction: *const Prediction,
    concept_name: *const c_char,
    probabilities: *const f32,
    count: usize,
    changed: *mut *mut Prediction,
) -> Status {
    let probabilities = || {
        // SAFETY: as the caller promises.
        let given = unsafe { array(probabilities, count, "probabilities") }?;
        Ok(given.into())
    };
    // SAFETY: as the caller promises.
    unsafe { override_concept(question, prediction, concept_name, probabilities, changed) }
}

pub(crate) unsafe fn by_logits(
    question: Question,
    prediction: *const Prediction,
    concept_name: *const c_char,
    logits: *const f32,
    count: usize,
    changed: *mut *mut Prediction,
) -> Status {
    let logits = || {
        // SAFETY: as the caller promises.
        Ok(ConceptValue::Logits(unsafe { array(logits, count, "logits") }?.to_vec()))
    };
    // SAFETY: as the caller promises.
    unsafe { override_concept(question, prediction, concept_name, logits, changed) }
}

unsafe fn override_concept(
    question: Question,
    prediction: *const Prediction,
    concept_name: *const c_char,
    value: impl FnOnce() -> Result<ConceptValue, Failure>,
    changed: *mut *mut Prediction,
) -> Status {
    // SAFETY: as the caller promises.
    let name = || unsafe { string(concept_name, "concept_name") };
    // SAFETY: as the caller promises.
    unsafe {
        change(prediction, changed, |prediction| {
            Ok(prediction.overridden([(question, name()?, value()?)])?)
        })
    }
}

/// # Safety
/// Each pointer is NULL, or `prediction` is a live prediction and `changed` valid for writes.
unsafe fn change(
    prediction: *const Prediction,
    changed: *mut *mut Prediction,
    make: impl FnOnce(&sparsecbm::Prediction) -> Result<sparsecbm::Prediction, Failure>,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, changed) =
            unsafe { (reference(prediction, "prediction")?, Out::new(changed, "changed")?) };
        changed.write(Prediction::new(make(&prediction.inner)?, &prediction.names));
        Ok(())
    })
}
