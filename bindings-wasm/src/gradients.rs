use js_sys::Reflect;
use serde::{Deserialize, Serialize};
use sparsecbm::edit::{EditOptions, EditProgress, EditTask};
use sparsecbm::explain::{IntegratedOptions, Progress};
use sparsecbm::{EngineChoice, Gradients, LoadOptions};
use wasm_bindgen::prelude::*;

use crate::error::{to_js, wrong_input};
use crate::model::{Loader, RawModel};
use crate::pausing::{Deadline, RawWork};
use crate::prediction::RawPrediction;
use crate::report::{plain, report};

/// The gradients of a model.
#[wasm_bindgen]
pub struct RawGradients {
    gradients: Gradients,
}

/// What an edit is to bring about.
#[wasm_bindgen]
pub struct RawEditTask {
    task: EditTask,
}

/// How far the search for an edit may go, as JavaScript writes it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Limits {
    max_share: Option<f64>,
    guard_weight: Option<f32>,
    rounds: Option<usize>,
    /// Milliseconds.
    time_limit: Option<f64>,
}

/// How integrated gradients are computed, as JavaScript writes it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Integrated {
    steps: Option<usize>,
    baseline: Option<u32>,
}

/// How far a search has come.
#[derive(Serialize)]
struct Searched {
    runs: usize,
    flips: usize,
    turned: usize,
    broken: usize,
}

#[wasm_bindgen]
impl Loader {
    /// The gradients of `model`, where the bytes are its file of gradients; the loader is used up.
    pub fn gradients(self, model: &RawModel) -> Result<RawGradients, JsValue> {
        let options = LoadOptions::default().with_engine(EngineChoice::Tract);
        let gradients = Gradients::from_bytes(self.bytes, &model.model, &options).map_err(to_js)?;
        Ok(RawGradients { gradients })
    }
}

#[wasm_bindgen]
impl RawEditTask {
    /// A task for `concept` of the model that `prediction` is of.
    #[wasm_bindgen(constructor)]
    pub fn new(prediction: &RawPrediction, concept: &str) -> Result<RawEditTask, JsValue> {
        let task = EditTask::new(prediction.prediction.model(), concept).map_err(to_js)?;
        Ok(RawEditTask { task })
    }

    /// Adds a text whose concept is to be of `class`.
    pub fn example(&mut self, prediction: &RawPrediction, class: &str) -> Result<(), JsValue> {
        self.task.example(&prediction.prediction, class).map_err(to_js)
    }

    /// Adds a text whose concept is to stay of the class that the model reads.
    pub fn guard(&mut self, prediction: &RawPrediction) -> Result<(), JsValue> {
        self.task.guard(&prediction.prediction).map_err(to_js)
    }
}

#[wasm_bindgen]
impl RawGradients {
    /// The engine in use, for people.
    pub fn engine(&self) -> String {
        self.gradients.device().engine.clone()
    }

    /// The search for the smallest edit that does what `task` asks for; it pauses between runs of the model.
    pub fn edit(&self, task: &RawEditTask, limits: JsValue) -> Result<RawWork, JsValue> {
        let limits: Limits = serde_wasm_bindgen::from_value(limits).map_err(|e| {
            let expected = "{guards, maxShare, guardWeight, rounds, timeLimit, onProgress}, each of \
                            them optional";
            wrong_input("edit: options", &e.to_string(), expected)
        })?;
        let mut options = EditOptions::default();
        options.max_share = limits.max_share.unwrap_or(options.max_share);
        options.guard_weight = limits.guard_weight.unwrap_or(options.guard_weight);
        options.rounds = limits.rounds.unwrap_or(options.rounds);
        let end = Deadline::after(limits.time_limit)?;
        let (gradients, task) = (self.gradients.clone(), task.task.clone());
        Ok(RawWork::new(|pauses| async move {
            let progress = async |now: EditProgress| {
                let (runs, flips) = (now.runs, now.flips);
                let now = Searched { runs, flips, turned: now.turned, broken: now.broken };
                pauses.tell(&now).await?;
                end.look()
            };
            let edit =
                gradients.edit_with_pauses(&task, &options, progress).await.map_err(to_js)?;
            let object = report(&edit)?;
            // A patch is what its file holds.
            Reflect::set(&object, &"patch".into(), &plain(&edit.patch)?)?;
            Ok(object)
        }))
    }

    /// What each word adds to each concept logit on the way from a text without words; it pauses after each class of
    /// each concept.
    #[wasm_bindgen(js_name = integratedGradients)]
    pub fn integrated_gradients(
        &self,
        prediction: &RawPrediction,
        options: JsValue,
    ) -> Result<RawWork, JsValue> {
        let given: Integrated = serde_wasm_bindgen::from_value(options).map_err(|e| {
            let expected = "{steps, baseline, onProgress}, each of them optional";
            wrong_input("integratedGradients: options", &e.to_string(), expected)
        })?;
        let mut options = IntegratedOptions::new(&self.gradients);
        options.steps = given.steps.unwrap_or(options.steps);
        options.baseline = given.baseline;
        let prediction = prediction.prediction.clone();
        Ok(RawWork::new(|pauses| async move {
            let progress = async |now: Progress| pauses.explained(now).await;
            let found = prediction.integrated_gradients_with_pauses(&options, progress).await;
            report(&found.map_err(to_js)?)
        }))
    }
}
