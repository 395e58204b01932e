use std::sync::Mutex;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::api::Shared;

/// What the server counts, in the form that Prometheus reads.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<Answered, Counter>,
    request_seconds: Family<Route, Histogram>,
    /// Texts of each run of the model.
    pub batch_texts: Histogram,
    /// How long each run of the model takes.
    pub run_seconds: Histogram,
    waiting: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

impl Metrics {
    pub fn new() -> Metrics {
        let seconds = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let metrics = Metrics {
            registry: Mutex::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            batch_texts: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            run_seconds: seconds(),
            waiting: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("sparsecbm");
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register_with_unit(
            "request",
            "From a request's head to its answer",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register(
            "batch_texts",
            "Texts of each run of the model",
            metrics.batch_texts.clone(),
        );
        registry.register_with_unit(
            "run",
            "Runs of the model",
            Unit::Seconds,
            metrics.run_seconds.clone(),
        );
        registry.register("waiting_texts", "Texts in the queue", metrics.waiting.clone());
        Metrics { registry: Mutex::new(registry), ..metrics }
    }
}

/// Counts and times every request.
pub async fn measure(State(app): Shared, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    // Paths that are not the server's are one route: clients could ask for any number of them.
    let route = path.map_or("none", MatchedPath::as_str).to_string();
    let start = Instant::now();
    let response = next.run(request).await;
    let metrics = &app.metrics;
    let status = response.status().as_u16();
    metrics.requests.get_or_create(&Answered { route: route.clone(), status }).inc();
    let seconds = start.elapsed().as_secs_f64();
    metrics.request_seconds.get_or_create(&Route { route }).observe(seconds);
    response
}

/// `GET /metrics`
pub async fn show(State(app): Shared) -> Response {
    let metrics = &app.metrics;
    metrics.waiting.set(i64::try_from(app.batcher.waiting()).unwrap_or(i64::MAX));
    let mut page = String::new();
    let registry = metrics.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    text::encode(&mut page, &registry).expect("a String takes any text");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(axum::http::header::CONTENT_TYPE, kind)], page).into_response()
}
