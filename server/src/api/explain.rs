use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sparsecbm::explain::{FaithfulnessOptions, OcclusionOptions, Policy};
use sparsecbm::{ExplainOptions, Explanation};
use tokio::task::spawn_blocking;

use super::Shared;
use super::texts::{self, Overrides, Values};
use crate::failure::Failure;
use crate::request::{self, Body};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    text: String,
    /// What is supposed before it is explained.
    #[serde(default)]
    set: Values,
    /// What is corrected before it is explained.
    #[serde(default)]
    correct: Values,
    /// Words to mask out; all where absent, 0 for none.
    max_words: Option<usize>,
    /// How many words at a time, a run of the model for each place.
    windows: Option<Vec<usize>>,
    #[serde(default)]
    faithfulness: bool,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    costs: BTreeMap<String, f32>,
}

/// `POST /v1/explain`
pub async fn explain(State(app): Shared, body: Body) -> Result<Json<Explanation>, Failure> {
    let asked: Asked = request::json(&body.0)?;
    let mut options = ExplainOptions::default();
    options.suggest.policy = asked.policy;
    options.suggest.costs = asked.costs;
    options.faithfulness = asked.faithfulness.then(FaithfulnessOptions::default);
    if asked.max_words != Some(0) {
        let mut occlusion = OcclusionOptions::default();
        occlusion.max_words = asked.max_words;
        occlusion.windows = asked.windows.unwrap_or(occlusion.windows);
        options.occlusion = Some(occlusion);
    }
    let overrides = Overrides { set: asked.set, correct: asked.correct }.read()?;
    let permit = app.explanations.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Failure::overload("explanations"))?;
    let (_, prediction) = texts::read(&app, vec![asked.text]).await?.swap_remove(0);
    let explained = spawn_blocking(move || {
        // It runs to its end even where the client goes, and so long nobody else gets its place.
        let _permit = permit;
        overrides.of(&prediction)?.explain(&options)
    });
    Ok(Json(explained.await.map_err(|_| Failure::gone())??))
}
