use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sparsecbm::{Error, ErrorKind};

/// Why a request has no answer; as the protocol has it, JSON with a field `error`.
#[derive(Debug, Clone)]
pub struct Failure {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Failure {
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, kind, message: message.into() }
    }

    /// The request is wrong at `place`.
    pub fn input(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Failure {
        Error::new(ErrorKind::Input, place, found, expected).into()
    }

    /// The request is larger than the server allows.
    pub fn too_large(place: impl Into<String>, found: String, most: usize) -> Failure {
        let error = Error::new(ErrorKind::Input, place, found, format!("at most {most}"));
        Failure { status: StatusCode::PAYLOAD_TOO_LARGE, ..error.into() }
    }

    /// The server has more to do than it lets wait.
    pub fn overload(what: &str) -> Failure {
        let message = format!("{what}: found no room, expected to be asked again in a while");
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "overload", message)
    }

    /// The part of the server that was to answer is gone.
    pub fn gone() -> Failure {
        let message = "the model's thread: found ended, expected to answer";
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "engine", message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let status = match error.kind() {
            ErrorKind::Input | ErrorKind::Format => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, error.kind().name(), error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
            kind: &'static str,
        }
        let body = Json(Body { error: self.message, kind: self.kind });
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
