//! Every path that the server answers.

mod explain;
mod health;
mod texts;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::app::App;
use crate::failure::Failure;
use crate::{metrics, protocol};

/// What every handler is given.
pub type Shared = State<Arc<App>>;

pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/predict", post(texts::predict))
        .route("/v1/intervene", post(texts::intervene))
        .route("/v1/explain", post(explain::explain))
        .route("/v2", get(protocol::server))
        .route("/v2/health/live", get(health::live))
        .route("/v2/health/ready", get(health::ready))
        .route("/v2/models/{name}", get(protocol::model))
        .route("/v2/models/{name}/ready", get(protocol::model_ready))
        .route("/v2/models/{name}/infer", post(protocol::infer))
        .route("/v2/models/{name}/versions/{version}", get(protocol::model))
        .route("/v2/models/{name}/versions/{version}/ready", get(protocol::model_ready))
        .route("/v2/models/{name}/versions/{version}/infer", post(protocol::infer))
        .route("/metrics", get(metrics::show))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), metrics::measure))
        .layer(DefaultBodyLimit::max(app.options.max_body))
        .with_state(app)
}

async fn unknown() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "input",
        "path: found none that is known, expected one of /v1 or /v2",
    )
}

async fn wrong_method() -> Failure {
    let message = "method: found another than this path takes, expected GET or, with a body, POST";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "input", message)
}
