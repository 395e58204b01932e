use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Shared;

/// `GET /v2/health/live`: the process answers.
pub async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// `GET /v2/health/ready`: the model answers, and where it really runs. It is loaded before the server
/// listens.
pub async fn ready(State(app): Shared) -> (StatusCode, Json<Value>) {
    let ready = app.batcher.is_alive();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "device": app.model.device() })))
}
