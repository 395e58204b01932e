//! What an explanation holds of integrated gradients, where they were asked for.

use sparsecbm::explain::{ConceptAttribution, IntegratedGradients};
use sparsecbm::{Error, ErrorKind};

use crate::arguments::element;
use crate::explanation::{Explanation, read};
use crate::status::{Failure, Status};

/// What each word adds to one concept logit on the way from a text without words to the text. The sum over the
/// words, plus `special`, plus `baseline`, is the logit, but for `convergence_error`. Its pointer lives as long
/// as the explanation.
#[repr(C)]
pub struct Attribution {
    /// W numbers, one a word.
    pub words: *const f32,
    /// What the positions outside all words add.
    pub special: f32,
    /// The logit of the text without words.
    pub baseline: f32,
    /// How far the sum is from the logit: more steps bring it down.
    pub convergence_error: f32,
}

/// What each word adds to one concept logit by integrated gradients, before overrides.
///
/// `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `attribution`: receives it; its
/// pointer lives as long as the explanation. Threads: the explanation's. Errors: `INPUT` where the explanation was made
/// without `gradients`, `ARGUMENT`, also where there is no such concept or class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explanation_get_attribution(
    explanation: *const Explanation,
    concept_index: usize,
    class_index: usize,
    attribution: *mut Attribution,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        read(explanation, attribution, "attribution", |explanation| {
            let found: &[ConceptAttribution] = &done(explanation)?.concepts;
            let concept = element(found, concept_index, "concept_index")?;
            Ok(Attribution {
                words: element(&concept.attributions, class_index, "class_index")?.as_ptr(),
                special: concept.special[class_index],
                baseline: concept.baseline[class_index],
                convergence_error: concept.convergence_error[class_index],
            })
        })
    }
}

fn done(explanation: &Explanation) -> Result<&IntegratedGradients, Failure> {
    explanation.inner.integrated.as_ref().ok_or_else(|| {
        let expected = "an explanation made with gradients";
        Error::new(ErrorKind::Input, "integrated gradients", "none", expected).into()
    })
}
