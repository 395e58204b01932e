use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sparsecbm::Schema;

use crate::api::Shared;
use crate::app::App;
use crate::failure::Failure;

/// The one version that there is.
pub const VERSION: &str = "1";

/// Which model a path names.
#[derive(Deserialize)]
pub struct Named {
    name: String,
    version: Option<String>,
}

impl Named {
    /// Refuses the name of another model.
    pub fn check(&self, app: &App) -> Result<(), Failure> {
        let own = &app.options.name;
        let wrong = match &self.version {
            _ if self.name != *own => format!("model: found '{}', expected '{own}'", self.name),
            Some(version) if version != VERSION => {
                format!("version of model '{own}': found '{version}', expected '{VERSION}'")
            }
            _ => return Ok(()),
        };
        Err(Failure::new(StatusCode::NOT_FOUND, "input", wrong))
    }
}

/// `GET /v2`
pub async fn server() -> Json<Value> {
    Json(json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data"],
    }))
}

/// `GET /v2/models/NAME`: the tensors, and under `parameters` where the model really runs.
pub async fn model(State(app): Shared, Path(named): Path<Named>) -> Result<Json<Value>, Failure> {
    named.check(&app)?;
    let inputs = INPUTS.map(|(name, datatype)| tensor(name, datatype, app.model.schema()));
    let outputs = OUTPUTS.map(|name| tensor(name, "FP32", app.model.schema()));
    Ok(Json(json!({
        "name": app.options.name,
        "versions": [VERSION],
        "platform": "sparsecbm_onnx",
        "inputs": inputs,
        "outputs": outputs,
        "parameters": { "device": app.model.device() },
    })))
}

/// `GET /v2/models/NAME/ready`
pub async fn model_ready(
    State(app): Shared,
    Path(named): Path<Named>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    named.check(&app)?;
    let ready = app.batcher.is_alive();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({ "name": app.options.name, "ready": ready }))))
}

/// The exported file's inputs and their types.
pub const INPUTS: [(&str, &str); 4] = [
    ("input_ids", "INT64"),
    ("attention_mask", "INT64"),
    ("concept_override", "FP32"),
    ("concept_override_mask", "FP32"),
];

/// The exported file's outputs, all `FP32`.
pub const OUTPUTS: [&str; 4] =
    ["concept_logits", "concept_values", "label_logits", "token_evidence"];

fn tensor(name: &str, datatype: &str, schema: &Schema) -> Value {
    let (k, c, l) = (schema.concept_count(), schema.class_count(), schema.label_count());
    let size = |count: usize| i64::try_from(count).expect("counts of names are small");
    let shape = match name {
        "input_ids" | "attention_mask" => vec![-1, -1],
        "concept_override_mask" => vec![-1, size(k)],
        "label_logits" => vec![-1, size(l)],
        "token_evidence" => vec![-1, size(k), size(c), -1],
        _ => vec![-1, size(k), size(c)],
    };
    json!({ "name": name, "datatype": datatype, "shape": shape })
}
