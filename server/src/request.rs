//! What every request is read with.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::app::App;
use crate::failure::Failure;

/// A request's body: any content type, since clients of the protocol need not name one.
pub struct Body(pub Bytes);

impl FromRequest<Arc<App>> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Body, Failure> {
        let most = app.options.body_time();
        let body = timeout(most, Bytes::from_request(request, app)).await.map_err(|_| {
            let message = format!("request: found half a body, expected all of it within {most:?}");
            Failure::new(StatusCode::REQUEST_TIMEOUT, "input", message)
        })?;
        body.map(Body).map_err(|rejection| {
            Failure::new(rejection.status(), "input", format!("request: {}", rejection.body_text()))
        })
    }
}

/// The JSON that a request holds.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|e| Failure::input("request", e.to_string(), "JSON as this path takes it"))
}
