//! Requests from strangers: whatever they hold, they get an answer, and never one that blames the server.
//!
//! `SPARSECBM_FUZZ_MODEL` names the exported model. `docs/reliability.md` tells how to run it.

#![no_main]

use std::sync::LazyLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use clap::Parser;
use libfuzzer_sys::fuzz_target;
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

// The second byte is the value of the header that tells how long the JSON before binary data is; 255: none.
fuzz_target!(|bytes: &[u8]| {
    let [path, header, body @ ..] = bytes else { return };
    let mut request = Request::post(PATHS[usize::from(*path) % PATHS.len()]);
    if *header != 255 {
        request = request.header("Inference-Header-Content-Length", *header as usize * 4);
    }
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    let (status, answer) = RUNTIME.block_on(async {
        let response = ROUTER.clone().oneshot(request).await.expect("it cannot fail");
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.expect("the answer is whole"))
    });
    assert!(!status.is_server_error(), "{status}: {}", String::from_utf8_lossy(&answer));
});
