use sparsecbm::ExplainOptions as InnerOptions;
use sparsecbm::explain::{
    FaithfulnessOptions, IntegratedOptions, OcclusionOptions, Policy as InnerPolicy,
};

use crate::arguments::{Out, array, reference};
use crate::explanation::Explanation;
use crate::gradients::Gradients;
use crate::options::{Options, known};
use crate::prediction::Prediction;
use crate::status::{Failure, Status, entry};

/// By what concepts are ranked when it is asked which one to ask a person about: one of the
/// `SCBM_POLICY_…`.
pub type Policy = i32;

/// Uncertainty times expected change.
pub const SCBM_POLICY_COMBINED: Policy = 0;
/// Entropy of the concept's probabilities.
pub const SCBM_POLICY_UNCERTAINTY: Policy = 1;
/// How far the concept moves the label's logits from the baseline.
pub const SCBM_POLICY_CONTRIBUTION: Policy = 2;
/// How far the label's probabilities are expected to move when the concept becomes known.
pub const SCBM_POLICY_EXPECTED_CHANGE: Policy = 3;

/// What an explanation is to hold beyond what is free. Set it to zero and `struct_size` to its size, then
/// what you want, as with `scbm_load_options`; it grows in the same way.
#[repr(C)]
pub struct ExplainOptions {
    /// `sizeof(scbm_explain_options)`.
    pub struct_size: u32,
    /// By what suggestions are ranked.
    pub policy: Policy,
    /// `cost_count` numbers above 0: what asking about each concept costs; a suggestion's score is divided
    /// by it. NULL: 1 each. Not needed after the call.
    pub costs: *const f32,
    /// K where there are costs, else 0.
    pub cost_count: usize,
    /// For how many words, at most, it is measured what the model loses without them: those with the most
    /// evidence. 0: none; `UINT32_MAX`: every one.
    pub occlusion_words: u32,
    /// In how many steps, at most, the orders of words that evidence and, where they were asked for, occlusion
    /// (of all words) and integrated gradients give are put to the test: two runs of the model a step, for each concept
    /// and order. 0: not at all.
    pub faithfulness_steps: u32,
    /// The model's gradients, to integrate them over the way from a text without words to the text; NULL: not
    /// at all. Not needed after the call.
    pub gradients: *const Gradients,
    /// Points on that way at which they are taken, for each class of each concept; 0: 50.
    pub integrated_steps: u32,
    /// With `occlusion_words`: windows of this many words are masked out too, at every place, and a word has the mean
    /// of what is lost with the windows that hold it and with it alone. 5 finds the words that carry a concept best.
    /// 0 or 1: single words alone.
    pub occlusion_window: u32,
}

// SAFETY: numbers and a pointer; the first is a `u32`.
unsafe impl Options for ExplainOptions {
    const NAME: &'static str = "scbm_explain_options";
}

/// Explains a prediction, with the overrides that it has.
///
/// `options`: NULL for the defaults. `explanation`: receives the explanation, which is the caller's to
/// free. Threads: the prediction's.
///
/// Errors: `INPUT` where a cost is not a number above 0 or the gradients are another model's, `ENGINE`,
/// `ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scbm_explain(
    prediction: *const Prediction,
    options: *const ExplainOptions,
    explanation: *mut *mut Explanation,
) -> Status {
    entry(|| {
        // SAFETY: as the caller promises.
        let (prediction, options, explanation) = unsafe {
            let prediction = reference(prediction, "prediction")?;
            let options = explain_options(options, prediction)?;
            (prediction, options, Out::new(explanation, "explanation")?)
        };
        explanation.write(Explanation::new(prediction, &options)?);
        Ok(())
    })
}

/// # Safety
/// `options` is NULL, or points to as many bytes as its first field says, and its costs are as many as it
/// says.
unsafe fn explain_options(
    options: *const ExplainOptions,
    prediction: &Prediction,
) -> Result<InnerOptions, Failure> {
    let mut chosen = InnerOptions::default();
    // SAFETY: as the caller promises.
    let Some(given) = unsafe { known(options) }? else { return Ok(chosen) };
    chosen.suggest.policy = match given.policy {
        SCBM_POLICY_COMBINED => InnerPolicy::Combined,
        SCBM_POLICY_UNCERTAINTY => InnerPolicy::Uncertainty,
        SCBM_POLICY_CONTRIBUTION => InnerPolicy::Contribution,
        SCBM_POLICY_EXPECTED_CHANGE => InnerPolicy::ExpectedChange,
        other => {
            let found = format!("number {other}");
            return Err(Failure::argument("options: policy", found, "one of SCBM_POLICY_…"));
        }
    };
    let concepts = &prediction.inner.model().schema().concepts;
    if !given.costs.is_null() || given.cost_count != 0 {
        if given.cost_count != concepts.len() {
            let expected = format!("{}, one per concept", concepts.len());
            let found = given.cost_count.to_string();
            return Err(Failure::argument("options: cost_count", found, &expected));
        }
        // SAFETY: as the caller promises.
        let costs = unsafe { array(given.costs, given.cost_count, "options: costs") }?;
        let named = concepts.iter().zip(costs).map(|(concept, &cost)| (concept.name.clone(), cost));
        chosen.suggest.costs = named.collect();
    }
    if given.occlusion_words > 0 {
        let mut occlusion = OcclusionOptions::default();
        let every = given.occlusion_words == u32::MAX;
        occlusion.windows = match given.occlusion_window {
            0 | 1 => vec![1],
            width => vec![width as usize, 1],
        };
        occlusion.max_words = (!every).then_some(given.occlusion_words as usize);
        chosen.occlusion = Some(occlusion);
    }
    if given.faithfulness_steps > 0 {
        let mut faithfulness = FaithfulnessOptions::default();
        faithfulness.steps = given.faithfulness_steps as usize;
        chosen.faithfulness = Some(faithfulness);
    }
    if !given.gradients.is_null() {
        // SAFETY: as the caller promises.
        let gradients = unsafe { reference(given.gradients, "options: gradients") }?;
        let mut integrated = IntegratedOptions::new(&gradients.inner);
        if given.integrated_steps > 0 {
            integrated.steps = given.integrated_steps as usize;
        }
        chosen.integrated = Some(integrated);
    }
    Ok(chosen)
}
