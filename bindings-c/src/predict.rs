use std::ffi::c_char;

use crate::arguments::{Out, array, reference, text};
use crate::model::Model;
use crate::prediction::Prediction;
use crate::status::{Failure, Status, entry};

/// Predicts one text. Any UTF-8 has an answer, the empty text too.
///
/// `text`: `length` bytes of UTF-8, zero bytes allowed; NULL is fine where `length` is 0. Not needed after
/// the call. `prediction`: receives the prediction, which is the caller's to free.
///
/// Threads: any. Errors: `ENGINE`, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_predict(
    model: *const Model,
    text: *const c_char,
    length: usize,
    prediction: *mut *mut Prediction,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, text, prediction) = unsafe {
            (
                reference(model, "model")?,
                self::text(text, length, "text")?,
                Out::new(prediction, "prediction")?,
            )
        };
        prediction.write(Prediction::new(model.inner.predict(text)?, &model.names));
        Ok(())
    })
}

/// Predicts several texts at once: `SCBM_ENGINE_SPARSE` and `SCBM_ENGINE_TRACT` run one text per thread, on as many
/// threads as `threads` of the load options says, by default one per core; ONNX Runtime runs batches on threads of its
/// own.
///
/// `texts`, `lengths`: `count` texts, each as for `scbm_predict`. `predictions`: receives `count`
/// predictions in the order of the texts, each the caller's to free. Where one text fails, none is
/// predicted. A `count` of 0 does nothing. Threads: any. Errors: as for `scbm_predict`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_predict_batch(
    model: *const Model,
    texts: *const *const c_char,
    lengths: *const usize,
    count: usize,
    predictions: *mut *mut Prediction,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, texts, lengths, predictions) = unsafe {
            (
                reference(model, "model")?,
                array(texts, count, "texts")?,
                array(lengths, count, "lengths")?,
                Out::array(predictions, count, "predictions")?,
            )
        };
        let texts = texts.iter().zip(lengths).enumerate().map(|(i, (&text, &length))| {
            // SAFETY: each text is `length` readable bytes, as the caller promises.
            unsafe { self::text(text, length, &format!("texts[{i}]")) }
        });
        let texts: Vec<&str> = texts.collect::<Result<_, Failure>>()?;
        let made = model.inner.predict_list(&texts, None)?;
        predictions.write_all(made.into_iter().map(|made| Prediction::new(made, &model.names)));
        Ok(())
    })
}

/// Predicts from token ids instead of a text.
///
/// `ids`: `count` ids of the model's vocabulary, special tokens included, without padding. `prediction`:
/// receives the prediction, which is the caller's to free.
///
/// Threads: any. Errors: `INPUT` where there are no ids, more than the model's `max_length`, or one that the
/// vocabulary does not have; `ENGINE`, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_predict_tokens(
    model: *const Model,
    ids: *const u32,
    count: usize,
    prediction: *mut *mut Prediction,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, ids, prediction) = unsafe {
            (
                reference(model, "model")?,
                array(ids, count, "ids")?,
                Out::new(prediction, "prediction")?,
            )
        };
        prediction.write(Prediction::new(model.inner.predict_tokens(ids)?, &model.names));
        Ok(())
    })
}

/// Predicts several sequences of token ids at once, as `scbm_predict_batch` does texts.
///
/// `ids`, `lengths`: `count` sequences, each as for `scbm_predict_tokens`. `predictions`: receives `count`
/// predictions in the order of the sequences, each the caller's to free. Where one sequence fails, none is
/// predicted. A `count` of 0 does nothing. Threads: any. Errors: as for `scbm_predict_tokens`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_predict_tokens_batch(
    model: *const Model,
    ids: *const *const u32,
    lengths: *const usize,
    count: usize,
    predictions: *mut *mut Prediction,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (model, ids, lengths, predictions) = unsafe {
            (
                reference(model, "model")?,
                array(ids, count, "ids")?,
                array(lengths, count, "lengths")?,
                Out::array(predictions, count, "predictions")?,
            )
        };
        let sequences = ids.iter().zip(lengths).enumerate().map(|(i, (&ids, &length))| {
            // SAFETY: each sequence is `length` readable ids, as the caller promises.
            unsafe { array(ids, length, &format!("ids[{i}]")) }
        });
        let sequences: Vec<&[u32]> = sequences.collect::<Result<_, Failure>>()?;
        let made = model.inner.predict_tokens_list(&sequences, None)?;
        predictions.write_all(made.into_iter().map(|made| Prediction::new(made, &model.names)));
        Ok(())
    })
}
