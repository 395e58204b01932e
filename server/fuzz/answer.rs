//! What is done with a request from a stranger. The fuzzer, `requests.rs`, and the tests, `tests/smoke.rs`, share it.

use std::sync::LazyLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use clap::Parser;
use sparsecbm_server::Options;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// What can be asked with a body, by the first byte of an input.
const PATHS: [&str; 5] = [
    "/v1/predict",
    "/v1/intervene",
    "/v1/explain",
    "/v2/models/sparsecbm/infer",
    "/v2/models/sparsecbm/versions/1/infer",
];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let model = std::env::var("SPARSECBM_FUZZ_MODEL").expect("SPARSECBM_FUZZ_MODEL names a model");
    let options = ["requests", &model, "--engine", "sparse", "--window", "0"];
    let _inside = RUNTIME.enter();
    sparsecbm_server::load(Options::parse_from(options)).expect("the model loads").router
});

/// Asks what the bytes say: the first which path, the second in fours how long the JSON before binary data is (255:
/// there is none), the rest is the body. Whatever they hold there is an answer, and never one that blames the server.
/// Gives its status; `None` where the bytes are too few to ask anything.
pub fn answer(bytes: &[u8]) -> Option<StatusCode> {
    let [path, header, body @ ..] = bytes else { return None };
    let mut request = Request::post(PATHS[usize::from(*path) % PATHS.len()]);
    if *header != 255 {
        request = request.header("Inference-Header-Content-Length", usize::from(*header) * 4);
    }
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    let (status, answer) = RUNTIME.block_on(async {
        let response = ROUTER.clone().oneshot(request).await.expect("it cannot fail");
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.expect("the answer is whole"))
    });
    assert!(!status.is_server_error(), "{status}: {}", String::from_utf8_lossy(&answer));
    Some(status)
}
