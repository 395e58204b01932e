//! What only an explanation holds that was asked for it: runs of the model on texts with words masked out.

use std::ffi::{CStr, c_char};

use sparsecbm::{Error, ErrorKind};

use crate::arguments::element;
use crate::explanation::{Explanation, read};
use crate::status::{Failure, Status};

/// Which words were masked out, one at a time. Its pointer lives as long as the explanation.
#[repr(C)]
pub struct Occlusion {
    /// V, the number of words that were masked out.
    pub word_count: usize,
    /// V indices of words, 0 to W − 1, in the order of the text.
    pub word_indices: *const usize,
    /// Whether these are all words of the text.
    pub complete: bool,
}

/// Whether an order of words is the order in which they matter to the model. Its pointers live as long as
/// the explanation.
#[repr(C)]
pub struct Faithfulness {
    /// The concept.
    pub concept_index: usize,
    /// The class that the model reads in the whole text, before overrides.
    pub class_index: usize,
    /// What ordered the words: `evidence`, `occlusion` or `integrated`.
    pub method: *const c_char,
    /// The number of points of both curves.
    pub point_count: usize,
    /// From 0 to 1: shares of the words, one a point.
    pub shares: *const f32,
    /// The class's probability with that share of the words masked out, the most important first.
    pub deletion: *const f32,
    /// The class's probability with only that share of the words left, the most important first.
    pub insertion: *const f32,
    /// Area under `deletion`: small under a good order.
    pub deletion_area: f32,
    /// Area under `insertion`: large under a good order.
    pub insertion_area: f32,
}

/// Which words were masked out, one at a time.
///
/// `occlusion`: receives them; its pointer lives as long as the explanation. Threads: the explanation's.
/// Errors: `INPUT` where the explanation was made with `occlusion_words` 0, `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_occlusion(
    explanation: *const Explanation,
    occlusion: *mut Occlusion,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, occlusion, "occlusion", |explanation| {
            let found = done(explanation)?;
            Ok(Occlusion {
                word_count: explanation.occluded.len(),
                word_indices: explanation.occluded.as_ptr(),
                complete: found.complete,
            })
        })
    }
}

/// What one concept logit loses with each word that was masked out, before overrides.
///
/// `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `losses`: receives a pointer to V
/// numbers, which live as long as the explanation. Threads: the explanation's. Errors: `INPUT` where the explanation
/// was made with `occlusion_words` 0, `ARGUMENT`, also where there is no such concept or class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_concept_loss(
    explanation: *const Explanation,
    concept_index: usize,
    class_index: usize,
    losses: *mut *const f32,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, losses, "losses", |explanation| {
            let concept = element(&done(explanation)?.concepts, concept_index, "concept_index")?;
            Ok(element(&concept.logits, class_index, "class_index")?.as_ptr())
        })
    }
}

/// What one label logit loses with each word that was masked out, under the prediction's overrides.
///
/// `class_index`: 0 to L − 1. `losses`: receives a pointer to V numbers, which live as long as the
/// explanation. Threads: the explanation's. Errors: `INPUT` where the explanation was made with
/// `occlusion_words` 0, `ARGUMENT`, also where there is no such class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_label_loss(
    explanation: *const Explanation,
    class_index: usize,
    losses: *mut *const f32,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, losses, "losses", |explanation| {
            let logits = &done(explanation)?.label_logits;
            Ok(element(logits, class_index, "class_index")?.as_ptr())
        })
    }
}

/// How well one order of the words is the order in which they matter to the model.
///
/// `index`: 0 to `faithfulness_count` − 1. `faithfulness`: receives it; its pointers live as long as the
/// explanation. Threads: the explanation's. Errors: `ARGUMENT`, also where there is no such order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_faithfulness(
    explanation: *const Explanation,
    index: usize,
    faithfulness: *mut Faithfulness,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, faithfulness, "faithfulness", |explanation| {
            let found = element(&explanation.inner.faithfulness, index, "index")?;
            let concept_index = explanation.concept_index(&found.concept);
            let classes = &explanation.inner.evidence.concepts[concept_index].classes;
            let class_index = classes.iter().position(|class| *class == found.class);
            Ok(Faithfulness {
                concept_index,
                class_index: class_index.expect("a class of the concept"),
                method: method(&found.method).as_ptr(),
                point_count: found.shares.len(),
                shares: found.shares.as_ptr(),
                deletion: found.deletion.as_ptr(),
                insertion: found.insertion.as_ptr(),
                deletion_area: found.deletion_area,
                insertion_area: found.insertion_area,
            })
        })
    }
}

fn done(explanation: &Explanation) -> Result<&sparsecbm::explain::Occlusion, Failure> {
    explanation.inner.occlusion.as_ref().ok_or_else(|| {
        let expected = "an explanation made with occlusion_words above 0";
        Error::new(ErrorKind::Input, "occlusion", "none", expected).into()
    })
}

fn method(name: &str) -> &'static CStr {
    match name {
        "evidence" => c"evidence",
        "occlusion" => c"occlusion",
        "integrated" => c"integrated",
        other => unreachable!("explanations order words by three methods, not by {other}"),
    }
}
