use std::collections::BTreeMap;

use serde::Deserialize;
use sparsecbm::ExplainOptions;
use sparsecbm::explain::{FaithfulnessOptions, OcclusionOptions, Policy, SuggestOptions};
use wasm_bindgen::JsValue;

use crate::error::wrong_input;
use crate::pausing::Deadline;

/// `ExplainOptions` as JavaScript writes them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    policy: Policy,
    costs: BTreeMap<String, f32>,
    occlusion: Option<Occlusion>,
    faithfulness: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Occlusion {
    max_words: Option<usize>,
    windows: Option<Vec<usize>>,
    /// Milliseconds.
    time_limit: Option<f64>,
}

/// The options in a JavaScript object, and when it is to end.
pub(crate) fn options(object: JsValue) -> Result<(ExplainOptions, Deadline), JsValue> {
    let read: Options = serde_wasm_bindgen::from_value(object).map_err(|e| {
        let expected = "{policy, costs, occlusion: {maxWords, windows, timeLimit}, faithfulness}, each \
                        of them optional";
        wrong_input("explain: options", &e.to_string(), expected)
    })?;
    let limit = read.occlusion.as_ref().and_then(|occlusion| occlusion.time_limit);
    let mut options = ExplainOptions::default();
    options.suggest.policy = read.policy;
    options.suggest.costs = read.costs;
    options.occlusion = read.occlusion.map(|occlusion| {
        let mut options = OcclusionOptions::default();
        options.max_words = occlusion.max_words;
        options.windows = occlusion.windows.unwrap_or(options.windows);
        options
    });
    options.faithfulness = read.faithfulness.then(FaithfulnessOptions::default);
    Ok((options, Deadline::after(limit)?))
}

/// `SuggestOptions` as JavaScript writes them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Suggest {
    policy: Policy,
    costs: BTreeMap<String, f32>,
}

/// The options of a ranking of concepts in a JavaScript object.
pub(crate) fn suggest_options(object: JsValue) -> Result<SuggestOptions, JsValue> {
    let read: Suggest = serde_wasm_bindgen::from_value(object).map_err(|e| {
        let expected = "{policy, costs}, each of them optional";
        wrong_input("suggestInterventions: options", &e.to_string(), expected)
    })?;
    let mut options = SuggestOptions::from(read.policy);
    options.costs = read.costs;
    Ok(options)
}
