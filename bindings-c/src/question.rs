use sparsecbm::schema::InterventionKind;

use crate::arguments::{Out, element, reference};
use crate::model::Model;
use crate::prediction::Prediction;
use crate::status::{Status, entry};

/// What a person who overrides a concept asks: one of the `SCBM_QUESTION_…`.
pub type Question = i32;

/// Nothing: the concept is not overridden.
pub const SCBM_QUESTION_NONE: Question = 0;
/// As it would be if: `scbm_intervene_…`.
pub const SCBM_QUESTION_SUPPOSE: Question = 1;
/// The model misread the text: `scbm_correct_…`.
pub const SCBM_QUESTION_CORRECT: Question = 2;

/// How many answers a model has to the two questions that an override can ask: 2 where supposing and correcting
/// are told apart, 1 where both give the same.
///
/// `count`: receives it. Threads: any. Errors: `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_model_get_answer_count(
    model: *const Model,
    count: *mut usize,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, count) = unsafe { (reference(model, "model")?, Out::new(count, "count")?) };
        let two = model.inner.schema().intervention == InterventionKind::SupposeCorrect;
        count.write(if two { 2 } else { 1 });
        Ok(())
    })
}

/// What the override of a concept asks.
///
/// `concept_index`: 0 to K − 1, in the model's order. `question`: receives it; `SCBM_QUESTION_NONE` where the
/// concept is not overridden. Threads: the prediction's. Errors: `ARGUMENT`, also where there is no such concept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_prediction_get_question(
    prediction: *const Prediction,
    concept_index: usize,
    question: *mut Question,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, out) =
            unsafe { (reference(prediction, "prediction")?, Out::new(question, "question")?) };
        element(&prediction.names.concepts, concept_index, "concept_index")?;
        let concept = prediction.inner.concepts().nth(concept_index);
        out.write(match concept.and_then(|concept| concept.question) {
            None => SCBM_QUESTION_NONE,
            Some(sparsecbm::Question::Suppose) => SCBM_QUESTION_SUPPOSE,
            Some(sparsecbm::Question::Correct) => SCBM_QUESTION_CORRECT,
            Some(other) => unreachable!("an override that this library does not make: {other:?}"),
        });
        Ok(())
    })
}
