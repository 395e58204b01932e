//! What every request is read with.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A request's body: any content type, since clients of the protocol need not name one.
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Body, Failure> {
        Bytes::from_request(request, state).await.map(Body).map_err(|rejection| {
            Failure::new(rejection.status(), "input", format!("request: {}", rejection.body_text()))
        })
    }
}

/// The JSON that a request holds.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|e| Failure::input("request", e.to_string(), "JSON as this path takes it"))
}
